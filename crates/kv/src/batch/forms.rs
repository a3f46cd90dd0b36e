//! The tuple forms of writes, as EDN.
//!
//! ```text
//! [:put dbi k v k-type v-type flags]      with the table pulled out:  [:put k v flags]
//! [:del dbi k k-type]                                                 [:del k]
//! [:put-list dbi k vs k-type v-type]                                  [:put-list k vs]
//! [:del-list dbi k vs k-type v-type]                                  [:del-list k vs]
//! ```
//!
//! What stands at the end may be left out. A type that is not given is the one stored with the table, or `:data`.

use edn::Value;

use super::Batch;
use crate::codec::{CodecError, KeyType};
use crate::dbi::{Dbi, DbiOptions};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::flags::PutFlags;
use crate::read::Read;
use crate::table::{DynTable, Table};
use crate::txn::WriteTxn;

impl Batch {
    /// Reads a sequence of tuple forms that name their tables.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let env = factum_kv::Env::open(dir.path())?;
    /// use factum_kv::{Batch, DbiFlags};
    ///
    /// env.open_dbi("user", DbiFlags::empty())?;
    /// let forms = edn::read(r#"[[:put "user" :u1 {:name "Alice"}] [:del "user" :u2]]"#).expect("EDN");
    /// env.transact(&Batch::read(&env, &forms)?)?;
    /// # Ok::<(), factum_kv::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::BadForm`] with the form that cannot be read or stored; [`Error::NoSuchDbi`].
    pub fn read(env: &Env, forms: &Value) -> Result<Self> {
        let read = env.read()?;
        let mut find = |name: &str| {
            let dbi = env.existing_dbi(name)?;
            Ok((dbi, read.dbi_options(&dbi)?))
        };
        read_forms(forms, Tables::Named(&mut find))
    }

    /// Reads a sequence of tuple forms for one table, which also gives the types.
    ///
    /// # Errors
    ///
    /// As [`Batch::read`].
    pub fn read_for(table: &DynTable, forms: &Value) -> Result<Self> {
        read_forms(forms, Tables::Only(table))
    }
}

impl WriteTxn<'_> {
    /// As [`Batch::read`], for this transaction: the forms may name tables that were made in it.
    ///
    /// # Errors
    ///
    /// As [`Batch::read`].
    pub fn read_batch(&mut self, forms: &Value) -> Result<Batch> {
        let mut find = |name: &str| {
            let dbi = self.existing_dbi(name)?;
            Ok((dbi, self.dbi_options(&dbi)?))
        };
        read_forms(forms, Tables::Named(&mut find))
    }
}

fn sequence(forms: &Value) -> Result<&[Value]> {
    match forms {
        Value::Nil => Ok(&[]),
        _ => forms.as_sequence().ok_or_else(|| bad(forms, "a sequence of writes was expected")),
    }
}

/// The tables that forms write to.
enum Tables<'t> {
    /// Each form names its own.
    Named(&'t mut dyn FnMut(&str) -> Result<(Dbi, DbiOptions)>),
    /// All forms write to this one.
    Only(&'t DynTable),
}

struct Reader<'t> {
    tables: Tables<'t>,
    batch: Batch,
}

fn read_forms(forms: &Value, tables: Tables<'_>) -> Result<Batch> {
    let mut reader = Reader { tables, batch: Batch::new() };
    for form in sequence(forms)? {
        reader.form(form)?;
    }
    Ok(reader.batch)
}

impl Reader<'_> {
    fn form(&mut self, form: &Value) -> Result<()> {
        let items = form.as_sequence().ok_or_else(|| bad(form, "a write is a vector"))?;
        let operation = items.first().and_then(Value::as_keyword).map(|keyword| keyword.as_str().to_owned());
        let operation = operation.ok_or_else(|| bad(form, "a write begins with its operation"))?;
        let rest = &items[1..];
        let (rest, own_table) = match (&self.tables, rest.split_first()) {
            (Tables::Only(_), _) => (rest, None),
            (Tables::Named(_), Some((Value::Str(name), rest))) => (rest, Some(name)),
            (Tables::Named(_), _) => return Err(bad(form, "the name of a table stands second")),
        };
        // How many arguments stand before the types.
        let arguments = match operation.as_str() {
            "del" => 1,
            "put" | "put-list" | "del-list" => 2,
            _ => return Err(unknown(form, &operation)),
        };
        let Some((arguments, rest)) = rest.split_at_checked(arguments) else {
            return Err(bad(form, "something is missing at the end"));
        };
        if arguments.iter().any(Value::is_nil) {
            return Err(bad(form, "nil cannot be stored, and is no key"));
        }
        let types = rest.len().min(if operation == "del" { 1 } else { 2 });
        let (table, flags) = match (&mut self.tables, own_table) {
            (Tables::Only(table), _) => ((*table).clone(), rest),
            (Tables::Named(find), Some(name)) => (typed(form, find(name)?, &rest[..types])?, &rest[types..]),
            (Tables::Named(_), None) => return Err(bad(form, "the name of a table stands second")),
        };
        let flags = match flags {
            [] => PutFlags::empty(),
            [flags] if operation == "put" && is_flags(flags) => put_flags(form, flags)?,
            _ if self.names_its_only_table(arguments) => {
                return Err(bad(
                    form,
                    "the table stands before the writes, so they do not name it: [:put k v], [:del k]",
                ));
            }
            [flags] if operation == "put" => put_flags(form, flags)?,
            _ => return Err(bad(form, "there is something too much at the end")),
        };
        let result = match (operation.as_str(), arguments) {
            ("put", [key, value]) => self.batch.put_with(&table, key, value, flags).map(drop),
            ("del", [key]) => self.batch.delete(&table, key).map(drop),
            ("put-list", [key, values]) => {
                self.batch.put_list(&table, key, items_of(form, values)?).map(drop)
            }
            (_, [key, values]) => self.batch.delete_list(&table, key, items_of(form, values)?).map(drop),
            _ => return Err(bad(form, "something is missing at the end")),
        };
        result.map_err(|error| refused(form, error))
    }
}

