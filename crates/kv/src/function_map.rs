#![doc = include_str!("function_map.md")]

#[cfg(test)]
mod tests {
    /// The functions that Datalevin documents for its key-value layer.
    const FUNCTIONS: &str = "
        open-kv close-kv closed-kv? dir sync set-env-flags get-env-flags
        open-dbi clear-dbi drop-dbi list-dbis stat entries copy
        transact-kv transact-kv-async with-transaction-kv abort-transact-kv kv-wal-watermarks flush-kv-indexer!
        k v put-buffer read-buffer
        get-value get-rank get-by-rank
        get-first get-first-n get-range key-range key-range-count key-range-list-count range-seq range-count sample-kv
        get-some range-filter range-keep range-some range-filter-count visit-key-range visit
        open-list-dbi put-list-items del-list-items get-list visit-list list-count in-list?
        list-range list-range-count list-range-first list-range-first-n list-range-filter list-range-keep
        list-range-filter-count list-range-some visit-list-range
        re-index";

    #[test]
    fn every_function_has_a_row_with_its_own_form() {
        let rows: Vec<Vec<&str>> = include_str!("function_map.md")
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect();
        let mut names: Vec<&str> = Vec::new();
        for row in &rows {
            let [name, rust, form] = row.as_slice() else { panic!("{row:?}") };
            let name = name.trim_matches('`');
            let form = form.trim_matches('`');
            let called = form.trim_start_matches('(').split([' ', ')']).next();
            assert_eq!(called, Some(name), "the form of {name}");
            assert!(form.ends_with(')') && !rust.is_empty(), "{row:?}");
            names.push(name);
        }
        for function in FUNCTIONS.split_whitespace() {
            assert_eq!(names.iter().filter(|name| **name == function).count(), 1, "{function}");
        }
    }
}
