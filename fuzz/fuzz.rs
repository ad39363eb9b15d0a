//! Every fuzz target: the binary's name says which.
#![no_main]

#[path = "../tests/common"]
mod common {
    pub mod faulty;
}
#[path = "../tests/allocation/hostile/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(init: {
    // libFuzzer's own hook aborts at every panic, also one that the program under test catches and reports as an error. One that
    // nothing catches still ends the run.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
}, |bytes: &[u8]| {
    let _accepted = targets::Target::find(env!("CARGO_BIN_NAME")).execute(bytes).accepted;
});
