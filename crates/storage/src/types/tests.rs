//! Types in a database: the order of values, and every error by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edn::{Keyword, Value};
use proptest::prelude::*;

use super::*;
use crate::transact::{EntityBuilder, Tx, TxFunctions};
use crate::{Datom, Db, EntityId, EntityLoader, Index, SchemaPatch, Store, StoreOptions};

fn value(text: &str) -> Value {
    edn::read(text).expect("EDN")
}

/// Texts by length; integers downwards; maps by two numbers; anything by its printed form, which may be long.
fn functions() -> TypeFunctions {
    let number = |value: &Value, key: &str| -> Value {
        value.as_map().and_then(|map| map.get(&Value::keyword(key))).cloned().unwrap_or_default()
    };
    TypeFunctions::new()
        .function("my/size", |value| {
            Ok((value.as_str().ok_or("a text is expected")?.chars().count() as i64).into())
        })
        .function("my/down", |value| Ok((-value.as_int().ok_or("an integer is expected")?).into()))
        .function("my/version", move |value| {
            Ok(Value::Vector(vec![number(value, "major"), number(value, "minor")]))
        })
        .function("my/text", |value| Ok(Value::from(value.to_string())))
        .function("my/to-text", |value| Ok(Value::from(value.to_string())))
        .function("my/from-text", |value| Ok(edn::read(value.as_str().ok_or("no text")?)?))
        .function("my/forgets", |_| Ok(Value::from("x")))
}

fn patch(types: &[(&str, &str)], schema: &str) -> SchemaPatch {
    let mut patch = SchemaPatch::from_value(&value(schema)).expect("a schema");
    for (name, definition) in types {
        let name = Keyword::from(*name);
        let definition = TypeDefinition::from_value(&name, &value(definition)).expect("a definition");
        patch = patch.with_type(name, definition);
    }
    patch
}

const TYPES: [(&str, &str); 5] = [
    (":my/size", "{:index {:type :long :order-fn my/size}}"),
    (":my/down", "{:index {:type :long :order-fn my/down}}"),
    (":my/version", "{:index {:type [:long :long] :order-fn my/version}}"),
    (":my/text", "{:index {:type :string :order-fn my/text}}"),
    (
        ":my/packed",
        "{:index {:type [:long :long] :order-fn my/version} :payload {:serialize my/to-text :deserialize my/from-text}}",
    ),
];

fn memory(schema: &str) -> Store {
    StoreOptions::new().type_functions(functions()).schema(patch(&TYPES, schema)).memory().expect("a store")
}

fn transact(store: &Store, data: &str) -> Result<Db, crate::TransactError> {
    Ok(store.transact(&value(data), Value::Nil, &TxFunctions::new())?.db_after)
}

fn ave(db: &Db, attribute: &str) -> Vec<Value> {
    let datoms = db.datoms(Index::Ave, &[Value::keyword(attribute)]).expect("an index");
    datoms.map(|datom| datom.expect("a datom").v).collect()
}

#[test]
fn values_stand_in_the_order_of_their_keys() {
    let store = memory(
        "{:v {:db/valueType :my/version} :s {:db/valueType :my/size :db/cardinality :db.cardinality/many}}",
    );
    transact(&store, "[{:v {:major 1 :minor 10}} {:v {:major 1 :minor 9}} {:v {:minor 0 :major -2}}]")
        .expect("versions");
    let db = transact(&store, "[{:s [\"ccc\" \"bb\" \"aa\" \"\" \"aa\"]}]").expect("texts");
    let versions = ["{:major -2 :minor 0}", "{:major 1 :minor 9}", "{:major 1 :minor 10}"];
    assert_eq!(ave(&db, "v"), versions.map(value));
    assert_eq!(ave(&db, "s"), ["", "aa", "bb", "ccc"].map(Value::from));
    assert!(db.check().expect("a check").problems.is_empty());
}

