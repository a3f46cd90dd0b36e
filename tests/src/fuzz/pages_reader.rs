//! A data file with bytes changed: cursors and the checker answer or report damage.
//!
//! The input is a list of changes, five bytes each: a position (little-endian, taken modulo the length of the file) and the
//! byte that stands there.

use std::ops::Bound;
use std::sync::OnceLock;

use lmdb_pages::{
    Cursor, Error, Lexicographic, NativeInteger, Order, Result, Snapshot, TableFlags, count_range,
};

/// Entries that a damaged file may show before it counts as going round in circles.
const STEPS_MAX: u64 = 5_000_000;

/// A real data file of the database, with tables of every kind that it uses.
fn file() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let options = factum::Options::new().durability(factum::Durability::None).schema(
            "{:n {:db/valueType :db.type/long :db/unique :db.unique/identity}
              :to {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}",
        );
        let connection = factum::Connection::open_with(dir.path(), options).expect("opens");
        for part in 0..3 {
            let one = |n: usize| {
                format!(
                    "{{:n {n} :to [{} 1] :text \"{}\"}}",
                    n / 3 + 1,
                    "x".repeat(if n.is_multiple_of(60) { 9000 } else { n % 50 })
                )
            };
            let data: String = (part * 130..(part + 1) * 130).map(one).collect();
            connection.transact(format!("[{data}]")).expect("commits");
        }
        connection.close().expect("open");
        std::fs::read(dir.path().join("data.mdb")).expect("the data file")
    })
}

/// Applies the changes and reads everything. Gives whether the damage was noticed.
pub fn check(changes: &[u8]) -> bool {
    let mut bytes = file().to_vec();
    for change in changes.chunks_exact(5) {
        let position = u32::from_le_bytes([change[0], change[1], change[2], change[3]]) as usize;
        let at = position % bytes.len();
        bytes[at] = change[4];
    }
    match read_all(bytes) {
        Ok(sound) => !sound,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            true
        }
    }
}

fn read_all(bytes: Vec<u8>) -> Result<bool> {
    let snapshot = Snapshot::from_bytes(bytes)?;
    let sound = lmdb_pages::check::check(&snapshot).is_sound();
    let mut steps = 0;
    for name in snapshot.table_names()? {
        let Some(table) = snapshot.table(&name)? else { continue };
        // Errors of one table say nothing about the others.
        let outcome = match (
            table.flags().contains(TableFlags::INTEGER_KEY),
            table.flags().contains(TableFlags::INTEGER_DUP),
        ) {
            (false, false) => walk::<Lexicographic, Lexicographic>(&snapshot, &table, &mut steps),
            (false, true) => walk::<Lexicographic, NativeInteger>(&snapshot, &table, &mut steps),
            (true, false) => walk::<NativeInteger, Lexicographic>(&snapshot, &table, &mut steps),
            (true, true) => walk::<NativeInteger, NativeInteger>(&snapshot, &table, &mut steps),
        };
        match outcome {
            Ok(()) | Err(Error::Corrupted { .. } | Error::WrongOrder { .. } | Error::NotATable { .. }) => {}
            Err(error) => panic!("{name}: {error}"),
        }
        assert!(steps < STEPS_MAX, "{name}: the walk does not end");
    }
    Ok(sound)
}

fn walk<K: Order, D: Order>(snapshot: &Snapshot, table: &lmdb_pages::Table, steps: &mut u64) -> Result<()> {
    let mut cursor = Cursor::<K, D>::new(snapshot, table)?;
    let mut seen = 0_u64;
    while let Some((key, value)) = cursor.next()? {
        seen += key.len() as u64 + value.len() as u64;
        *steps += 1;
        if *steps > STEPS_MAX {
            break;
        }
    }
    let mut cursor = Cursor::<K, D>::new(snapshot, table)?;
    while cursor.prev()?.is_some() {
        *steps += 1;
        if *steps > STEPS_MAX {
            break;
        }
    }
    let key = seen.to_le_bytes();
    let mut cursor = Cursor::<K, D>::new(snapshot, table)?;
    cursor.seek(&key)?;
    cursor.dup_count()?;
    count_range::<K>(snapshot, table, Bound::Included(&key), Bound::Unbounded)?;
    Ok(())
}
