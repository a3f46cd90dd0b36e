//! [`PlanCache`]: prepared queries by their text or tree.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::{Equivalent, HashMap};

use super::Prepared;
use crate::ast::Query;
use crate::error::Result;

/// Texts longer than this are not kept.
const TEXT_MAX: usize = 64 << 10;

/// A bounded store of prepared queries, shared by all who ask the same database. The one that was used least recently
/// makes room for a new one.
///
/// ```
/// use factum_query::PlanCache;
///
/// let cache = PlanCache::new(2);
/// let first = cache.parse("[:find ?e :where [?e :name]]")?;
/// let again = cache.parse("[:find ?e :where [?e :name]]")?;
/// assert!(std::sync::Arc::ptr_eq(&first, &again));
/// assert_eq!(cache.stats().hits, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PlanCache {
    capacity: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Key, Entry, foldhash::fast::RandomState>,
    clock: u64,
    hits: u64,
    misses: u64,
}

struct Entry {
    prepared: Arc<Prepared>,
    used: u64,
}

/// How a cache was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanCacheStats {
    /// Queries that were there.
    pub hits: u64,
    /// Queries that had to be prepared.
    pub misses: u64,
    /// Queries that are kept now.
    pub entries: usize,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Text(Arc<str>),
    Tree(Arc<Query>),
}

/// A [`Key`] that is only looked up. It hashes as its owned form does.
#[derive(Hash)]
enum Lookup<'a> {
    Text(&'a str),
    Tree(&'a Query),
}

impl Equivalent<Key> for Lookup<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Text(text), Key::Text(key)) => **text == **key,
            (Self::Tree(query), Key::Tree(key)) => **query == **key,
            _ => false,
        }
    }
}

impl Default for PlanCache {
    /// A cache of 512 queries.
    fn default() -> Self {
        Self::new(512)
    }
}

impl PlanCache {
    /// A cache of at most `capacity` queries; 0 keeps none.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default() }
    }

    /// The query of a text, parsed only if it is not there.
    pub fn parse(&self, text: &str) -> Result<Arc<Prepared>> {
        if let Some(known) = self.find(&Lookup::Text(text)) {
            return Ok(known);
        }
        let prepared = Arc::new(Prepared::new(crate::parse(text)?));
        if text.len() <= TEXT_MAX {
            self.keep(Key::Text(text.into()), &prepared);
        }
        Ok(prepared)
    }

    /// The prepared form of a query that was parsed or built.
    pub fn prepare(&self, query: &Query) -> Arc<Prepared> {
        if let Some(known) = self.find(&Lookup::Tree(query)) {
            return known;
        }
        let query = Arc::new(query.clone());
        let prepared = Arc::new(Prepared::new(Arc::clone(&query)));
        self.keep(Key::Tree(query), &prepared);
        prepared
    }

    /// How the cache was used.
    pub fn stats(&self) -> PlanCacheStats {
        let entries = self.entries();
        PlanCacheStats { hits: entries.hits, misses: entries.misses, entries: entries.by_key.len() }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.entries().by_key.clear();
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &Lookup<'_>) -> Option<Arc<Prepared>> {
        let mut entries = self.entries();
        entries.clock += 1;
        let now = entries.clock;
        let found = entries.by_key.get_mut(key).map(|entry| {
            entry.used = now;
            Arc::clone(&entry.prepared)
        });
        match found {
            Some(_) => entries.hits += 1,
            None => entries.misses += 1,
        }
        found
    }

    fn keep(&self, key: Key, prepared: &Arc<Prepared>) {
        if self.capacity == 0 {
            return;
        }
        let mut entries = self.entries();
        if entries.by_key.len() >= self.capacity {
            // Looking at all of them is cheap beside the parsing and planning that a new entry means.
            let oldest = entries.by_key.values().map(|entry| entry.used).min();
            entries.by_key.retain(|_, entry| Some(entry.used) != oldest);
        }
        let used = entries.clock;
        entries.by_key.insert(key, Entry { prepared: Arc::clone(prepared), used });
    }
}

impl fmt::Debug for PlanCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanCache").field("capacity", &self.capacity).field("stats", &self.stats()).finish()
    }
}