#[test]
fn payloads_are_packed_and_unpacked() {
    let store = memory("{:p {:db/valueType :my/packed :db/unique :db.unique/identity}}");
    transact(&store, "[{:db/id 1 :p {:major 2 :minor 0}} {:db/id 2 :p {:major 1 :minor 3 :rc true}}]")
        .expect("data");
    let db = transact(&store, "[{:p {:rc true :major 1 :minor 3} :n 5}]").expect("an upsert");
    assert_eq!(ave(&db, "p"), ["{:major 1 :minor 3 :rc true}", "{:major 2 :minor 0}"].map(value));
    let n = db.schema().attribute(&Keyword::from("n")).expect("written").id;
    assert_eq!(db.values(EntityId(2), n).expect("values")[0].decode().expect("a value"), 5.into());
    let stored = db.values(EntityId(2), db.schema().attribute(&Keyword::from("p")).expect("declared").id);
    assert!(
        matches!(crate::decode(&stored.expect("values")[0]), Ok(Value::Str(_))),
        "the indexes hold the text"
    );
}

#[track_caller]
fn refused(error: &TypeError, code: &str, words: &str) {
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn definitions_are_checked() {
    for (definition, code, words) in [
        ("[]", ":custom-type/definition", "where a map is needed; expected :version, :index, :payload"),
        ("{}", ":custom-type/definition", "has nil where a map is needed; expected :type, :order-fn"),
        ("{:indx {}}", ":custom-type/definition", "no option :indx"),
        ("{:version 0}", ":custom-type/version", "a positive integer, got 0"),
        ("{:index {:order-fn my/f}}", ":custom-type/backing-type", "cannot be ordered by nil"),
        ("{:index {:type [] :order-fn my/f}}", ":custom-type/backing-type", "cannot be ordered by []"),
        ("{:index {:type [:long :id] :order-fn my/f}}", ":custom-type/backing-type", "[:long :id]"),
        ("{:index {:type :long}}", ":custom-type/function", "the order-fn of type :my/t must be written out"),
        ("{:index {:type :long :order-fn f}}", ":custom-type/function", "got f"),
        (
            "{:index {:type :long :order-fn {:udf/id :my/f}}}",
            ":udf/kind-mismatch",
            "needs a descriptor with :udf/kind :order-fn, got nil",
        ),
        ("{:index {:type :long :order-fn my/f} :payload {:serialize my/f}}", ":custom-type/payload", "both"),
        ("{:index {:type :long :order-fn my/f} :payload :json}", ":custom-type/definition", ":serialize"),
    ] {
        let error = TypeDefinition::from_value(&":my/t".into(), &value(definition)).expect_err(definition);
        refused(&error, code, words);
    }
    let definition =
        TypeDefinition::from_value(&":my/t".into(), &value("{:index {:type :long :order-fn my/f}}"));
    let definition = definition.expect("a definition");
    for name in [":t", ":db.type/long", ":db.type/new"] {
        let error = Types::default().register(&name.into(), &definition).expect_err(name);
        refused(&error, ":custom-type/name", "cannot name a type");
    }
    let mut types = Types::default();
    types.register(&":my/t".into(), &definition).expect("new");
    types.register(&":my/t".into(), &definition).expect("the same");
    let other = TypeDefinition { version: 2, ..definition };
    let error = types.register(&":my/t".into(), &other).expect_err("another");
    refused(&error, ":custom-type/conflict", "registered already with another definition");
    assert!(error.hint().expect("a hint").contains("another name"));
}

#[test]
fn functions_must_keep_their_promises() {
    let store =
        memory("{:v {:db/valueType :my/version} :s {:db/valueType :my/size} :t {:db/valueType :my/text}}");
    let code = |data: &str| {
        let error = transact(&store, data).map(drop).expect_err(data);
        (error.code(), error.to_string())
    };
    for (data, expected, words) in [
        ("[{:v {:major \"1\"}}]", ":custom-type/order-key", "gave [\"1\" nil]"),
        ("[{:s 5}]", ":custom-type/function", "failed for 5: a text is expected"),
        ("[{:v 1.5 :s nil}]", ":transact/syntax", "nil"),
    ] {
        let (code, text) = code(data);
        assert_eq!(code, expected, "{text}");
        assert!(text.contains(words), "{text}");
    }
    let long = format!("[{{:t \"{}\"}}]", "x".repeat(ORDER_KEY_MAX));
    assert!(code(&long).1.contains("at most 65536 are allowed"));
    assert_eq!(store.db().expect("a database").count(None, None, None).expect("a count"), 0);

    let forgetful = patch(
        &[(
            ":my/lost",
            "{:index {:type :long :order-fn my/size} :payload {:serialize my/forgets :deserialize my/forgets}}",
        )],
        "{:l {:db/valueType :my/lost}}",
    );
    store.update_schema(&forgetful).expect("a type");
    let (code, text) = code("[{:l \"abc\"}]");
    assert_eq!(code, ":custom-type/payload", "{text}");
    assert!(text.contains("made \"x\" of it"), "{text}");
}

#[test]
fn functions_of_another_program() {
    let dir = tempfile::tempdir().expect("a folder");
    let schema = patch(&TYPES, "{:s {:db/valueType :my/size :db/unique :db.unique/value}}");
    let options = StoreOptions::new().type_functions(functions()).schema(schema.clone());
    let store = options.open(dir.path()).expect("a store");
    transact(&store, "[{:db/id 1 :s \"abc\"}]").expect("data");
    drop(store);
    // Without the functions the data can still be read, in the order in which it was stored.
    let store = StoreOptions::new().schema(schema).open(dir.path()).expect("a store");
    let db = store.db().expect("a database");
    assert_eq!(ave(&db, "s"), [Value::from("abc")]);
    let error = transact(&store, "[{:s \"x\"}]").map(drop).expect_err("no function");
    assert_eq!(error.code(), ":udf/not-found", "{error}");
    assert!(error.to_string().contains("needs its order-fn my/size, which this program has not registered"));
    assert_eq!(db.entid(&value("[:s \"abc\"]")).expect_err("no function").code(), ":udf/not-found");
    // Whoever opens the file next brings them.
    let again = StoreOptions::new().type_functions(functions()).open(dir.path()).expect("a store");
    transact(&store, "[{:s \"x\"}]").expect("the function is there now");
    assert_eq!(ave(&again.db().expect("a database"), "s"), ["x", "abc"].map(Value::from));
}

#[test]
fn types_of_tuples_are_refused() {
    let store = memory("{}");
    for (schema, words) in [
        ("{:v {:db/valueType :my/sise}}", ":my/sise, which is not a registered type; did you mean :my/size?"),
        ("{:v {:db/valueType :your/type}}", "register-type makes it one"),
        ("{:v {:db/tupleType :my/size}}", "tuples have no elements of registered types"),
        ("{:v {:db/tupleTypes [:my/size :db.type/long]}}", "tuples have no elements of registered types"),
        (
            "{:v {:db/valueType :my/size} :c {:db/tupleAttrs [:v :w]}}",
            "cannot depend on :v of the registered type :my/size",
        ),
        ("{:v {:db/valueType :my/size :db/tupleAttrs [:a :b]}}", "needs :db/valueType :db.type/tuple"),
        ("{:v {:db/valueType :db.type/lnog}}", "did you mean :db.type/long?"),
    ] {
        let error = store
            .update_schema(&SchemaPatch::from_value(&value(schema)).expect("a patch"))
            .map(drop)
            .expect_err(schema);
        assert_eq!(error.code(), ":schema/validation", "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// What an attribute holds, by value, in the order that the type's key gives.
type Model = BTreeMap<(Value, Value), BTreeSet<u64>>;

#[derive(Clone, Debug)]
enum Step {
    Add(u64, Value),
    Retract(u64, Value),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few texts of few lengths, and long ones that differ far behind, so that keys and beginnings collide.
    let text = prop_oneof![
        4 => "[ab]{0,3}".prop_map(Value::from),
        1 => ("[ab]{1}", 440_usize..520).prop_map(|(end, len)| Value::from("x".repeat(len) + &end)),
    ];
    let step = (1_u64..6, text, any::<bool>());
    let step = step.prop_map(|(e, v, add)| if add { Step::Add(e, v) } else { Step::Retract(e, v) });
    proptest::collection::vec(step, 1..40)
}

fn key_of(attribute: &str, value: &Value) -> Value {
    match attribute {
        "s" => (value.as_str().expect("a text").chars().count() as i64).into(),
        _ => value.to_string().into(),
    }
}

fn check_against(db: &Db, attribute: &str, model: &Model) -> Result<(), TestCaseError> {
    let known = db.schema().attribute(&Keyword::from(attribute)).expect("declared").clone();
    let rows = |datoms: crate::Datoms<'_>| -> Vec<(Value, u64)> {
        datoms
            .map(|datom: crate::Result<Datom>| datom.expect("a datom"))
            .map(|datom| (datom.v, datom.e.0))
            .collect()
    };
    let expected = |from: Option<&Value>, to: Option<&Value>| -> Vec<(Value, u64)> {
        let within = |key: &Value| from.is_none_or(|from| key >= from) && to.is_none_or(|to| key <= to);
        let rows = model.iter().filter(|((key, _), _)| within(key));
        rows.flat_map(|((_, value), entities)| entities.iter().map(|e| (value.clone(), *e))).collect()
    };
    prop_assert_eq!(
        rows(db.datoms(Index::Ave, &[Value::keyword(attribute)]).expect("an index")),
        expected(None, None)
    );
    for (key, value) in model.keys() {
        let exact = db.entities(known.id, &db.encode_for(&known, value).expect("encoded")).expect("entities");
        prop_assert_eq!(&exact, &model[&(key.clone(), value.clone())].iter().copied().collect::<Vec<_>>());
        for (lo, hi) in
            [(value.clone(), Value::Nil), (Value::Nil, value.clone()), (value.clone(), value.clone())]
        {
            let bound = |bound: &Value| (!bound.is_nil()).then_some(key);
            prop_assert_eq!(
                rows(db.index_range(&known, &lo, &hi).expect("a range")),
                expected(bound(&lo), bound(&hi))
            );
        }
    }
    let problems = db.check().expect("a check").problems;
    prop_assert!(problems.is_empty(), "{:?}", problems);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("FACTUM_TYPE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
    ))]

    /// Order, equality and ranges are those of a map from order key and value to entities: in memory, in a file, in an overlay on it.
    #[test]
    fn order_and_equality_are_those_of_a_map(steps in steps()) {
        let schema = "{:s {:db/valueType :my/size :db/cardinality :db.cardinality/many} :t {:db/valueType :my/text :db/cardinality :db.cardinality/many}}";
        let dir = tempfile::tempdir().expect("a folder");
        let options = || StoreOptions::new().type_functions(functions()).schema(patch(&TYPES, schema));
        let logged = tempfile::tempdir().expect("a folder");
        // With a log, small transactions are in it and in memory at first.
        let wal = options().env(kv::EnvOptions::new().durability(kv::Durability::Wal));
        let stores = [
            options().memory().expect("memory"),
            options().open(dir.path()).expect("a file"),
            wal.clone().open(logged.path()).expect("a file with a log"),
        ];
        let (mut sizes, mut texts) = (Model::new(), Model::new());
        for (at, step) in steps.iter().enumerate() {
            let (op, e, v) = match step {
                Step::Add(e, v) => ("db/add", e, v),
                Step::Retract(e, v) => ("db/retract", e, v),
            };
            for (name, model) in [("s", &mut sizes), ("t", &mut texts)] {
                let entities = model.entry((key_of(name, v), v.clone())).or_default();
                match op {
                    "db/add" => entities.insert(*e),
                    _ => entities.remove(e),
                };
                model.retain(|_, entities| !entities.is_empty());
            }
            let fact = |name: &str| Value::Vector(vec![Value::keyword(op), Value::Int(*e as i64), Value::keyword(name), v.clone()]);
            let data = Value::Vector(vec![fact("s"), fact("t")]);
            for store in &stores {
                match at + 1 == steps.len() {
                    // The last one is only imagined.
                    true => {
                        let db = store.db().expect("a database").db_with(&data).expect("imagined");
                        check_against(&db, "s", &sizes)?;
                        check_against(&db, "t", &texts)?;
                    }
                    false => drop(store.transact(&data, Value::Nil, &TxFunctions::new()).expect("a transaction")),
                }
            }
            if at + 2 == steps.len() {
                for store in &stores {
                    check_against(&store.db().expect("a database"), "s", &sizes)?;
                    check_against(&store.db().expect("a database"), "t", &texts)?;
                }
            }
        }
        let [memory, _, last] = stores;
        drop(last);
        let again = wal.open(logged.path()).expect("opens again").db().expect("a database");
        let memory = memory.db().expect("a database");
        for name in ["s", "t"] {
            prop_assert_eq!(ave(&again, name), ave(&memory, name));
        }
        prop_assert!(again.check().expect("a check").is_sound());
    }
}

#[test]
fn loaders_keep_the_order_and_the_payload() {
    let schema = "{:s {:db/valueType :my/size :db/cardinality :db.cardinality/many}
                   :p {:db/valueType :my/packed :db/unique :db.unique/identity}
                   :t {:db/valueType :my/text}}";
    let dir = tempfile::tempdir().expect("a folder");
    let options = || StoreOptions::new().type_functions(functions()).schema(patch(&TYPES, schema));
    let long = "x".repeat(2000);
    let entities: Vec<EntityBuilder> = (0..50i64)
        .map(|n| {
            let packed = value(&format!("{{:major {} :minor {}}}", n % 7, -n));
            let texts = [format!("{}", n * n), "y".repeat(n as usize % 5), format!("{long}{n}")];
            EntityBuilder::new().set_all(":s", texts).set(":p", packed).set(":t", n % 9)
        })
        .collect();
    let expected = {
        let store = options().memory().expect("memory");
        let tx: Tx = entities.iter().cloned().collect();
        store.transact(&tx, Value::Nil, &TxFunctions::new()).expect("a transaction").db_after
    };
    let new = |db: Db| {
        let mut loader = EntityLoader::new(db);
        loader.add(&entities).expect("they fit");
        loader
    };
    let (built, _) = new(options().memory().expect("memory").db().expect("empty"))
        .build(options(), dir.path())
        .expect("a file");
    let loaded = options().open(dir.path().join("open")).expect("a file");
    new(loaded.db().expect("empty")).load(&loaded).expect("loads");
    for store in [&built, &loaded] {
        let db = store.db().expect("a database");
        for name in ["s", "p", "t"] {
            assert_eq!(ave(&db, name), ave(&expected, name));
        }
        assert!(db.check().expect("a check").is_sound());
        // What was loaded is found by its value.
        let again = transact(store, "[{:p {:major 3 :minor -3} :found true}]").expect("an upsert");
        assert_eq!(again.max_eid(), db.max_eid());
    }
    let mut loader = EntityLoader::new(built.db().expect("a database"));
    let error = loader.add(&[EntityBuilder::new().set(":s", 5)]).expect_err("no text");
    assert_eq!((error.code(), error.item()), (":custom-type/function", Some(0)));
}

#[test]
fn types_are_equal_by_definition() {
    let store = memory("{:s {:db/valueType :my/size}}");
    let (one, two) = (store.db().expect("a database"), memory("{}").db().expect("a database"));
    let find = |db: &Db| Arc::clone(db.schema().types().get(&Keyword::from("my/size")).expect("registered"));
    assert_eq!(find(&one), find(&two));
    assert_eq!(one.schema().types().iter().count(), 5);
}
