//! Runs a case as the forms that a user would type into `factum exec`.
//!
//! ```text
//! {:schema s :tx [d ..] :op [:pull p e]}   (def conn (create-conn 's)) (transact! conn 'd) .. (pull conn 'p 'e)
//! {:schema s :do [form ..]}                (def conn (create-conn 's)) form ..
//! ```

use edn::{Form, Keyword, Symbol, Value};
use factum_cli::{EvalError, Session};

use super::case::{Case, Expect};

/// An error and the stage at which it came.
struct Failure {
    stage: &'static str,
    error: EvalError,
}

/// What is wrong with the answer of the forms, if anything.
pub fn check(case: &Case) -> Result<(), String> {
    match (case.expect(), Run::default().answer(case)) {
        (Expect::Error { stage, class, code }, Err(failure)) => {
            let actual_code = failure.error.code.trim_start_matches(':').to_owned();
            let code_agrees = code.is_none_or(|code| actual_code == code);
            match failure.stage == stage && failure.error.class == class && code_agrees {
                true => Ok(()),
                false => Err(format!(
                    "expected {class} at {stage}, got {} ({actual_code}) at {}: {}",
                    failure.error.class, failure.stage, failure.error.message
                )),
            }
        }
        (expect, Ok(value)) => expect.judge(&value),
        (_, Err(failure)) => {
            Err(format!("failed at {}: {} {}", failure.stage, failure.error.code, failure.error.message))
        }
    }
}

/// A session, with a directory for cases that want files.
#[derive(Default)]
struct Run {
    session: Session,
    dir: Option<tempfile::TempDir>,
}

fn quoted(value: &Value) -> Value {
    call("quote", [value.clone()])
}

fn call(name: &str, args: impl IntoIterator<Item = Value>) -> Value {
    let mut items = vec![Value::symbol(name)];
    items.extend(args);
    Value::List(items)
}

fn conn() -> Value {
    Value::symbol("conn")
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_sequence).unwrap_or_default()
}

impl Run {
    fn eval(&mut self, stage: &'static str, form: &Value) -> Result<Value, Failure> {
        let form = Form::from(form);
        let item = self.session.eval(&form).map_err(|error| Failure { stage, error })?;
        let value = item.to_value();
        value.map_err(|error| Failure { stage, error: EvalError::from_factum(&error, form.span) })
    }

    fn define(&mut self, stage: &'static str, name: &str, value: Value) -> Result<(), Failure> {
        self.eval(stage, &call("def", [Value::symbol(name), value])).map(drop)
    }

    fn answer(&mut self, case: &Case) -> Result<Value, Failure> {
        let part = |key: &str| quoted(case.get(key).unwrap_or(&Value::Nil));
        let empty = Value::Map(Default::default());
        let schema = quoted(case.get("schema").unwrap_or(&empty));
        self.define("schema", "conn", call("create-conn", [schema, part("opts")]))?;
        for data in list(case.get("tx")) {
            let transact = call("transact!", [conn(), quoted(data), part("tx-meta")]);
            self.define("tx", "report", transact)?;
        }
        if let Some(data) = case.get("failing-tx") {
            let failed = self.eval("tx", &call("transact!", [conn(), quoted(data)])).is_err();
            assert!(failed, "{}: the failing transaction must fail", case.name);
        }
        if let Some(update) = case.get("schema-update") {
            let args = std::iter::once(conn()).chain(list(Some(update)).iter().map(quoted));
            self.eval("schema-update", &call("update-schema", args))?;
        }
        for data in list(case.get("tx-after")) {
            self.define("tx", "report", call("transact!", [conn(), quoted(data)]))?;
        }
        if case.get("do").is_some() {
            return self.run_forms(case);
        }
        if let Some(op) = case.get("op") {
            return self.operate(op);
        }
        self.query(case)
    }

