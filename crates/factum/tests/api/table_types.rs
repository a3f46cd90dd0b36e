//! Registered types as keys and list items of key-value tables, beside a naive table: a `BTreeMap` from order key and value.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use factum::kv::codec::{KeyType, Str};
use factum::kv::{DbiOptions, DumpFormat, DynTable, EnvOptions, KeyRange, LoadOptions, ReIndex, Table};
use factum::{Connection, InOrder, Kv, OrderedType, Value, edn};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

const LENGTH: &str = "{:index {:type :long :order-fn (fn [s] (count s))}}";
const DOWN: &str = "{:index {:type :long :order-fn (fn [n] (- n))}}";

fn named(name: &str) -> KeyType {
    KeyType::from_value(&edn::read(name).expect("EDN")).expect("a type")
}

/// A table whose keys are ordered by their length.
fn by_length(kv: &Kv, name: &str) -> DynTable {
    kv.register_type(":my/length", LENGTH).expect("registered");
    let options = DbiOptions::new().counted(true).types(named(":my/length"), named(":long"));
    let dbi = kv.open_dbi(name, options).expect("a table");
    Table::of_stored(&kv.read().expect("a state"), dbi).expect("types")
}

fn text(random: &mut StdRng) -> Value {
    let letters = random.random_range(0..5);
    Value::from((0..letters).map(|_| random.random_range('a'..'d')).collect::<String>())
}

fn length(value: &Value) -> usize {
    value.as_str().expect("a text").chars().count()
}

#[test]
fn ranges_counts_and_ranks_are_those_of_a_sorted_map() {
    let steps = std::env::var("FACTUM_TABLE_STEPS").map_or(600, |steps| steps.parse().expect("a number"));
    let mut random = StdRng::seed_from_u64(7);
    let kv = Kv::temporary().expect("a store");
    let table = by_length(&kv, "words");
    let mut model: BTreeMap<(usize, Value), i64> = BTreeMap::new();
    for step in 0..steps {
        let mut txn = kv.write().expect("a transaction");
        let mut next = model.clone();
        for _ in 0..random.random_range(1..6) {
            let key = text(&mut random);
            if random.random_bool(0.7) {
                table.put(&mut txn, &key, &Value::Int(step)).expect("put");
                next.insert((length(&key), key), step);
            } else {
                let was = next.remove(&(length(&key), key.clone())).is_some();
                assert_eq!(table.delete(&mut txn, &key).expect("deleted"), was);
            }
        }
        // What is taken back was never there.
        if random.random_bool(0.2) {
            drop(txn);
        } else {
            txn.commit().expect("committed");
            model = next;
        }

        let read = kv.read().expect("a state");
        let (from, to) = (text(&mut random), text(&mut random));
        let bound = |kind: u32, value| match kind {
            0 => Bound::Unbounded,
            1 => Bound::Included(value),
            _ => Bound::Excluded(value),
        };
        let (low, high) = (bound(random.random_range(0..3), &from), bound(random.random_range(0..3), &to));
        let within = |key: &Value| {
            let above = match low {
                Bound::Unbounded => true,
                Bound::Included(low) => length(key) >= length(low),
                Bound::Excluded(low) => length(key) > length(low),
            };
            above
                && match high {
                    Bound::Unbounded => true,
                    Bound::Included(high) => length(key) <= length(high),
                    Bound::Excluded(high) => length(key) < length(high),
                }
        };
        let mut expected: Vec<(Value, Value)> = model
            .iter()
            .filter(|((_, key), _)| within(key))
            .map(|((_, key), value)| (key.clone(), Value::Int(*value)))
            .collect();
        let range = KeyRange::new(low, high);
        let found = |range| {
            table.range(&read, range).expect("a range").collect::<Result<Vec<_>, _>>().expect("pairs")
        };
        assert_eq!(found(range), expected);
        assert_eq!(table.range_count(&read, range).expect("a count"), expected.len() as u64);
        expected.reverse();
        assert_eq!(found(range.rev()), expected);
        let key = text(&mut random);
        let place = model.keys().position(|(_, other)| *other == key);
        assert_eq!(table.rank(&read, &key).expect("a rank"), place.map(|place| place as u64));
        let value = model.get(&(length(&key), key.clone())).map(|value| Value::Int(*value));
        assert_eq!(table.get(&read, &key).expect("a value"), value);
    }
    let words = kv.existing_dbi("words").expect("the table");
    kv.read().expect("a state").verify_counts(&words).expect("counts");
}

