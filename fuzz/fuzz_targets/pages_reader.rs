//! Cursors and checker on a damaged data file. The body is shared with the ordinary tests.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/src/fuzz/pages_reader.rs"]
mod body;

fuzz_target!(|changes: &[u8]| {
    body::check(changes);
});
