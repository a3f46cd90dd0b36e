//! [`TxReport`]: what a transaction did.

use std::collections::BTreeMap;

use edn::{Keyword, Value};

use crate::{Datom, Db, EntityId};

/// What a transaction did, with the databases before and after it.
#[derive(Clone)]
pub struct TxReport {
    /// The database that the transaction started from.
    pub db_before: Db,
    /// The database with the transaction's changes.
    pub db_after: Db,
    /// Every fact added or retracted, in the order of effect.
    pub tx_data: Vec<Datom>,
    /// The entities of the tempids in the transaction, and of `:db/current-tx`.
    pub tempids: BTreeMap<Value, EntityId>,
    /// The entity that stands for the transaction.
    pub tx_id: EntityId,
    /// What the caller said about the transaction.
    pub tx_meta: Value,
    /// Attributes that this transaction used first, in order.
    pub new_attributes: Vec<Keyword>,
}

impl TxReport {
    /// The entity of a tempid.
    pub fn tempid(&self, tempid: impl Into<Value>) -> Option<EntityId> {
        self.tempids.get(&tempid.into()).copied()
    }

    /// The report as the EDN map `{:tx-data [[e a v added?] ..] :tempids {..} :tx-meta ..}`, without the databases.
    pub fn to_value(&self) -> Value {
        let datoms = self.tx_data.iter().map(|datom| self.datom_value(datom)).collect();
        let tempids = self.tempids.iter().map(|(tempid, entity)| (tempid.clone(), (*entity).into()));
        let mut map = BTreeMap::from([
            (Value::keyword(":tx-data"), Value::Vector(datoms)),
            (Value::keyword(":tempids"), Value::Map(tempids.collect())),
            (Value::keyword(":tx-meta"), self.tx_meta.clone()),
        ]);
        if !self.new_attributes.is_empty() {
            let names = self.new_attributes.iter().cloned().map(Value::Keyword).collect();
            map.insert(Value::keyword(":new-attributes"), Value::Vector(names));
        }
        Value::Map(map)
    }

    /// A datom of this report as `[e a v added?]`, with the attribute's name.
    pub fn datom_value(&self, datom: &Datom) -> Value {
        let name = self.db_after.schema().by_id(datom.a).map(|attribute| attribute.ident.clone());
        let name = name.map_or(Value::Nil, Value::Keyword);
        Value::Vector(vec![datom.e.into(), name, datom.v.clone(), Value::Bool(datom.added)])
    }
}

impl std::fmt::Debug for TxReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.to_value())
    }
}
