//! Dumps in every form, rebuilding, results that spill to disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use factum_kv::codec::{KeyType, Long, Raw, Str};
use factum_kv::{
    DbiFlags, DbiOptions, DumpFormat, Env, EnvOptions, Error, KeyRange, LoadOptions, OnExisting, ReIndex,
    Read, SpillOptions, Table,
};

use super::{code, quick};

type Contents = BTreeMap<String, (DbiFlags, Vec<(Vec<u8>, Vec<u8>)>)>;

fn contents(env: &Env) -> Contents {
    let read = env.read().unwrap();
    let table = |name: String| {
        let dbi = env.existing_dbi(&name).unwrap();
        let mut cursor = read.cursor(&dbi).unwrap();
        let mut pairs = Vec::new();
        while let Some((key, value)) = cursor.next().unwrap() {
            pairs.push((key.to_vec(), value.to_vec()));
        }
        (name, (dbi.flags(), pairs))
    };
    env.dbi_names().unwrap().into_iter().map(table).collect()
}

/// Tables of every kind, with every byte.
fn sample(env: &Env) {
    sample_of(env, |_| true);
}

/// The same, with the bytes that are allowed only.
fn sample_of(env: &Env, allowed: impl Fn(u8) -> bool) {
    let mut txn = env.write().unwrap();
    let plain = txn.open_dbi("plain \\ \"name\"", DbiFlags::empty()).unwrap();
    for byte in (0..=255u8).filter(|byte| allowed(*byte)) {
        txn.put(&plain, &[byte, b'/', byte], &vec![byte; usize::from(byte) * 20]).unwrap();
    }
    let list = txn.open_dbi("list", DbiFlags::DUPSORT).unwrap();
    let reverse = txn.open_dbi("reverse", DbiFlags::REVERSEKEY | DbiFlags::REVERSEDUP).unwrap();
    for key in ["a", "b c", "z"] {
        for item in 0..700u32 {
            let item = format!("item {item}");
            txn.put(&list, key.as_bytes(), item.as_bytes()).unwrap();
            txn.put(&reverse, key.as_bytes(), item.as_bytes()).unwrap();
        }
    }
    let integers = txn.open_dbi("integers", DbiFlags::INTEGERKEY | DbiFlags::INTEGERDUP).unwrap();
    for number in (0..300u64).filter(|number| allowed(*number as u8) && allowed((number * 7 % 100) as u8)) {
        txn.put(&integers, &(number * 7 % 100).to_ne_bytes(), &number.to_ne_bytes()).unwrap();
    }
    txn.open_dbi("empty", DbiFlags::DUPFIXED).unwrap();
    txn.commit().unwrap();
}

fn dump(env: &Env, format: DumpFormat) -> Vec<u8> {
    let mut text = Vec::new();
    let report = env.read().unwrap().dump(&[], format, &mut text).unwrap();
    assert_eq!(report.tables, 5);
    text
}

#[test]
fn dumps_of_every_form_load_equal() {
    let (_dir, env) = quick();
    sample(&env);
    let expected = contents(&env);
    assert_eq!(expected.len(), 5);
    for format in [DumpFormat::Factum, DumpFormat::ByteValue, DumpFormat::Print] {
        let text = dump(&env, format);
        let (_dir, other) = quick();
        let report = other.load(text.as_slice(), &LoadOptions::new()).unwrap();
        assert_eq!(report.tables, 5);
        assert_eq!(report.pairs, expected.values().map(|(_, pairs)| pairs.len() as u64).sum::<u64>());
        assert_eq!(contents(&other), expected, "{format:?}");
        assert_eq!(dump(&other, format).len(), text.len());
    }
    // Chosen tables only.
    let mut text = Vec::new();
    env.read().unwrap().dump(&["list"], DumpFormat::Print, &mut text).unwrap();
    let (_dir, other) = quick();
    other.load(text.as_slice(), &LoadOptions::new()).unwrap();
    assert_eq!(other.dbi_names().unwrap(), ["list"]);
    let read = env.read().unwrap();
    assert_eq!(code(read.dump(&["lisst"], DumpFormat::Print, &mut text)), ":kv/no-such-dbi");
    assert_eq!(code(read.dump(&["factum/kv"], DumpFormat::Print, &mut text)), ":kv/bad-dbi-name");
}