#[test]
fn list_ranges_are_those_of_sorted_sets() {
    let mut random = StdRng::seed_from_u64(8);
    let kv = Kv::temporary().expect("a store");
    kv.register_type(":my/down", DOWN).expect("registered");
    kv.register_type(":my/length", LENGTH).expect("registered");
    let options = DbiOptions::list().counted(true).types(named(":my/length"), named(":my/down"));
    let dbi = kv.open_dbi("lists", options).expect("a table");
    let table = DynTable::of_stored(&kv.read().expect("a state"), dbi).expect("types");
    let mut model: BTreeSet<(usize, Value, i64)> = BTreeSet::new();
    for _ in 0..300 {
        let mut txn = kv.write().expect("a transaction");
        let (key, number) = (text(&mut random), random.random_range(0..10));
        let entry = (length(&key), key.clone(), -number);
        if random.random_bool(0.75) {
            table.put_list(&mut txn, &key, [&Value::Int(number)]).expect("put");
            model.insert(entry);
        } else {
            table.delete_list(&mut txn, &key, [&Value::Int(number)]).expect("deleted");
            model.remove(&entry);
        }
        txn.commit().expect("committed");

        let read = kv.read().expect("a state");
        let (key, from) = (text(&mut random), random.random_range(0..10));
        let expected: Vec<(Value, Value)> = model
            .iter()
            .filter(|(len, _, number)| *len >= length(&key) && -number <= from)
            .map(|(_, key, number)| (key.clone(), Value::Int(-number)))
            .collect();
        let from = Value::Int(from);
        let found = table
            .list_range(&read, KeyRange::at_least(&key), KeyRange::at_least(&from))
            .expect("a range")
            .collect::<Result<Vec<_>, _>>()
            .expect("pairs");
        assert_eq!(found, expected);
        let near = model.iter().find(|(_, other, number)| *other == key && Value::Int(-number) <= from);
        let near = near.map(|(_, _, number)| Value::Int(-number));
        assert_eq!(table.near_list(&read, &key, &from).expect("an item"), near);
    }
}

#[test]
fn a_table_remembers_its_type() {
    let dir = tempfile::tempdir().expect("a directory");
    for durability in [factum::Durability::Full, factum::Durability::Wal] {
        let path = dir.path().join(format!("{durability:?}"));
        let options = EnvOptions::new().durability(durability);
        {
            let kv = Kv::open_with(&path, &options).expect("a store");
            let table = by_length(&kv, "words");
            kv.with_transaction(|txn| table.put(txn, &"fig".into(), &Value::Int(1))).expect("put");
        }
        let kv = Kv::open_with(&path, &options).expect("the store");
        let dbi = kv.existing_dbi("words").expect("the table");
        let table = DynTable::of_stored(&kv.read().expect("a state"), dbi).expect("types");
        kv.with_transaction(|txn| table.put(txn, &"a".into(), &Value::Int(2))).expect("put");
        let read = kv.read().expect("a state");
        assert_eq!(table.first(&read, ..).expect("a pair"), Some(("a".into(), Value::Int(2))));
    }
}

#[test]
fn types_go_with_dumps() {
    let kv = Kv::temporary().expect("a store");
    let table = by_length(&kv, "words");
    kv.with_transaction(|txn| {
        table.put(txn, &"fig".into(), &Value::Int(1))?;
        table.put(txn, &"a".into(), &Value::Int(2))
    })
    .expect("put");
    let mut dump = Vec::new();
    kv.read().expect("a state").dump(&[], DumpFormat::Factum, &mut dump).expect("dumped");

    let other = Kv::temporary().expect("a store");
    other.load(dump.as_slice(), &LoadOptions::new()).expect("loaded");
    let dbi = other.existing_dbi("words").expect("the table");
    let table = DynTable::of_stored(&other.read().expect("a state"), dbi).expect("types");
    other.with_transaction(|txn| table.put(txn, &"bb".into(), &Value::Int(3))).expect("put");
    let read = other.read().expect("a state");
    let keys = table.keys(&read, ..).expect("keys").collect::<Result<Vec<_>, _>>().expect("keys");
    assert_eq!(keys, ["a".into(), "bb".into(), "fig".into()]);

    // Where the name means something else, nothing is loaded.
    let third = Kv::temporary().expect("a store");
    third.register_type(":my/length", DOWN).expect("registered");
    let refused = third.load(dump.as_slice(), &LoadOptions::new()).expect_err("another definition");
    assert_eq!(refused.code(), ":custom-type/conflict");
    assert!(third.dbi_names().expect("names").is_empty());
}

