//! What can be changed while an environment is open: durability and LMDB's other changeable flags, the map's size.

use super::{Durability, Env, EnvOptions, Shared};
use crate::error::{Error, Result};
use crate::flags::EnvFlags;

impl Shared {
    /// What commits promise now.
    pub(super) fn durability(&self) -> Durability {
        if let Some(durability) = self.log.durability() {
            return durability;
        }
        let flags = self.handle.flags();
        if flags & EnvFlags::NOSYNC.bits() != 0 {
            Durability::None
        } else if flags & EnvFlags::NOMETASYNC.bits() != 0 {
            Durability::MetaLater
        } else {
            Durability::Full
        }
    }
}

impl Env {
    /// LMDB's flags of the environment, as they are now.
    #[doc(alias = "get-env-flags")]
    pub fn flags(&self) -> EnvFlags {
        EnvFlags::from_bits_truncate(self.shared.handle.flags())
    }

    /// Sets or clears flags, for the commits of this process from now on. Waits for the running write transaction.
    ///
    /// After [`EnvFlags::NOSYNC`] is cleared, [`Env::sync`] makes the commits durable that were made with it.
    ///
    /// # Errors
    ///
    /// [`Error::BadOption`] for flags outside [`EnvFlags::CHANGEABLE`], and for [`EnvFlags::MAPASYNC`] without
    /// [`EnvFlags::WRITEMAP`]; [`Error::WouldDeadlock`] if this thread has the write transaction.
    #[doc(alias = "set-env-flags")]
    pub fn set_flags(&self, flags: EnvFlags, on: bool) -> Result<()> {
        self.shared.check_process()?;
        let fixed = flags - EnvFlags::CHANGEABLE;
        if !fixed.is_empty() {
            let names: Vec<_> = fixed.iter_names().map(|(name, _)| name).collect();
            let reason = format!("{} can be chosen only when the environment is opened", names.join(", "));
            return Err(Error::BadOption { option: "flags", reason });
        }
        if on && flags.contains(EnvFlags::MAPASYNC) && !self.shared.options.write_map {
            return Err(Error::BadOption { option: "MAPASYNC", reason: "without WRITEMAP".to_owned() });
        }
        let _turn = self.shared.turn.take(None)?;
        if self.shared.log.is_on() && flags.intersects(EnvFlags::NOSYNC | EnvFlags::NOMETASYNC) {
            let reason = "with a write-ahead log, that is for it to decide; change the durability".to_owned();
            return Err(Error::BadOption { option: "flags", reason });
        }
        self.shared
            .handle
            .set_flags(flags.bits(), on)
            .map_err(|code| Error::from_code(code, "changing the environment's flags"))
    }

    /// What commits promise now.
    pub fn durability(&self) -> Durability {
        self.shared.durability()
    }

    /// Changes what commits promise from now on. Commits made before keep the promise that was theirs;
    /// [`Env::sync`] makes them all durable.
    ///
    /// # Errors
    ///
    /// As [`Env::set_flags`]; [`Error::LogInUse`] if there is to be a write-ahead log and another process writes to
    /// the file, [`Error::BadOption`] if it is open with an option that excludes one.
    pub fn set_durability(&self, durability: Durability) -> Result<()> {
        self.shared.check_process()?;
        if self.shared.options.read_only {
            return Err(Error::ReadOnly);
        }
        EnvOptions { durability: Some(durability), ..self.shared.options.clone() }.check()?;
        {
            let _turn = self.shared.turn.take(None)?;
            self.shared.change_log(durability)?;
        }
        if self.shared.log.is_on() {
            return Ok(());
        }
        self.set_flags(EnvFlags::NOSYNC, durability == Durability::None)?;
        self.set_flags(EnvFlags::NOMETASYNC, durability == Durability::MetaLater)
    }

    /// Reserves more address space, after [`Error::MapFull`] for instance; waits for the running write transaction.
    /// Snapshots go on.
    ///
    /// # Errors
    ///
    /// [`Error::BadOption`] if that is less than is in use, or if heed's handle on this environment was lent
    /// ([`Env::heed`]), whose readers it would pull the map from; [`Error::WouldDeadlock`], [`Error::Io`].
    pub fn set_map_size(&self, bytes: u64) -> Result<()> {
        let shared = &*self.shared;
        shared.check_process()?;
        let bad = |reason: &str| Error::BadOption { option: "map_size", reason: reason.to_owned() };
        let size = usize::try_from(bytes.next_multiple_of(1 << 16))
            .ok()
            .filter(|size| *size <= 1 << 46)
            .ok_or_else(|| bad("more than the address space holds"))?;
        let _turn = shared.turn.take(None)?;
        if shared.is_heed_lent() {
            return Err(bad("heed's handle was lent and may be reading through the map"));
        }
        if bytes < self.info()?.used_size {
            return Err(bad("less than is in use"));
        }
        shared.handle.set_map_size(size).map_err(|code| Error::from_code(code, "resizing the map"))
    }

    /// Forces everything that is committed to disk.
    ///
    /// Needed only with a [`Durability`] other than full.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`], [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.flush(true)
    }

    /// Forces everything that is committed into the data file on disk, so that a write-ahead log begins anew; without
    /// one, this is [`Env::sync`]. It happens by itself whenever the log has grown to some megabytes, and at the end.
    ///
    /// # Errors
    ///
    /// As [`Env::sync`]; [`Error::WouldDeadlock`] if this thread has the write transaction.
    #[doc(alias = "wal_checkpoint")]
    pub fn checkpoint(&self) -> Result<()> {
        self.shared.check_process()?;
        if self.shared.options.read_only {
            return Err(Error::ReadOnly);
        }
        let turn = self.shared.turn.take(None)?;
        match self.shared.checkpoint_log() {
            Some(made) => made,
            None => {
                drop(turn);
                self.sync()
            }
        }
    }

    /// Forces what is committed to disk; without `force`, only as far as the environment's flags want it: with
    /// [`EnvFlags::NOSYNC`] nothing, with [`EnvFlags::MAPASYNC`] without waiting.
    ///
    /// # Errors
    ///
    /// As [`Env::sync`].
    pub fn flush(&self, force: bool) -> Result<()> {
        self.shared.check_process()?;
        if self.shared.options.read_only {
            return Err(Error::ReadOnly);
        }
        if force && let Some(synced) = self.shared.sync_log() {
            return synced;
        }
        if self.shared.log.is_on() {
            return Ok(());
        }
        self.shared.handle.sync(force).map_err(|code| Error::from_code(code, "syncing"))
    }
}
