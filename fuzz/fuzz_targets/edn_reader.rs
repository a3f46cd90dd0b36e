//! The EDN reader. The body is shared with the ordinary tests.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/src/fuzz/edn_reader.rs"]
mod body;

fuzz_target!(|text: &str| {
    body::check(text);
});
