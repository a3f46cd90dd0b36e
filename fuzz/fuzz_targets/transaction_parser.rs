//! Transaction data, parsed and applied. The body is shared with the ordinary tests.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/src/fuzz/transaction_parser.rs"]
mod body;

fuzz_target!(|text: &str| {
    body::check(text);
});
