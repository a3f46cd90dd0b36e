//! What analysis makes of queries: the program as text, errors with their places, warnings.

use edn::Value;
use storage::{Db, DbOptions, Schema, ValueRange};

use super::*;
use crate::ast::Rules;
use crate::exec::{Budget, Limits};

use crate::functions::QueryFunction;
use crate::logical::{AttrTerm, OrderKey};

const SCHEMA: &str = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
  :age {:db/valueType :db.type/long} :pay {:db/valueType :db.type/double} :cost {:db/valueType :db.type/bigdec}
  :big {:db/valueType :db.type/bigint} :on {:db/valueType :db.type/boolean} :at {:db/valueType :db.type/instant}
  :boss {:db/valueType :db.type/ref} :rank {:db/valueType :db.type/keyword}
  :pair {:db/valueType :db.type/tuple :db/tupleTypes [:db.type/long :db.type/string]}}";

fn db() -> Db {
    let schema = Schema::from_value(&edn::read(SCHEMA).unwrap()).unwrap();
    let facts =
        "[{:db/id 1 :db/ident :ann :name \"Ann\" :age 38} {:db/id 2 :name \"Bob\" :age 41 :boss 1 :any 5}]";
    Db::empty(schema, DbOptions::default()).db_with(&edn::read(facts).unwrap()).unwrap()
}

fn run_with(text: &str, inputs: &[Input], options: &QueryOptions) -> std::result::Result<Analysed, Error> {
    let query = crate::parse(text).unwrap_or_else(|error| panic!("{}", error.render()));
    analyse(&query, inputs, options, &Budget::new(Limits::default()))
}

fn analysed(text: &str, inputs: &[Input]) -> Analysed {
    run_with(text, inputs, &QueryOptions::default()).unwrap_or_else(|error| panic!("{}", error.render()))
}

/// Analyses a query over the database and further inputs.
fn over_db(text: &str, inputs: &[&str]) -> Analysed {
    let mut all: Vec<Input> = vec![db().into()];
    all.extend(inputs.iter().map(|input| edn::read(input).unwrap().into()));
    analysed(text, &all)
}

/// Code, class and place of the error.
fn error_of(text: &str, inputs: &[&str]) -> (String, String) {
    let mut all: Vec<Input> = vec![db().into()];
    all.extend(inputs.iter().map(|input| edn::read(input).unwrap().into()));
    match run_with(text, &all, &QueryOptions::default()) {
        Ok(_) => panic!("{text} was accepted"),
        Err(error) => {
            let place = error.span().map_or("", |span| text.get(span.start..span.end).unwrap_or(""));
            (error.class().to_owned(), place.to_owned())
        }
    }
}

fn name(analysed: &Analysed, var: VarId) -> String {
    analysed.logical.vars.names[var.0 as usize].to_string()
}

fn show(encoded: &storage::EncodedValue) -> String {
    encoded.decode().expect("an encoding").to_string()
}

fn bound(value: &std::ops::Bound<storage::EncodedValue>, open: &str) -> String {
    match value {
        std::ops::Bound::Unbounded => open.to_owned(),
        std::ops::Bound::Included(value) => format!("={}", show(value)),
        std::ops::Bound::Excluded(value) => show(value),
    }
}

fn range(range: &ValueRange) -> String {
    match range.as_point() {
        Some(point) => show(point),
        None => format!("{}..{}", bound(&range.lo, ""), bound(&range.hi, "")),
    }
}

