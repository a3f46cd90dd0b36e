//! Schemas from text: what is accepted, what is refused and in which words.

use edn::{Keyword, Value};

use super::*;

fn value(text: &str) -> Value {
    edn::read(text).expect("EDN")
}

fn parse(text: &str) -> Result<Schema, SchemaError> {
    Schema::from_value(&value(text))
}

fn accepted(text: &str) -> Schema {
    parse(text).expect("a schema")
}

fn attribute(schema: &Schema, name: &str) -> Arc<Attribute> {
    schema.attribute(&Keyword::from(name)).expect("declared").clone()
}

#[track_caller]
fn refused(text: &str, words: &str) {
    let error = parse(text).expect_err(text);
    assert_eq!((error.code(), error.class()), (":schema/validation", "bad-schema"), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn properties_become_types() {
    let schema = accepted(
        r#"{:name {:db/valueType :db.type/string :db/unique :db.unique/identity :db/doc "a name" :my/own [1 2]}
            :tags {:db/cardinality :db.cardinality/many}
            :part {:db/valueType :db.type/ref :db/isComponent true}
            :blob {:db/valueType :db.type/bytes :db/noindex true}
            :ok {:db.attr/preds [my.ns/ok? :fn/id]}
            :plain nil}"#,
    );
    let name = attribute(&schema, ":name");
    assert_eq!((name.value_type, name.unique), (Some(ValueType::String), Some(Unique::Identity)));
    assert_eq!(name.doc.as_deref(), Some("a name"));
    assert_eq!(name.extra, BTreeMap::from([(Keyword::from(":my/own"), value("[1 2]"))]));
    assert!(name.is_identity() && !name.is_many());
    assert!(attribute(&schema, ":tags").is_many());
    assert!(attribute(&schema, ":part").is_component && attribute(&schema, ":part").is_ref());
    assert!(attribute(&schema, ":blob").no_index);
    assert_eq!(attribute(&schema, ":ok").preds, [value("my.ns/ok?"), value(":fn/id")]);
    assert_eq!(attribute(&schema, ":plain").value_type, None);
    assert_eq!(schema.revision(), 1);
}

#[test]
fn every_value_type_is_known_by_its_keyword() {
    for value_type in ValueType::ALL {
        assert_eq!(ValueType::from_keyword(&value_type.keyword()), Some(value_type));
        if value_type != ValueType::Tuple {
            let schema = accepted(&format!("{{:k {{:db/valueType {value_type}}}}}"));
            assert_eq!(attribute(&schema, ":k").value_type, Some(value_type));
        }
    }
}

#[test]
fn tuples_of_all_kinds() {
    let schema = accepted(
        r#"{:a+b {:db/tupleAttrs [:a :b] :db/unique :db.unique/identity}
            :a {:db/valueType :db.type/long}
            :pair {:db/valueType :db.type/tuple :db/tupleTypes [:db.type/string :db.type/long]}
            :list {:db/tupleType :db.type/ref}}"#,
    );
    let (a, b, composite) = (attribute(&schema, ":a"), attribute(&schema, ":b"), attribute(&schema, ":a+b"));
    assert_eq!(composite.composite(), Some(&[a.id, b.id][..]), "sources may come later or not be declared");
    assert_eq!(schema.composites_of(a.id), [composite.id]);
    assert_eq!(composite.value_type, Some(ValueType::Tuple));
    let pair = TupleSpec::Heterogeneous(vec![ValueType::String, ValueType::Long]);
    assert_eq!(attribute(&schema, ":pair").tuple, Some(pair));
    assert_eq!(attribute(&schema, ":list").tuple, Some(TupleSpec::Homogeneous(ValueType::Ref)));
}