#[test]
fn our_form_carries_options_and_types() {
    let (_dir, env) = quick();
    let types = |text: &str| KeyType::from_value(&edn::read(text).unwrap()).unwrap();
    let options = DbiOptions::list().counted(true).types(types("[:string :long]"), types(":long"));
    let dbi = env.open_dbi("t", options.clone()).unwrap();
    let mut txn = env.write().unwrap();
    for number in 0..100u8 {
        txn.put(&dbi, &[number / 3], &[number]).unwrap();
    }
    txn.commit().unwrap();
    let mut text = Vec::new();
    env.read().unwrap().dump(&[], DumpFormat::Factum, &mut text).unwrap();
    let head = String::from_utf8(text.clone()).unwrap();
    assert!(
        head.lines().nth(1).unwrap().starts_with(
            r#"{:table "t", :flags #{:dupsort}, :counted true, :key-type [:string :long], :value-type :long, :pairs"#
        ),
        "{head}"
    );
    let (_dir, other) = quick();
    other.load(text.as_slice(), &LoadOptions::new()).unwrap();
    let dbi = other.existing_dbi("t").unwrap();
    let read = other.read().unwrap();
    assert_eq!(read.dbi_options(&dbi).unwrap(), options);
    read.verify_counts(&dbi).unwrap();
    assert_eq!(read.rank(&dbi, &[5]).unwrap().pairs, 15);
}

#[test]
fn integers_of_the_other_byte_order_are_turned_round() {
    let (_dir, env) = quick();
    let integers = env.open_dbi("i", DbiFlags::INTEGERKEY | DbiFlags::INTEGERDUP).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&integers, &1u64.to_ne_bytes(), &258u64.to_ne_bytes()).unwrap();
    txn.commit().unwrap();
    let mut text = Vec::new();
    env.read().unwrap().dump(&[], DumpFormat::Factum, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let turned = if text.contains(":little") {
        text.replace(":little", ":big")
    } else {
        text.replace(":big", ":little")
    };
    let (_dir, other) = quick();
    other.load(turned.as_bytes(), &LoadOptions::new()).unwrap();
    assert_eq!(
        contents(&other)["i"].1,
        [(1u64.swap_bytes().to_ne_bytes().to_vec(), 258u64.swap_bytes().to_ne_bytes().to_vec())]
    );
}