fn conjunction(analysed: &Analysed, conjunction: &Conjunction) -> String {
    let term = |term: &Term| match term {
        Term::Var(var) => name(analysed, *var),
        Term::Const(value) => show(value),
        Term::Blank => "_".to_owned(),
    };
    let vars = |vars: &[VarId]| vars.iter().map(|var| name(analysed, *var)).collect::<Vec<_>>().join(" ");
    let clause = |clause: &Clause| match clause {
        Clause::Pattern(pattern) => {
            let a = match &pattern.a {
                AttrTerm::Const(_) => "a".to_owned(),
                AttrTerm::Var(var) => name(analysed, *var),
                AttrTerm::Blank => "_".to_owned(),
                AttrTerm::Unknown => "unknown".to_owned(),
            };
            format!("[{} {a} {}]", term(&pattern.e), term(&pattern.v))
        }
        Clause::Tuple(tuple) => {
            format!("tuple{}", tuple.terms.iter().map(|t| format!(" {}", term(t))).collect::<String>())
        }
        Clause::Range(clause) => {
            let ranges: Vec<String> = clause.ranges.iter().map(range).collect();
            format!("{} in {{{}}}", name(analysed, clause.var), ranges.join(", "))
        }
        Clause::Predicate(call) => format!("pred({})", vars(&call.needs)),
        Clause::Function(function) => {
            let mut bound = Vec::new();
            function.binding.each_var(&mut |var| bound.push(var));
            format!("fn({} -> {})", vars(&function.call.needs), vars(&bound))
        }
        Clause::Not(not) => format!("not[{}]({})", vars(&not.join), self::conjunction(analysed, &not.body)),
        Clause::Or(or) => {
            let branches: Vec<String> =
                or.branches.iter().map(|branch| self::conjunction(analysed, branch)).collect();
            format!("or[{}|{}]({})", vars(&or.join), vars(&or.required), branches.join(" | "))
        }
        Clause::Rule(call) => {
            let args: Vec<String> = call.args.iter().map(term).collect();
            format!("{}({})", analysed.logical.rules.rules[call.rule.0 as usize].name, args.join(" "))
        }
    };
    conjunction.clauses.iter().map(clause).collect::<Vec<_>>().join("; ")
}

fn body(text: &str, inputs: &[&str]) -> String {
    let analysed = over_db(text, inputs);
    conjunction(&analysed, &analysed.logical.body)
}

#[test]
fn names_and_constants_are_resolved() {
    for (clauses, expected) in [
        ("[?e :age 38]", "[?e a 38]"),
        ("[?e :age 38.0]", "[?e a 38]"),
        ("[?e :age 38.5]", "[?e a 38.5]"),
        ("[?e :pay 3]", "[?e a 3.0]"),
        ("[?e :big 3]", "[?e a 3N]"),
        ("[?e :cost 3]", "[?e a 3M]"),
        ("[?e :pair [3.0 \"a\"]]", "[?e a [3 \"a\"]]"),
        ("[?e :any 3.0]", "[?e a 3.0]"),
        ("[?e :boss :ann]", "[?e a 1]"),
        ("[?e :boss [:name \"Ann\"]]", "[?e a 1]"),
        ("[?e :boss nil]", "[?e a _]"),
        ("[:ann :age ?e]", "[1 a ?e]"),
        ("[[:name \"Bob\"] :age ?e]", "[2 a ?e]"),
        ("[99 :age ?e]", "[99 a ?e]"),
        ("[?e]", "[?e _ _]"),
        ("[?e ?a 3]", "[?e ?a 3]"),
        ("[?e :nmae ?v]", "[?e unknown ?v]"),
        ("[?e :age] [?e :age]", "[?e a _]"),
        ("[?e :age ?e]", "[?e a ?e]"),
    ] {
        assert_eq!(body(&format!("[:find ?e :where {clauses}]"), &[]), expected, "{clauses}");
    }
}

