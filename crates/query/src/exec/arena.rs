//! Bytes that an execution makes itself and that live as long as it: computed values, inputs, decoded giants.
//!
//! Cells borrow; what they borrow from is the snapshot for stored values and this arena for computed ones. Blocks are
//! only ever added, never moved or freed before the arena goes, so a reference handed out stays good while other
//! threads add more, and no `unsafe` is needed: each block sits in a write-once slot.
//!
//! ```text
//! directory: [ bucket 0: 1 slot | bucket 1: 2 slots | bucket 2: 4 slots | .. ]   slot -> Box<[u8]>
//! ```

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Buckets double in size, so this many are more than memory can hold.
const BUCKETS: usize = 40;

type Bucket = Box<[OnceLock<Box<[u8]>>]>;

/// An append-only store of byte blocks, shared by all threads of one execution.
#[derive(Debug)]
pub struct Arena {
    directory: [OnceLock<Bucket>; BUCKETS],
    next: AtomicUsize,
    bytes: AtomicUsize,
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl Arena {
    /// An arena without blocks.
    pub fn new() -> Self {
        Self {
            directory: [const { OnceLock::new() }; BUCKETS],
            next: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Keeps `block` for as long as the arena lives. Callers gather many values into one block.
    pub fn store(&self, block: Vec<u8>) -> &[u8] {
        if block.is_empty() {
            return &[];
        }
        self.bytes.fetch_add(block.len(), Ordering::Relaxed);
        let index = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let bucket = index.ilog2() as usize;
        let slots =
            self.directory[bucket].get_or_init(|| (0..1_usize << bucket).map(|_| OnceLock::new()).collect());
        slots[index - (1 << bucket)].get_or_init(|| block.into_boxed_slice())
    }

    /// Bytes kept so far, for the memory budget.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stay_while_others_are_added_from_many_threads() {
        let arena = Arena::new();
        let first = arena.store(b"first".to_vec());
        let counts = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u8)
                .map(|t| {
                    scope.spawn({
                        let arena = &arena;
                        move || {
                            let kept: Vec<&[u8]> =
                                (0..500_u16).map(|i| arena.store(vec![t, (i % 251) as u8])).collect();
                            kept.iter()
                                .enumerate()
                                .filter(|(i, block)| **block == [t, (*i % 251) as u8])
                                .count()
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).sum::<usize>()
        });
        assert_eq!((first, counts, arena.bytes()), (&b"first"[..], 2000, 4005));
        assert_eq!(arena.store(Vec::new()), b"");
    }
}
