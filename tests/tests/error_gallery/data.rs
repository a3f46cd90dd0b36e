//! Mistakes in texts, transactions, schemas, pull patterns and access to indexes.

use factum::{Connection, Index, Options, TxFunctions, Value};

use super::{Gallery, state};

/// Functions that some of the mistakes call.
pub fn options() -> Options {
    let functions = TxFunctions::new()
        .function("my/fails", |_, _| Err::<Value, _>("the stock is empty".into()))
        .function("my/wrong", |_, _| Ok(Value::from(7)))
        .check("my/adults?", |_, _| Ok(false))
        .predicate("my/even?", |value| value.as_int().is_some_and(|number| number % 2 == 0));
    Options::new().tx_functions(functions)
}

/// Texts of transactions that the reader refuses.
pub fn of_texts(gallery: &mut Gallery, connection: &Connection) {
    gallery.chapter(
        "Text that is not EDN",
        "Transactions, schemas, inputs and files are read by the same reader.",
    );
    for text in [
        "[{:person/name \"Ann\"}",
        "[{:person/name \"Ann}]",
        "[{:person/name \"Ann\"]",
        "[{:person/name \"Ann\"}]]",
        "[{:person/name}]",
        "[{:person/age 1 :person/age 2}]",
        "[{:note #{1 1}}]",
        "[{:person/name \"An\\n\\q\"}]",
        "[{:person/age 12x}]",
        "[{:person/age 1/0}]",
        "[{:note \\newlin}]",
        "[{: 1}]",
        "[{:note #inst \"yesterday\"}]",
        "[{:note #uuid \"7\"}]",
        "[{:note #_}]",
        "[{:note ##Nan}]",
        "[] []",
    ] {
        let error = connection.transact(text).expect_err(text);
        gallery.show(text, &error);
    }
}

/// Transactions that cannot be applied.
pub fn of_transactions(gallery: &mut Gallery, connection: &Connection) {
    let before = state(connection);
    for (title, about, texts) in transactions() {
        gallery.chapter(title, about);
        for text in texts {
            let error = connection.transact(text).expect_err(text);
            assert!(error.render().contains('^'), "no place: {}", error.render());
            gallery.show(text, &error);
            assert_eq!(state(connection), before, "{text} left a trace");
        }
    }
    gallery.chapter(
        "Checks on everything that is written",
        "A closed schema, `validate_data`, and predicates of attributes.",
    );
    let closed = super::connection(Options::new().closed_schema(true).validate_data(true), "{:note {}}");
    for text in ["[{:person/nmae \"Dee\"}]", "[{:person/age 38.0}]"] {
        gallery.show(text, &closed.transact(text).expect_err(text));
    }
    let even = super::connection(options(), "{:even {:db/valueType :db.type/long :db.attr/preds my/even?}}");
    let text = "[{:even 2}\n {:even 3}]";
    gallery.show(text, &even.transact(text).expect_err(text));
}

