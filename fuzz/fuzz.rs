//! All fuzz targets. The name of the binary selects the target.
#![no_main]

#[path = "../tests/common"]
mod common {
    pub mod faulty;
}
#[path = "../tests/allocation/hostile/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(init: {
    // libFuzzer's panic hook aborts even if the program catches the panic and reports an error. With this hook, only an
    // uncaught panic ends the run.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
}, |bytes: &[u8]| {
    let _accepted = targets::Target::find(env!("CARGO_BIN_NAME")).execute(bytes).accepted;
});
