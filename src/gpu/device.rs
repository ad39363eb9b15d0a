//! One open device: queue, pipelines made once, and the faults it reports.

use super::adapters::{Class, Found};
use super::wait::Poller;
use crate::error::Error;
use crate::kernel::{Access, Kernel, Shader};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use wgpu::{BindGroupLayout, BindGroupLayoutEntry, BindingType, BufferBindingType, ComputePipeline, ShaderStages};

/// Bytes from one step's values to the next in their uniform buffer: the coarsest alignment WebGPU allows.
pub(super) const NOW_SLOT: u64 = 256;

/// An open adapter. One a process is enough: engines share it, and with it the compiled pipelines.
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) poller: Poller,
    pub(super) now_layout: BindGroupLayout,
    info: wgpu::AdapterInfo,
    class: Class,
    line: String,
    fault: Arc<Mutex<Option<String>>>,
    pipelines: Mutex<HashMap<String, Arc<Built>>>,
}

/// A pipeline and the layout of its group 1.
pub(super) struct Built {
    pub pipeline: ComputePipeline,
    pub layout: BindGroupLayout,
}

impl Gpu {
    /// Opens an adapter with all the limits it has.
    pub async fn open(found: Found) -> Result<Arc<Gpu>, Error> {
        let (line, class) = (found.line(), found.class());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("gpu-mlp"),
            // The defaults would bind no more than 128 MiB on a device that can bind gigabytes.
            required_limits: found.adapter.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = found.adapter.request_device(&descriptor).await.map_err(|error| Error::NoAdapter {
            problem: format!("{line} could not be opened: {error}"),
            next: "choose another with --adapter, see `gpu-mlp devices`".into(),
        })?;
        let fault = Arc::new(Mutex::new(None));
        let note = |fault: &Arc<Mutex<Option<String>>>| {
            let fault = fault.clone();
            move |reason: String| {
                fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
            }
        };
        let (on_lost, on_error) = (note(&fault), note(&fault));
        device.set_device_lost_callback(move |reason, message| match reason {
            // Dropping the device at the end of the program is no fault.
            wgpu::DeviceLostReason::Destroyed => {}
            reason => on_lost(format!("{reason:?}: {message}")),
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| on_error(error.to_string())));
        let now_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("now"),
            entries: &[entry(0, BufferBindingType::Uniform, true)],
        });
        let poller = Poller::new(device.clone(), fault.clone());
        let pipelines = Mutex::new(HashMap::new());
        Ok(Arc::new(Gpu { device, queue, poller, now_layout, info: found.info, class, line, fault, pipelines }))
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

    /// The limits the device was opened with.
    pub fn limits(&self) -> wgpu::Limits {
        self.device.limits()
    }

    /// The first fault the device reported, as an error.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(reason) => Err(Error::DeviceLost { reason }),
            None => Ok(()),
        }
    }

    /// The pipeline of a kernel, compiled the first time it is asked for.
    pub(super) fn pipeline(&self, kernel: &dyn Kernel) -> Arc<Built> {
        let shader = kernel.shader();
        let overrides = kernel.overrides();
        let key = format!("{} {overrides:?}", shader.name);
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.entry(key).or_insert_with(|| Arc::new(self.build(shader, &overrides))).clone()
    }

    fn build(&self, shader: &Shader, overrides: &[(&str, f64)]) -> Built {
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(shader.name),
            source: wgpu::ShaderSource::Wgsl(shader.source.into()),
        });
        let mut entries = vec![entry(0, BufferBindingType::Uniform, false)];
        for (binding, arg) in (1..).zip(shader.args) {
            let read_only = arg.access == Access::Read;
            entries.push(entry(binding, BufferBindingType::Storage { read_only }, false));
        }
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(shader.name), entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(shader.name),
            bind_group_layouts: &[Some(&self.now_layout), Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(shader.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: overrides,
                // Every kernel writes its workgroup memory before it reads it; the court's poisons would show if not.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Built { pipeline, layout }
    }
}

fn entry(binding: u32, ty: BufferBindingType, has_dynamic_offset: bool) -> BindGroupLayoutEntry {
    BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}
