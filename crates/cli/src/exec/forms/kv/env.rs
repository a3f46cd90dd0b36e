//! Stores and their tables: opening, closing, inspecting, copying.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use edn::Value;
use factum::Kv;
use factum::kv::codec::KeyType;
use factum::kv::{Dbi, DbiFlags, DbiOptions, EnvFlags, ReIndex, Read, WriteTxn};

use super::super::super::args::Args;
use super::super::super::error::EvalError;
use super::super::super::item::{Item, map};
use super::super::super::known_types;
use super::super::super::kv::{KvHandle, KvTarget};
use super::super::super::session::Session;
use super::dbi;

type Answer = Result<Item, EvalError>;

/// `(open-kv dir opts?)`
pub(in super::super) fn open_kv(_: &mut Session, mut args: Args) -> Answer {
    let dir = args.value(0)?;
    let dir = match &dir {
        Value::Nil => None,
        Value::Str(dir) => Some(Path::new(&**dir)),
        other => {
            return Err(args.unfit(
                0,
                "a directory, or nil for a store in memory",
                &Item::Value(other.clone()),
            ));
        }
    };
    let options = args.value(1)?;
    let kv = Kv::open_value(dir, &options).map_err(|error| args.fail(&error))?;
    Ok(Item::Kv(KvHandle::new(kv)))
}

/// `(datalog-kv conn)`
pub(in super::super) fn datalog_kv(_: &mut Session, mut args: Args) -> Answer {
    match args.item(0) {
        // Inside a transaction, the transaction itself.
        Item::Transaction(tx) => Ok(Item::Transaction(tx)),
        Item::Conn(conn) => {
            conn.kv().map(|kv| Item::Kv(KvHandle::new(kv))).map_err(|error| args.fail(&error))
        }
        other => Err(args.unfit(0, "a connection", &other)),
    }
}

fn handle(args: &mut Args) -> Result<KvHandle, EvalError> {
    match args.kv_target(0)? {
        KvTarget::Store(kv) => Ok(kv),
        _ => {
            let message = "inside the transaction, this is done with the store itself";
            Err(EvalError::new(":exec/argument", message, args.span_of(0)))
        }
    }
}

pub(super) fn store(args: &mut Args) -> Result<Kv, EvalError> {
    handle(args)?.store(args.span)
}

/// `(close-kv kv)`
pub(in super::super) fn close_kv(_: &mut Session, mut args: Args) -> Answer {
    drop(handle(&mut args)?.take());
    Ok(Item::NIL)
}

/// `(closed-kv? kv)`
pub(in super::super) fn is_closed_kv(_: &mut Session, mut args: Args) -> Answer {
    Ok(Item::Value(Value::Bool(handle(&mut args)?.is_closed())))
}

/// `(dir kv)`
pub(in super::super) fn dir(_: &mut Session, mut args: Args) -> Answer {
    let kv = handle(&mut args)?;
    Ok(Item::Value(Value::from(kv.dir().display().to_string())))
}

/// `(sync kv)`
pub(in super::super) fn sync(_: &mut Session, mut args: Args) -> Answer {
    store(&mut args)?.sync().map_err(|error| args.kv_error(&error))?;
    Ok(Item::NIL)
}

/// `(set-env-flags kv flags on?)`
pub(in super::super) fn set_env_flags(_: &mut Session, mut args: Args) -> Answer {
    let store = store(&mut args)?;
    let on = args.flag(2, true)?;
    let mut flags = EnvFlags::empty();
    for name in args.keywords(1)? {
        flags |= *one_of(&args, 1, "flag", &name, &EnvFlags::NAMED)?;
    }
    store.set_flags(flags, on).map_err(|error| args.kv_error(&error))?;
    Ok(Item::NIL)
}

/// `(get-env-flags kv)`
pub(in super::super) fn get_env_flags(_: &mut Session, mut args: Args) -> Answer {
    let flags = store(&mut args)?.flags();
    let names = EnvFlags::NAMED.iter().filter(|(_, flag)| flags.contains(*flag));
    Ok(Item::Value(Value::Set(names.map(|(name, _)| Value::keyword(name)).collect())))
}

/// What a keyword stands for.
fn one_of<'t, T>(
    args: &Args,
    at: usize,
    what: &str,
    name: &str,
    known: &'t [(&'static str, T)],
) -> Result<&'t T, EvalError> {
    known.iter().find(|(known, _)| *known == name).map(|(_, value)| value).ok_or_else(|| {
        let message = format!("there is no {what} :{name}");
        let mut error = EvalError::new(":exec/argument", message, args.span_of(at));
        let near = edn::nearest(name, known.iter().map(|(known, _)| *known));
        error.hint = near.map(|near| format!("did you mean :{near}?"));
        error
    })
}