fn transactions() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    vec![
        (
            "Items of a transaction",
            "Maps, operations and datoms, and what stands in them.",
            vec![
                "7",
                "[7]",
                "[[]]",
                "[[:db/add 1 :person/age]]",
                "[[:db/addd 1 :person/age 30]]",
                "[[:person/birthday 1]]",
                "[{\"person/name\" \"Dee\"}]",
                "[[:db/add 1 \"age\" 30]]",
                "[[:db/add 1 :person/_friend 2]]",
                "[{:db/ident :person/code :db/valueType :db.type/string :db/unique :db.unique/identity}]",
                "[{:person/name nil}]",
                "[{:person/friend [1 nil]}]",
                "[{:db/id 1 :person/_age 5}]",
                "[[:db/cas 1 :person/age 38]]",
                "[[:db.fn/patchIdoc 1 :note [[:set [:a] 1]]]]",
            ],
        ),
        (
            "Values",
            "Every value must suit the type of its attribute.",
            vec![
                "[{:person/age \"old\"}]",
                "[{:person/age 1e30}]",
                "[{:person/age 92233720368547758070N}]",
                "[{:person/photo \"jpg\"}]",
                "[{:person/photo [300]}]",
                "[{:person/friend 2.5}]",
                "[{:note ##NaN}]",
            ],
        ),
        (
            "Entities",
            "Ids, tempids, idents and lookup refs.",
            vec![
                "[{:db/id 1.5 :person/age 1}]",
                "[{:db/id :ann :person/age 1}]",
                "[[:db/add :ann :person/age 1]]",
                "[[:db/add [:person/name \"Zoe\"] :person/age 1]]",
                "[[:db/add [:person/age 38] :person/age 1]]",
                "[[:db/add [:person/name] :person/age 1]]",
                "[{:db/id 1 :person/friend [[:person/name \"Zoe\"]]}]",
                "[[:db/add \"new\" :person/friend \"other\"]]",
                "[[:db/retract \"new\" :person/age]]",
                "[[:db/cas -1 :person/age nil 30]]",
                "[{:db/id 4611686018427399999 :person/age 1}]",
                "[{:db/id 99999999999999999999N :person/age 1}]",
            ],
        ),
        (
            "Uniqueness",
            "Identity values find their entity; a value belongs to one entity.",
            vec![
                "[{:person/mail \"ann@example.org\"}]",
                "[{:person/mail \"dee@example.org\"}\n {:person/mail \"dee@example.org\"}]",
                "[{:db/id 2 :person/name \"Ann\"}]",
                "[[:db/add \"x\" :person/name \"Ann\"]\n [:db/add \"x\" :person/name \"Bob\"]]",
                "[[:db/retract 1 :person/mail \"ann@example.org\"]\n [:db/add 2 :person/mail \"ann@example.org\"]]",
            ],
        ),
        (
            "Conditions and functions",
            "Compare-and-swap, `:db/ensure`, transaction functions.",
            vec![
                "[[:db/cas 1 :person/age 37 39]]",
                "[[:db/cas 1 :person/age nil 39]]",
                "[[:db/cas 4 :person/age 37 39]]",
                "[[:db/cas 1 :person/age 38 nil]]",
                "[{:db/id 1 :person/age 12}\n [:db/ensure my/adults? 1]]",
                "[[:db/ensure my/adults?]]",
                "[[:db/ensure my/unknown? 1]]",
                "[[:db/ensure 7 1]]",
                "[[:db/ensure my/adults? \"nobody\"]]",
                "[[:db.fn/call my/unknown 1]]",
                "[[:db.fn/call 7]]",
                "[[:db.fn/call my/fails]]",
                "[[:db.fn/call my/wrong]]",
            ],
        ),
        (
            "Functions that are written out",
            "`(fn [db ..] ..)` in `:db.fn/call` and `:db/ensure`, and under `:db/fn`.",
            vec![
                "[[:db.fn/call (fn [db e] [[:db/add e :person/age (incc 1)]]) 1]]",
                "[[:db.fn/call (fn [db e] [[:db/add entiti :person/age 1]]) 1]]",
                "[[:db.fn/call (fn [db] (loop [n 0] (recur n)))]]",
                "[[:db.fn/call (fn [db] (let [n] n))]]",
                "[[:db.fn/call (fn db nil)]]",
                "[[:db.fn/call (fn [db e] []) 1 2]]",
                "[[:db.fn/call (fn [db] 5)]]",
                "[[:db.fn/call (fn [db e] [[:db/add e :person/age (+ 1 (:person/name (entity db e)))]]) 1]]",
                "[[:db.fn/call (fn [db] (throw (ex-info \"there is nobody\" {:asked 7})))]]",
                "[{:db/id 1 :person/age 12}\n [:db/ensure (fn [db e] (<= 18 (:person/age (entity db e)))) 1]]",
                "[{:db/ident :my/broken :db/fn (fn [db] (frob db))}]",
                "[{:db/ident :my/number :db/fn 5}]",
            ],
        ),
    ]
}