#[test]
fn inputs_become_constants_or_rows() {
    let query = |rest: &str, inputs: &[&str]| {
        let analysed = over_db(&format!("[:find ?e {rest}]"), inputs);
        let vars: Vec<String> = analysed.logical.inputs.iter().map(|var| name(&analysed, *var)).collect();
        let all = |rows: &Vec<Vec<Value>>| {
            Value::Vector(rows.iter().cloned().map(Value::Vector).collect()).to_string()
        };
        let rows = analysed.rows.as_ref().map(all).unwrap_or_default();
        format!("{} <{} {rows}>", conjunction(&analysed, &analysed.logical.body), vars.join(" "))
    };
    assert_eq!(query(":in $ ?v :where [?e :age ?v]", &["38.0"]), "[?e a 38.0] < >");
    assert_eq!(query(":in $ ?v :where [?e :boss ?v]", &[":ann"]), "[?e a 1] < >");
    assert_eq!(query(":in $ ?v :where [?e :age ?v]", &["nil"]), "[?e a _] < >");
    assert_eq!(query(":in $ [?v _] :where [?e :age ?v]", &["[38 1]"]), "[?e a 38] < >");
    assert_eq!(query(":in $ [?v ...] :where [?e :age ?v]", &["[2 1 2]"]), "[?e a ?v] <?v [[1] [2]]>");
    // Entities are looked up, but the variable keeps what was given.
    let text = "[:find ?e ?v :in $ [?e ...] :where [?e :age ?v]]";
    let analysed = over_db(text, &["[:ann [:name \"Bob\"] [:name \"Zed\"] 7]"]);
    assert_eq!(conjunction(&analysed, &analysed.logical.body), "[?#e a ?v]");
    let rows = analysed.rows.expect("rows");
    let resolved: Vec<&Value> = rows.iter().map(|row| &row[1]).collect();
    assert_eq!(resolved, [&Value::Int(7), &Value::Int(1), &Value::Int(2), &Value::Nil]);
    // A second collection is a source of its own; of an unused one only its emptiness counts.
    assert_eq!(
        query(
            ":in $ [?v ...] [?w ...] [?u ...] :where [?e :age ?v] [?e :any ?w]",
            &["[1 2]", "[3 4]", "[0]"]
        ),
        "[?e a ?v]; [?e a ?w]; tuple ?w <?v [[1] [2]]>"
    );
    assert_eq!(query(":in $ [?u ...] :where [?e :age 1]", &["[]"]), "[?e a 1] < []>");
    // A bound name in a binding is a condition.
    assert_eq!(
        query(":in $ ?v :where [?e :age] [(+ 1 1) ?v]", &["2"]),
        "[?e a _]; fn( -> ?#v); ?#v in {2} < >"
    );
}