/// The flags of tables; those that nothing is done for have no bits.
const DBI_FLAGS: [(&str, DbiFlags); 9] = [
    ("reversekey", DbiFlags::REVERSEKEY),
    ("dupsort", DbiFlags::DUPSORT),
    ("integerkey", DbiFlags::INTEGERKEY),
    ("dupfixed", DbiFlags::DUPFIXED),
    ("integerdup", DbiFlags::INTEGERDUP),
    ("reversedup", DbiFlags::REVERSEDUP),
    ("create", DbiFlags::empty()),
    ("counted", DbiFlags::empty()),
    ("prefix-compression", DbiFlags::empty()),
];

/// What the options of `open-dbi` ask for.
struct Asked {
    /// For a table that is to be made.
    options: DbiOptions,
    /// Whether flags were among them.
    flags: bool,
    /// Whether a table may be made.
    create: bool,
}

impl Asked {
    /// For a table that is there: what is not asked for is as it is.
    fn of_existing(self, dbi: &Dbi) -> DbiOptions {
        if self.flags {
            return self.options;
        }
        with_types(dbi.flags().into(), self.options.key_type().cloned(), self.options.value_type().cloned())
    }
}

/// Options with the types that are asked for.
fn with_types(mut options: DbiOptions, keys: Option<KeyType>, values: Option<KeyType>) -> DbiOptions {
    if let Some(keys) = keys {
        options = options.key_type_of(keys);
    }
    if let Some(values) = values {
        options = options.value_type_of(values);
    }
    options
}

/// Reads the options of `open-dbi`.
fn dbi_options(
    session: &mut Session,
    args: &Args,
    place: usize,
    value: &Value,
    list: bool,
) -> Result<Asked, EvalError> {
    let at = args.span_of(place);
    let bad = |message: String| EvalError::new(":exec/argument", message, at);
    let none = std::collections::BTreeMap::new();
    let entries = match value {
        Value::Nil => &none,
        value => value.as_map().ok_or_else(|| bad("the options of a table are a map".to_owned()))?,
    };
    let (mut flags, mut has_flags, mut create, mut counted) = (DbiFlags::empty(), false, true, true);
    let (mut key_type, mut value_type) = (None, None);
    for (key, value) in entries {
        let name = key.as_keyword().map(edn::Keyword::as_str).unwrap_or_default();
        let wrong = || bad(format!("{key} does not take {value}"));
        let a_type =
            || KeyType::from_value(value).map(Some).map_err(|error| EvalError::from_codec(&error, at));
        match (name, value) {
            ("key-size", Value::Int(size)) if (1..=511).contains(size) => {}
            ("key-size", Value::Int(_)) => return Err(bad("keys have at most 511 bytes".to_owned())),
            // Buffers grow by themselves.
            ("val-size", Value::Int(1..)) => {}
            // Types are always checked.
            ("validate-data?", Value::Bool(_)) => {}
            ("key-type", _) => key_type = a_type()?,
            ("value-type", _) => value_type = a_type()?,
            ("flags", value) => {
                (has_flags, create, counted) = (true, false, false);
                for name in keywords(value).ok_or_else(wrong)? {
                    flags |= *one_of(args, place, "flag", &name, &DBI_FLAGS)?;
                    match name.as_str() {
                        "create" => create = true,
                        "counted" => counted = true,
                        "prefix-compression" => {
                            session.warn(":prefix-compression has no effect: there is none".to_owned());
                        }
                        _ => {}
                    }
                }
            }
            _ => {
                let known = ["key-size", "val-size", "validate-data?", "key-type", "value-type", "flags"];
                if known.contains(&name) {
                    return Err(wrong());
                }
                let mut error = bad(format!("there is no option {key}"));
                error.hint = edn::nearest(name, known).map(|near| format!("did you mean :{near}?"));
                return Err(error);
            }
        }
    }
    if list {
        flags |= DbiFlags::DUPSORT;
    }
    // Tables are counted unless their flags say otherwise, as in the original.
    let options = with_types(DbiOptions::from(flags).counted(counted), key_type, value_type);
    Ok(Asked { options, flags: has_flags, create })
}

/// The names of a keyword, or of a collection of them.
fn keywords(value: &Value) -> Option<Vec<String>> {
    let name = |value: &Value| value.as_keyword().map(|keyword| keyword.as_str().to_owned());
    match value {
        Value::Set(items) => items.iter().map(name).collect(),
        Value::Vector(items) | Value::List(items) => items.iter().map(name).collect(),
        other => name(other).map(|name| vec![name]),
    }
}