impl Reader<'_> {
    /// Whether a form that should leave the table's name away has it in front.
    fn names_its_only_table(&self, arguments: &[Value]) -> bool {
        match (&self.tables, arguments) {
            (Tables::Only(table), [Value::Str(name), ..]) => **name == *table.name(),
            _ => false,
        }
    }
}

/// A table with the types that a form gives, or else those stored with it.
fn typed(form: &Value, (dbi, stored): (Dbi, DbiOptions), types: &[Value]) -> Result<DynTable> {
    let given = |index: usize| match types.get(index) {
        Some(Value::Nil) | None => Ok(None),
        Some(value) => KeyType::from_value(value).map(Some).map_err(|error| wrong_type(form, &error)),
    };
    let wrong = |source| refused(form, Error::Unencodable { name: dbi.name().to_owned(), source });
    let keys = stored.key_type_for(given(0)?).map_err(wrong)?;
    let values = stored.value_type_for(given(1)?).map_err(wrong)?;
    Ok(Table::new(dbi, keys, values))
}

/// Why a form cannot be stored; errors about registered types keep their names.
fn refused(form: &Value, error: Error) -> Error {
    match error {
        Error::Unencodable { ref source, .. } if source.is_of_registered() => error,
        error => Error::BadForm { form: edn::shorten(form), reason: error.to_string() },
    }
}

fn items_of<'v>(form: &Value, values: &'v Value) -> Result<Vec<&'v Value>> {
    let items: Vec<&Value> = match values {
        Value::Set(items) => items.iter().collect(),
        _ => values
            .as_sequence()
            .ok_or_else(|| bad(form, "the values of a list are a sequence"))?
            .iter()
            .collect(),
    };
    if items.iter().any(|item| item.is_nil()) { Err(bad(form, "nil cannot be stored")) } else { Ok(items) }
}

fn is_flags(value: &Value) -> bool {
    matches!(value, Value::Nil | Value::Keyword(_) | Value::Set(_) | Value::Vector(_) | Value::List(_))
}

fn put_flags(form: &Value, flags: &Value) -> Result<PutFlags> {
    let all: Vec<&Value> = match flags {
        Value::Nil => return Ok(PutFlags::empty()),
        Value::Set(flags) => flags.iter().collect(),
        Value::Vector(flags) | Value::List(flags) => flags.iter().collect(),
        flag => vec![flag],
    };
    let mut sum = PutFlags::empty();
    for flag in all {
        sum |= match flag.as_keyword().map(edn::Keyword::as_str) {
            Some("nooverwrite") => PutFlags::NOOVERWRITE,
            Some("nodupdata") => PutFlags::NODUPDATA,
            Some("append") => PutFlags::APPEND,
            Some("appenddup") => PutFlags::APPENDDUP,
            _ => return Err(bad(form, "the flags are :nooverwrite, :nodupdata, :append and :appenddup")),
        };
    }
    Ok(sum)
}

fn bad(form: &Value, reason: &str) -> Error {
    Error::BadForm { form: edn::shorten(form), reason: reason.to_owned() }
}

fn unknown(form: &Value, operation: &str) -> Error {
    let nearest = edn::nearest(operation, ["put", "del", "put-list", "del-list"]);
    let hint = nearest.map(|name| format!(", did you mean :{name}?")).unwrap_or_default();
    bad(form, &format!("unknown operation :{operation}{hint}"))
}

fn wrong_type(form: &Value, error: &CodecError) -> Error {
    bad(form, &error.to_string())
}