    /// The value of the last form. `dir` is a directory for files; `(fails form)` must fail.
    fn run_forms(&mut self, case: &Case) -> Result<Value, Failure> {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("db").display().to_string();
        self.dir = Some(dir);
        self.define("op", "dir", Value::from(path))?;
        let mut last = Value::Nil;
        for form in list(case.get("do")) {
            last = match form.as_sequence() {
                Some([head, form]) if *head == Value::symbol("fails") => {
                    assert!(self.eval("op", form).is_err(), "{}: {form} must fail", case.name);
                    Value::Nil
                }
                _ => self.eval("op", form)?,
            };
        }
        Ok(last)
    }

    fn query(&mut self, case: &Case) -> Result<Value, Failure> {
        if let Some(dbs) = case.get("dbs").and_then(Value::as_map) {
            for (name, other) in dbs {
                let other = Case::part(other);
                let schema = quoted(other.get("schema").unwrap_or(&Value::Nil));
                self.define("schema", &name.to_string(), call("create-conn", [schema]))?;
                for data in list(other.get("tx")) {
                    self.eval("tx", &call("transact!", [name.clone(), quoted(data)]))?;
                }
            }
        }
        let has_database = case.get("schema").is_some() || case.get("tx").is_some();
        let inputs: Vec<Value> = match case.get("inputs") {
            None if has_database => vec![conn()],
            None => Vec::new(),
            Some(inputs) => list(Some(inputs))
                .iter()
                .map(|input| match input.as_symbol().map(Symbol::as_str) {
                    Some("$") => conn(),
                    Some("%") => quoted(case.get("rules").expect("rules")),
                    Some(name) if name.starts_with('$') => input.clone(),
                    _ => quoted(input),
                })
                .collect(),
        };
        let query = quoted(case.get("query").expect("a case has forms, a query or an operation"));
        self.eval("query", &call("q", std::iter::once(query).chain(inputs)))
    }

    fn operate(&mut self, op: &Value) -> Result<Value, Failure> {
        let parts = list(Some(op));
        let (name, args) = (parts[0].as_keyword().expect("an operation").name(), &parts[1..]);
        let with_conn = |form: &str| call(form, std::iter::once(conn()).chain(args.iter().map(quoted)));
        let form = match name {
            "pull" | "pull-many" | "datoms" | "index-range" | "cardinality" | "entid" => with_conn(name),
            "seek" => with_conn("seek-datoms"),
            "rseek" => with_conn("rseek-datoms"),
            "count" => with_conn("count-datoms"),
            "entity" => {
                let entity = call("entity", [conn(), quoted(&args[0])]);
                let id = [Value::keyword("db/id")];
                let path = if args.len() > 1 { &args[1..] } else { &id };
                path.iter().fold(entity, |entity, step| Value::List(vec![step.clone(), entity]))
            }
            "report" => {
                let part = self.eval("op", &Value::List(vec![args[0].clone(), Value::symbol("report")]))?;
                return Ok(renumbered(part));
            }
            "simulate" => {
                self.define("op", "report", call("with", [conn(), quoted(&args[0])]))?;
                let keyword = |name: &str| Value::Keyword(Keyword::parse(name));
                let tx_data = Value::List(vec![keyword("tx-data"), Value::symbol("report")]);
                let after = call("q", [quoted(&args[1]), conn()]);
                Value::Map([(keyword("tx-data"), tx_data), (keyword("after"), after)].into())
            }
            other => panic!("unknown operation {other}"),
        };
        self.eval("op", &form)
    }
}

/// Tempids with the number of the transaction as Datalevin counts: its first transaction of a user is number 2.
fn renumbered(part: Value) -> Value {
    let Value::Map(entries) = part else { return part };
    let number = |value: Value| match value.as_int() {
        Some(id) if id as u64 >= storage::TX_BASE => Value::Int((id as u64 - storage::TX_BASE) as i64 + 1),
        _ => value,
    };
    Value::Map(entries.into_iter().map(|(tempid, id)| (tempid, number(id))).collect())
}
