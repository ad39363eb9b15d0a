//! Finds an adapter: lists those of this machine and picks the requested one, or the best.

use crate::base::audited::environment::set_if_alone;
use crate::base::error::{Error, NoAdapter};
use crate::kernels::Form;
use crate::kernels::Precision;
use crate::plan::kernel::{MAX_ARGS, Needs};
use wgpu::{Backend, Backends, DeviceType};

/// The adapter to use. An empty field falls back to the environment variable of wgpu's own tools.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Part of the adapter's name, case-insensitive; if empty, `WGPU_ADAPTER_NAME`.
    pub adapter: Option<String>,
    /// Comma-separated backends (vulkan, metal, dx12, gl); if empty, `WGPU_BACKEND`.
    pub backend: Option<String>,
    /// Precision of the matrix products.
    pub precision: Precision,
}

/// Kind of an adapter. It decides the forms of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A GPU, or an adapter that reports to be one.
    Gpu,
    /// A program that runs shaders on the CPU (lavapipe, SwiftShader, WARP).
    Software,
}

impl Class {
    /// Forms of matrix products that may be fast on this class; the first is the default. `Registers` is not for GPUs,
    /// since its workgroups leave half of their lanes idle. Software adapters gain nothing from larger workgroups.
    pub fn forms(self) -> &'static [Form] {
        match self {
            Class::Gpu => &[Form::Tiled, Form::Wide, Form::Split, Form::Plain],
            Class::Software => &[Form::Registers, Form::Tiled, Form::Plain],
        }
    }
}

/// An adapter of this machine.
pub struct FoundAdapter {
    /// wgpu's handle.
    pub adapter: wgpu::Adapter,
    /// wgpu's description of it.
    pub info: wgpu::AdapterInfo,
}

impl FoundAdapter {
    /// GPU or software.
    pub fn class(&self) -> Class {
        let name = format!("{} {}", self.info.name, self.info.driver).to_lowercase();
        let imitations = ["llvmpipe", "softpipe", "swiftshader", "basic render driver"];
        match self.info.device_type {
            DeviceType::Cpu => Class::Software,
            _ if imitations.iter().any(|imitation| name.contains(imitation)) => Class::Software,
            _ => Class::Gpu,
        }
    }

    /// The highest [`Needs`] that the adapter meets.
    pub fn offers(&self) -> Needs {
        let has = |feature| self.adapter.features().contains(feature);
        // The size of subgroups cannot be chosen, so it must be the one that the shaders are written for.
        let subgroups = (self.info.subgroup_min_size, self.info.subgroup_max_size) == (32, 32);
        let fits = |matrix: &wgpu::CooperativeMatrixProperties| {
            let (half, single) = (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32);
            (matrix.m_size, matrix.n_size, matrix.k_size) == (16, 16, 16)
                && (matrix.ab_type, matrix.cr_type, matrix.saturating_accumulation) == (half, single, false)
        };
        match has(wgpu::Features::SHADER_F16) {
            false => Needs::Core,
            true if has(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX)
                && subgroups
                && self.adapter.cooperative_matrix_properties().iter().any(fits) =>
            {
                Needs::Coop
            }
            true => Needs::Half,
        }
    }

    /// One line: name, backend, kind, driver.
    pub fn line(&self) -> String {
        let kind = match (self.class(), self.info.device_type) {
            (Class::Software, _) => "software",
            (_, DeviceType::DiscreteGpu) => "discrete GPU",
            (_, DeviceType::IntegratedGpu) => "integrated GPU",
            (_, DeviceType::VirtualGpu) => "virtual GPU",
            _ => "GPU",
        };
        let driver = format!("{} {}", self.info.driver, self.info.driver_info);
        let name = self.info.name.as_str();
        // A browser may hide the name and the driver.
        let name = if name.is_empty() { "an adapter without a name" } else { name };
        let about = [self.info.backend.to_string(), kind.to_string(), driver.trim().to_string()];
        format!("{name} ({})", about.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
    }

    /// Sort key: real GPUs before software, discrete before integrated, newer interfaces before GL.
    fn rank(&self) -> (bool, u8, bool) {
        let kind = match self.info.device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::IntegratedGpu => 1,
            DeviceType::VirtualGpu => 2,
            DeviceType::Other => 3,
            DeviceType::Cpu => 4,
        };
        (self.class() == Class::Software, kind, self.info.backend == Backend::Gl)
    }
}

impl Wanted {
    fn adapter(&self) -> Option<String> {
        self.adapter.clone().or_else(|| std::env::var("WGPU_ADAPTER_NAME").ok()).filter(|name| !name.is_empty())
    }

