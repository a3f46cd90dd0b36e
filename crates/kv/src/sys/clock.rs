//! The time, where it is asked often and need not be exact.

use std::time::Duration;

/// How long ago some fixed moment was, to a few milliseconds. The system keeps this at hand; the exact time has to be read from
/// the processor's clock, which takes five times as long.
#[cfg(target_os = "linux")]
pub(crate) fn coarse_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the time into the place that is lent to it, and nothing else.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut time) };
    debug_assert_eq!(code, 0);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// How long ago some fixed moment was.
#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_time() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}
