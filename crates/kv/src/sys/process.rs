//! Which process this is, without a system call to ask.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many times this process has come out of a fork since the first environment was opened, in this line of
/// descent.
static FORKS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The process that it was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// This process.
    pub(crate) fn this() -> io::Result<Self> {
        static WATCHED: OnceLock<i32> = OnceLock::new();
        // SAFETY: the handler only adds to a number, which is allowed between fork and exec.
        let code = *WATCHED.get_or_init(|| unsafe { libc::pthread_atfork(None, None, Some(in_child)) });
        if code == 0 {
            Ok(Self(FORKS.load(Ordering::Relaxed)))
        } else {
            Err(io::Error::from_raw_os_error(code))
        }
    }

    /// Whether it is this one, and not a parent of it.
    #[inline]
    pub(crate) fn is_this(self) -> bool {
        self.0 == FORKS.load(Ordering::Relaxed)
    }
}
