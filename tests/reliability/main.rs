//! Kills, faults of disks and devices, long runs; RELIABILITY.md tells of them. `allocation_counter` counts in this program.

#[path = "../common/mod.rs"]
mod common;

mod checkpoint;
mod device_faults;
mod faulty_runs;
mod lasting;
mod resume;
mod soak;
mod toggles;
