//! Carrying out again what a record of the write-ahead log says.

use super::WriteTxn;
use crate::error::Result;
use crate::log::{Step, Steps};
use crate::sys::{Code, RawCursor, Search};

impl WriteTxn<'_> {
    /// The number that this transaction will have.
    pub(crate) fn id(&self) -> u64 {
        self.handle.id()
    }

    /// Does what the steps say; `false` if they are none, or do not fit what is there.
    pub(crate) fn replay(&mut self, steps: &[u8]) -> Result<bool> {
        // Tables change beside their slots.
        self.knows_tails = false;
        self.note_options_changed();
        // By LMDB's numbers. LMDB keeps them in step with each other.
        let mut cursors: Vec<(u32, RawCursor)> = Vec::new();
        let mut current = None;
        for step in Steps::new(steps) {
            let name = match step {
                None => return Ok(false),
                Some(Step::Use(name)) => Some((name, None)),
                Some(Step::Create(name, flags)) => Some((name, Some(flags))),
                Some(_) => None,
            };
            if let Some((name, flags)) = name {
                let fail = |code| self.fail_on_open(code, &name.to_string_lossy());
                current = self.handle.open(name, flags).map_err(fail)?;
                if current.is_none() {
                    return Ok(false);
                }
                continue;
            }
            let (Some(number), Some(step)) = (current, step) else { return Ok(false) };
            let at = match cursors.iter().position(|(of, _)| *of == number) {
                Some(at) => at,
                None => {
                    cursors.push((number, self.own_cursor(number)?));
                    cursors.len() - 1
                }
            };
            let done = match step {
                Step::Clear | Step::Drop => {
                    cursors.swap_remove(at).1.close();
                    if step == Step::Drop {
                        current = None;
                    }
                    self.handle.drop_table(number, step == Step::Drop)
                }
                step => Self::replay_at(&mut cursors[at].1, step),
            };
            match done {
                Ok(()) => {}
                Err(Code::KEY_EXIST | Code::NOT_FOUND) => return Ok(false),
                Err(code) => return Err(self.fail(code, "recovering from the write-ahead log")),
            }
        }
        for (_, cursor) in cursors {
            cursor.close();
        }
        Ok(true)
    }

    fn replay_at(cursor: &mut RawCursor, step: Step<'_>) -> Result<(), Code> {
        match step {
            Step::Put { key, value, flags } => cursor.put(key, value, flags, Search::Cursor),
            Step::Packed { key, items, item_size } => cursor.put_packed(key, items, item_size),
            Step::Delete { key } => {
                cursor.seek_exact(key)?.ok_or(Code::NOT_FOUND)?;
                cursor.delete(true)
            }
            Step::DeletePair { key, value } => {
                cursor.seek_pair(key, value)?.ok_or(Code::NOT_FOUND)?;
                cursor.delete(false)
            }
            Step::Use(_) | Step::Create(..) | Step::Clear | Step::Drop => Ok(()),
        }
    }
}
