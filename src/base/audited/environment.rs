//! Changes of this process's environment.

use std::path::Path;

/// Sets variables if this process has no other thread. Where the system does not tell, it does nothing.
#[expect(unsafe_code, reason = "another thread could read the environment meanwhile; there is none")]
pub fn set_if_alone(variables: &[(&str, &str)]) {
    // One entry for each thread, on Linux.
    let threads = Path::new("/proc/self/task").read_dir().map_or(0, Iterator::count);
    if threads == 1 {
        for (name, value) in variables {
            // SAFETY: this is the only thread, and it does not read the environment here.
            unsafe { std::env::set_var(name, value) }
        }
    }
}
