//! One run over the items of a transaction, repeated while it learns which entities its tempids stand for.

use std::collections::BTreeMap;
use std::sync::Arc;

use edn::{Span, Value};
use smallvec::SmallVec;

use super::TxData;
use super::builder::TxItem;
use super::error::{TransactError, TransactErrorKind as Kind};
use super::functions::{Check, TxFunctions};
use super::parse::{CURRENT_TX, Item, parse_item, parse_sequence};
use super::report::TxReport;
use super::source::Src;
use super::stage::Stage;
use super::tempids::Tempids;
use crate::{AttrId, Attribute, Db, EncodedValue, EntityId};

mod entity;
mod finish;
mod operations;
mod resolve;

/// How deep maps may stand in maps, and function results in function results.
pub(crate) const DEPTH_MAX: usize = 128;
/// How often a transaction may start over; each pass but the last learns about at least one tempid.
const PASSES_MAX: usize = 1000;

/// Runs a transaction to its report.
pub(crate) fn run(
    db_before: &Db,
    data: TxData<'_>,
    tx_meta: Value,
    functions: &TxFunctions,
    now: i64,
) -> Result<TxReport, TransactError> {
    if EntityId::of_tx(db_before.basis_tx()) >= EntityId::MAX {
        return Err(Kind::IdsExhausted.into());
    }
    let mut tempids = Tempids::default();
    for _ in 0..PASSES_MAX {
        let mut pass = Pass::new(db_before, functions, tempids);
        let outcome = pass.run(data, now);
        let Pass { stage, deferred, .. } = pass;
        tempids = pass.tempids;
        if tempids.must_restart() {
            continue;
        }
        outcome?;
        if let Some(error) = deferred {
            return Err(error);
        }
        let tx_id = stage.tx();
        let (db_after, tx_data, new_attributes) = stage.finish()?;
        let mut by_tempid: BTreeMap<Value, EntityId> = tempids.resolved().collect();
        by_tempid.insert(Value::keyword(CURRENT_TX), tx_id);
        let db_before = db_before.clone();
        return Ok(TxReport {
            db_before,
            db_after,
            tx_data,
            tempids: by_tempid,
            tx_id,
            tx_meta,
            new_attributes,
        });
    }
    Err(Kind::Unsettled { passes: PASSES_MAX }.into())
}

/// A predicate that must hold for the database after the transaction.
struct Ensure {
    predicate: EnsurePredicate,
    arguments: Vec<Value>,
    span: Option<Span>,
    item: usize,
}

enum EnsurePredicate {
    Named(Value),
    /// A function itself, with what errors call it.
    Closure(&'static str, Check),
}

/// A composite tuple that was written directly and must agree with its sources.
struct WrittenComposite {
    entity: EntityId,
    attribute: Arc<Attribute>,
    value: EncodedValue,
    span: Option<Span>,
}

/// One run over the items.
struct Pass<'t> {
    stage: Stage<'t>,
    functions: &'t TxFunctions,
    tempids: Tempids,
    ensures: Vec<Ensure>,
    written_composites: Vec<WrittenComposite>,
    /// Identity values of the map in work that were found to belong to nobody.
    free: SmallVec<[(AttrId, EncodedValue); 2]>,
    /// The attributes of the maps so far, by the places of their entries: those of the next map are mostly the same.
    shape: SmallVec<[Option<Arc<Attribute>>; 8]>,
    /// Entities that got `:db/fn` or `:db/udf`.
    callables: Vec<EntityId>,
    /// A conflict that may turn out to be none once the pass has learned more about its tempids.
    deferred: Option<TransactError>,
    /// The item of the transaction in work.
    item: usize,
    depth: usize,
}

impl<'t> Pass<'t> {
    fn new(before: &'t Db, functions: &'t TxFunctions, mut tempids: Tempids) -> Self {
        tempids.begin_pass();
        Self {
            stage: Stage::new(before),
            functions,
            tempids,
            ensures: Vec::new(),
            written_composites: Vec::new(),
            free: SmallVec::new(),
            shape: SmallVec::new(),
            callables: Vec::new(),
            deferred: None,
            item: 0,
            depth: 0,
        }
    }

    fn run(&mut self, data: TxData<'_>, now: i64) -> Result<(), TransactError> {
        match data {
            TxData::Form(form) => self.run_sequence(Src::Form(form))?,
            TxData::Value(value) => self.run_sequence(Src::Value(value))?,
            TxData::Forms(forms) => self.run_all(forms.iter().map(Src::Form))?,
            TxData::Values(values) => self.run_all(values.iter().map(Src::Value))?,
            TxData::Tx(tx) => {
                for (index, item) in tx.items().iter().enumerate() {
                    self.item = index;
                    self.tx_item(item).map_err(|error| error.in_item(index))?;
                }
            }
        }
        self.finish(now)
    }

    fn run_sequence(&mut self, src: Src<'_>) -> Result<(), TransactError> {
        match parse_sequence(src)? {
            Some(items) => self.run_all(items.iter()),
            None => Ok(()),
        }
    }

    fn run_all<'a>(&mut self, items: impl Iterator<Item = Src<'a>>) -> Result<(), TransactError> {
        for (index, src) in items.enumerate() {
            self.item = index;
            self.src_item(src).map_err(|error| error.in_item(index).at(src.span()))?;
        }
        Ok(())
    }

    /// Applies an item of the typed builder.
    fn tx_item(&mut self, item: &TxItem) -> Result<(), TransactError> {
        match item {
            TxItem::Data(data) => self.src_item(Src::Built(data)),
            TxItem::Call(function, args) => self.call("a closure", function, args),
            TxItem::Ensure(check, args) => {
                self.ensure(EnsurePredicate::Closure("a closure", check.clone()), args.clone(), None);
                Ok(())
            }
            TxItem::Datom(datom) => self.datom(datom),
        }
    }

    fn src_item(&mut self, src: Src<'_>) -> Result<(), TransactError> {
        self.apply(parse_item(src)?, src)?;
        self.check_written_composites()
    }

    fn apply(&mut self, item: Item<'_>, src: Src<'_>) -> Result<(), TransactError> {
        match item {
            Item::Nothing => Ok(()),
            Item::Entity { id, entries } => self.entity_item(id, entries),
            Item::Add { entity, attribute, value } => self.add_item(entity, attribute, value),
            Item::Retract { entity, attribute, value } => self.retract_item(entity, attribute, value),
            Item::RetractAttribute { entity, attribute } => self.retract_attribute_item(entity, attribute),
            Item::RetractEntity { entity } => match self.existing(entity, ":db/retractEntity")? {
                Some(e) => self.retract_entities(vec![e]),
                None => Ok(()),
            },
            Item::CompareAndSwap { entity, attribute, old, new } => {
                self.compare_and_swap(entity, attribute, old, new)
            }
            Item::Call { function, args } => self.call_item(function, args, src.span()),
            Item::Installed { ident, args } => self.installed_item(ident, args, src.span()),
            Item::Ensure { predicate, args } => self.ensure_item(predicate, args, src.span()),
        }
    }

    /// Remembers the first conflict; the pass goes on, since it may still learn that there is none.
    fn defer(&mut self, error: TransactError) {
        if self.deferred.is_none() {
            self.deferred = Some(error.in_item(self.item));
        }
    }

    /// Runs `work` one level deeper.
    fn deeper<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, TransactError>,
    ) -> Result<T, TransactError> {
        if self.depth >= DEPTH_MAX {
            return Err(Kind::TooDeep { limit: DEPTH_MAX }.into());
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }
}
