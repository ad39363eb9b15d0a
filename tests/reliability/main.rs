//! Kills, faults of disks and devices, and long runs; see RELIABILITY.md. `allocation_counter` is used in this program.

#[path = "../common/mod.rs"]
mod common;

mod checkpoint;
mod device_faults;
mod faulty_runs;
mod lasting;
mod old_checkpoints;
mod restart;
mod resume;
mod signals;
mod soak;
mod toggles;