#[test]
fn comparisons_become_ranges() {
    for (clauses, expected) in [
        ("[?e :age ?a] [(< 10 ?a 20)]", "[?e a ?a]; ?a in {10..20}"),
        ("[?e :age ?a] [(>= ?a 38.5)]", "[?e a ?a]; ?a in {=39..}"),
        ("[?e :age ?a] [(< ?a 38.5)]", "[?e a ?a]; ?a in {..=38}"),
        ("[?e :age ?a] [(<= ?a 38)] [(> ?a 30)]", "[?e a ?a]; ?a in {30..=38}"),
        ("[?e :age ?a] [(< 10 5 ?a)]", "[?e a ?a]; ?a in {}"),
        ("[?e :age ?a] [(< ?a 40 ?a)]", "[?e a ?a]; ?a in {}"),
        ("[?e :age ?a] [(= ?a 3)]", "[?e a ?a]; ?a in {3, 3N}"),
        ("[?e :age ?a] [(== ?a 3.0)]", "[?e a ?a]; ?a in {3}"),
        ("[?e :age ?a] [(in ?a [5 3])]", "[?e a ?a]; ?a in {3, 5, 3N, 5N}"),
        ("[?e :age ?a] [(in ?a [])]", "[?e a ?a]; ?a in {}"),
        ("[?e :age ?a] [(not= ?a 3)]", "[?e a ?a]; ?a in {..3, 3..3N, 3N..}"),
        ("[?e :age ?a] [(or (< ?a 3) (> ?a 5))]", "[?e a ?a]; ?a in {..3, 5..}"),
        ("[?e :age ?a] [(and (> ?a 3) (< ?a 5))]", "[?e a ?a]; ?a in {3..5}"),
        ("[?e :age ?a] [(not (< ?a 3))]", "[?e a ?a]; ?a in {=3..}"),
        ("[?e :age ?a] [(< ?a ##Inf)]", "[?e a ?a]"),
        ("[?e :age ?a] [(< ?a 99999999999999999999N)]", "[?e a ?a]"),
        ("[?e :pay ?a] [(< ?a 1/2)]", "[?e a ?a]; ?a in {..0.5}"),
        ("[?e :name ?a] [(like ?a \"An%\")]", "[?e a ?a]; ?a in {=\"An\"..\"Ao\"}"),
        ("[?e :name ?a] [(like ?a \"An\")]", "[?e a ?a]; ?a in {\"An\"}"),
        ("[?e :name ?a] [(like ?a \"A%n\")]", "[?e a ?a]; pred(?a); ?a in {=\"A\"..\"B\"}"),
        ("[?e :name ?a] [(not-like ?a \"A%\")]", "[?e a ?a]; ?a in {..\"A\", =\"B\"..}"),
        ("[?e :name ?a] [(> ?a \"A\")]", "[?e a ?a]; ?a in {\"A\"..}"),
        ("[?e :on ?a] [(= ?a true)]", "[?e a ?a]; ?a in {true}"),
        // Without a type only equality is a range.
        ("[?e :any ?a] [(< ?a 3)]", "[?e a ?a]; pred(?a)"),
        ("[?e :any ?a] [(= ?a :x)]", "[?e a ?a]; ?a in {:x}"),
        // Two variables: each is bounded, and the predicate stays.
        (
            "[?e :age ?a] [?f :age ?b] [(< 3 ?a ?b 9)]",
            "[?e a ?a]; [?f a ?b]; pred(?a ?b); ?a in {3..}; ?b in {..9}",
        ),
        // The type of an outer variable counts inside.
        ("[?e :age ?a] (not [(> ?a 30)])", "[?e a ?a]; not[?a](?a in {30..})"),
        ("[?e :age ?a] [(< ?e 9)]", "[?e a ?a]; ?e in {..9}"),
    ] {
        assert_eq!(body(&format!("[:find ?e :where {clauses}]"), &[]), expected, "{clauses}");
    }
    let decimals = body("[:find ?e :where [?e :cost ?c] [(< ?c 1.5M)]]", &[]);
    assert!(decimals.contains("pred(?c)") && decimals.contains("?c in {..="), "{decimals}");
}

#[test]
fn an_input_is_shared_with_a_negation_that_can_see_it() {
    over_db("[:find ?b :in $ ?b :where (not [?b :age ?x])]", &["1"]);
    over_db("[:find ?b :in $ ?b :where (not (or [?b :age ?x] [?x :age ?b]))]", &["1"]);
    let hidden = "(not (or-join [?x] [?x :age ?b]))";
    let nothing_bound = ("nothing-bound".to_owned(), hidden.to_owned());
    assert_eq!(error_of(&format!("[:find ?b :in $ ?b :where {hidden}]"), &["1"]), nothing_bound);
    assert_eq!(error_of(&format!("[:find ?b :where [_ :age ?b] {hidden}]"), &[]), nothing_bound);
}

#[test]
fn negations_and_disjunctions_know_what_they_share() {
    for (clauses, expected) in [
        ("[?e :age] (not [?e :boss ?b] [?b :age 3])", "[?e a _]; not[?e]([?e a ?b]; [?b a 3])"),
        ("(not [?e :boss]) [?e :age]", "not[?e]([?e a _]); [?e a _]"),
        ("[?e :age ?x] (not-join [?e] [?x :boss ?e])", "[?e a ?x]; not[?e]([?x a ?e])"),
        ("(or [?e :age 1] [?e :age 2])", "or[?e|]([?e a 1] | [?e a 2])"),
        ("[?e :age] (or [?e :age 1] (not [?e :boss]))", "[?e a _]; or[?e|?e]([?e a 1] | not[?e]([?e a _]))"),
        (
            "[?e :age] [?x :age] (or [?e :boss ?x] [?e :age 1])",
            "[?e a _]; [?x a _]; or[?e ?x|?x]([?e a ?x] | [?e a 1])",
        ),
        (
            "[?e :age] (or-join [[?e] ?v] [?e :age ?v] (and [?e :boss ?x] [?x :age ?v]))",
            "[?e a _]; or[?e ?v|?e]([?e a ?v] | [?e a ?x]; [?x a ?v])",
        ),
        ("[(+ ?a 1) ?b] [?e :age ?a]", "fn(?a -> ?b); [?e a ?a]"),
    ] {
        assert_eq!(body(&format!("[:find ?e :where {clauses}]"), &[]), expected, "{clauses}");
    }
}