/// Schemas that do not hold, and changes that the data forbids.
/// Mistakes in the definitions of types, and values that types cannot take.
fn of_types(gallery: &mut Gallery) {
    gallery.chapter(
        "Registered types",
        "`:my/version` is ordered by `(fn [v] [(:major v) (:minor v)])`, a tuple of integers; `:my/given` by a closure that this program \
         does not have, `:my/lossy` is stored as its major number alone.",
    );
    let connection = super::connection(Options::new(), "{}");
    let order = "{:index {:type [:long :long] :order-fn (fn [v] [(:major v) (:minor v)])}}";
    let register = |name: &str, definition: &str| connection.register_type(name, definition).map(drop);
    register(":my/version", order).expect("a type");
    register(":my/given", "{:index {:type :long :order-fn my/order}}").expect("a type");
    let lossy = "{:index {:type :long :order-fn (fn [v] (:major v))} :payload {:serialize (fn [v] (:major v)) :deserialize (fn [n] {:major n})}}";
    register(":my/lossy", lossy).expect("a type");
    for (name, definition) in [
        (":version", order),
        (":my/t", "[:long]"),
        (":my/t", "{:idnex {}}"),
        (":my/t", "{:index {:type :map :order-fn my/order}}"),
        (":my/t", "{:version 0}"),
        (":my/t", "{:index {:type :long}}"),
        (":my/t", "{:index {:type :long :order-fn {:udf/kind :tx-fn :udf/id :my/order}}}"),
        (":my/t", "{:index {:type :long :order-fn (fn [a b] a)}}"),
        (":my/t", "{:index {:type :long :order-fn (fn [v] (cuont v))}}"),
        (":my/t", "{:index {:type :long :order-fn my/order} :payload {:serialize my/order}}"),
        (":my/version", "{:version 2 :index {:type :long :order-fn my/order}}"),
    ] {
        let mistake = format!("{name} {definition}");
        gallery.show(&mistake, &register(name, definition).expect_err(&mistake));
    }
    let schema = "{:v {:db/valueType :my/version} :g {:db/valueType :my/given} :l {:db/valueType :my/lossy}}";
    connection.update_schema(schema).expect("a schema");
    let facts = super::state(&connection);
    for data in
        ["[{:v {:major 1 :minor \"x\"}}]", "[{:l 5}]", "[{:g 5}]", "[{:l {:major 1 :minor 2}}]", "[{:v nil}]"]
    {
        gallery.show(data, &connection.transact(data).expect_err(data));
    }
    let db = connection.db().expect("open");
    for query in [
        "[:find ?v :where [_ :v ?v] [_ :l ?l] [(< ?v ?l)]]",
        "[:find ?v :where [_ :v ?v] [(< ?v {:major \"1\"})]]",
        "[:find ?v :where [_ :g ?v] [(< ?v 5)]]",
    ] {
        gallery.show(query, &db.query(query).expect_err(query));
    }
    assert_eq!(super::state(&connection), facts);
}

pub fn of_schemas(gallery: &mut Gallery, connection: &Connection) {
    gallery.chapter("Schemas", "What a schema says must be known and fit together.");
    for patch in [
        "[:person/age]",
        "{:x 5}",
        "{:x {:db/valueType :db.type/lnog}}",
        "{:x {:db/valueTyp :db.type/long}}",
        "{:x {:db/cardinality :many}}",
        "{:x {:db/unique :identity}}",
        "{:x {:db/isComponent true}}",
        "{:x {:db/noindex true :db/unique :db.unique/value}}",
        "{:x {:db/noindex true :db/valueType :db.type/ref}}",
        "{:x {:db/noindex 5}}",
        "{:x {:db/doc 5}}",
        "{:x {:db/valueType :db.type/tuple}}",
        "{:x {:db/valueType :db.type/tuple :db/tupleTypes [:db.type/long]}}",
        "{:x {:db/valueType :db.type/tuple :db/tupleType :db.type/bytes}}",
        "{:x {:db/tupleAttrs []}}",
        "{:x {:db/tupleAttrs [:person/age :person/friend]}}",
        "{:x {:db.attr/preds \"even?\"}}",
        "{:x {:db/fulltext true}}",
        "{:x {:db/valueType :db.type/vec}}",
        "{:person/_x {}}",
        "{:db/ident {:db/doc \"names\"}}",
        "{:x {:db/valueType :my/version}}",
    ] {
        gallery.show(patch, &connection.update_schema(patch).expect_err(patch));
    }
    of_types(gallery);
    gallery.chapter(
        "Changes of a schema",
        "A change is refused if the data do not allow it: patch, deletions and renames as for `update-schema`.",
    );
    for (patch, deletions, renames) in [
        ("{:person/age {:db/valueType :db.type/string}}", "#{}", "{}"),
        ("{:note {:db/valueType :db.type/long}}", "#{}", "{}"),
        ("{:person/friend {:db/cardinality :db.cardinality/one}}", "#{}", "{}"),
        ("{:twice {:db/unique :db.unique/value}}", "#{}", "{}"),
        ("{:person/age {:db/noindex true}}", "#{}", "{}"),
        ("{}", "#{:person/age}", "{}"),
        ("{}", "#{:db/ident}", "{}"),
        ("{}", "#{}", "{:person/age :person/name}"),
        ("{}", "#{}", "{:person/gone :person/other}"),
        ("{}", "#{}", "{:person/age :years, :years :old}"),
    ] {
        let read = |text: &str| edn::read(text).expect("EDN");
        let change = factum::SchemaPatch::from_values(&read(patch), &read(deletions), &read(renames));
        let twice = super::connection(Options::new(), "{}");
        twice.transact("[{:db/id 5 :twice 1} {:db/id 6 :twice 1}]").expect("facts");
        let before = state(&twice);
        let mistake = format!("{patch} {deletions} {renames}");
        let error = change
            .map_err(|error| factum::Error::from(storage::Error::from(error)))
            .and_then(|change| twice.update_schema(factum::SchemaInput::from(change)))
            .expect_err(&mistake);
        gallery.show(&mistake, &error);
        assert_eq!(state(&twice), before, "{mistake} left a trace");
    }
}

