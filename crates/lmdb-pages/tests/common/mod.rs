//! What the tests share: environments, tables and their contents.
#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests, not all used by each")]

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseFlags, Env, EnvOpenOptions, WithoutTls};
use lmdb_pages::TableFlags;

pub type Raw = Database<'static, Bytes, Bytes>;

#[expect(unsafe_code, reason = "opening an environment is unsafe in heed")]
pub fn open(dir: &std::path::Path) -> Env<WithoutTls> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(1 << 30).max_dbs(16);
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