#[test]
fn tables_that_are_there_are_refused_merged_or_replaced() {
    let (_dir, env) = quick();
    let table: Table<Str, Long> = env.open_table("t").unwrap();
    env.with_transaction(|txn| table.put(txn, "a", 1)).unwrap();
    let mut text = Vec::new();
    env.read().unwrap().dump(&[], DumpFormat::Factum, &mut text).unwrap();
    env.with_transaction(|txn| {
        table.put(txn, "a", 2)?;
        table.put(txn, "b", 2)
    })
    .unwrap();
    let load = |on_existing| env.load(text.as_slice(), &LoadOptions::new().on_existing(on_existing));
    let values = || -> Vec<(String, i64)> {
        let (table, read): (Table<Str, Long>, _) = (env.open_table("t").unwrap(), env.read().unwrap());
        let pairs = table.range(&read, ..).unwrap();
        pairs.map(|pair| pair.map(|(key, value)| (key.to_owned(), value)).unwrap()).collect()
    };
    assert_eq!(code(load(OnExisting::Refuse)), ":kv/table-exists");
    load(OnExisting::Merge).unwrap();
    assert_eq!(values(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    load(OnExisting::Replace).unwrap();
    assert_eq!(values(), [("a".to_owned(), 1)]);
    assert_eq!(code(table.get(&env.read().unwrap(), "a")), ":kv/stale-dbi");
}

#[test]
fn wrong_dumps_say_which_line_and_load_nothing() {
    let (_dir, env) = quick();
    let head = "{:factum/dump 1, :byte-order :little}\n";
    let table = |pairs: u32| format!("{head}{{:table \"t\", :flags #{{}}, :pairs {pairs}}}\n");
    let lmdb = "VERSION=3\nformat=print\ndatabase=t\ntype=btree\nHEADER=END\n";
    for (text, line, reason) in [
        (String::new(), 1, "ends too early"),
        ("SQLite format 3".to_owned(), 1, "neither a dump of ours"),
        ("{:factum/dump 2, :byte-order :little}\n".to_owned(), 1, "newer than this program"),
        ("{:factum/dump 1}\n".to_owned(), 1, ":byte-order"),
        (head.to_owned(), 2, "ends too early"),
        (format!("{head}{head}"), 2, "a second head"),
        (format!("{head}{{:table 5}}\n"), 2, "the head of a table"),
        (format!("{head}{{:table \"t\", :flags #{{:dupsrot}}, :pairs 0}}\n"), 2, "unknown flag :dupsrot"),
        (format!("{head}{{:table \"t\", :flags #{{}}}}\n"), 2, ":pairs"),
        (format!("{}61 62\n", table(2)), 4, "ends too early"),
        (format!("{}61\n{{:factum/end 1}}\n", table(1)), 3, "a key and a value"),
        (format!("{}6 62\n", table(1)), 3, "odd number"),
        (format!("{}6g 62\n", table(1)), 3, "hexadecimal"),
        (format!("{} 62\n", table(1)), 3, "an empty key"),
        (format!("{}{} 62\n", table(1), "61".repeat(512)), 3, "a key of 512 bytes"),
        (format!("{}61 62\n{{:factum/end 2}}\n", table(1)), 4, "2 tables were dumped, 1 were found"),
        (format!("{}61 62\n{{:factum/end 1}}\n61 62\n", table(1)), 5, "behind the end"),
        (lmdb.replace("VERSION=3", "VERSION=9"), 1, "version 9"),
        (lmdb.replace("print", "xml"), 2, "format xml"),
        (lmdb.replace("btree", "hash"), 4, "type hash"),
        (lmdb.replace("database=t\n", ""), 4, "unnamed table"),
        (lmdb.replace("HEADER", "frobnicate=1\nHEADER"), 5, "frobnicate=1 is not known"),
        (lmdb.to_owned(), 6, "ends too early"),
        (format!("{lmdb} a\n"), 7, "ends too early"),
        (format!("{lmdb} a\nDATA=END\n"), 7, "the last key has no value"),
        (format!("{lmdb} a\n b\n \\4\n"), 8, "two hexadecimal digits"),
        (format!("{lmdb}a\n"), 6, "begins with a space"),
    ] {
        let error = env.load(text.as_bytes(), &LoadOptions::new()).unwrap_err();
        let Error::BadDump { line: found, reason: said } = &error else { panic!("{text}: {error:?}") };
        assert!(said.contains(reason), "{text}: {error}");
        assert_eq!(*found, line, "{text}: {error}");
        assert_eq!(env.dbi_names().unwrap(), [""; 0], "{text}");
    }
    let unnamed = lmdb.replace("database=t\n", "") + " a\n b\nDATA=END\n";
    env.load(unnamed.as_bytes(), &LoadOptions::new().unnamed_as("main")).unwrap();
    assert_eq!(contents(&env)["main"].1, [(b"a".to_vec(), b"b".to_vec())]);
}

/// Runs one of LMDB's programs; `None` if it is not installed.
fn program(name: &str, arguments: &[&str], input: Option<&Path>) -> Option<Vec<u8>> {
    let mut command = Command::new(name);
    command.args(arguments);
    if let Some(input) = input {
        command.stdin(Stdio::from(std::fs::File::open(input).unwrap()));
    }
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // `.ci/run` says so where they can be had.
            let is_demanded = std::env::var_os("FACTUM_LMDB_UTILS").is_some();
            assert!(!is_demanded, "FACTUM_LMDB_UTILS is set, but {name} is not installed");
            eprintln!("skipped: {name} (of lmdb-utils) is not installed");
            return None;
        }
        other => other.unwrap(),
    };
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

#[test]
fn lmdbs_own_programs_read_our_dumps_and_we_read_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let Some(version) = program("mdb_dump", &["-V"], None) else { return };
    let env = EnvOptions::new().map_size(1 << 24).open(path("ours")).unwrap();
    // Before 0.9.25, `mdb_dump -p` did not escape backslashes, so what it wrote could be read in two ways.
    let version = String::from_utf8(version).unwrap();
    let patch = version.split(['.', ':']).nth(2).and_then(|patch| patch.parse::<u32>().ok());
    sample_of(&env, |byte| byte != b'\\' || patch.is_some_and(|patch| patch >= 25));
    let expected = contents(&env);
    env.close(std::time::Duration::from_secs(10)).unwrap();
    for (format, option) in [(DumpFormat::ByteValue, "-a"), (DumpFormat::Print, "-ap")] {
        // Theirs is loaded by us.
        let Some(theirs) = program("mdb_dump", &[option, &path("ours")], None) else { return };
        let (_dir, other) = quick();
        other.load(theirs.as_slice(), &LoadOptions::new()).unwrap();
        assert_eq!(contents(&other), expected, "{format:?}");
        // Ours is the same text, but for the address of the map, and is loaded by theirs.
        let env = EnvOptions::new().map_size(1 << 24).open(path("ours")).unwrap();
        let ours = dump(&env, format);
        env.close(std::time::Duration::from_secs(10)).unwrap();
        let lines = |text: &[u8]| -> Vec<String> {
            let text = String::from_utf8(text.to_vec()).unwrap();
            text.lines().filter(|line| !line.starts_with("mapaddr=")).map(str::to_owned).collect()
        };
        assert_eq!(lines(&ours), lines(&theirs), "{format:?}");
        std::fs::write(path("text"), &ours).unwrap();
        let target = path(&format!("theirs {format:?}"));
        std::fs::create_dir(&target).unwrap();
        let Some(_) = program("mdb_load", &[&target], Some(Path::new(&path("text")))) else { return };
        let loaded = Env::open(&target).unwrap();
        assert_eq!(contents(&loaded), expected, "{format:?}");
        loaded.close(std::time::Duration::from_secs(10)).unwrap();
    }
}