#[test]
fn unsafe_queries_are_refused() {
    for (clauses, class, place) in [
        ("[?e :age] [(> ?z 3)]", "insufficient-bindings", "(> ?z 3)"),
        ("[?e :age] [(+ ?z 3) ?y]", "insufficient-bindings", "(+ ?z 3)"),
        ("[?e :age] [(inc ?y) ?x] [(inc ?x) ?y]", "insufficient-bindings", "(inc ?y)"),
        ("[?e :age] (not [?x :boss ?y])", "nothing-bound", "(not [?x :boss ?y])"),
        ("[?e :age] (not-join [?z] [?x :boss ?z])", "insufficient-bindings", "(not-join [?z] [?x :boss ?z])"),
        ("[?e :age ?a] [(ground 40) ?l] (not-join [?a] [(> ?a ?l)])", "insufficient-bindings", "(> ?a ?l)"),
        ("[?e :age] (or [?e :boss ?b] [?e :age 1])", "or-vars-mismatch", "[?e :age 1]"),
        ("(or-join [?e ?x] [?e :boss ?x] [?e :age 1])", "or-vars-mismatch", "[?e :age 1]"),
        (
            "(or-join [[?e] ?v] [?e :age ?v] [?e :any ?v])",
            "insufficient-bindings",
            "(or-join [[?e] ?v] [?e :age ?v] [?e :any ?v])",
        ),
        ("(or [?e :age 1] [(< ?e 3)])", "insufficient-bindings", "(< ?e 3)"),
        ("[?x :age] (not [?x :boss ?e])", "insufficient-bindings", "?e"),
        ("[?e :age 1 2]", "no-tx-component", "2"),
        ("[\"A\" :age ?e]", "bad-entity", "\"A\""),
        ("[[:a 1 2] :age ?e]", "bad-entity", "[:a 1 2]"),
        ("[:nobody :age ?e]", "entity-missing", ":nobody"),
        ("[[:name \"Zed\"] :age ?e]", "entity-missing", "[:name \"Zed\"]"),
        ("[[:age 38] :name ?e]", "lookup-ref-not-unique", "[:age 38]"),
        ("[?e :name :ann]", "type-mismatch", ":ann"),
        ("[?e :age \"38\"]", "type-mismatch", "\"38\""),
        ("[?e :boss \"x\"]", "type-mismatch", "\"x\""),
        ("[?e :age ?a] [(< ?a \"x\")]", "type-mismatch", "(< ?a \"x\")"),
        ("[?e :age ?a] [(nope ?a)]", "unknown-function", "nope"),
        ("[?e :age ?a] [(apply nope [?a])]", "unknown-function", "nope"),
        ("[?e :age ?a] [(?e ?a)]", "unknown-function", "?e"),
        ("[?e :age ?a] [(inc ?a 1) ?b]", "function-arity", "(inc ?a 1)"),
        ("[?e :age ?a] [(missing? ?e :name)]", "function-arity", "(missing? ?e :name)"),
        ("[?e :age ?a] [(missing? 1 ?e :name)]", "needs-database", "(missing? 1 ?e :name)"),
        ("[?e :age ?a] [(inc $) ?b]", "source-argument", "$"),
        ("[?e :age] [(q 3) ?x]", "parse-error", "(q 3)"),
    ] {
        let text = format!("[:find ?e :where {clauses}]");
        assert_eq!(error_of(&text, &[]), (class.to_owned(), place.to_owned()), "{clauses}");
    }
}