    fn backends(&self) -> Result<Backends, Error> {
        let asked = self.backend.clone().or_else(|| std::env::var("WGPU_BACKEND").ok()).filter(|list| !list.is_empty());
        let Some(asked) = asked else {
            return Ok(Backends::PRIMARY | Backends::GL);
        };
        let mut backends = Backends::empty();
        for word in asked.split(',').map(str::trim) {
            // `from_comma_list` only logs an unknown word; here it is an error.
            match Backends::from_comma_list(word) {
                one if one.is_empty() => {
                    return Err(Error::NoAdapter {
                        problem: format!("unknown backend {word:?}"),
                        cause: NoAdapter::Backend,
                    });
                }
                one => backends |= one,
            }
        }
        Ok(backends)
    }
}

/// Silences libraries of the drivers that write to stderr although nothing is wrong: Mesa's device selection looks for a
/// Wayland display, and EGL tries drivers that do not fit. A program calls this first, since the environment can be changed
/// only while there is one thread; later it does nothing. Variables that the user has set are kept.
pub fn silence_drivers() {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let mut variables = Vec::new();
    if unset("EGL_LOG_LEVEL") {
        variables.push(("EGL_LOG_LEVEL", "fatal"));
    }
    // libwayland complains about a folder without a slash in front. Nothing can be in this one, so it finds no display.
    if !std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| folder.as_encoded_bytes().starts_with(b"/")) {
        variables.push(("XDG_RUNTIME_DIR", "/dev/null"));
    }
    set_if_alone(&variables);
}

/// Lists all adapters of the wanted backends, best first.
pub async fn list(wanted: &Wanted) -> Result<Vec<FoundAdapter>, Error> {
    Ok(look(wanted.backends()?).await)
}

/// Lists the adapters that `fits` accepts, best first. GL is left out if another backend has a real GPU: loading GL
/// takes time.
async fn best(wanted: &Wanted, fits: impl Fn(&FoundAdapter) -> bool) -> Result<Vec<FoundAdapter>, Error> {
    let backends = wanted.backends()?;
    let mut found = look(backends - Backends::GL).await;
    found.retain(&fits);
    if found.first().is_none_or(|best| best.class() == Class::Software) && backends.contains(Backends::GL) {
        found.extend(look(Backends::GL).await.into_iter().filter(&fits));
        found.sort_by_key(FoundAdapter::rank);
    }
    Ok(found)
}

/// Lists the usable adapters of some backends, best first.
async fn look(backends: Backends) -> Vec<FoundAdapter> {
    if backends.is_empty() {
        return Vec::new();
    }
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = backends;
    // Refuse an allocation that does not fit the memory: some drivers lose the device instead.
    descriptor.memory_budget_thresholds.for_resource_creation = Some(98);
    let instance = wgpu::Instance::new(descriptor);
    let adapters = instance.enumerate_adapters(backends).await;
    let mut found: Vec<FoundAdapter> =
        adapters.into_iter().map(|adapter| FoundAdapter { info: adapter.get_info(), adapter }).filter(usable).collect();
    found.sort_by_key(FoundAdapter::rank);
    found
}

/// Whether an adapter has compute shaders with enough storage buffers. Some GL drivers do not.
fn usable(found: &FoundAdapter) -> bool {
    let limits = found.adapter.limits();
    let compute = wgpu::DownlevelFlags::COMPUTE_SHADERS;
    found.adapter.get_downlevel_capabilities().flags.contains(compute)
        && limits.max_storage_buffers_per_shader_stage as usize >= MAX_ARGS
}

/// Picks the adapter whose name matches, or the best one.
pub async fn select(wanted: &Wanted) -> Result<FoundAdapter, Error> {
    let name = wanted.adapter();
    let matches = |one: &FoundAdapter| match &name {
        Some(name) => one.line().to_lowercase().contains(&name.to_lowercase()),
        None => true,
    };
    if let Some(best) = best(wanted, matches).await?.into_iter().next() {
        return Ok(best);
    }
    let Some(name) = name else {
        return Err(Error::NoAdapter { problem: "no adapter was found".into(), cause: NoAdapter::None });
    };
    let there = match list(wanted).await?.as_slice() {
        [] => "no adapter was found".to_string(),
        some => format!("found: {}", some.iter().map(FoundAdapter::line).collect::<Vec<_>>().join("; ")),
    };
    Err(Error::NoAdapter { problem: format!("no adapter's name contains {name:?}; {there}"), cause: NoAdapter::Name })
}

/// Picks a real GPU, or returns the reason why there is none.
pub async fn real_gpu(wanted: &Wanted) -> Result<Result<FoundAdapter, String>, Error> {
    if wanted.adapter().is_some() {
        return Ok(Ok(select(wanted).await?));
    }
    Ok(match best(wanted, |_| true).await?.into_iter().next() {
        Some(best) if best.class() == Class::Gpu => Ok(best),
        Some(best) => Err(format!("the only adapter is software, {}", best.line())),
        None => Err("no adapter was found".into()),
    })
}
