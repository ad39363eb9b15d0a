//! Where something was measured. A program that imitates a GPU is never recorded as one.

use crate::engine::gpu::{Class, Gpu};
use crate::engine::machine::Machine;
use serde::Serialize;

/// What kind of machine did the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A GPU.
    Gpu,
    /// An adapter that is a program on the CPU: its times say nothing about any GPU.
    Software,
    /// The CPU engine.
    Cpu,
}

/// The machine behind a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// GPU, software adapter, or CPU engine.
    pub class: Kind,
    /// Name of the adapter, or of the processor for the CPU engine.
    pub adapter: String,
    /// The adapter's driver with its version; empty for the CPU engine.
    pub driver: String,
    /// Interface to the adapter, for instance `vulkan`; empty for the CPU engine.
    pub backend: String,
    /// What the adapter says it is; empty for the CPU engine.
    pub device_type: String,
    /// The processor.
    pub processor: String,
    /// Threads that the CPU engine would use.
    pub threads: usize,
    /// Operating system.
    pub os: &'static str,
    /// Instruction set.
    pub arch: &'static str,
}

impl Device {
    /// Describes a machine.
    pub fn of(machine: &Machine) -> Device {
        let processor = processor();
        let blank = Device {
            class: Kind::Cpu,
            adapter: processor.clone(),
            driver: String::new(),
            backend: String::new(),
            device_type: String::new(),
            processor,
            threads: rayon::current_num_threads(),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        };
        match machine {
            Machine::Cpu => blank,
            Machine::Gpu(gpu) => of_adapter(gpu, blank),
        }
    }

    /// One line that says first what kind of machine it is.
    pub fn heading(&self) -> String {
        let Device { adapter, driver, backend, processor, threads, os, arch, .. } = self;
        let host = format!("{processor}, {threads} threads, {os} {arch}");
        match self.class {
            Kind::Cpu => format!("CPU engine: {host}"),
            Kind::Gpu => format!("GPU: {adapter} ({backend}, {driver}); host: {host}"),
            Kind::Software => format!("software adapter: {adapter} ({backend}, {driver}); it runs on {host}"),
        }
    }
}

fn of_adapter(gpu: &Gpu, blank: Device) -> Device {
    let info = gpu.info();
    Device {
        class: match gpu.class() {
            Class::Gpu => Kind::Gpu,
            Class::Software => Kind::Software,
        },
        adapter: info.name.clone(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        backend: info.backend.to_string(),
        device_type: format!("{:?}", info.device_type),
        ..blank
    }
}

/// The processor's name where the system tells it in a file, else its instruction set.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or(std::env::consts::ARCH.to_string(), |(_, name)| name.trim().to_string())
}