impl Args {
    /// Keywords, one or a collection.
    pub(super) fn keywords(&mut self, at: usize) -> Result<Vec<String>, EvalError> {
        let value = self.value(at)?;
        keywords(&value)
            .ok_or_else(|| self.unfit(at, "a keyword or a set of them", &Item::Value(value.clone())))
    }

    /// The elements of a collection.
    pub(super) fn items(&mut self, at: usize) -> Result<Vec<Value>, EvalError> {
        match self.value(at)? {
            Value::Set(items) => Ok(items.into_iter().collect()),
            Value::Vector(items) | Value::List(items) => Ok(items),
            other => Err(self.unfit(at, "a sequence", &Item::Value(other))),
        }
    }
}

fn open(session: &mut Session, mut args: Args, list: bool) -> Answer {
    let target = args.kv_target(0)?;
    let name = args.name_at(1)?;
    let value = args.value(2)?;
    let asked = dbi_options(session, &args, 2, &value, list)?;
    let fail = |error| args.kv_error(&error);
    let options = match target.dbi(&name, args.span_of(1)) {
        Ok(dbi) if asked.flags || dbi.is_list() == list => asked.of_existing(&dbi),
        Err(error) if !asked.create => {
            let hint = "with :create among its :flags, it is made".to_owned();
            return Err(EvalError { hint: Some(hint), ..error });
        }
        _ => asked.options,
    };
    let opened = match &target {
        // A table that is there needs no transaction.
        KvTarget::Store(kv) => kv.store(args.span)?.open_dbi(&name, options).map_err(fail)?,
        _ => target.write(args.span, |txn| txn.open_dbi(&name, options).map_err(fail))?,
    };
    target.read(args.span, |read| {
        let options = read.dbi_options(&opened).map_err(fail)?;
        known_types::remember_type(options.key_type());
        known_types::remember_type(options.value_type());
        Ok(())
    })?;
    Ok(Item::Value(Value::str(opened.name())))
}

/// `(open-dbi kv table opts?)`
pub(in super::super) fn open_dbi(session: &mut Session, args: Args) -> Answer {
    open(session, args, false)
}

/// `(open-list-dbi kv table opts?)`
pub(in super::super) fn open_list_dbi(session: &mut Session, args: Args) -> Answer {
    open(session, args, true)
}

