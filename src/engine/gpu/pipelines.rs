//! Compiles pipelines: each once, those of a plan in parallel. On Vulkan they are kept on disk for the next run. In a browser
//! each is compiled before its first dispatch.

use super::device::Gpu;
use super::shared::Held;
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::base::{audited::wgpu as audited, cache};
use crate::plan::kernel::{Access, Kernel, Shader};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wgpu::{
    BindGroupLayout, BindGroupLayoutEntry, BindingType, BufferBindingType, ComputePipeline, ShaderModule, ShaderStages,
};

/// A pipeline and the layout of its group 1.
pub(super) struct Built {
    kernel: Arc<dyn Kernel>,
    /// In a browser empty until the first dispatch.
    pipeline: OnceLock<Held<ComputePipeline>>,
    pub layout: BindGroupLayout,
}

/// Whether a pipeline is compiled before its first dispatch. A browser compiles one after another, and the first step of
/// training would wait for the pipelines of the evaluation. Elsewhere those of a plan are compiled in parallel.
const LATE: bool = cfg!(target_family = "wasm");

/// A shader module, once it is created.
type Module = OnceLock<Arc<Held<ShaderModule>>>;

/// What has been compiled on a device: modules by source text, pipelines by shader and constants.
#[derive(Default)]
pub(super) struct Pipelines {
    modules: Mutex<HashMap<&'static str, Arc<Module>>>,
    built: Mutex<HashMap<String, Arc<Built>>>,
    disk: Option<Disk>,
}

/// The driver's pipeline cache, and the file that keeps it between runs.
struct Disk {
    cache: wgpu::PipelineCache,
    file: PathBuf,
    /// Bytes of the file; 0 if it is missing or damaged.
    bytes: AtomicUsize,
}

impl Pipelines {
    /// Reads this adapter's file in `folder`, if there is one and the device supports pipeline caches.
    pub fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, folder: Option<&Path>) -> Self {
        let key = wgpu::util::pipeline_cache_key(info).filter(|_| device.features().contains(FEATURE));
        let disk = folder.zip(key).map(|(folder, key)| {
            // One file per version: shaders change, and a driver's cache never shrinks.
            let file = folder.join("pipelines").join(cache::file_name(&format!("{key}-{}", env!("CARGO_PKG_VERSION"))));
            let sealed = std::fs::read(&file).ok();
            let (cache, whole) = audited::pipeline_cache(device, sealed.as_deref());
            let bytes = AtomicUsize::new(sealed.filter(|_| whole).map_or(0, |sealed| sealed.len()));
            tracing::debug!(file = %file.display(), ?bytes, "pipeline cache");
            Disk { cache, file, bytes }
        });
        Pipelines { disk, ..Pipelines::default() }
    }
}

/// The device feature that the cache file needs.
pub(super) const FEATURE: wgpu::Features = wgpu::Features::PIPELINE_CACHE;

impl Gpu {
    /// The pipelines of `steps`, in their order. Missing ones are compiled in parallel; on GL one after another.
    pub(super) async fn pipelines(&self, steps: &[Arc<dyn Kernel>]) -> Result<Vec<Arc<Built>>, Error> {
        let begin = Instant::now();
        let keys: Vec<String> = steps.iter().map(|kernel| key(kernel.as_ref())).collect();
        let mut missing: HashMap<&str, &Arc<dyn Kernel>> = keys.iter().map(String::as_str).zip(steps).collect();
        missing.retain(|&key, _| !self.built().contains_key(key));
        let compiled: Vec<_> = missing
            .into_par_iter()
            .map(|(key, kernel)| {
                // Error scopes belong to the thread that opened them.
                let inside = self.shared.enter();
                let scope = inside.device.push_error_scope(wgpu::ErrorFilter::Validation);
                let built = self.build(kernel, inside.device);
                if !LATE {
                    self.pipeline(&built, inside.device);
                }
                (key, Arc::new(built), scope.pop())
            })
            .collect();
        let count = compiled.len();
        for (key, built, error) in compiled {
            if let Some(error) = error.await {
                return Err(match self.caught(error) {
                    Error::DeviceRefused { reason } => Error::DeviceRefused { reason: format!("{key}: {reason}") },
                    other => other,
                });
            }
            self.built().insert(key.to_string(), built);
        }
        if count > 0 {
            tracing::debug!(count, took = ?begin.elapsed(), "pipelines compiled");
            self.save();
        }
        let all = self.built();
        Ok(keys.iter().map(|key| all[key].clone()).collect())
    }