#[test]
fn tables_are_rebuilt_with_other_options() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::open(dir.path().join("a")).unwrap();
    let plain: Table<Str, Long> = env.open_table("plain").unwrap();
    let list: Table<Long, Long> = env.open_list("list").unwrap();
    env.with_transaction(|txn| {
        for number in 0..1000 {
            plain.put(txn, &format!("{number:04}"), number)?;
            list.put(txn, number % 10, number)?;
        }
        Ok::<_, Error>(())
    })
    .unwrap();
    let before = contents(&env);
    let backup = dir.path().join("backup");

    // A key with several values: nothing happens, not even to the other table.
    let counted = DbiOptions::new().counted(true);
    let plan = ReIndex::new().table("plain", counted.clone()).table("list", DbiOptions::new());
    assert_eq!(code(env.re_index(&plan)), ":kv/would-lose");
    assert_eq!(contents(&env), before);
    assert_eq!(plain.get(&env.read().unwrap(), "0007").unwrap(), Some(7));
    assert_eq!(code(env.re_index(&ReIndex::new().table("no", DbiOptions::new()))), ":kv/no-such-dbi");

    let plan = ReIndex::new()
        .table("plain", DbiOptions::list().counted(true))
        .table("list", DbiOptions::list().flags(DbiFlags::DUPFIXED).counted(true))
        .backup(&backup)
        .spill(SpillOptions::budget(1000));
    env.re_index(&plan).unwrap();
    assert_eq!(code(plain.get(&env.read().unwrap(), "0007")), ":kv/stale-dbi");
    let after = contents(&env);
    for (name, (_, pairs)) in &before {
        assert_eq!(&after[name].1, pairs);
    }
    let read = env.read().unwrap();
    for name in ["plain", "list"] {
        let dbi = env.existing_dbi(name).unwrap();
        assert!(read.dbi_options(&dbi).unwrap().is_counted() && dbi.is_list());
        read.verify_counts(&dbi).unwrap();
    }
    assert_eq!(contents(&Env::open(&backup).unwrap()), before);
    // The backup is never overwritten, and without it nothing is rebuilt.
    assert_eq!(code(env.re_index(&plan)), ":kv/bad-option");
    assert_eq!(contents(&env), after);
}

