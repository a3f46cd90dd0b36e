//! A table written twice: by LMDB and in memory.

use heed::{Env, WithoutTls};
use proptest::prelude::*;

use super::Raw;
use super::model::{Model, Pair};
use super::shape::Shape;

/// A step of a table's history.
#[derive(Clone, Debug)]
pub enum Write {
    Put { key: u16, value: u16 },
    PutKeys { key: u16, stride: u16, count: u16 },
    PutDups { key: u16, value: u16, count: u16 },
    Delete { key: u16 },
    DeleteKeys { key: u16, stride: u16, count: u16 },
    DeleteDups { key: u16, value: u16, count: u16 },
    Clear,
    Commit,
}

pub fn write() -> impl Strategy<Value = Write> {
    let key = || prop_oneof![0..40u16, any::<u16>()];
    let count = || prop_oneof![3 => 1..60u16, 1 => 100..1200u16];
    prop_oneof![
        6 => (key(), any::<u16>()).prop_map(|(key, value)| Write::Put { key, value }),
        4 => (key(), 1..9u16, count()).prop_map(|(key, stride, count)| Write::PutKeys { key, stride, count }),
        6 => (0..40u16, any::<u16>(), count()).prop_map(|(key, value, count)| Write::PutDups { key, value, count }),
        3 => key().prop_map(|key| Write::Delete { key }),
        3 => (key(), 1..9u16, count()).prop_map(|(key, stride, count)| Write::DeleteKeys { key, stride, count }),
        4 => (0..40u16, any::<u16>(), count()).prop_map(|(key, value, count)| Write::DeleteDups { key, value, count }),
        1 => Just(Write::Clear),
        2 => Just(Write::Commit),
    ]
}

/// One table, in LMDB and in memory.
pub struct Twin {
    pub shape: Shape,
    pub env: Env<WithoutTls>,
    pub table: Raw,
    pub model: Model,
}

impl Twin {
    pub fn apply(&mut self, writes: &[Write]) {
        let env = self.env.clone();
        let mut txn = env.write_txn().unwrap();
        for write in writes {
            match *write {
                Write::Put { key, value } => self.put(&mut txn, key, value),
                Write::PutKeys { key, stride, count } => {
                    (0..count).for_each(|i| self.put(&mut txn, key.wrapping_add(stride * i), i ^ key));
                }
                Write::PutDups { key, value, count } if self.shape.dups() => {
                    (0..count).for_each(|i| self.put(&mut txn, key, value.wrapping_add(i)));
                }
                Write::PutDups { key, value, .. } => self.put(&mut txn, key, value),
                Write::Delete { key } => self.delete(&mut txn, key),
                Write::DeleteKeys { key, stride, count } => {
                    (0..count).for_each(|i| self.delete(&mut txn, key.wrapping_add(stride * i)));
                }
                Write::DeleteDups { key, value, count } if self.shape.dups() => {
                    for i in 0..count {
                        let (key, value) =
                            (self.shape.key.make(key), self.shape.value.make(value.wrapping_add(i)));
                        let removed = self.table.delete_one_duplicate(&mut txn, &key, &value).unwrap();
                        assert_eq!(removed, self.model.delete_dup(&key, &value));
                    }
                }
                Write::DeleteDups { key, .. } => self.delete(&mut txn, key),
                Write::Clear => {
                    self.table.clear(&mut txn).unwrap();
                    self.model.clear();
                }
                Write::Commit => {}
            }
        }
        txn.commit().unwrap();
    }

    pub fn put(&mut self, txn: &mut heed::RwTxn<'_>, key: u16, value: u16) {
        let (key, value) = (self.shape.key.make(key), self.shape.value.make(value));
        self.table.put(txn, &key, &value).unwrap();
        self.model.put(&key, &value);
    }

    pub fn delete(&mut self, txn: &mut heed::RwTxn<'_>, key: u16) {
        let key = self.shape.key.make(key);
        assert_eq!(self.table.delete(txn, &key).unwrap(), self.model.delete(&key));
    }

    /// What heed's own iterator reads.
    pub fn heed_pairs(&self) -> Vec<Pair> {
        let txn = self.env.read_txn().unwrap();
        let pairs = self.table.iter(&txn).unwrap();
        pairs.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
    }
}
