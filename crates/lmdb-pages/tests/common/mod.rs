//! What the tests share: environments, tables and their contents.
#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    clippy::unwrap_used,
    reason = "helpers of tests, not all used by each"
)]

pub mod model;
pub mod shape;
pub mod twin;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseFlags, Env, EnvOpenOptions, WithoutTls};
use lmdb_pages::TableFlags;

pub type Raw = Database<'static, Bytes, Bytes>;

pub fn open(dir: &std::path::Path) -> Env<WithoutTls> {
    open_sized(dir, 1 << 30)
}

#[expect(unsafe_code, reason = "opening an environment is unsafe in heed")]
pub fn open_sized(dir: &std::path::Path, map_size: usize) -> Env<WithoutTls> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_size).max_dbs(16);
    // SAFETY: each test opens its own new file, once at a time; losing it in a crash does not matter.
    unsafe { options.flags(heed::EnvFlags::NO_SYNC).open(dir).unwrap() }
}

pub fn table(env: &Env<WithoutTls>, name: Option<&str>, flags: TableFlags) -> Raw {
    let txn = env.write_txn().unwrap();
    env.create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
        let mut options = opener.database_options().types::<Bytes, Bytes>();
        options.flags(DatabaseFlags::from_bits_retain(flags.bits().into()));
        if let Some(name) = name {
            options.name(name);
        }
        options.create(txn).map(CommitOrAbort::<_, ()>::Commit)
    })
    .unwrap()
    .unwrap_commit()
}

pub fn put(env: &Env<WithoutTls>, table: Raw, pairs: &[(&[u8], &[u8])]) {
    let mut txn = env.write_txn().unwrap();
    for (key, value) in pairs {
        table.put(&mut txn, key, value).unwrap();
    }
    txn.commit().unwrap();
}

/// How many cases a property test runs: `FACTUM_CASES`, or a few.
pub fn cases() -> u32 {
    std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

/// Runs an expression with the orders of a table as types.
macro_rules! with_orders {
    ($flags:expr, $key:ident, $dup:ident => $body:expr) => {{
        use lmdb_pages::{Lexicographic, NativeInteger, OrderKind, ReverseBytes};
        macro_rules! with_key {
            ($order:ty) => {{
                type $key = $order;
                match OrderKind::of_duplicates($flags) {
                    OrderKind::Lexicographic => {
                        type $dup = Lexicographic;
                        $body
                    }
                    OrderKind::NativeInteger => {
                        type $dup = NativeInteger;
                        $body
                    }
                    OrderKind::ReverseBytes => {
                        type $dup = ReverseBytes;
                        $body
                    }
                }
            }};
        }
        match OrderKind::of_keys($flags) {
            OrderKind::Lexicographic => with_key!(Lexicographic),
            OrderKind::NativeInteger => with_key!(NativeInteger),
            OrderKind::ReverseBytes => with_key!(ReverseBytes),
        }
    }};
}

pub(crate) use with_orders;
