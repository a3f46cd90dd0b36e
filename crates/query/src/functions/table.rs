//! The table of built-in functions.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use edn::Symbol;

use super::Kind::{Function as Func, Predicate as Pred};
use super::{Arity, Body, Function, Kind, Operator};
use super::{
    arithmetic, collections, comparison, entity, higher, logic, membership, regexes, search, strings, text,
};

type Row = (&'static str, Arity, Kind, Option<Operator>, Body);

/// The built-in function of this name.
pub(super) fn find(name: &Symbol) -> Option<&'static Arc<Function>> {
    static FUNCTIONS: OnceLock<HashMap<&'static str, Arc<Function>>> = OnceLock::new();
    let functions = FUNCTIONS.get_or_init(|| {
        rows()
            .map(|(name, arity, kind, operator, body)| {
                let pure = !IMPURE.contains(&name);
                (name, Arc::new(Function::built_in(name, arity, kind, operator, pure, body)))
            })
            .collect()
    });
    match name.namespace() {
        None => functions.get(name.name()),
        Some("clojure.core") => functions.get(name.name()),
        Some("clojure.string" | "str") => functions.get(format!("clojure.string/{}", name.name()).as_str()),
        Some(_) => None,
    }
}

/// The names of all built-in functions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    rows().map(|row| row.0)
}

/// Equal calls of these may differ.
const IMPURE: [&str; 2] = ["rand", "rand-int"];

const fn n(count: usize) -> Arity {
    Arity::exactly(count)
}

const fn from(count: usize) -> Arity {
    Arity::at_least(count)
}

const fn between(min: usize, max: usize) -> Arity {
    Arity::between(min, max)
}

fn rows() -> impl Iterator<Item = Row> {
    comparison_rows()
        .into_iter()
        .chain(number_rows())
        .chain(value_rows())
        .chain(text_rows())
        .chain(clojure_string_rows())
        .chain(data_rows())
}

fn comparison_rows() -> [Row; 17] {
    use Body::Plain;
    use Operator as O;
    [
        ("=", from(1), Pred, Some(O::Equal), Plain(comparison::equal)),
        ("==", from(1), Pred, Some(O::NumericEqual), Plain(comparison::numeric_equal)),
        ("not=", from(1), Pred, Some(O::NotEqual), Plain(comparison::not_equal)),
        ("!=", from(1), Pred, Some(O::NotEqual), Plain(comparison::not_equal)),
        ("<", from(1), Pred, Some(O::Less), Plain(comparison::less)),
        ("<=", from(1), Pred, Some(O::LessEq), Plain(comparison::less_eq)),
        (">", from(1), Pred, Some(O::Greater), Plain(comparison::greater)),
        (">=", from(1), Pred, Some(O::GreaterEq), Plain(comparison::greater_eq)),
        ("compare", n(2), Func, None, Plain(comparison::compare_values)),
        ("min", from(1), Func, None, Plain(comparison::min)),
        ("max", from(1), Func, None, Plain(comparison::max)),
        ("-differ?", from(0), Pred, None, Plain(comparison::differ)),
        ("identical?", n(2), Pred, None, Plain(comparison::identical)),
        ("in", n(2), Pred, Some(O::In), Plain(membership::is_in)),
        ("not-in", n(2), Pred, Some(O::NotIn), Plain(membership::is_not_in)),
        ("like", between(2, 3), Pred, Some(O::Like), Plain(membership::like)),
        ("not-like", between(2, 3), Pred, Some(O::NotLike), Plain(membership::not_like)),
    ]
}

fn number_rows() -> [Row; 16] {
    use Body::Plain;
    use Operator as O;
    [
        ("+", from(0), Func, Some(O::Add), Plain(arithmetic::add)),
        ("-", from(1), Func, Some(O::Subtract), Plain(arithmetic::subtract)),
        ("*", from(0), Func, Some(O::Multiply), Plain(arithmetic::multiply)),
        ("/", from(1), Func, None, Plain(arithmetic::divide)),
        ("quot", n(2), Func, None, Plain(arithmetic::quot)),
        ("rem", n(2), Func, None, Plain(arithmetic::rem)),
        ("mod", n(2), Func, None, Plain(arithmetic::modulo)),
        ("inc", n(1), Func, None, Plain(arithmetic::inc)),
        ("dec", n(1), Func, None, Plain(arithmetic::dec)),
        ("zero?", n(1), Pred, None, Plain(arithmetic::is_zero)),
        ("pos?", n(1), Pred, None, Plain(arithmetic::is_positive)),
        ("neg?", n(1), Pred, None, Plain(arithmetic::is_negative)),
        ("even?", n(1), Pred, None, Plain(arithmetic::is_even)),
        ("odd?", n(1), Pred, None, Plain(arithmetic::is_odd)),
        ("rand", between(0, 1), Func, None, Plain(arithmetic::random)),
        ("rand-int", n(1), Func, None, Plain(arithmetic::random_int)),
    ]
}

