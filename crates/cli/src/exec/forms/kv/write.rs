//! Writing: lists of tuple forms, explicit transactions.

use edn::Value;
use factum::Kv;
use factum::kv::{Batch, DynTable, Error, LogInfo, WriteTxn};

use super::super::super::args::Args;
use super::super::super::error::EvalError;
use super::super::super::item::Item;
use super::super::super::kv::{KvPending, KvTarget, KvTxn, typed};
use super::super::super::session::Session;
use super::Function;

type Answer = Result<Item, EvalError>;

/// The writes of `(form kv txs)` and `(form kv table txs k-type? v-type?)`, read and encoded before anything is
/// written.
fn batch(args: &mut Args, target: &KvTarget) -> Result<Batch, EvalError> {
    // A table's name stands before the writes.
    if !args.is_text(1) {
        let txs = args.value(1)?;
        let read = match target {
            KvTarget::Store(kv) => {
                let store = kv.store(args.span)?;
                Batch::read(&store, &txs)
            }
            _ => target.write(args.span, |txn| Ok(txn.read_batch(&txs)))?,
        };
        return read.map_err(|error| EvalError::from_kv(&error, args.span_of(1)));
    }
    let dbi = super::dbi(args, target)?;
    let txs = args.value(2)?;
    let (keys, values) = (args.key_type(3)?, args.key_type(4)?);
    let table = target
        .read(args.span, |read| typed(read, dbi, keys, values).map_err(|error| args.kv_error(&error)))?;
    Batch::read_for(&table, &txs).map_err(|error| EvalError::from_kv(&error, args.span_of(2)))
}

/// `(transact-kv kv txs)`, `(transact-kv kv table txs k-type? v-type?)`
pub(in super::super) fn transact_kv(_: &mut Session, mut args: Args) -> Answer {
    let target = args.kv_target(0)?;
    let batch = batch(&mut args, &target)?;
    target.write(args.span, |txn| txn.apply(&batch).map_err(|error| args.kv_error(&error)))?;
    Ok(Item::Value(Value::keyword("transacted")))
}

/// `(transact-kv-async kv txs)`, `(transact-kv-async kv table txs k-type? v-type? callback?)`
pub(in super::super) fn transact_kv_async(_: &mut Session, mut args: Args) -> Answer {
    let target = args.kv_target(0)?;
    let KvTarget::Store(kv) = &target else {
        let message = "asynchronous writes are transactions of their own; inside one, use transact-kv";
        return Err(EvalError::new(":exec/argument", message, args.span));
    };
    let callback = if args.has(5) { Some(args.function_of_one(5)?) } else { None };
    let batch = batch(&mut args, &target)?;
    let ticket = kv.store(args.span)?.submit(batch).map_err(|error| args.kv_error(&error))?;
    let pending = KvPending::new(ticket);
    if let Some(callback) = callback {
        // Called here, in order, rather than on the writer's thread, where its output would mix with the answers.
        callback.call(&[pending.wait(args.span)?])?;
    }
    Ok(Item::KvPending(pending))
}

/// `(open-transact-kv kv)`
pub(in super::super) fn open_transact_kv(_: &mut Session, mut args: Args) -> Answer {
    match args.kv_target(0)? {
        KvTarget::Store(kv) => KvTxn::begin(&kv, args.span).map(Item::KvTxn),
        _ => {
            let message = "a transaction is open already";
            Err(EvalError::new(":exec/argument", message, args.span_of(0)))
        }
    }
}

fn explicit(args: &mut Args) -> Result<KvTxn, EvalError> {
    match args.item(0) {
        Item::KvTxn(txn) => Ok(txn),
        other => Err(args.unfit(0, "an open key-value transaction", &other)),
    }
}

