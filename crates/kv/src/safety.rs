#![doc = include_str!("safety.md")]

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_test_that_the_page_names_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = fs::read_to_string(root.join("src/safety.md")).unwrap();
        let mut named = 0;
        for (file, test) in page.split('`').filter_map(|part| part.split_once(".rs::")) {
            let file =
                if file.starts_with("src/") { format!("{file}.rs") } else { format!("tests/{file}.rs") };
            let text = fs::read_to_string(root.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(text.contains(&format!("fn {test}(")), "{file}::{test}");
            named += 1;
        }
        assert!(named > 40, "{named}");
    }
}