#[test]
fn wrong_properties_are_refused_with_the_nearest() {
    refused(
        "{:k {:db/cardinality :many}}",
        ":db/cardinality cannot be :many; did you mean :db.cardinality/many?",
    );
    refused(
        "{:k {:db/unique true}}",
        ":db/unique cannot be true; expected one of :db.unique/identity, :db.unique/value",
    );
    refused("{:k {:db/valueType :db.type/uri}}", ":db/valueType cannot be :db.type/uri");
    refused("{:k {:db/valueType :db.type/strng}}", "did you mean :db.type/string?");
    refused("{:k {:db/valueType :long}}", "did you mean :db.type/long?");
    refused(
        "{:k {:db/valuetype :db.type/long}}",
        ":db/valuetype is not a property; did you mean :db/valueType?",
    );
    refused("{:k {:db/isComponent true}}", "needs :db/valueType :db.type/ref");
    refused("{:k {:db/isComponent 1}}", "must be true or false");
    refused("{:k {:db/doc 1}}", "must be a string");
    refused("{:k {:db/noindex true :db/unique :db.unique/value}}", ":db/noindex cannot go with :db/unique");
    refused("{:k {:db/noindex true :db/valueType :db.type/ref}}", ":db/noindex cannot go with references");
    refused("{:q/n {:db.attr/preds odd?}}", "needs qualified symbols");
    refused("{:k {:db/valueType :db.type/tuple}}", "needs :db/tupleType, :db/tupleTypes or :db/tupleAttrs");
    refused("{:k {:db/valueType :db.type/tuple, :db/tupleTypes [:db.type/long]}}", "more than one type");
    refused("{:k {:db/tupleType :db.type/bytes}}", "cannot hold elements of type :db.type/bytes");
    refused("{:k {:db/tupleType :db.type/long :db/tupleAttrs [:a :b]}}", "cannot stand beside");
    refused(
        "{:k {:db/valueType :db.type/long :db/tupleAttrs [:a :b]}}",
        "needs :db/valueType :db.type/tuple",
    );
    refused(
        "{:a {:db/cardinality :db.cardinality/many}, :k {:db/tupleAttrs [:a :b]}}",
        "cannot depend on :a, which has many",
    );
    refused("{:a {:db/tupleAttrs [:x :y]}, :k {:db/tupleAttrs [:a :b]}}", "cannot depend on another tuple");
    refused(
        "{:k {:db/tupleAttrs [:a :b] :db/cardinality :db.cardinality/many}}",
        "cardinality many is not possible",
    );
    refused("{:k {:db/tupleAttrs [:k]}}", "cannot depend on another tuple");
    refused("{:x/_y {}}", "starts with an underscore");
    refused(
        "{:db/ident {:db/valueType :db.type/string}}",
        ":db/ident belongs to the database and cannot be changed",
    );
    refused("{\"k\" {}}", "a schema is a map");
    refused("{:k 1}", "a schema is a map");
    refused("1", "a schema is a map");
}

#[test]
fn engines_that_are_missing_are_named() {
    for (text, feature) in [
        ("{:k {:db/fulltext true}}", "full-text search"),
        ("{:k {:db/valueType :db.type/vec}}", "vector search"),
        ("{:k {:db/valueType :db.type/idoc}}", "documents"),
        ("{:k {:db/embedding true}}", "embeddings"),
        ("{:k {:db.vec/domains [\"x\"]}}", "vector search"),
        ("{:k {:db/idocFormat :json}}", "documents"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.code(), ":schema/unsupported");
        assert!(error.to_string().contains(feature), "{error}");
    }
    assert!(parse("{:k {:db/fulltext false}}").is_ok());
    assert!(parse("{:k {:db/index true}}").is_ok(), "harmless habits of other databases");
}

fn patched(schema: &Schema, patch: &str, deletions: &str, renames: &str) -> Result<Schema, SchemaError> {
    schema.with_changes(&SchemaPatch::from_values(&value(patch), &value(deletions), &value(renames))?)
}

#[test]
fn patches_merge_and_remove_properties() {
    let before = accepted("{:a {:db/valueType :db.type/string :db/doc \"x\"} :b {}}");
    let after = patched(
        &before,
        "{:a {:db/cardinality :db.cardinality/many :db/doc :db/retract} :c {}}",
        "#{:b :zz}",
        "nil",
    )
    .expect("a schema");
    let a = attribute(&after, ":a");
    assert_eq!(
        (a.value_type, a.cardinality, a.doc.clone()),
        (Some(ValueType::String), Cardinality::Many, None)
    );
    assert_eq!(a.id, attribute(&before, ":a").id);
    assert!(after.attribute(&Keyword::from(":b")).is_none());
    assert_eq!(after.revision(), 2);
    let changes = after.changes_since(&before);
    assert!(
        matches!(&changes[..], [SchemaChange::Changed { .. }, SchemaChange::Removed(b), SchemaChange::Added(c)]
        if b.ident.as_str() == "b" && c.ident.as_str() == "c")
    );
    let same = patched(&after, "{:a {:db/valueType :db.type/string}}", "nil", "nil").expect("a schema");
    assert_eq!(same.revision(), 2, "nothing changed");
}

