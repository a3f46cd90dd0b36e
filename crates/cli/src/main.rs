//! The `factum` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    factum_cli::main()
}
