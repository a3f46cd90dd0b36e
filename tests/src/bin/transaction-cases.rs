//! Writes random sequences of transactions with what Factum makes of them, as cases that `tests/datalevin/run` asks of Datalevin.
//!
//! ```text
//! cargo run --release -p tests --bin transaction-cases -- FIRST-SEED SEQUENCES TRANSACTIONS > cases.edn
//! tests/datalevin/run cases.edn | grep 'agrees false'
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|number| number.parse().ok()).collect();
    let [first, sequences, transactions] = numbers[..] else {
        eprintln!("usage: transaction-cases FIRST-SEED SEQUENCES TRANSACTIONS");
        return ExitCode::FAILURE;
    };
    println!("[{{:schemas {{:t {}}}}}", tests::transactions::SCHEMA);
    for seed in first..first + sequences {
        match tests::transactions::cases(seed, transactions as usize) {
            Ok(cases) => println!("{cases}"),
            Err(error) => {
                eprintln!("seed {seed}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("]");
    ExitCode::SUCCESS
}
