//! Every example runs to its end: what it asserts holds, and it says something.

use std::process::Command;

#[track_caller]
fn runs(program: &str, said: &str) {
    let run = Command::new(program).output().expect("the program starts");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}\n{err}");
    assert!(out.contains(said), "{out}");
}

macro_rules! examples {
    ($($name:ident says $said:literal;)*) => {
        $(#[test]
        fn $name() {
            runs(env!(concat!("CARGO_BIN_EXE_", stringify!($name))), $said);
        })*
    };
}

// Not the tour, which is the main command of the README, nor `extract`, which makes the bundled data.
examples! {
    built_queries says "[:find";
    in_memory says "minutes of work";
    key_value says "visits of Ann: Some(1)";
    ordered_types says "the shortest tag is sh";
    quick_start says "Ann";
    recursive_rules says "packages that need each other";
    speculative_with says "dependants of libc6";
    transactions says "1000 visits are on disk";
    typed_rows says "(again)";
    typed_transactions says "refused: ";
}
