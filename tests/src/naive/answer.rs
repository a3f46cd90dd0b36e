//! From rows over variables to the answer: groups, aggregates, `:having`, order, window, pulls.

use std::collections::BTreeMap;

use edn::{Symbol, Value};
use query::ast::{
    Aggregate, AggregateArg, AggregateName, FindElement, FindShape, Operand, OrderColumn, PullPatternArg,
    Query, Window,
};
use query::functions;

use super::{Env, Failure, Result, World, columns, rows};

/// All rows of an answer, with what decides which of them are wanted.
#[derive(Clone, Debug)]
pub struct Answer {
    /// One value per find element; in order, where one was asked for; pulled; before `:offset` and `:limit`.
    pub rows: Vec<Vec<Value>>,
    /// Of each row what it is ordered by.
    pub keys: Vec<Vec<Value>>,
    /// How many rows to leave out.
    pub offset: usize,
    /// How many to keep then.
    pub limit: usize,
}

/// Answers a query whose inputs bind their variables in one of these ways.
pub fn answer(query: &Query, world: &World, inputs: Vec<Env>) -> Result<Answer> {
    let given = inputs.first().cloned().unwrap_or_default();
    let names = columns(query);
    let at = |name: &Symbol| names.iter().position(|other| other == name).expect("a column");
    let mut groups: Vec<(Vec<Value>, Vec<Vec<Value>>)> = Vec::new();
    let plain = |element: &FindElement| match element {
        FindElement::Variable(variable) => Some(at(&variable.name)),
        FindElement::Pull(pull) => Some(at(&pull.entity.name)),
        _ => None,
    };
    let aggregates = query.find.elements.iter().any(|element| plain(element).is_none());
    let key_of = |row: &[Value]| -> Vec<Value> {
        query.find.elements.iter().filter_map(plain).map(|at| row[at].clone()).collect()
    };
    let mut by_key: BTreeMap<Vec<Value>, Vec<Vec<Value>>> = BTreeMap::new();
    for row in rows(query, world, inputs)? {
        match aggregates {
            true => by_key.entry(key_of(&row)).or_default().push(row),
            false => groups.push((key_of(&row), vec![row])),
        }
    }
    groups.extend(by_key);
    let mut found: Vec<(Vec<Value>, Vec<Value>)> = Vec::new();
    for (key, rows) in &groups {
        let group = Group { world, given: &given, names: &names, rows };
        let mut kept = true;
        for having in &query.having {
            kept &= group.call(&having.predicate, &having.args)?.is_truthy();
        }
        if !kept {
            continue;
        }
        let mut key = key.iter();
        let row = query.find.elements.iter().map(|element| match element {
            FindElement::Aggregate(aggregate) => group.aggregate(aggregate),
            FindElement::Arithmetic(arithmetic) => group.call(&arithmetic.operator, &arithmetic.operands),
            _ => Ok(key.next().expect("a value for each plain element").clone()),
        });
        let row = row.collect::<Result<Vec<Value>>>()?;
        let keys = query.order_by.iter().map(|key| row[order_column(query, &key.column)].clone());
        found.push((keys.collect(), row));
    }
    let directions: Vec<bool> = query.order_by.iter().map(|key| key.descending).collect();
    found.sort_by(|(a, _), (b, _)| {
        let each = a.iter().zip(b).zip(&directions);
        let each = each.map(|((a, b), descending)| if *descending { b.cmp(a) } else { a.cmp(b) });
        each.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    let (keys, mut rows): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    pull(query, world, &given, &mut rows)?;
    let count = |window: &Option<Window>| match window {
        None | Some(Window::Count(None, _)) => None,
        Some(Window::Count(Some(count), _)) => Some(*count as usize),
        Some(Window::Variable(variable)) => {
            given.get(&variable.name).and_then(Value::as_int).and_then(|count| usize::try_from(count).ok())
        }
    };
    let (offset, limit) = (count(&query.offset).unwrap_or(0), count(&query.limit).unwrap_or(usize::MAX));
    Ok(Answer { rows, keys, offset, limit })
}

impl Answer {
    /// The rows that are wanted, as they would be if rows with equal keys came in this order.
    pub fn window(&self) -> impl Iterator<Item = &Vec<Value>> {
        self.rows.iter().skip(self.offset).take(self.limit)
    }

    /// The answer in the shape that `:find` asks for.
    pub fn into_value(self, query: &Query) -> Value {
        let first = |row: &Vec<Value>| row[0].clone();
        match query.find.shape {
            FindShape::Relation => {
                Value::Vector(self.window().map(|row| Value::Vector(row.clone())).collect())
            }
            FindShape::Collection => Value::Vector(self.rows.iter().map(first).collect()),
            FindShape::Scalar => self.rows.first().map(first).unwrap_or_default(),
            FindShape::Tuple => self.rows.into_iter().next().map(Value::Vector).unwrap_or_default(),
        }
    }
}

/// The find element that a key of `:order-by` names: a variable, or the only aggregate over it.
fn order_column(query: &Query, column: &OrderColumn) -> usize {
    let variable = match column {
        OrderColumn::Index(index) => return *index as usize,
        OrderColumn::Variable(variable) => &variable.name,
    };
    let elements = || query.find.elements.iter();
    let plain = elements().position(|element| match element {
        FindElement::Variable(found) => found.name == *variable,
        FindElement::Pull(pull) => pull.entity.name == *variable,
        _ => false,
    });
    let over = |element: &FindElement| match element {
        FindElement::Aggregate(aggregate) => aggregate.over.name == *variable,
        _ => false,
    };
    plain.or_else(|| elements().position(over)).expect("the parser has checked it")
}

/// The variables that operands aggregate.
pub(super) fn aggregated(operands: &[Operand], names: &mut Vec<Symbol>) {
    for operand in operands {
        match operand {
            Operand::Aggregate(aggregate) => names.push(aggregate.over.name.clone()),
            Operand::Arithmetic(arithmetic) => aggregated(&arithmetic.operands, names),
            Operand::Constant(_) => {}
        }
    }
}

fn pull(query: &Query, world: &World, given: &Env, rows: &mut [Vec<Value>]) -> Result<()> {
    for (column, element) in query.find.elements.iter().enumerate() {
        let FindElement::Pull(pull) = element else { continue };
        let implied = Symbol::from("$");
        let database = world.database(pull.source.as_ref().map_or(&implied, |source| &source.name))?;
        let pattern = match &pull.pattern {
            PullPatternArg::Literal(form) => form.to_value(),
            PullPatternArg::Input(variable) => given[&variable.name].clone(),
        };
        for row in rows.iter_mut() {
            let entity = database.entity(&row[column]).filter(|entity| *entity >= 0);
            row[column] = entity.and_then(|entity| database.pull(&pattern, entity)).unwrap_or_default();
        }
    }
    Ok(())
}

/// Rows with the same plain elements.
struct Group<'a> {
    world: &'a World,
    given: &'a Env,
    names: &'a [Symbol],
    rows: &'a [Vec<Value>],
}

impl Group<'_> {
    fn operand(&self, operand: &Operand) -> Result<Value> {
        match operand {
            Operand::Aggregate(aggregate) => self.aggregate(aggregate),
            Operand::Arithmetic(arithmetic) => self.call(&arithmetic.operator, &arithmetic.operands),
            Operand::Constant(constant) => Ok(constant.value.clone()),
        }
    }

    fn call(&self, name: &Symbol, operands: &[Operand]) -> Result<Value> {
        let args = operands.iter().map(|operand| self.operand(operand)).collect::<Result<Vec<_>>>()?;
        let function = functions::built_in(name).ok_or(Failure::Function(format!("unknown {name}")))?;
        function.call(&args).map_err(|error| Failure::Function(error.to_string()))
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Result<Value> {
        let column = self.names.iter().position(|name| *name == aggregate.over.name).expect("a column");
        let mut values: Vec<Value> = self.rows.iter().map(|row| row[column].clone()).collect();
        values.sort();
        let args: Vec<Value> = aggregate
            .args
            .iter()
            .map(|arg| match arg {
                AggregateArg::Constant(constant) => constant.value.clone(),
                AggregateArg::Variable(variable) => self.given[&variable.name].clone(),
            })
            .collect();
        let name = match &aggregate.name {
            AggregateName::Named(name, _) => name,
            AggregateName::Input(variable) => &variable.name,
        };
        if let Some(host) = self.world.aggregates.get(name) {
            return Ok(host(&args, &values));
        }
        built_in(name.as_str(), args.first().and_then(Value::as_int), values)
    }
}

/// The aggregate of values in ascending order.
fn built_in(name: &str, count: Option<i64>, mut values: Vec<Value>) -> Result<Value> {
    let numbers = || {
        let number = |value: &Value| match value {
            Value::Int(int) => Ok(*int as f64),
            Value::Float(float) => Ok(*float),
            other => Err(Failure::Function(format!("{other} is not a number"))),
        };
        values.iter().map(number).collect::<Result<Vec<f64>>>()
    };
    let length = values.len();
    Ok(match (name, count) {
        ("count", _) => Value::Int(length as i64),
        ("vec", _) => Value::Vector(values),
        ("distinct", _) => Value::Set(values.into_iter().collect()),
        ("count-distinct", _) => {
            values.dedup();
            Value::Int(values.len() as i64)
        }
        ("min", None) => values.swap_remove(0),
        ("max", None) => values.swap_remove(length - 1),
        ("min", Some(count)) => Value::Vector(values[..length.min(count as usize)].to_vec()),
        ("max", Some(count)) => Value::Vector(values[length - length.min(count as usize)..].to_vec()),
        ("sum", _) => {
            let ints: Option<i64> = values.iter().map(Value::as_int).sum();
            match ints {
                Some(sum) => Value::Int(sum),
                None => Value::Float(numbers()?.iter().sum()),
            }
        }
        ("avg", _) => Value::Float(numbers()?.iter().sum::<f64>() / length as f64),
        ("median", _) => {
            let (low, high) = (&values[(length - 1) / 2], &values[length / 2]);
            match (low.as_int(), high.as_int()) {
                (Some(low), Some(high)) if (low + high) % 2 == 0 => Value::Int((low + high) / 2),
                (Some(low), Some(high)) => edn::read(&format!("{}/2", low + high)).expect("a ratio"),
                _ => return Err(Failure::Function("a median of integers is expected".into())),
            }
        }
        ("variance" | "stddev", _) => {
            let numbers = numbers()?;
            let mean = numbers.iter().sum::<f64>() / length as f64;
            let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / length as f64;
            Value::Float(if name == "variance" { variance } else { variance.sqrt() })
        }
        _ => return Err(Failure::Function(format!("unknown aggregate {name}"))),
    })
}