#[test]
fn renames_keep_ids_and_refuse_conflicts() {
    let before = accepted("{:a {} :b {} :a+c {:db/tupleAttrs [:a :c]}}");
    let after = patched(&before, "{:z {:db/doc \"new\"}}", "nil", "{:a :z}").expect("a schema");
    assert_eq!(attribute(&after, ":z").id, attribute(&before, ":a").id);
    assert_eq!(attribute(&after, ":z").doc.as_deref(), Some("new"));
    assert_eq!(
        after.properties_of(&attribute(&after, ":a+c"))[&Keyword::from(":db/tupleAttrs")],
        value("[:z :c]")
    );
    assert!(patched(&after, "nil", "nil", "{:a :z}").is_ok(), "done already");
    for (renames, code) in [
        ("{:a :b}", ":schema/rename-conflict"),
        ("{:a :x :x :y}", ":schema/rename-conflict"),
        ("{:a :b :b :a}", ":schema/rename-conflict"),
        ("{:a :x :b :x}", ":schema/rename-conflict"),
        ("{:no :x}", ":schema/missing-attribute"),
        ("{:db/ident :x}", ":schema/validation"),
    ] {
        let error = patched(&before, "nil", "nil", renames).expect_err(renames);
        assert_eq!(error.code(), code, "{error}");
    }
    let error = patched(&before, "nil", "#{:c}", "nil").expect_err("a source");
    assert!(error.to_string().contains("depends on an attribute that is deleted"), "{error}");
}

#[test]
fn records_read_back() {
    let schema = accepted(
        r#"{:name {:db/valueType :db.type/string :db/unique :db.unique/identity :my/own #{1}}
            :a+b {:db/tupleAttrs [:a :b]} :pair {:db/tupleTypes [:db.type/string :db.type/long]}}"#,
    );
    let records = schema.iter().filter(|attribute| !attribute.is_built_in());
    let records: Vec<(AttrId, Value)> =
        records.map(|attribute| (attribute.id, schema.record_of(attribute))).collect();
    let again = Schema::from_records(records, Types::default(), schema.revision()).expect("own records");
    assert!(again.changes_since(&schema).is_empty());
    assert_eq!(
        again.composites_of(attribute(&again, ":a").id),
        schema.composites_of(attribute(&schema, ":a").id)
    );
    assert!(
        Schema::from_records([(AttrId(3), value("{:db/ident :x}"))], Types::default(), 1).is_err(),
        "a built-in id"
    );
    assert!(Schema::from_records([(AttrId(20), value("{}"))], Types::default(), 1).is_err(), "no name");
}

#[test]
fn attribute_ids_have_a_limit() {
    assert_eq!(super::next_id(i32::MAX as usize).expect("the last one"), AttrId(i32::MAX as u32));
    for ids in [1 << 31, 1 << 32, usize::MAX] {
        assert_eq!(super::next_id(ids).expect_err("too many").code(), ":schema/limit");
    }
    // Stored ids beyond the limit, or far beyond all others, are damage, and no reason to make room for as many.
    let of = |id| Schema::from_records([(AttrId(id), value("{:db/ident :x}"))], Types::default(), 1);
    assert!(of(1 << 20).is_ok(), "others were deleted");
    for id in [1 << 25, i32::MAX as u32, 1 << 31, u32::MAX] {
        assert!(of(id).is_err(), "{id}");
    }
}

#[test]
fn a_vector_of_maps_is_a_schema_too() {
    let schema = accepted("[{:db/ident :a :db/valueType :db.type/long} {:db/ident :b}]");
    assert_eq!(attribute(&schema, ":a").value_type, Some(ValueType::Long));
    assert!(schema.attribute(&Keyword::from(":b")).is_some());
}