fn change(mut args: Args, change: fn(&mut WriteTxn<'_>, &Dbi) -> factum::kv::Result<()>) -> Answer {
    let target = args.kv_target(0)?;
    let dbi = dbi(&mut args, &target)?;
    target.write(args.span, |txn| change(txn, &dbi).map_err(|error| args.kv_error(&error)))?;
    Ok(Item::NIL)
}

/// `(clear-dbi kv table)`
pub(in super::super) fn clear_dbi(_: &mut Session, args: Args) -> Answer {
    change(args, |txn, dbi| txn.clear(dbi))
}

/// `(drop-dbi kv table)`
pub(in super::super) fn drop_dbi(_: &mut Session, args: Args) -> Answer {
    change(args, |txn, dbi| txn.drop_dbi(dbi))
}

/// `(list-dbis kv)`
pub(in super::super) fn list_dbis(_: &mut Session, mut args: Args) -> Answer {
    let names = store(&mut args)?.dbi_names().map_err(|error| args.fail(&error))?;
    Ok(Item::Value(Value::Vector(names.into_iter().map(Value::from).collect())))
}

/// `(list-dbi? kv table)`
pub(in super::super) fn is_list_dbi(_: &mut Session, mut args: Args) -> Answer {
    let target = args.kv_target(0)?;
    Ok(Item::Value(Value::Bool(dbi(&mut args, &target)?.is_list())))
}

/// `(dbi-opts kv table)`
pub(in super::super) fn dbi_opts(_: &mut Session, mut args: Args) -> Answer {
    let target = args.kv_target(0)?;
    let dbi = dbi(&mut args, &target)?;
    target.read(args.span, |read| {
        let options = read.dbi_options(&dbi).map_err(|error| args.kv_error(&error))?;
        let mut flags: std::collections::BTreeSet<Value> = DBI_FLAGS
            .iter()
            .filter(|(_, flag)| !flag.is_empty() && dbi.flags().contains(*flag))
            .map(|(name, _)| Value::keyword(name))
            .collect();
        if options.is_counted() {
            flags.insert(Value::keyword("counted"));
        }
        let shown = |key_type: Option<&KeyType>| key_type.map_or(Value::Nil, KeyType::to_value);
        Ok(Item::Value(map([
            ("flags", Value::Set(flags)),
            ("key-type", shown(options.key_type())),
            ("value-type", shown(options.value_type())),
        ])))
    })
}

/// `(stat kv table?)`
pub(in super::super) fn stat(_: &mut Session, mut args: Args) -> Answer {
    let store = store(&mut args)?;
    let name = if args.has(1) { Some(args.name_at(1)?) } else { None };
    let fail = |error| args.kv_error(&error);
    let stat = if let Some(name) = name {
        store.existing_dbi(&name).and_then(|dbi| store.read()?.stat(&dbi))
    } else {
        store.stat()
    };
    let (stat, page_size) = (stat.map_err(fail)?, store.info().map_err(fail)?.page_size);
    let int = |number: u64| Value::Int(number as i64);
    Ok(Item::Value(map([
        ("psize", int(page_size.into())),
        ("depth", int(stat.depth.into())),
        ("branch-pages", int(stat.branch_pages)),
        ("leaf-pages", int(stat.leaf_pages)),
        ("overflow-pages", int(stat.overflow_pages)),
        ("entries", int(stat.entries)),
    ])))
}

/// `(entries kv table)`
pub(in super::super) fn entries(_: &mut Session, mut args: Args) -> Answer {
    let target = args.kv_target(0)?;
    let dbi = dbi(&mut args, &target)?;
    target.read(args.span, |read| {
        let entries = read.entries(&dbi).map_err(|error| args.kv_error(&error))?;
        Ok(Item::Value(Value::Int(entries as i64)))
    })
}

/// `(copy kv dest compact?)`
pub(in super::super) fn copy(_: &mut Session, mut args: Args) -> Answer {
    let store = store(&mut args)?;
    let (dest, compact) = (args.value(1)?, args.flag(2, false)?);
    let Some(dest) = dest.as_str() else {
        return Err(args.unfit(1, "a directory, a string", &Item::Value(dest)));
    };
    store.copy_to(dest, compact).map_err(|error| args.kv_error(&error))?;
    Ok(Item::NIL)
}

/// `(re-index kv opts?)`: `{:tables {name options ..} :backup? true}`; all tables as they are, if none is named. Gives the
/// store. The backup, below the system's directory of temporary files, is the user's to remove.
pub(in super::super) fn re_index(session: &mut Session, mut args: Args) -> Answer {
    let handle = handle(&mut args)?;
    let store = handle.store(args.span)?;
    let options = args.value(1)?;
    let bad = |args: &Args, message: String| EvalError::new(":exec/argument", message, args.span_of(1));
    let none = std::collections::BTreeMap::new();
    let entries = match &options {
        Value::Nil => &none,
        other => other.as_map().ok_or_else(|| bad(&args, "the options are a map".to_owned()))?,
    };
    let (mut plan, mut named) = (ReIndex::new(), false);
    for (key, value) in entries {
        match (key.as_keyword().map(edn::Keyword::as_str).unwrap_or_default(), value) {
            ("backup?", Value::Bool(false)) => {}
            ("backup?", Value::Bool(true)) => {
                let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
                let backup =
                    std::env::temp_dir().join(format!("factum-backup-{time}-{}", std::process::id()));
                session
                    .warn(format!("the store as it was is in {}; remove it when you like", backup.display()));
                plan = plan.backup(backup);
            }
            ("tables", Value::Map(tables)) => {
                for (name, options) in tables {
                    let Some(name) = name.as_str() else {
                        return Err(bad(&args, format!("{name} is no table's name")));
                    };
                    // What a list table is, it stays, unless its flags say otherwise.
                    let flags = Value::keyword("flags");
                    let keeps = options.as_map().is_none_or(|options| !options.contains_key(&flags));
                    let dbi = store.existing_dbi(name).map_err(|error| args.kv_error(&error))?;
                    let asked = dbi_options(session, &args, 1, options, keeps && dbi.is_list())?;
                    plan = plan.table(name, asked.options);
                    named = true;
                }
            }
            (name, value) => {
                let known = ["backup?", "tables"];
                let message = if known.contains(&name) {
                    format!("{key} does not take {value}")
                } else {
                    format!("there is no option {key}")
                };
                let mut error = bad(&args, message);
                error.hint = edn::nearest(name, known).map(|near| format!("did you mean :{near}?"));
                return Err(error);
            }
        }
    }
    if !named {
        let read = store.read().map_err(|error| args.kv_error(&error))?;
        for name in store.dbi_names().map_err(|error| args.fail(&error))? {
            let as_it_is = store.existing_dbi(&name).and_then(|dbi| read.dbi_options(&dbi));
            plan = plan.table(&name, as_it_is.map_err(|error| args.kv_error(&error))?);
        }
    }
    plan = plan.spill(store.spill_options().clone());
    store.re_index(&plan).map_err(|error| args.kv_error(&error))?;
    Ok(Item::Kv(handle))
}
