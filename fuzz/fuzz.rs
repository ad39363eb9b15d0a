//! All fuzz targets. The name of the binary selects the target.
#![no_main]

#[path = "../tests/common"]
mod common {
    pub mod faulty;
}
#[path = "../tests/allocation/hostile/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(init: {
    // libFuzzer's hook aborts at every panic, even if the program catches it and reports an error. With this hook only a panic
    // that is not caught ends the run.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
}, |bytes: &[u8]| {
    let _accepted = targets::Target::find(env!("CARGO_BIN_NAME")).execute(bytes).accepted;
});