    fn built(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Built>>> {
        self.pipelines.built.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the driver's cache if it has grown. A failure is only logged: the next run compiles again.
    fn save(&self) {
        let Some(Disk { cache, file, bytes }) = &self.pipelines.disk else { return };
        let Some(sealed) = audited::sealed(cache) else { return };
        if bytes.swap(sealed.len(), Ordering::Relaxed) == sealed.len() {
            return;
        }
        match cache::replace(file, &sealed) {
            Ok(()) => tracing::debug!(file = %file.display(), bytes = sealed.len(), "pipeline cache written"),
            Err(error) => tracing::debug!("the pipeline cache was not written: {error}"),
        }
    }

    fn build(&self, kernel: &Arc<dyn Kernel>, device: &wgpu::Device) -> Built {
        Built { kernel: kernel.clone(), pipeline: OnceLock::new(), layout: layout(kernel.shader(), device) }
    }

    /// The pipeline, compiled now if it was not before.
    pub(super) fn pipeline<'a>(&self, built: &'a Built, device: &wgpu::Device) -> &'a ComputePipeline {
        built.pipeline.get_or_init(|| self.compile(built, device))
    }

    fn compile(&self, built: &Built, device: &wgpu::Device) -> Held<ComputePipeline> {
        let (shader, overrides) = (built.kernel.shader(), built.kernel.overrides());
        let module = self.module(shader, device);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(shader.name),
            bind_group_layouts: &[Some(&self.now_layout), Some(&built.layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(shader.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &overrides,
                // Every kernel writes its workgroup memory before it reads it. No test can poison workgroup memory; a
                // kernel that reads it too early is found only if two runs differ (parity, question 5).
                zero_initialize_workgroup_memory: false,
            },
            cache: self.pipelines.disk.as_ref().map(|disk| &disk.cache),
        });
        self.shared.hold(pipeline)
    }

    /// The module of a shader's file, parsed and checked once for all its entry points. If another thread is creating
    /// it, this one waits.
    fn module(&self, shader: &Shader, device: &wgpu::Device) -> Arc<Held<ShaderModule>> {
        let mut modules = self.pipelines.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let module = modules.entry(shader.source).or_default().clone();
        drop(modules);
        let parse = || {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(shader.name),
                source: wgpu::ShaderSource::Wgsl(shader.source.into()),
            });
            Arc::new(self.shared.hold(module))
        };
        module.get_or_init(parse).clone()
    }
}

fn layout(shader: &Shader, device: &wgpu::Device) -> BindGroupLayout {
    let mut entries = vec![entry(0, BufferBindingType::Uniform, false)];
    for arg in shader.args {
        let read_only = arg.access == Access::Read;
        entries.push(entry(arg.binding, BufferBindingType::Storage { read_only }, false));
    }
    let descriptor = wgpu::BindGroupLayoutDescriptor { label: Some(shader.name), entries: &entries };
    device.create_bind_group_layout(&descriptor)
}

/// Identifies a pipeline.
fn key(kernel: &dyn Kernel) -> String {
    format!("{} {:?}", kernel.shader().name, kernel.overrides())
}

/// A buffer binding for compute shaders.
pub(super) fn entry(binding: u32, ty: BufferBindingType, has_dynamic_offset: bool) -> BindGroupLayoutEntry {
    BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}