#[test]
fn keys_are_translated_from_one_type_to_another() {
    let (_dir, env) = quick();
    let typed = |keys: KeyType, values: KeyType| DbiOptions::new().types(keys, values);
    let tuple = KeyType::from_value(&edn::read("[:long :string]").unwrap()).unwrap();
    let dbi = env.open_dbi("t", typed(KeyType::Data, KeyType::Data)).unwrap();
    let table = Table::new(dbi, KeyType::Data, KeyType::Data);
    let value = |text: &str| edn::read(text).unwrap();
    env.with_transaction(|txn| {
        table.put(txn, &value(r#"[10 "b"]"#), &value("{:a 1}"))?;
        table.put(txn, &value(r#"[9 "z"]"#), &value("[]"))
    })
    .unwrap();
    env.re_index(&ReIndex::new().table("t", typed(tuple.clone(), KeyType::Data))).unwrap();
    let table = Table::new(env.existing_dbi("t").unwrap(), tuple.clone(), KeyType::Data);
    let read = env.read().unwrap();
    let pairs: Vec<_> = table
        .range(&read, KeyRange::all())
        .unwrap()
        .map(|pair| pair.map(|(key, value)| format!("{key} {value}")).unwrap())
        .collect();
    assert_eq!(pairs, [r#"[9 "z"] []"#, r#"[10 "b"] {:a 1}"#]);
    let error = env.re_index(&ReIndex::new().table("t", typed(KeyType::Id, KeyType::Data))).unwrap_err();
    assert!(matches!(error, Error::Unencodable { .. }), "{error:?}");
    assert_eq!(table.entries(&env.read().unwrap()).unwrap(), 2);
}

#[test]
fn large_results_spill_and_read_as_if_they_had_not() {
    let (_dir, env) = quick();
    let table: Table<Long, Str> = env.open_table("t").unwrap();
    env.with_transaction(|txn| {
        (0..5000).try_for_each(|number| table.put(txn, number, &"x".repeat(number as usize % 90)))
    })
    .unwrap();
    let root = tempfile::tempdir().unwrap();
    let files = || std::fs::read_dir(root.path()).unwrap().count();
    for (budget, spills) in [(0, true), (1, true), (10_000, true), (1 << 30, false)] {
        let options = SpillOptions::budget(budget).directory(root.path());
        let read = env.read().unwrap();
        let kept = table.range(&read, KeyRange::closed_back(4000, 1000)).unwrap().spill(&options).unwrap();
        // It borrows nothing of what was read.
        drop(read);
        assert_eq!((kept.len(), kept.is_empty(), kept.on_disk() > 0), (3001, false, spills));
        assert_eq!(files(), usize::from(spills));
        let pairs: Vec<_> = kept.iter().unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(kept.iter().unwrap().size_hint(), (3001, Some(3001)));
        for (index, (key, value)) in pairs.iter().enumerate() {
            let number = 4000 - index as i64;
            assert_eq!((*key, value.len()), (number, number as usize % 90));
            assert_eq!(kept.get(index as u64).unwrap(), Some((*key, *value)));
        }
        assert_eq!(kept.get(3001).unwrap(), None);
        assert_eq!(kept.get_raw(u64::MAX).unwrap(), None);
        drop(kept);
        let read = env.read().unwrap();
        let even = |key: &i64, _: &&str| key % 2 == 0;
        let kept = table.range(&read, ..100).unwrap().spill_filtered(&options, even).unwrap();
        assert_eq!(kept.len(), 50);
        assert!(kept.iter().unwrap().all(|pair| pair.unwrap().0 % 2 == 0));
    }
    assert_eq!(files(), 0);
    let nowhere = SpillOptions::budget(0).directory(root.path().join("missing"));
    let read = env.read().unwrap();
    assert_eq!(code(table.range(&read, ..).unwrap().spill(&nowhere)), ":kv/not-found");
}

#[test]
#[cfg(target_os = "linux")]
fn results_spill_within_their_budget_while_memory_is_short() {
    let (_dir, env) = quick();
    let table: Table<Long, Raw> = env.open_table("t").unwrap();
    env.with_transaction(|txn| (0..50).try_for_each(|number| table.put(txn, number, &[7; 100_000][..])))
        .unwrap();
    let root = tempfile::tempdir().unwrap();
    // Some of every machine's memory is in use, and never all of it.
    for (threshold, budget, spilt) in [(1, 64 << 20, 44), (100, 64 << 20, 0), (100, 300_000, 48)] {
        let options = SpillOptions::budget(budget).threshold(threshold).directory(root.path());
        let kept = table.range(&env.read().unwrap(), ..).unwrap().spill(&options).unwrap();
        assert_eq!((kept.len(), kept.on_disk()), (50, spilt), "{threshold} {budget}");
        assert!(kept.iter().unwrap().map(|pair| pair.unwrap().0).eq(0..50));
    }
    // What is small stays.
    let options = SpillOptions::default().threshold(1).directory(root.path());
    let kept = table.range(&env.read().unwrap(), ..10).unwrap().spill(&options).unwrap();
    assert_eq!((kept.len(), kept.on_disk()), (10, 0));
}

#[test]
fn a_file_that_lost_its_end_is_refused_unless_only_free_pages_are_missing() {
    let (dir, env) = quick();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let write = |work: &dyn Fn(&mut factum_kv::WriteTxn<'_>)| {
        let mut txn = env.write().unwrap();
        work(&mut txn);
        txn.commit().unwrap();
    };
    let page = u64::from(env.info().unwrap().page_size);
    let value = vec![7; page as usize - 96];
    let cut = |pages: u64| {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(dir.path().join("data.mdb"), copy.path().join("data.mdb")).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(copy.path().join("data.mdb")).unwrap();
        file.set_len(pages * page).unwrap();
        copy
    };
    write(&|txn| (0..200u32).for_each(|number| txn.put(&dbi, &number.to_be_bytes(), &value).unwrap()));
    let before = cut(100);
    let error = Env::open(before.path()).unwrap_err();
    assert_eq!(error.code(), ":kv/cut-off");
    let text = error.to_string();
    assert!(
        error.is_corruption()
            && text.contains(&format!("has {} of its", 100 * page))
            && text.contains("copy it again"),
        "{text}"
    );
    // Nothing was written to it.
    assert_eq!(std::fs::metadata(before.path().join("data.mdb")).unwrap().len(), 100 * page);
    // All of it is free, in the end also what the clearing itself needed.
    write(&|txn| txn.clear(&dbi).unwrap());
    for value in 0..3u8 {
        write(&|txn| txn.put(&dbi, b"k", &[value]).unwrap());
    }
    let shorter = Env::open(cut(100).path()).unwrap();
    assert!(shorter.info().unwrap().used_size > shorter.info().unwrap().file_size);
    let dbi = shorter.existing_dbi("t").unwrap();
    assert_eq!(shorter.read().unwrap().get(&dbi, b"k").unwrap(), Some(&[2][..]));
    // Its trees are needed.
    assert_eq!(code(Env::open(cut(2).path())), ":kv/cut-off");
}
