//! What must never happen: a killed process loses nothing it acknowledged, damaged files and hostile texts end in errors, a full
//! disk leaves a database that works, a disk that loses what it was given is found out. And other programs that know LMDB read our files and write on in them.
//!
//! `FACTUM_CASES` multiplies how often each of them is tried.

mod crash;
mod damage;
mod depth;
mod full_disk;
mod fuzz;
mod independent;
mod lying_disk;

/// How often to try something: `default`, or as many times more as `FACTUM_CASES` says.
fn tries(default: u64) -> u64 {
    let factor = std::env::var("FACTUM_CASES").ok().and_then(|text| text.parse::<u64>().ok());
    default * factor.unwrap_or(1)
}

/// The first seed of a run; printed with every failure.
fn seed() -> u64 {
    std::env::var("FACTUM_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_240_601)
}
