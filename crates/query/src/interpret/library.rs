//! Functions on sequences, maps, texts and functions that the query language has no need for.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use edn::{Keyword, Symbol, Value};
use storage::transact::InterpretErrorKind as Kind;

use super::machine::Machine;
use super::object::{Callable, Object, to_set};
use super::{Result, error, unfit};
use crate::functions::compare;

/// One of them.
#[derive(Debug)]
pub struct Native {
    pub(super) name: &'static str,
    min: usize,
    max: usize,
    pub(super) body: Body,
}

/// What it does.
pub(super) type Body = fn(&mut Machine<'_>, &[Object]) -> Result<Object>;

/// Any number of arguments.
pub(super) const MANY: usize = usize::MAX;
/// The longest sequence that is made of nothing.
const REPEAT_MAX: i64 = 10_000_000;
/// The tag of what `ex-info` makes.
pub(super) const EX_INFO: &str = "ex-info";

impl Native {
    pub(super) const fn new(name: &'static str, min: usize, max: usize, body: Body) -> Self {
        Self { name, min, max, body }
    }

    pub(super) fn check_arity(&self, got: usize) -> Result<()> {
        if (self.min..=self.max).contains(&got) {
            return Ok(());
        }
        let expected = match (self.min, self.max) {
            (min, max) if min == max => format!("{min} argument{}", if min == 1 { "" } else { "s" }),
            (min, MANY) => format!("at least {min} argument{}", if min == 1 { "" } else { "s" }),
            (min, max) => format!("{min} to {max} arguments"),
        };
        Err(error(Kind::Arity, format!("{} takes {expected}, but got {got}", self.name)))
    }
}

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Native> {
    NATIVES.iter().find(|native| native.name == name)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NATIVES.iter().map(|native| native.name)
}

static NATIVES: [Native; 75] = [
    Native::new("=", 1, MANY, |_, args| truth(args.windows(2).all(|pair| pair[0].equals(&pair[1])))),
    Native::new("not=", 1, MANY, |_, args| truth(!args.windows(2).all(|pair| pair[0].equals(&pair[1])))),
    Native::new("nil?", 1, 1, |_, args| truth(args[0].is_nil())),
    Native::new("some?", 1, 1, |_, args| truth(!args[0].is_nil())),
    Native::new("not", 1, 1, |_, args| truth(!args[0].is_truthy())),
    Native::new("boolean", 1, 1, |_, args| truth(args[0].is_truthy())),
    Native::new("identity", 1, 1, |_, args| Ok(args[0].clone())),
    Native::new("doall", 1, 1, |_, args| Ok(args[0].clone())),
    Native::new("constantly", 1, 1, |_, args| function(Callable::Constantly(Arc::new(args[0].clone())))),
    Native::new("complement", 1, 1, |_, args| function(Callable::Complement(Arc::new(args[0].clone())))),
    Native::new("comp", 0, MANY, |_, args| function(Callable::Composed(Arc::new(args.to_vec())))),
    Native::new("partial", 1, MANY, |_, args| {
        function(Callable::Partial(Arc::new((args[0].clone(), args[1..].to_vec()))))
    }),
    Native::new("apply", 2, MANY, |machine, args| {
        let last = args.len() - 1;
        let mut all = args[1..last].to_vec();
        all.extend(sequence("apply", args, last)?);
        machine.apply(&args[0], &all)
    }),
    Native::new("map", 2, MANY, map),
    Native::new("mapv", 2, MANY, map),
    Native::new("mapcat", 2, MANY, |machine, args| {
        let mapped = map(machine, args)?;
        let mut out = Vec::new();
        for part in sequence("mapcat", &[mapped], 0)? {
            out.extend(sequence("mapcat", &[part], 0)?);
        }
        Ok(Object::sequence(out))
    }),
    Native::new("map-indexed", 2, 2, |machine, args| {
        let mut out = Vec::new();
        for (at, item) in sequence("map-indexed", args, 1)?.into_iter().enumerate() {
            out.push(machine.apply(&args[0], &[int(at), item])?);
        }
        Ok(Object::sequence(out))
    }),
    Native::new("keep", 2, 2, |machine, args| {
        let mut out = Vec::new();
        for item in sequence("keep", args, 1)? {
            let made = machine.apply(&args[0], &[item])?;
            out.extend((!made.is_nil()).then_some(made));
        }
        Ok(Object::sequence(out))
    }),
    Native::new("filter", 2, 2, |machine, args| select(machine, "filter", args, true)),
    Native::new("filterv", 2, 2, |machine, args| select(machine, "filterv", args, true)),
    Native::new("remove", 2, 2, |machine, args| select(machine, "remove", args, false)),
    Native::new("reduce", 2, 3, |machine, args| {
        let mut items = sequence("reduce", args, args.len() - 1)?.into_iter();
        let first = if args.len() == 3 { Some(args[1].clone()) } else { items.next() };
        let Some(mut result) = first else { return machine.apply(&args[0], &[]) };
        for item in items {
            result = machine.apply(&args[0], &[result, item])?;
        }
        Ok(result)
    }),
    Native::new("some", 2, 2, |machine, args| {
        for item in sequence("some", args, 1)? {
            let found = machine.apply(&args[0], &[item])?;
            if found.is_truthy() {
                return Ok(found);
            }
        }
        Ok(Object::NIL)
    }),
    Native::new("every?", 2, 2, |machine, args| {
        for item in sequence("every?", args, 1)? {
            if !machine.apply(&args[0], &[item])?.is_truthy() {
                return truth(false);
            }
        }
        truth(true)
    }),
    Native::new("not-any?", 2, 2, |machine, args| {
        for item in sequence("not-any?", args, 1)? {
            if machine.apply(&args[0], &[item])?.is_truthy() {
                return truth(false);
            }
        }
        truth(true)
    }),
    Native::new("first", 1, 1, |_, args| {
        Ok(sequence("first", args, 0)?.into_iter().next().unwrap_or(Object::NIL))
    }),
    Native::new("second", 1, 1, |_, args| {
        Ok(sequence("second", args, 0)?.into_iter().nth(1).unwrap_or(Object::NIL))
    }),
    Native::new("last", 1, 1, |_, args| Ok(sequence("last", args, 0)?.pop().unwrap_or(Object::NIL))),
    Native::new("rest", 1, 1, |_, args| {
        Ok(Object::sequence(sequence("rest", args, 0)?.into_iter().skip(1).collect()))
    }),
    Native::new("next", 1, 1, |_, args| {
        let rest: Vec<Object> = sequence("next", args, 0)?.into_iter().skip(1).collect();
        Ok(if rest.is_empty() { Object::NIL } else { Object::sequence(rest) })
    }),
    Native::new("nth", 2, 3, |_, args| {
        let index = number("nth", args, 1)?;
        let found = usize::try_from(index)
            .ok()
            .and_then(|index| sequence("nth", args, 0).ok()?.into_iter().nth(index));
        match found.or_else(|| args.get(2).cloned()) {
            Some(found) => Ok(found),
            None => Err(error(Kind::Argument, format!("nth: there is no element {index}"))),
        }
    }),
    Native::new("take", 2, 2, |_, args| {
        let count = number("take", args, 0)?.max(0) as usize;
        Ok(Object::sequence(sequence("take", args, 1)?.into_iter().take(count).collect()))
    }),
    Native::new("drop", 2, 2, |_, args| {
        let count = number("drop", args, 0)?.max(0) as usize;
        Ok(Object::sequence(sequence("drop", args, 1)?.into_iter().skip(count).collect()))
    }),
    Native::new("repeat", 2, 2, |_, args| {
        let count = number("repeat", args, 0)?;
        if count > REPEAT_MAX {
            return Err(error(Kind::Limit, format!("repeat would yield more than {REPEAT_MAX} elements")));
        }
        Ok(Object::sequence(vec![args[1].clone(); count.max(0) as usize]))
    }),
    Native::new("reverse", 1, 1, |_, args| {
        Ok(Object::sequence(sequence("reverse", args, 0)?.into_iter().rev().collect()))
    }),
    Native::new("sort", 1, 1, |_, args| {
        let mut values = values("sort", args, 0)?;
        values.sort_by(in_order);
        Ok(Object::Value(Value::Vector(values)))
    }),
    Native::new("sort-by", 2, 2, |machine, args| {
        let mut keyed = Vec::new();
        for item in sequence("sort-by", args, 1)? {
            keyed.push((machine.apply(&args[0], std::slice::from_ref(&item))?.into_value()?, item));
        }
        keyed.sort_by(|one, other| in_order(&one.0, &other.0));
        Ok(Object::sequence(keyed.into_iter().map(|(_, item)| item).collect()))
    }),
    Native::new("distinct", 1, 1, |_, args| {
        let mut seen = std::collections::BTreeSet::new();
        let values = values("distinct", args, 0)?;
        Ok(Object::Value(Value::Vector(
            values.into_iter().filter(|value| seen.insert(value.clone())).collect(),
        )))
    }),
    Native::new("frequencies", 1, 1, |_, args| {
        let mut counts: BTreeMap<Value, i64> = BTreeMap::new();
        for value in values("frequencies", args, 0)? {
            *counts.entry(value).or_default() += 1;
        }
        entries(counts.into_iter().map(|(value, count)| (value, Value::Int(count))))
    }),
    Native::new("group-by", 2, 2, |machine, args| {
        let mut groups: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
        for item in sequence("group-by", args, 1)? {
            let key = machine.apply(&args[0], std::slice::from_ref(&item))?.into_value()?;
            groups.entry(key).or_default().push(item.into_value()?);
        }
        entries(groups.into_iter().map(|(key, items)| (key, Value::Vector(items))))
    }),
    Native::new("concat", 0, MANY, |_, args| {
        let mut out = Vec::new();
        for at in 0..args.len() {
            out.extend(sequence("concat", args, at)?);
        }
        Ok(Object::sequence(out))
    }),
    Native::new("cons", 2, 2, |_, args| {
        let mut out = vec![args[0].clone()];
        out.extend(sequence("cons", args, 1)?);
        Ok(Object::sequence(out))
    }),
    Native::new("conj", 1, MANY, |_, args| args[1..].iter().try_fold(args[0].clone(), conj)),
    Native::new("into", 2, 2, |_, args| sequence("into", args, 1)?.iter().try_fold(args[0].clone(), conj)),
    Native::new("seq", 1, 1, |_, args| {
        let items = sequence("seq", args, 0)?;
        Ok(if items.is_empty() { Object::NIL } else { Object::sequence(items) })
    }),
    Native::new("vec", 1, 1, |_, args| Ok(Object::sequence(sequence("vec", args, 0)?))),
    Native::new("set", 1, 1, |_, args| Ok(Object::Value(Value::Set(to_set(sequence("set", args, 0)?)?)))),
    Native::new("vector", 0, MANY, |_, args| Ok(Object::sequence(args.to_vec()))),
    Native::new("list", 0, MANY, |_, args| Ok(Object::sequence(args.to_vec()))),
    Native::new("count", 1, 1, |machine, args| match &args[0] {
        Object::Value(value @ (Value::Str(_) | Value::Bytes(_))) => {
            plain(machine, "count", &[Object::Value(value.clone())])
        }
        _ => Ok(int(sequence("count", args, 0)?.len())),
    }),
    Native::new("empty?", 1, 1, |_, args| truth(sequence("empty?", args, 0)?.is_empty())),
    Native::new("not-empty", 1, 1, |_, args| {
        Ok(if sequence("not-empty", args, 0)?.is_empty() { Object::NIL } else { args[0].clone() })
    }),
    Native::new("get", 2, 3, |_, args| {
        Ok(args[0].lookup(&args[1])?.or_else(|| args.get(2).cloned()).unwrap_or(Object::NIL))
    }),
    Native::new("get-in", 2, 3, |_, args| {
        let mut found = args[0].clone();
        for key in sequence("get-in", args, 1)? {
            match found.lookup(&key)? {
                Some(next) => found = next,
                None => return Ok(args.get(2).cloned().unwrap_or(Object::NIL)),
            }
        }
        Ok(found)
    }),
    Native::new("contains?", 2, 2, |machine, args| match &args[0] {
        Object::Value(_) => plain(machine, "contains?", args),
        other => truth(other.lookup(&args[1])?.is_some()),
    }),
    Native::new("keys", 1, 1, |_, args| pairs("keys", args, 0, |key, _| key)),
    Native::new("vals", 1, 1, |_, args| pairs("vals", args, 0, |_, value| value)),
    Native::new("assoc", 3, MANY, |_, args| {
        if args.len() % 2 == 0 {
            return Err(error(Kind::Arity, "assoc takes keys and values in pairs"));
        }
        let mut result = args[0].clone();
        for pair in args[1..].chunks_exact(2) {
            result = assoc(result, &pair[0], pair[1].clone())?;
        }
        Ok(result)
    }),
    Native::new("assoc-in", 3, 3, |_, args| {
        let path = sequence("assoc-in", args, 1)?;
        assoc_in(args[0].clone(), &path, args[2].clone())
    }),
    Native::new("update", 3, MANY, |machine, args| {
        let mut all = vec![args[0].lookup(&args[1])?.unwrap_or(Object::NIL)];
        all.extend_from_slice(&args[3..]);
        let new = machine.apply(&args[2], &all)?;
        assoc(args[0].clone(), &args[1], new)
    }),
    Native::new("dissoc", 1, MANY, |_, args| {
        let mut map = map_at("dissoc", args, 0)?;
        for key in &args[1..] {
            map.remove(&key.clone().into_value()?);
        }
        Ok(Object::Value(Value::Map(map)))
    }),
    Native::new("merge", 0, MANY, |_, args| {
        let mut out = BTreeMap::new();
        for at in 0..args.len() {
            out.extend(map_at("merge", args, at)?);
        }
        Ok(Object::Value(Value::Map(out)))
    }),
    Native::new("select-keys", 2, 2, |_, args| {
        let mut out = BTreeMap::new();
        for key in sequence("select-keys", args, 1)? {
            if let Some(found) = args[0].lookup(&key)? {
                out.insert(key.into_value()?, found.into_value()?);
            }
        }
        Ok(Object::Value(Value::Map(out)))
    }),
    Native::new("zipmap", 2, 2, |_, args| {
        entries(values("zipmap", args, 0)?.into_iter().zip(values("zipmap", args, 1)?))
    }),
    Native::new("disj", 1, MANY, |_, args| {
        let mut set = to_set(sequence("disj", args, 0)?)?;
        for item in &args[1..] {
            set.remove(&item.clone().into_value()?);
        }
        Ok(Object::Value(Value::Set(set)))
    }),
    Native::new("ex-info", 2, 3, |_, args| {
        let parts = vec![args[0].clone().into_value()?, args[1].clone().into_value()?];
        Ok(Object::Value(Value::Tagged(Symbol::parse(EX_INFO), Box::new(Value::Vector(parts)))))
    }),
    Native::new("symbol", 1, 1, |_, args| match args[0].clone().into_value()? {
        Value::Str(text) => Ok(Object::Value(Value::Symbol(Symbol::parse(&text)))),
        Value::Keyword(name) => Ok(Object::Value(Value::Symbol(Symbol::parse(name.as_str())))),
        symbol @ Value::Symbol(_) => Ok(Object::Value(symbol)),
        other => Err(unfit("symbol", 0, "a string", &Object::Value(other))),
    }),
    Native::new("long", 1, 1, long),
    Native::new("int", 1, 1, long),
    Native::new("double", 1, 1, |_, args| match &args[0] {
        Object::Value(Value::Int(number)) => Ok(Object::Value(Value::Float(*number as f64))),
        number @ Object::Value(Value::Float(_)) => Ok(number.clone()),
        other => Err(unfit("double", 0, "a number", other)),
    }),
    Native::new("abs", 1, 1, |machine, args| match plain(machine, "neg?", args)?.is_truthy() {
        true => plain(machine, "-", args),
        false => Ok(args[0].clone()),
    }),
    Native::new("map?", 1, 1, |_, args| {
        truth(matches!(&args[0], Object::Value(Value::Map(_)) | Object::Entity(_)))
    }),
    Native::new("string?", 1, 1, |_, args| truth(matches!(&args[0], Object::Value(Value::Str(_))))),
    Native::new("keyword?", 1, 1, |_, args| truth(matches!(&args[0], Object::Value(Value::Keyword(_))))),
    Native::new("number?", 1, 1, |_, args| {
        truth(
            matches!(&args[0], Object::Value(value) if crate::functions::number::Number::of(value).is_some()),
        )
    }),
];

fn truth(holds: bool) -> Result<Object> {
    Ok(Object::Value(Value::Bool(holds)))
}

fn int(number: usize) -> Object {
    Object::Value(Value::Int(number as i64))
}

fn function(callable: Callable) -> Result<Object> {
    Ok(Object::Function(callable))
}

/// The result of a function of the query language.
fn plain(machine: &mut Machine<'_>, name: &str, args: &[Object]) -> Result<Object> {
    match crate::functions::built_in(&Symbol::parse(name)) {
        Some(function) => machine.apply(&Object::Function(Callable::Query(function.clone())), args),
        None => Ok(Object::NIL),
    }
}

/// The elements of an argument.
pub(super) fn sequence(function: &str, args: &[Object], at: usize) -> Result<Vec<Object>> {
    args[at].elements()?.ok_or_else(|| unfit(function, at, "a collection", &args[at]))
}

fn values(function: &str, args: &[Object], at: usize) -> Result<Vec<Value>> {
    sequence(function, args, at)?.into_iter().map(Object::into_value).collect()
}

fn number(function: &str, args: &[Object], at: usize) -> Result<i64> {
    match &args[at] {
        Object::Value(Value::Int(number)) => Ok(*number),
        other => Err(unfit(function, at, "an integer", other)),
    }
}

fn map_at(function: &str, args: &[Object], at: usize) -> Result<BTreeMap<Value, Value>> {
    match &args[at] {
        Object::Value(Value::Map(map)) => Ok(map.clone()),
        Object::Value(Value::Nil) => Ok(BTreeMap::new()),
        other => Err(unfit(function, at, "a map", other)),
    }
}

fn entries(entries: impl Iterator<Item = (Value, Value)>) -> Result<Object> {
    Ok(Object::Value(Value::Map(entries.collect())))
}

/// The query language's order, and any other where that has none.
fn in_order(one: &Value, other: &Value) -> Ordering {
    compare::order(one, other).unwrap_or_else(|| one.cmp(other))
}

fn map(machine: &mut Machine<'_>, args: &[Object]) -> Result<Object> {
    let sequences = (1..args.len()).map(|at| sequence("map", args, at)).collect::<Result<Vec<_>>>()?;
    let len = sequences.iter().map(Vec::len).min().unwrap_or(0);
    let mut out = Vec::with_capacity(len);
    for at in 0..len {
        let items: Vec<Object> = sequences.iter().map(|sequence| sequence[at].clone()).collect();
        out.push(machine.apply(&args[0], &items)?);
    }
    Ok(Object::sequence(out))
}

fn select(machine: &mut Machine<'_>, name: &str, args: &[Object], wanted: bool) -> Result<Object> {
    let mut out = Vec::new();
    for item in sequence(name, args, 1)? {
        if machine.apply(&args[0], std::slice::from_ref(&item))?.is_truthy() == wanted {
            out.push(item);
        }
    }
    Ok(Object::sequence(out))
}

fn pairs(function: &str, args: &[Object], at: usize, part: fn(Object, Object) -> Object) -> Result<Object> {
    if matches!(&args[at], Object::Value(value) if !matches!(value, Value::Map(_) | Value::Nil)) {
        return Err(unfit(function, at, "a map", &args[at]));
    }
    let mut out = Vec::new();
    for pair in sequence(function, args, at)? {
        let mut parts = pair.elements()?.unwrap_or_default().into_iter();
        if let (Some(key), Some(value)) = (parts.next(), parts.next()) {
            out.push(part(key, value));
        }
    }
    Ok(Object::sequence(out))
}

fn conj(collection: Object, item: &Object) -> Result<Object> {
    match collection {
        Object::Value(Value::Map(mut map)) => {
            let parts = item.elements()?.unwrap_or_default();
            match (item, parts.as_slice()) {
                (Object::Value(Value::Map(more)), _) => map.extend(more.clone()),
                (_, [key, value]) => drop(map.insert(key.clone().into_value()?, value.clone().into_value()?)),
                _ => return Err(unfit("conj", 1, "a pair or a map", item)),
            }
            Ok(Object::Value(Value::Map(map)))
        }
        Object::Value(Value::Set(mut set)) => {
            set.insert(item.clone().into_value()?);
            Ok(Object::Value(Value::Set(set)))
        }
        // Lists grow at the front.
        Object::Value(Value::List(_) | Value::Nil) => {
            let mut items = vec![item.clone()];
            items.extend(collection.elements()?.unwrap_or_default());
            match Object::sequence(items) {
                Object::Value(Value::Vector(items)) => Ok(Object::Value(Value::List(items))),
                other => Ok(other),
            }
        }
        other => match other.elements()? {
            Some(mut items) => {
                items.push(item.clone());
                Ok(Object::sequence(items))
            }
            None => Err(unfit("conj", 0, "a collection", &other)),
        },
    }
}

fn assoc(collection: Object, key: &Object, value: Object) -> Result<Object> {
    let unfit_for = |other: &Object| unfit("assoc", 0, "a map or a vector", other);
    match collection {
        Object::Value(Value::Nil) => assoc(Object::Value(Value::Map(BTreeMap::new())), key, value),
        Object::Value(Value::Map(mut map)) => {
            map.insert(key.clone().into_value()?, value.into_value()?);
            Ok(Object::Value(Value::Map(map)))
        }
        other => match (other.elements()?, key) {
            (Some(mut items), Object::Value(Value::Int(at))) if (0..=items.len() as i64).contains(at) => {
                match items.get_mut(*at as usize) {
                    Some(item) => *item = value,
                    None => items.push(value),
                }
                Ok(Object::sequence(items))
            }
            _ => Err(unfit_for(&other)),
        },
    }
}

fn assoc_in(collection: Object, path: &[Object], value: Object) -> Result<Object> {
    match path {
        [] => Ok(value),
        [key, rest @ ..] => {
            let inner = collection.lookup(key)?.unwrap_or(Object::NIL);
            assoc(collection, key, assoc_in(inner, rest, value)?)
        }
    }
}

fn long(_: &mut Machine<'_>, args: &[Object]) -> Result<Object> {
    match &args[0] {
        number @ Object::Value(Value::Int(_)) => Ok(number.clone()),
        Object::Value(Value::Float(number)) if number.abs() < 9.2e18 => {
            Ok(Object::Value(Value::Int(*number as i64)))
        }
        other => Err(unfit("long", 0, "a number within 64 bits", other)),
    }
}

/// A keyword's name in the messages of other modules.
pub(super) fn keyword(function: &str, args: &[Object], at: usize) -> Result<Keyword> {
    match &args[at] {
        Object::Value(Value::Keyword(name)) => Ok(name.clone()),
        other => Err(unfit(function, at, "a keyword", other)),
    }
}
