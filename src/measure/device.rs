//! Describes the machine of a measurement. A software adapter is never recorded as a GPU.

use crate::base::text::counted;
use crate::base::threads;
use crate::engine::gpu::{Class, Gpu};
use crate::engine::machine::Machine;
use serde::{Deserialize, Serialize};

/// The kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A GPU.
    Gpu,
    /// A software adapter: it runs on the CPU, so its times tell nothing about a GPU.
    Software,
    /// The CPU engine.
    Cpu,
}

/// The machine of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// GPU, software adapter, or CPU engine.
    pub class: DeviceKind,
    /// Name of the adapter, or of the processor for the CPU engine.
    pub adapter: String,
    /// Name and version of the adapter's driver; empty for the CPU engine.
    pub driver: String,
    /// Graphics API of the adapter, such as `vulkan`; empty for the CPU engine.
    pub backend: String,
    /// The device type that the driver reports; empty for the CPU engine.
    pub device_type: String,
    /// Name of the processor.
    pub processor: String,
    /// Number of threads that the CPU engine uses.
    pub threads: usize,
    /// Operating system.
    pub os: String,
    /// Instruction set.
    pub arch: String,
}

impl Device {
    /// The description of a machine.
    pub fn of(machine: &Machine) -> Device {
        let processor = processor();
        let blank = Device {
            class: DeviceKind::Cpu,
            adapter: processor.clone(),
            driver: String::new(),
            backend: String::new(),
            device_type: String::new(),
            processor,
            threads: threads::most(),
            os: std::env::consts::OS.into(),
            arch: std::env::consts::ARCH.into(),
        };
        match machine {
            Machine::Cpu => blank,
            Machine::Gpu(gpu) => of_adapter(gpu, blank),
        }
    }

    /// A line that begins with the kind of machine.
    pub fn heading(&self) -> String {
        let Device { adapter, driver, backend, processor, threads, os, arch, .. } = self;
        let host = format!("{processor}, {}, {os} {arch}", counted(*threads, "thread"));
        match self.class {
            DeviceKind::Cpu => format!("CPU engine: {host}"),
            DeviceKind::Gpu => format!("GPU: {adapter} ({backend}, {driver}); host: {host}"),
            DeviceKind::Software => format!("software adapter: {adapter} ({backend}, {driver}); it runs on {host}"),
        }
    }
}

fn of_adapter(gpu: &Gpu, blank: Device) -> Device {
    let info = gpu.info();
    Device {
        class: match gpu.class() {
            Class::Gpu => DeviceKind::Gpu,
            Class::Software => DeviceKind::Software,
        },
        adapter: info.name.clone(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        backend: info.backend.to_string(),
        device_type: format!("{:?}", info.device_type),
        ..blank
    }
}

/// The processor's name from `/proc/cpuinfo`, else its instruction set.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or(std::env::consts::ARCH.to_string(), |(_, name)| name.trim().to_string())
}