#[test]
fn a_table_can_be_rebuilt_in_another_order() {
    let kv = Kv::temporary().expect("a store");
    let table = by_length(&kv, "words");
    kv.with_transaction(|txn| {
        table.put(txn, &"a".into(), &Value::Int(1))?;
        table.put(txn, &"b".into(), &Value::Int(1))?;
        table.put(txn, &"aa".into(), &Value::Int(1))
    })
    .expect("put");
    let keys = |name: &str| {
        let dbi = kv.existing_dbi("words").expect("the table");
        let read = kv.read().expect("a state");
        let table = DynTable::of_stored(&read, dbi).expect("types");
        assert_eq!(table.key_codec().to_string(), name);
        let keys = table.keys(&read, ..).expect("keys").collect::<Result<Vec<_>, _>>().expect("keys");
        keys.iter().map(|key| key.as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(":my/length"), ["a", "b", "aa"]);
    kv.re_index(&ReIndex::new().table("words", DbiOptions::new().key_type_of(named(":string"))))
        .expect("rebuilt");
    assert_eq!(keys(":string"), ["a", "aa", "b"]);
    kv.re_index(&ReIndex::new().table("words", DbiOptions::new().key_type_of(named(":my/length"))))
        .expect("rebuilt");
    assert_eq!(keys(":my/length"), ["a", "b", "aa"]);
}

#[test]
fn what_is_registered_in_a_transaction_goes_with_it() {
    let kv = Kv::temporary().expect("a store");
    let mut txn = kv.write().expect("a transaction");
    kv.register_type_in(&mut txn, ":my/order", LENGTH).expect("registered");
    drop(txn);
    let options = || DbiOptions::new().key_type_of(named(":my/order"));
    let missing = kv.open_dbi("t", options()).expect_err("taken back");
    assert_eq!((missing.code(), missing.hint().is_some()), (":custom-type/not-found", true));
    // The name is free for something else.
    kv.register_type(":my/order", DOWN).expect("registered");
    let dbi = kv.open_dbi("t", options()).expect("a table");
    let table = DynTable::of_stored(&kv.read().expect("a state"), dbi).expect("types");
    kv.with_transaction(|txn| table.put(txn, &Value::Int(1), &Value::Nil)).expect("put");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Priority {
    level: String,
}

impl OrderedType for Priority {
    const NAME: &'static str = ":my/priority";
    type Key = i64;

    fn order_key(&self) -> i64 {
        ["low", "normal", "high"].iter().position(|level| *level == self.level).map_or(-1, |at| at as i64)
    }
}

fn priority(level: &str) -> Priority {
    Priority { level: level.to_owned() }
}

/// A table that a program made with a type of its own.
fn of_priorities(kv: &Kv) -> Table<InOrder<Priority>, Str> {
    let keys = InOrder::<Priority>::default();
    let options = DbiOptions::new().key_type_of(keys.key_type());
    kv.open_table_with("tasks", options, keys, Str).expect("a table")
}

#[test]
fn a_rust_type_and_its_values_share_a_table() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let kv = Kv::open(dir.path()).expect("a store");
        let tasks = of_priorities(&kv);
        kv.with_transaction(|txn| {
            tasks.put(txn, &priority("high"), "fire")?;
            tasks.put(txn, &priority("low"), "tea")
        })
        .expect("put");
    }
    let kv = Kv::open(dir.path()).expect("the store");
    let dbi = kv.existing_dbi("tasks").expect("the table");
    let read = kv.read().expect("a state");
    let values = DynTable::of_call(&read, dbi, None, Some(named(":raw"))).expect("types");
    // Without the program's function, everything is still read, in its order; what needs a key says what is missing.
    let first = values.first(&read, ..).expect("a pair").expect("a pair").0;
    assert_eq!(first, edn::read("{:level \"low\"}").expect("EDN"));
    let error = values.get(&read, &first).expect_err("no function");
    assert_eq!((error.code(), error.hint().is_some()), (":udf/not-found", true));
    // With it, all is there.
    kv.register::<Priority>().expect("registered");
    assert!(values.get(&read, &first).expect("a value").is_some());
    let tasks = of_priorities(&kv);
    let urgent = tasks.range(&read, &priority("normal")..).expect("a range");
    assert_eq!(urgent.collect::<Result<Vec<_>, _>>().expect("pairs"), [(priority("high"), "fire")]);
}

#[test]
fn types_of_a_database_and_of_its_tables_are_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    for options in ["{}", "{:wal? true}"] {
        let conn = Connection::open_with(
            dir.path().join(options.len().to_string()),
            factum::Options::from_value(&edn::read(options).expect("EDN")).expect("options"),
        )
        .expect("a database");
        conn.register_type(":my/length", LENGTH).expect("registered");
        let kv = conn.kv().expect("its tables");
        let table = by_length(&kv, "words");
        kv.with_transaction(|txn| table.put(txn, &"fig".into(), &Value::Int(1))).expect("put");
        kv.register_type(":my/down", DOWN).expect("registered");
        conn.update_schema("{:n {:db/valueType :my/down}}").expect("a type of the database");
        let error = kv.register_type(":my/length", DOWN).expect_err("taken");
        assert_eq!(error.code(), ":custom-type/conflict");

        // Whoever has only the tables cannot add types beside a database.
        let tables = Kv::open(conn.path().expect("a path")).expect("its tables");
        let error = tables.register_type(":my/new", DOWN).expect_err("beside a database");
        assert_eq!((error.code(), error.hint().is_some()), (":custom-type/beside-facts", true));
    }
}
