//! Every fuzz target: the binary's name says which.
#![no_main]

#[path = "../tests/hostile/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _accepted = targets::Target::find(env!("CARGO_BIN_NAME")).execute(bytes).accepted;
});
