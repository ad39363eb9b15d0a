//! Questions about signals that only libc answers.

/// Whether this program was started with SIGHUP ignored, as by `nohup`.
#[expect(unsafe_code, reason = "std and signal-hook can set what a signal does, but not ask")]
pub fn hangup_is_ignored() -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null pointer as the new action asks only for the current one, which is written to `action`. All bits zero is a
    // valid `sigaction`, so `action` may be read even if the call fails.
    let action = unsafe {
        libc::sigaction(libc::SIGHUP, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}
