//! Any text: the reader answers with forms that make sense or with an error that points into the text.

use edn::{Form, Reader, Value};

/// Reads the text as forms and as values, prints and reads again.
pub fn check(text: &str) {
    let forms: Result<Vec<Form>, _> = Reader::new(text).with_quote(true).collect();
    let values: Result<Vec<Value>, _> = Reader::new(text).with_quote(true).values().collect();
    match (forms, values) {
        (Ok(forms), Ok(values)) => {
            assert_eq!(forms.len(), values.len());
            for (form, value) in forms.iter().zip(&values) {
                assert!(text.get(form.span.start..form.span.end).is_some());
                assert_eq!(&form.to_value(), value);
                let printed = value.to_string();
                assert_eq!(edn::read(&printed).as_ref(), Ok(value), "{printed}");
                assert_eq!(edn::read(&edn::pretty(value, 40)).as_ref(), Ok(value));
            }
        }
        (Err(left), Err(right)) => {
            assert_eq!(left, right);
            assert!(text.get(left.span().start..left.span().end).is_some());
            assert!(!left.render(text).is_empty());
        }
        (forms, values) => panic!("forms: {forms:?}\nvalues: {values:?}"),
    }
}
