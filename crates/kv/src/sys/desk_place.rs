//! [`DeskPlace`]: where the desk of write transactions lies while nobody has it.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::txn::Desk;

/// A place for a desk. Whoever takes it out is alone with it, until it is put back, by whatever thread.
#[derive(Debug)]
pub(crate) struct DeskPlace(AtomicPtr<Desk>);

impl DeskPlace {
    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Takes the desk out, if it is there.
    #[inline]
    pub(crate) fn take(&self) -> Option<Box<Desk>> {
        self.exchange(ptr::null_mut())
    }

    /// Puts a desk there; one that was there already is gone.
    ///
    /// All threads agree on the order of this and of other accesses that are sequentially consistent.
    #[inline]
    pub(crate) fn put(&self, mut desk: Box<Desk>) {
        // What ties a desk to its thread are cursors, and what is counted without atomics (tapes, drops, definitions).
        desk.rest();
        self.exchange(Box::into_raw(desk));
    }

    fn exchange(&self, desk: *mut Desk) -> Option<Box<Desk>> {
        let before = self.0.swap(desk, Ordering::SeqCst);
        // SAFETY: what is not null came from `Box::into_raw` in `put`, and a swap gives it to one caller only. It may be on
        // another thread now, which is allowed since it was at rest.
        (!before.is_null()).then(|| unsafe { Box::from_raw(before) })
    }
}

impl Drop for DeskPlace {
    fn drop(&mut self) {
        self.take();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_thread_at_a_time_has_the_desk() {
        let (place, inside, turns) = (DeskPlace::empty(), AtomicUsize::new(0), AtomicUsize::new(0));
        assert!(place.take().is_none());
        place.put(Box::default());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while turns.load(Ordering::SeqCst) < 100 {
                        let Some(mut desk) = place.take() else {
                            std::thread::yield_now();
                            continue;
                        };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        desk.roll_back();
                        turns.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        place.put(desk);
                    }
                });
            }
        });
        let desk = place.take().unwrap();
        assert!(!desk.is_rolled_back(), "a desk that was put back is at rest");
        assert!(place.take().is_none());
        place.put(desk);
        // The second takes the place of the first.
        place.put(Box::default());
    }
}