#[test]
fn inputs_must_fit() {
    for (rest, inputs, class, place) in [
        (":in $ ?a ?b :where [?e :age ?a ]", vec!["1"], "too-few-inputs", "?b"),
        (":in $ :where [?e :age]", vec!["1"], "too-many-inputs", ""),
        (":in $ [?a ?b] :where [?e :age ?a]", vec!["[1]"], "binding-arity", "[?a ?b]"),
        (":in $ [?a ?b] :where [?e :age ?a]", vec!["5"], "binding-type", "[?a ?b]"),
        (":in $ [?a ...] :where [?e :age ?a]", vec!["\"abc\""], "binding-type", "[?a ...]"),
        (":in $ $b :where [?e :age]", vec!["5"], "input-kind", "$b"),
        (":in $ $b :where [?e :age]", vec!["[1 2]"], "input-kind", "$b"),
        (":in $ % :where [?e :age]", vec!["[3]"], "parse-error", ""),
    ] {
        let text = format!("[:find ?e {rest}]");
        let (got, at) = error_of(&text, &inputs);
        assert_eq!(got, class, "{rest}");
        if !place.is_empty() {
            assert_eq!(at, place, "{rest}");
        }
    }
    let rules = crate::parse("[:find ?e :in $ % :where (r ?e)]").unwrap();
    let error = analyse(
        &rules,
        &[db().into(), Value::str("[[(r ?a) [?a :nmae ?b] [(oops ?b)]]]").into()],
        &QueryOptions::default(),
        &Budget::new(Limits::default()),
    );
    let error = error.err().expect("an error in the rules");
    // The place is in the text of the rules.
    assert!(error.render().contains("(oops ?b)") && error.render().contains("^^^^"), "{}", error.render());
}

fn with_rules(rules: &str, clauses: &str) -> std::result::Result<Analysed, Error> {
    let rules: Rules = rules.parse().unwrap();
    run_with(
        &format!("[:find ?e :in $ % :where {clauses}]"),
        &[db().into(), rules.into()],
        &QueryOptions::default(),
    )
}

#[test]
fn rules_have_strata_and_needs() {
    let reach = "[[(reach ?a ?b) [?a :boss ?b]] [(reach ?a ?b) [?a :boss ?c] (reach ?c ?b)]
                  [(alone ?a) [?a :age] (not (reach ?a _))] [(big ?b ?x) [?b :age] [(> ?x 3)]]]";
    let analysed = with_rules(reach, "(alone ?e) (reach ?e :ann) (big ?e 4)").unwrap();
    let rules = &analysed.logical.rules.rules;
    let of = |name: &str| rules.iter().find(|rule| rule.name.as_str() == name).expect("a rule");
    assert!(of("reach").recursive && of("reach").stratum == 0);
    assert!(!of("alone").recursive && of("alone").stratum == 1);
    // Nothing in its body binds ?x, so it must be bound at the call and comes first.
    assert_eq!(of("big").required, 1);
    assert_eq!(conjunction(&analysed, &analysed.logical.body), "alone(?e); reach(?e 1); big(4 ?e)");
    for (rules, clauses, class) in [
        (reach, "(big ?e ?y)", "insufficient-bindings"),
        (reach, "(big ?e _)", "insufficient-bindings"),
        (reach, "(raech ?e ?y)", "unknown-rule"),
        (reach, "(alone ?e ?y)", "rule-call-arity"),
        ("[[(r ?a ?b) [?a :age]]]", "(r ?e ?y)", "rule-head-unbound"),
        ("[[(r [?a] ?b) [(inc ?a) ?b]]]", "(r ?x ?e)", "insufficient-bindings"),
        ("[[(win ?x) [?x :boss ?y] (not (win ?y))]]", "(win ?e)", "unstratifiable"),
        (
            "[[(a ?x) [?x :age] (not (b ?x))] [(b ?x) (c ?x)] [(c ?x) [?x :age] (a ?x)]]",
            "(a ?e)",
            "unstratifiable",
        ),
    ] {
        match with_rules(rules, clauses) {
            Ok(_) => panic!("{rules} {clauses} was accepted"),
            Err(error) => assert_eq!(error.class(), class, "{clauses}: {error}"),
        }
    }
    let error =
        with_rules("[[(a ?x) [?x :age] (not (b ?x))] [(b ?x) (c ?x)] [(c ?x) [?x :age] (a ?x)]]", "(a ?e)");
    let message = error.err().expect("an error").to_string();
    assert!(message.ends_with("a -> not b -> c -> a"), "{message}");
    let error = with_rules(reach, "(raech ?e ?y)").err().expect("an error");
    assert_eq!(error.help().as_deref(), Some("did you mean reach?"));
}

