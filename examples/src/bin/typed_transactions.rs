//! Transactions built in Rust, part by part, and read back as Rust types: `cargo run -p examples --bin typed_transactions`.

use factum::prelude::*;
use factum::{Datom, Error, TransactErrorKind, TxFunctions};
use serde::Deserialize;

const SCHEMA: &str = "{:person/name   {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :person/age    {:db/valueType :db.type/long :db.attr/preds clojure.core/pos?}
                       :person/langs  {:db/valueType :db.type/string :db/cardinality :db.cardinality/many}
                       :person/boss   {:db/valueType :db.type/ref}
                       :person/phones {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}}";

/// What a pull gives, as the program wants it: `as` names make attributes into fields.
#[derive(Debug, Deserialize, PartialEq)]
struct Person {
    name: String,
    age: Option<i64>,
    #[serde(default)]
    langs: Vec<String>,
    boss: Option<Box<Person>>,
    #[serde(default)]
    phones: Vec<Phone>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Phone {
    number: String,
}

const PERSON: &str = "[[:person/name :as :name] [:person/age :as :age] [:person/langs :as :langs]
                       {[:person/phones :as :phones] [[:phone/number :as :number]]}
                       {[:person/boss :as :boss] [[:person/name :as :name] [:person/age :as :age]]}]";

/// A function that transactions call by name; it sees what the items before it did.
fn functions() -> TxFunctions {
    TxFunctions::new().function("person/birthday", |db, args| {
        let person = args.first().ok_or("whose birthday?")?;
        let entity = db.entity(person)?.ok_or("there is nobody of this name")?;
        let age = entity.get(":person/age")?.and_then(|age| age.into_value()).and_then(|age| age.as_int());
        Ok(Tx::new().add(entity.id(), ":person/age", age.unwrap_or(0) + 1))
    })
}

fn main() -> Result<(), Error> {
    let conn = Connection::memory_with(Options::new().schema(SCHEMA).tx_functions(functions()))?;

    // Entities with many values and with parts of their own; a name in quotes stands for an id to come.
    let ada = EntityBuilder::with_id("ada")
        .set(":person/name", "Ada")
        .set(":person/age", 36)
        .set_all(":person/langs", ["en", "fr"])
        .set_all(
            ":person/phones",
            ["123", "456"].map(|number| EntityBuilder::new().set(":phone/number", number)),
        );
    let bob = EntityBuilder::new().set(":person/name", "Bob").set(":person/boss", "ada");
    let report = conn.transact(Tx::new().entity(ada).entity(bob))?;
    let ada = report.tempid("ada").expect("it was used as an id");
    println!("Ada is {ada}, {} facts", report.tx_data().len());

    // An identity finds its entity, a reverse attribute points from the value, nested entities need no names.
    conn.transact(
        Tx::new().entity(
            EntityBuilder::new()
                .set(":person/name", "Ada")
                .set(":person/_boss", EntityBuilder::new().set(":person/name", "Cy").set(":person/age", 20)),
        ),
    )?;

    // Facts one by one: add, replace if it is still so, take one value, all values, all of an entity.
    conn.transact(
        Tx::new()
            .add(lookup(":person/name", "Bob"), ":person/langs", "de")
            .compare_and_swap(ada, ":person/age", 36, 37)
            .retract(ada, ":person/langs", "fr")
            .retract_attribute(lookup(":person/name", "Cy"), ":person/age")
            .call("person/birthday", values![lookup(":person/name", "Ada")]),
    )?;

    // A closure makes items out of what it reads, another must hold for the result or nothing happens.
    let too_old = Tx::new().call_with(move |_, _| Ok(Tx::new().add(ada, ":person/age", 200)), []).ensure(
        move |db, _| {
            let age = db.entity_at(ada).get(":person/age")?.and_then(|age| age.into_value());
            Ok(age.and_then(|age| age.as_int()).is_some_and(|age| age < 150))
        },
        [],
    );
    match conn.transact(too_old) {
        Err(Error::Transact { source, .. }) => {
            assert!(matches!(source.kind(), TransactErrorKind::EnsureFailed { .. }));
            println!("refused: {source}");
        }
        other => panic!("nobody is that old: {other:?}"),
    }

    // The same as text; a function can be stored in the database, too, and be called by its ident.
    conn.transact(
        "[{:db/ident :person/learn
           :db/fn (fn [db who & langs]
                    (for [lang langs] [:db/add [:person/name who] :person/langs lang]))}]",
    )?;
    conn.transact(r#"[[:person/learn "Cy" "en" "es"]]"#)?;

    // What would be, without writing it; and the facts of a report are transaction data again.
    let later = conn.db()?.with(Tx::new().retract_entity(ada))?;
    assert_eq!(later.db_after().pull("[*]", (":person/name", "Ada"))?, None);
    let wrong = conn.transact(Tx::new().retract_entity(lookup(":person/name", "Cy")))?;
    let undo = |datom: &Datom| Datom { added: !datom.added, ..datom.clone() };
    conn.transact(wrong.tx_data().iter().rev().map(undo).collect::<Tx>())?;

    // An entity shows what it would be when it changes; its changes are transaction data.
    let db = conn.db()?;
    let bob = db.entity((":person/name", "Bob"))?.expect("Bob exists");
    let older = bob.assoc(":person/age", 50)?.add(":person/langs", "en")?;
    assert_eq!(older.get(":person/age")?.expect("it was set").to_value(), 50.into());
    conn.transact(older.changes())?;

    let everybody: Vec<Option<Person>> =
        conn.db()?.pull_many_as(PERSON, ["Ada", "Bob", "Cy", "Dan"].map(|name| (":person/name", name)))?;
    for person in everybody.iter().flatten() {
        println!("{person:?}");
    }
    let bob = everybody[1].as_ref().expect("Bob exists");
    assert_eq!((bob.age, bob.langs.as_slice()), (Some(50), ["de".to_owned(), "en".to_owned()].as_slice()));
    assert_eq!(bob.boss.as_ref().map(|boss| boss.age), Some(Some(38)));
    assert_eq!(everybody[0].as_ref().map(|ada| ada.phones.len()), Some(2));
    assert!(everybody[3].is_none());
    Ok(())
}
