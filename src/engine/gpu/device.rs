//! One open device: queue, pipelines compiled once, and the faults it reports.

use super::adapters::{Class, FoundAdapter};
use super::fault::{Fault, Faults};
use super::pipelines::{FEATURE, Pipelines, entry};
use super::profile;
use super::shared::SharedDevice;
use super::wait::Poller;
use crate::base::audited::wgpu as audited;
use crate::base::error::{Error, NoAdapter};
use crate::plan::kernel::Needs;
use std::path::Path;
use std::sync::Arc;
use wgpu::{BindGroupLayout, BufferBindingType};

/// Bytes from one step's values to the next in their uniform buffer: the largest alignment that WebGPU allows a device
/// to require.
pub(super) const NOW_SLOT: u64 = 256;

/// An open adapter. One per process is enough: engines share it and its compiled pipelines.
pub struct Gpu {
    pub(super) shared: SharedDevice,
    pub(super) poller: Poller,
    pub(super) now_layout: BindGroupLayout,
    info: wgpu::AdapterInfo,
    class: Class,
    line: String,
    offers: Needs,
    fault: Faults,
    pub(super) pipelines: Pipelines,
}

impl Gpu {
    /// Opens an adapter with all its limits. On Vulkan, compiled pipelines are kept in the folder `cache` for the next
    /// run; drivers of other backends keep their own.
    pub async fn open(found: FoundAdapter, cache: Option<&Path>) -> Result<Arc<Gpu>, Error> {
        Gpu::open_for(found, cache, Needs::Core).await
    }

    /// As [`Gpu::open`], with the features that `needs` asks for, if the adapter has them.
    pub async fn open_for(found: FoundAdapter, cache: Option<&Path>, needs: Needs) -> Result<Arc<Gpu>, Error> {
        let (line, class, offers) = (found.line(), found.class(), found.offers().min(needs));
        let mut features = found.adapter.features() & (FEATURE | profile::FEATURE);
        features.set(wgpu::Features::SHADER_F16, offers >= Needs::Half);
        features.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, offers == Needs::Coop);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("gpu-mlp"),
            required_features: features,
            experimental_features: match offers {
                Needs::Coop => audited::experimental(),
                _ => wgpu::ExperimentalFeatures::disabled(),
            },
            // The default limits allow bindings of 128 MiB only.
            required_limits: found.adapter.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = found.adapter.request_device(&descriptor).await.map_err(|error| Error::NoAdapter {
            problem: format!("{line} could not be opened: {error}"),
            cause: NoAdapter::Open,
        })?;
        let fault = Faults::default();
        let (on_lost, on_error) = (fault.clone(), fault.clone());
        // wgpu also calls this when the device is dropped. Nobody reads the fault then.
        device.set_device_lost_callback(move |reason, message| {
            on_lost.note(Fault::Lost(format!("{reason:?}: {message}")));
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| on_error.note(error.into())));
        let now_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("now"),
            entries: &[entry(0, BufferBindingType::Uniform, true)],
        });
        let pipelines = Pipelines::open(&device, &found.info, cache);
        let shared = SharedDevice::new(device, queue, found.info.backend);
        let poller = Poller::new(shared.clone(), fault.clone());
        Ok(Arc::new(Gpu { shared, poller, now_layout, info: found.info, class, line, offers, fault, pipelines }))
    }

    /// The adapter's description.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }
    /// GPU or software.
    pub fn class(&self) -> Class {
        self.class
    }
    /// One line: name, backend, kind, driver.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The highest [`Needs`] that the opened features meet.
    pub fn offers(&self) -> Needs {
        self.offers
    }

    /// The limits the device was opened with.
    pub fn limits(&self) -> wgpu::Limits {
        self.shared.limits()
    }

    /// Destroys the device, as a driver's reset does. Every later call is an error. For tests.
    pub fn destroy(&self) {
        self.shared.enter().device.destroy();
    }

    /// The fault the device reported, as an error.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.fault.get(&self.shared).map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// An error that an error scope caught, with its cause.
    pub(super) fn caught(&self, error: wgpu::Error) -> Error {
        self.fault.explained(error.into(), &self.shared).into()
    }
}