/// Pull patterns.
pub fn of_pulls(gallery: &mut Gallery, connection: &Connection) {
    gallery.chapter("Pull patterns", "Of `pull` and of `(pull ?e ..)` in queries.");
    let db = connection.db().expect("open");
    for pattern in [
        ":person/name",
        "[5]",
        "[:person/name",
        "[[:person/friend :limit 0]]",
        "[[:person/age :limit 1]]",
        "[[:person/name :limit]]",
        "[[:person/name :lmit 1]]",
        "[[* :default 1]]",
        "[{:person/age [:person/name]}]",
        "[:person/_age]",
        "[{:person/friend 0}]",
        "[{:person/friend :person/name}]",
        "[[:person/name :xform shout]]",
        "[(limit :person/friend)]",
    ] {
        gallery.show(pattern, &db.pull(pattern, 1).expect_err(pattern));
    }
}

/// Entities and indexes by hand, results as Rust types, closed connections.
pub fn of_access(gallery: &mut Gallery, connection: &Connection) {
    gallery.chapter(
        "Entities, indexes and rows",
        "Without a text there is no place to show; the message names what was given.",
    );
    let db = connection.db().expect("open");
    let value = |text: &str| edn::read(text).expect("EDN");
    for entity in ["\"Ann\"", "nil", "1.5", "[:person/age 38]", "[:person/name]"] {
        gallery.show(&format!("entid {entity}"), &db.entid(value(entity)).expect_err(entity));
    }
    gallery.show("index", &Index::from_name("aevt").map_err(factum::Error::from).expect_err("an index"));
    let missing = [value("[:person/name \"Zoe\"]")];
    gallery.show("datoms", &db.datoms(Index::Eav, &missing).map(drop).expect_err("missing"));
    let range = |attribute: &str, from: Value| db.index_range(attribute, &from, &Value::Nil).map(drop);
    gallery.show("range", &range("person/nmae", Value::Nil).expect_err("unknown"));
    gallery.show("bound", &range("person/age", Value::from("old")).expect_err("a type"));
    let rows = db.query("[:find ?n ?a :where [?e :person/name ?n] [?e :person/age ?a]]").expect("an answer");
    gallery.show("rows", &rows.rows::<(String, String)>().expect_err("a type"));
    let strict = super::connection(Options::new().strict(true), "{}");
    let unknown = "[:find ?e :where [?e :person/nmae \"Ann\"]]";
    gallery.show("strict", &strict.db().expect("open").query(unknown).expect_err(unknown));
    strict.close().expect("open");
    gallery.show("closed", &strict.db().expect_err("closed"));
    for options in ["{:closed-schema? 5}", "{:colsed-schema? true}", "[]"] {
        gallery.show(options, &Options::from_value(&value(options)).expect_err(options));
    }
}