/// `(close-transact-kv tx)`
pub(in super::super) fn close_transact_kv(_: &mut Session, mut args: Args) -> Answer {
    let txn = explicit(&mut args)?;
    if txn.has_ended() {
        return Err(EvalError::new(":kv/transaction-ended", "the transaction has ended", args.span));
    }
    let committed = txn.end(true, args.span)?;
    Ok(Item::Value(Value::keyword(if committed { "committed" } else { "aborted" })))
}

/// `(abort-transact-kv tx)`
pub(in super::super) fn abort_transact_kv(_: &mut Session, mut args: Args) -> Answer {
    explicit(&mut args)?.abort();
    Ok(Item::NIL)
}

/// `(update-kv kv table k f k-type? v-type? & args)`
pub(in super::super) fn update_kv(_: &mut Session, mut args: Args) -> Answer {
    let target = args.kv_target(0)?;
    let dbi = super::dbi(&mut args, &target)?;
    let key = args.value(2)?;
    let more = args.values_from(6)?;
    let function = args.function(3, false, 1 + more.len())?;
    let (keys, values) = (args.key_type(4)?, args.key_type(5)?);
    target.write(args.span, |txn| {
        let table = typed(txn, dbi, keys, values).map_err(|error| args.kv_error(&error))?;
        update_in(&table, txn, &key, (&function, &more), &args)
    })
}

/// Replaces the value of a key by what a function makes of it and of more arguments; nil deletes.
pub(in super::super) fn update_in(
    table: &DynTable,
    txn: &mut WriteTxn<'_>,
    key: &Value,
    (function, more): (&Function, &[Value]),
    args: &Args,
) -> Answer {
    let fail = |error| args.kv_error(&error);
    if table.dbi().is_list() {
        let name = table.name().to_owned();
        return Err(fail(Error::IsAList { name, operation: "update-kv" }));
    }
    let old = table.get(txn, key).map_err(fail)?.unwrap_or_default();
    let arguments: Vec<Value> = [old].into_iter().chain(more.iter().cloned()).collect();
    let new = function.call(&arguments)?;
    match new.is_nil() {
        true => table.delete(txn, key).map(drop),
        false => table.put(txn, key, &new),
    }
    .map_err(fail)?;
    Ok(Item::Value(Value::keyword("transacted")))
}

/// How far the store's log is; an error if it has none.
fn log_info(args: &mut Args) -> Result<(Kv, LogInfo), EvalError> {
    let store = super::env::store(args)?;
    match store.log_info() {
        Some(info) => Ok((store, info)),
        None => {
            let message =
                "there is no write-ahead log: every commit is durable in the file itself when it returns";
            let mut error = EvalError::new(":kv/no-log", message, args.span);
            error.hint = Some("open the store with {:wal? true} to have one".to_owned());
            Err(error)
        }
    }
}

/// `(kv-wal-watermarks kv)`
pub(in super::super) fn kv_wal_watermarks(_: &mut Session, mut args: Args) -> Answer {
    let (_, info) = log_info(&mut args)?;
    let number = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    Ok(Item::Value(Value::Map(
        [
            (Value::keyword("wal?"), Value::Bool(true)),
            (Value::keyword("checkpoint"), number(info.checkpoint)),
            (Value::keyword("committed"), number(info.last)),
            (Value::keyword("bytes"), number(info.size)),
        ]
        .into_iter()
        .collect(),
    )))
}

/// `(flush-kv-indexer! kv)`
pub(in super::super) fn flush_kv_indexer(_: &mut Session, mut args: Args) -> Answer {
    let (store, _) = log_info(&mut args)?;
    store.checkpoint().map_err(|error| args.kv_error(&error))?;
    Ok(Item::NIL)
}

/// `(with-transaction-kv [tx kv] body ..)`: the session evaluates it, since its body must not be evaluated before.
pub(in super::super) fn special(_: &mut Session, args: Args) -> Answer {
    let message = "expected (with-transaction-kv [tx kv] body ..)";
    Err(EvalError::new(":exec/arity", message, args.span))
}
