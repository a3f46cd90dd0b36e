//! Section 14 of the reference: entities.

use edn::Value;
use factum_storage::EntityId;
use factum_storage::entity::EntityValue;

use crate::support::*;

const SCHEMA: &str = "{:n {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :tags {:db/cardinality :db.cardinality/many}
                       :boss {:db/valueType :db.type/ref}
                       :pals {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
                       :part {:db/valueType :db.type/ref :db/isComponent true :db/cardinality :db.cardinality/many}}";
const DATA: &str = r#"[{:db/id 1 :n "A" :tags [:x :y] :boss 2 :pals [2 3] :db/ident :first}
                       {:db/id 2 :n "B" :part [{:db/id 4 :n "P" :part {:db/id 5 :n "Q"}}]} {:db/id 3 :n "C" :pals 2}]"#;

#[test]
fn entities_are_found_by_any_reference() {
    let db = after(SCHEMA, &[DATA]);
    let id = |text: &str| db.entity(&read(text)).expect("readable").map(|entity| entity.id().0);
    assert_eq!(id("1"), Some(1));
    assert_eq!(id("4242"), Some(4242));
    assert_eq!(id(":first"), Some(1));
    assert_eq!(id(r#"[:n "B"]"#), Some(2));
    assert_eq!(id(r#"[:n "Z"]"#), None);
    assert_eq!(id(":nobody"), None);
    assert_eq!(id("nil"), None);
    assert_eq!(id(r#""text""#), None);
    assert!(db.entity(&read("[:tags :x]")).is_err());
}

#[test]
fn attributes_are_read_lazily() {
    let db = after(SCHEMA, &[DATA]);
    let one = db.entity_at(EntityId(1));
    let get = |name: &str| one.get(name).expect("readable").map(|value| value.to_value());
    assert_eq!(get(":n"), Some(Value::from("A")));
    assert_eq!(get(":db/id"), Some(Value::Int(1)));
    assert_eq!(get(":tags"), Some(read("#{:x :y}")));
    assert_eq!(get(":boss"), Some(read("{:db/id 2}")));
    assert_eq!(get(":pals"), Some(read("#{{:db/id 2} {:db/id 3}}")));
    assert_eq!(get(":zip"), None);
    assert_eq!(get(":part"), None);
    assert_eq!(one.get_or(":zip", 0).expect("readable"), EntityValue::Value(Value::Int(0)));
    assert!(one.contains(":n").expect("readable") && !one.contains(":zip").expect("readable"));
    let boss = one.get(":boss").expect("readable").and_then(EntityValue::into_entity).expect("there");
    assert_eq!(boss.get(":n").expect("readable").map(|name| name.to_value()), Some(Value::from("B")));
    assert_eq!(one.attributes().expect("readable").len(), 5);
    assert!(db.entity_at(EntityId(77)).attributes().expect("readable").is_empty());
}

#[test]
fn reverse_navigation() {
    let db = after(SCHEMA, &[DATA]);
    let get = |id: u64, name: &str| db.entity_at(EntityId(id)).get(name).expect("readable");
    let ids = |value: Option<EntityValue>| -> Vec<u64> {
        value.map(EntityValue::into_entities).unwrap_or_default().iter().map(|entity| entity.id().0).collect()
    };
    assert_eq!(ids(get(2, ":_pals")), [1, 3]);
    assert_eq!(ids(get(2, ":_boss")), [1]);
    assert_eq!(get(1, ":_boss"), None);
    // A component has one owner.
    assert_eq!(get(4, ":_part"), Some(EntityValue::Entity(db.entity_at(EntityId(2)))));
    assert_eq!(get(1, ":_n"), None, "not a reference");
}

#[test]
fn touching_shows_everything() {
    let db = after(SCHEMA, &[DATA]);
    let touch = |id: u64| db.entity_at(EntityId(id)).touch().expect("readable");
    assert_eq!(
        touch(1),
        read(
            r#"{:db/id 1 :db/ident :first :n "A" :tags #{:x :y} :boss {:db/id 2} :pals #{{:db/id 2} {:db/id 3}}}"#
        )
    );
    assert_eq!(touch(2), read(r#"{:db/id 2 :n "B" :part #{{:db/id 4 :n "P" :part #{{:db/id 5 :n "Q"}}}}}"#));
    assert_eq!(touch(99), read("{:db/id 99}"));
    let circle = after(SCHEMA, &["[{:db/id 1 :part 2} {:db/id 2 :part 1}]"]);
    let touched = circle.entity_at(EntityId(1)).touch().expect("readable");
    assert_eq!(touched, read("{:db/id 1 :part #{{:db/id 2 :part #{{:db/id 1}}}}}"));
    let chain: String = (1..5000).map(|n| format!("[:db/add {n} :part {}]", n + 1)).collect();
    assert!(after(SCHEMA, &[&format!("[{chain}]")]).entity_at(EntityId(1)).touch().is_ok());
}

#[test]
fn an_entity_keeps_its_database() {
    let db = after(SCHEMA, &[DATA]);
    let one = db.entity_at(EntityId(1));
    let next = tx(&db, "[[:db/retractEntity 1]]").db_after;
    assert_eq!(one.get(":n").expect("readable").map(|name| name.to_value()), Some(Value::from("A")));
    assert_eq!(next.entity_at(EntityId(1)).get(":n").expect("readable"), None);
    assert_eq!(one, next.entity_at(EntityId(1)), "equal by id");
}

#[test]
fn changed_entities_show_their_changes_and_can_be_transacted() {
    let db = after(SCHEMA, &[DATA]);
    let one = db.entity_at(EntityId(1));
    let changed = one
        .assoc(":n", "AA")
        .and_then(|one| one.add(":tags", Value::keyword(":z")))
        .and_then(|one| one.retract_value(":tags", Value::keyword(":x")))
        .and_then(|one| one.retract(":boss"))
        .and_then(|one| {
            one.update(":age", |old| old.and_then(|old| old.to_value().as_int()).unwrap_or(0) + 1)
        })
        .expect("valid changes");
    let get = |name: &str| changed.get(name).expect("readable").map(|value| value.to_value());
    assert_eq!(get(":n"), Some(Value::from("AA")));
    assert_eq!(get(":tags"), Some(read("#{:y :z}")));
    assert_eq!(get(":boss"), None);
    assert_eq!(get(":age"), Some(Value::Int(1)));
    assert_eq!(one.get(":n").expect("readable").map(|name| name.to_value()), Some(Value::from("A")));
    let kept = db.db_with(changed.changes()).expect("valid");
    assert_eq!(kept.entity_at(EntityId(1)).touch().expect("readable"), changed.touch().expect("readable"));
    assert!(one.assoc(":n", "B").is_err(), "the name is taken");
}
