//! Carrying out again what a record of the write-ahead log says, or for the first time, what was deferred.

use std::cmp::Ordering;
use std::ffi::CStr;

use super::WriteTxn;
use super::slot::Slot;
use crate::dbi::Dbi;
use crate::error::Result;
use crate::log::{Role, Step, Steps};
use crate::order;
use crate::sys::{Code, RawCursor, Search};

impl WriteTxn<'_> {
    /// The number that this transaction will have.
    pub(crate) fn id(&self) -> u64 {
        self.desk.id
    }

    /// Does what the steps say; `false` if they are none, or do not fit what is there.
    pub(crate) fn replay(&mut self, steps: &[u8]) -> Result<bool> {
        // Tables change beside their slots.
        self.desk.knows_tails = false;
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

    /// Does what deferred commits say, in the order of the keys: of several changes of one pair, the last counts, and
    /// what is there, or is gone, already does not matter. `false` if the steps are none, or do not fit what is there.
    pub(crate) fn carry_out(&mut self, commits: &[&[u8]]) -> Result<bool> {
        if let Some(tape) = &self.desk.tape {
            tape.set_role(Role::CarriesOut);
        }
        let mut tables: Vec<(&CStr, Dbi)> = Vec::new();
        let mut changes = Vec::new();
        for steps in commits {
            let mut table = None;
            for step in Steps::new(steps) {
                let (key, value, is_put) = match step {
                    Some(Step::Use(name)) => {
                        table = tables.iter().position(|(known, _)| *known == name);
                        if table.is_none() {
                            let Some(dbi) = self.table_of_log(name)? else { return Ok(false) };
                            table = Some(tables.len());
                            tables.push((name, dbi));
                        }
                        continue;
                    }
                    Some(Step::Put { key, value, .. }) => (key, value, true),
                    Some(Step::Delete { key }) => (key, &[][..], false),
                    Some(Step::DeletePair { key, value }) => (key, value, false),
                    _ => return Ok(false),
                };
                let Some(table) = table else { return Ok(false) };
                let head = order::prefix(key, tables[table].1.flags.key_order());
                changes.push(Change { table, head, key, value, is_put });
            }
        }
        // Stable: what came later stays behind.
        changes.sort_by(|a, b| a.compare(b, tables[a.table.min(b.table)].1));
        let mut rest = &changes[..];
        while let [change, behind @ ..] = rest {
            rest = behind;
            let dbi = tables[change.table].1;
            if rest.first().is_some_and(|next| change.compare(next, dbi) == Ordering::Equal) {
                continue;
            }
            match (change.is_put, dbi.is_list()) {
                (true, _) => self.put(&dbi, change.key, change.value)?,
                (false, true) => drop(self.delete_dup(&dbi, change.key, change.value)?),
                (false, false) => drop(self.delete(&dbi, change.key)?),
            }
        }
        // Only what is stored says whether anything was.
        self.bring_in()?;
        if let Some(change) = changes.first()
            && !self.desk.slots.get_mut().iter().flatten().any(Slot::wrote)
        {
            // Everything was gone already. The record needs a transaction of its own, which LMDB only makes of changes.
            let dbi = tables[change.table].1;
            self.put(&dbi, change.key, change.value)?;
            match dbi.is_list() {
                true => self.delete_dup(&dbi, change.key, change.value)?,
                false => self.delete(&dbi, change.key)?,
            };
        }
        Ok(true)
    }

    /// The table of this name, as it is.
    fn table_of_log(&mut self, name: &CStr) -> Result<Option<Dbi>> {
        let shown = name.to_string_lossy();
        let fail = |code| self.fail_on_open(code, &shown);
        let Some(number) = self.open_number(name, None).map_err(fail)? else { return Ok(None) };
        let flags = self.stored_flags(number)?;
        self.register(&shown, flags).map(Some)
    }

    /// What this transaction writes contains what was deferred before it.
    pub(crate) fn note_superseding(&mut self) {
        if let Some(tape) = &self.desk.tape {
            tape.set_role(Role::Supersedes);
        }
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

/// A change that a deferred commit makes.
struct Change<'s> {
    table: usize,
    /// Orders as the key does, as far as it goes.
    head: u64,
    key: &'s [u8],
    value: &'s [u8],
    is_put: bool,
}

impl Change<'_> {
    /// The order of what two changes are about: pairs in a list, keys in a plain table. `dbi` is the first one's table.
    fn compare(&self, other: &Self, dbi: Dbi) -> Ordering {
        self.table
            .cmp(&other.table)
            .then_with(|| self.head.cmp(&other.head))
            .then_with(|| dbi.flags.key_order().compare(self.key, other.key))
            .then_with(|| match dbi.is_list() {
                true => dbi.flags.value_order().compare(self.value, other.value),
                false => Ordering::Equal,
            })
    }
}