fn value_rows() -> [Row; 17] {
    use Body::{HigherOrder, Plain};
    use Operator as O;
    [
        ("true?", n(1), Pred, None, Plain(logic::is_true)),
        ("false?", n(1), Pred, None, Plain(logic::is_false)),
        ("nil?", n(1), Pred, None, Plain(logic::is_nil)),
        ("some?", n(1), Pred, None, Plain(logic::is_some)),
        ("not", n(1), Pred, Some(O::Not), Plain(logic::not)),
        ("and", from(0), Func, Some(O::And), Plain(logic::and)),
        ("or", from(0), Func, Some(O::Or), Plain(logic::or)),
        ("complement", n(1), Func, None, Plain(higher::complement)),
        ("apply", from(2), Func, None, HigherOrder(higher::apply)),
        ("identity", n(1), Func, Some(O::Identity), Plain(logic::identity)),
        ("ground", n(1), Func, Some(O::Identity), Plain(logic::identity)),
        ("quote", n(1), Func, Some(O::Identity), Plain(logic::identity)),
        ("keyword", between(1, 2), Func, None, Plain(strings::keyword)),
        ("name", n(1), Func, None, Plain(strings::name)),
        ("namespace", n(1), Func, None, Plain(strings::namespace)),
        ("type", n(1), Func, None, Plain(logic::type_of)),
        ("meta", n(1), Func, None, Plain(logic::meta)),
    ]
}

fn text_rows() -> [Row; 10] {
    use Body::Plain;
    [
        ("str", from(0), Func, None, Plain(strings::str)),
        ("subs", between(2, 3), Func, None, Plain(strings::subs)),
        ("pr-str", from(0), Func, None, Plain(strings::pr_str)),
        ("prn-str", from(0), Func, None, Plain(strings::prn_str)),
        ("print-str", from(0), Func, None, Plain(strings::print_str)),
        ("println-str", from(0), Func, None, Plain(strings::println_str)),
        ("re-pattern", n(1), Func, None, Plain(regexes::re_pattern)),
        ("re-find", n(2), Func, None, Plain(regexes::re_find)),
        ("re-matches", n(2), Func, None, Plain(regexes::re_matches)),
        ("re-seq", n(2), Func, None, Plain(regexes::re_seq)),
    ]
}

fn clojure_string_rows() -> [Row; 19] {
    use Body::Plain;
    [
        ("clojure.string/upper-case", n(1), Func, None, Plain(text::upper_case)),
        ("clojure.string/lower-case", n(1), Func, None, Plain(text::lower_case)),
        ("clojure.string/capitalize", n(1), Func, None, Plain(text::capitalize)),
        ("clojure.string/trim", n(1), Func, None, Plain(text::trim)),
        ("clojure.string/triml", n(1), Func, None, Plain(text::trim_left)),
        ("clojure.string/trimr", n(1), Func, None, Plain(text::trim_right)),
        ("clojure.string/trim-newline", n(1), Func, None, Plain(text::trim_newline)),
        ("clojure.string/reverse", n(1), Func, None, Plain(text::reverse)),
        ("clojure.string/blank?", n(1), Pred, None, Plain(text::is_blank)),
        ("clojure.string/starts-with?", n(2), Pred, None, Plain(text::starts_with)),
        ("clojure.string/ends-with?", n(2), Pred, None, Plain(text::ends_with)),
        ("clojure.string/includes?", n(2), Pred, None, Plain(text::includes)),
        ("clojure.string/index-of", between(2, 3), Func, None, Plain(text::index_of)),
        ("clojure.string/last-index-of", between(2, 3), Func, None, Plain(text::last_index_of)),
        ("clojure.string/join", between(1, 2), Func, None, Plain(text::join)),
        ("clojure.string/split", between(2, 3), Func, None, Plain(text::split)),
        ("clojure.string/split-lines", n(1), Func, None, Plain(text::split_lines)),
        ("clojure.string/replace", n(3), Func, None, Plain(text::replace)),
        ("clojure.string/replace-first", n(3), Func, None, Plain(text::replace_first)),
    ]
}

fn data_rows() -> [Row; 23] {
    use Body::{Database, HigherOrder, Plain};
    use Operator as O;
    [
        ("vector", from(0), Func, None, Plain(collections::vector)),
        ("tuple", from(0), Func, None, Plain(collections::vector)),
        ("untuple", n(1), Func, Some(O::Identity), Plain(logic::identity)),
        ("list", from(0), Func, None, Plain(collections::list)),
        ("set", n(1), Func, None, Plain(collections::set)),
        ("hash-map", from(0), Func, None, Plain(collections::map)),
        ("array-map", from(0), Func, None, Plain(collections::map)),
        ("count", n(1), Func, None, Plain(collections::count)),
        ("range", between(1, 3), Func, None, Plain(collections::range)),
        ("not-empty", n(1), Func, None, Plain(collections::not_empty)),
        ("empty?", n(1), Pred, None, Plain(collections::is_empty)),
        ("contains?", n(2), Pred, None, Plain(collections::contains)),
        ("get", between(2, 3), Func, None, Plain(collections::get)),
        ("get-else", n(4), Func, Some(O::GetElse), Database(entity::get_else)),
        ("get-some", from(3), Func, None, Database(entity::get_some)),
        ("get-some-else", from(4), Func, None, Database(entity::get_some_else)),
        ("missing?", n(3), Pred, Some(O::Missing), Database(entity::missing)),
        ("udf", from(1), Func, None, HigherOrder(higher::udf)),
        ("fulltext", from(2), Func, None, Database(search::fulltext)),
        ("vec-neighbors", from(2), Func, None, Database(search::vectors)),
        ("embedding-neighbors", from(2), Func, None, Database(search::embeddings)),
        ("idoc-match", from(2), Func, None, Database(search::documents)),
        ("idoc-get", from(2), Func, None, Plain(search::document_get)),
    ]
}