#[test]
fn unknown_attributes_are_warned_of() {
    let analysed = over_db(
        "[:find ?e :where [?e :nmae ?n] [?e :_boss] [(get-else $ ?e :agee 1) ?a] [?e :age 38.5]]",
        &[],
    );
    let texts: Vec<String> = analysed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "unknown attribute :nmae, did you mean :name?",
            ":_boss matches nothing: in patterns, swap entity and value instead",
            "unknown attribute :agee, did you mean :age?",
            "no value of :age can equal 38.5",
        ]
    );
    let strict = QueryOptions::default().strict(true);
    let error = run_with("[:find ?e :where [?e :nmae ?n]]", &[db().into()], &strict).err().expect("strict");
    assert_eq!(
        (error.code(), error.help().as_deref()),
        (":schema/unknown-attribute", Some("did you mean :name?"))
    );
}

#[test]
fn functions_can_be_inputs() {
    let twice = QueryFunction::new(|args| Ok(Value::Int(args[0].as_int().unwrap_or(0) * 2)));
    let text = "[:find ?y :in $ ?f :where [?e :age ?a] [(?f ?a) ?x] [(apply ?f [?x]) ?y]]";
    let analysed = analysed(text, &[db().into(), twice.into()]);
    assert_eq!(conjunction(&analysed, &analysed.logical.body), "[?e a ?a]; fn(?a -> ?x); fn( -> ?y)");
    let text = "[:find ?f :in $ ?f :where [?e :age]]";
    let error = run_with(
        text,
        &[db().into(), QueryFunction::new(|_| Ok(Value::Nil)).into()],
        &QueryOptions::default(),
    );
    assert_eq!(error.err().expect("a function is no value").class(), "function-as-value");
}

#[test]
fn execution_is_told_what_it_may_leave_out() {
    let logical = |rest: &str| over_db(&format!("[:find {rest}]"), &[]).logical;
    assert_eq!(logical("?a . :where [?e :age ?a]").row_limit, Some(1));
    assert_eq!(logical("?a :where [?e :age ?a] :limit 3 :offset 2").row_limit, Some(5));
    assert_eq!(logical("?a :where [?e :age ?a] :limit -1").row_limit, None);
    let ordered = logical("?a ?e :where [?e :age ?a] :order-by [?a :desc 1] :limit 3");
    assert_eq!(ordered.row_limit, Some(3));
    assert_eq!(
        ordered.order,
        [
            OrderKey { var: ordered.output[0], descending: true },
            OrderKey { var: ordered.output[1], descending: false }
        ]
    );
    // Values of any type must be sorted by who can complain about them.
    let untyped = logical("?a :where [?e :any ?a] :order-by ?a :limit 3");
    assert!(untyped.row_limit.is_none() && untyped.order.is_empty());
    let counted = logical("?b (count ?e) (sum ?a) :where [?e :age ?a] [?e :boss ?b] :limit 1");
    let aggregation = counted.aggregation.expect("known aggregates");
    assert_eq!((aggregation.group.len(), aggregation.calls.len(), counted.row_limit), (1, 2, None));
    assert!(logical("?b (median ?a) :where [?e :age ?a] [?e :boss ?b]").aggregation.is_none());
}
