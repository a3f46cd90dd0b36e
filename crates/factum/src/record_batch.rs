//! Answers as Arrow record batches, with the feature `arrow`.
//!
//! ```text
//! rows of values --column by column--> one type for all values? --> typed array
//!                                      else ------------------> text: EDN
//! ```

use std::collections::HashMap;
use std::iter::once;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, Float64Array, Int64Array, NullArray,
    RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{ArrowError, Field, Schema};
use edn::Value;

use crate::{Error, QueryResult, Result};

/// What all values of a column are; nil is of every kind.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Nil,
    Bool,
    Int,
    Float,
    Str,
    Inst,
    Uuid,
    Bytes,
    /// Of several kinds, or of one that Arrow has no type for.
    Edn,
}

impl Kind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Float(_) => Self::Float,
            Value::Str(_) => Self::Str,
            Value::Inst(_) => Self::Inst,
            Value::Uuid(_) => Self::Uuid,
            Value::Bytes(_) => Self::Bytes,
            _ => Self::Edn,
        }
    }

    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nil, kind) | (kind, Self::Nil) => kind,
            (a, b) if a == b => a,
            _ => Self::Edn,
        }
    }
}

impl QueryResult {
    /// The rows as an Arrow record batch, for Polars, DataFusion and other readers of Arrow.
    ///
    /// Columns have the names of `:keys`, else those of `:find` without the question mark of a variable. All of them are
    /// nullable, nil is null. Values decide the type of a column:
    ///
    /// | values | Arrow type |
    /// |---|---|
    /// | long integers, entities | `Int64` |
    /// | doubles | `Float64` |
    /// | strings | `Utf8` |
    /// | booleans | `Boolean` |
    /// | instants | `Timestamp(Millisecond, "UTC")` |
    /// | UUIDs | `FixedSizeBinary(16)` with the extension name `arrow.uuid` |
    /// | bytes | `Binary` |
    /// | none but nil, or no rows | `Null` |
    /// | keywords and all others, or a mixture | `Utf8`, as EDN |
    ///
    /// The method needs the feature `arrow`. The crates of Arrow that it is made with are there as `factum::arrow_array` and
    /// `factum::arrow_schema`. A column of text or bytes that does not fit the 32-bit offsets of its type is an error
    /// ([`Error::Arrow`]).
    ///
    /// ```
    /// use factum::Db;
    /// use factum::arrow_array::{Array, cast::AsArray, types::Int64Type};
    ///
    /// let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
    /// let batch =
    ///     db.query("[:find ?name ?age :where [?e :name ?name] [?e :age ?age] :order-by ?age]")?.to_record_batch()?;
    /// assert_eq!(batch.schema().field(1).name(), "age");
    /// assert_eq!(batch.column(0).as_string::<i32>().value(1), "Bob");
    /// assert_eq!(batch.column(1).as_primitive::<Int64Type>().values(), &[38, 41]);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn to_record_batch(&self) -> Result<RecordBatch> {
        let names = self.columns();
        let mut fields = Vec::with_capacity(names.len());
        let mut arrays = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            let values = || self.tuples().iter().map(move |row| &row[at]);
            let name = name.strip_prefix('?').unwrap_or(name);
            let kind = values().fold(Kind::Nil, |kind, value| kind.with(Kind::of(value)));
            let array = array(kind, values, self.len())
                .map_err(|source| Error::Arrow { column: Some(name.to_owned()), source })?;
            let field = Field::new(name, array.data_type().clone(), true);
            fields.push(if kind == Kind::Uuid { field.with_metadata(uuid_extension()) } else { field });
            arrays.push(array);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|source| Error::Arrow { column: None, source })
    }
}

/// Arrow's canonical extension type for UUIDs.
fn uuid_extension() -> HashMap<String, String> {
    once(("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())).collect()
}

/// The array of values that are of one kind.
fn array<'v, I: Iterator<Item = &'v Value>>(
    kind: Kind,
    values: impl Fn() -> I,
    rows: usize,
) -> Result<ArrayRef, ArrowError> {
    // Only nil is not of the kind that is asked for, so what does not match is null.
    macro_rules! pick {
        ($pattern:pat => $value:expr) => {
            values().map(|value| if let $pattern = value { Some($value) } else { None })
        };
    }
    let array: ArrayRef = match kind {
        Kind::Nil => Arc::new(NullArray::new(rows)),
        Kind::Bool => Arc::new(pick!(Value::Bool(bool) => *bool).collect::<BooleanArray>()),
        Kind::Int => Arc::new(pick!(Value::Int(int) => *int).collect::<Int64Array>()),
        Kind::Float => Arc::new(pick!(Value::Float(float) => *float).collect::<Float64Array>()),
        Kind::Inst => {
            let instants = pick!(Value::Inst(millis) => *millis).collect::<TimestampMillisecondArray>();
            Arc::new(instants.with_timezone("UTC"))
        }
        Kind::Uuid => {
            let uuids = pick!(Value::Uuid(uuid) => uuid.as_bytes());
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids, 16)?)
        }
        Kind::Str => {
            let texts = || pick!(Value::Str(text) => &**text);
            fits(texts().flatten().map(str::len))?;
            Arc::new(texts().collect::<StringArray>())
        }
        Kind::Bytes => {
            let blocks = || pick!(Value::Bytes(bytes) => &**bytes);
            fits(blocks().flatten().map(<[u8]>::len))?;
            Arc::new(blocks().collect::<BinaryArray>())
        }
        Kind::Edn => {
            let texts: Vec<Option<String>> =
                values().map(|value| (!value.is_nil()).then(|| value.to_string())).collect();
            fits(texts.iter().flatten().map(String::len))?;
            Arc::new(texts.into_iter().collect::<StringArray>())
        }
    };
    Ok(array)
}

/// Whether values of these lengths fit an array with 32-bit offsets; making one would panic otherwise.
fn fits(lengths: impl Iterator<Item = usize>) -> Result<(), ArrowError> {
    let bytes = lengths.fold(0, usize::saturating_add);
    match i32::try_from(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(ArrowError::OffsetOverflowError(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_are_too_long_are_an_error() {
        // The limit itself fits; the lengths stand for text that a test had better not make.
        assert!(fits([1 << 30, (1 << 30) - 1].into_iter()).is_ok());
        assert!(matches!(
            fits([1 << 30, 1 << 30].into_iter()),
            Err(ArrowError::OffsetOverflowError(0x8000_0000))
        ));
        assert!(fits([usize::MAX, 1].into_iter()).is_err());
    }
}
