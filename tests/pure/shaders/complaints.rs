//! Compares the declarations in a shader's text, by reflection, with those in Rust.

use gpu_mlp::plan::kernel::{Access, Field, MODELS, Needs, Shader, StepValues};
use naga::compact::{KeepUnused, compact};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{
    AddressSpace, ArraySize, Expression, GlobalVariable, Literal, Module, Scalar, StorageAccess, TypeInner, front::wgsl,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file of the repository.
pub fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

/// A `.wgsl` file.
pub struct File {
    /// File name without the extension.
    pub stem: String,
    pub text: String,
    /// Shaders in the list with this source.
    pub shaders: Vec<&'static Shader>,
    /// Pages that list these shaders, such as `src/kernels/linear.rs`.
    pub pages: BTreeSet<String>,
}

impl File {
    /// Only the capabilities that the file enables; without any, the shader runs on every WebGPU device.
    pub fn capabilities(&self) -> Capabilities {
        match self.shaders[0].needs() {
            Needs::Core => Capabilities::empty(),
            Needs::Half => Capabilities::SHADER_FLOAT16,
            Needs::Coop => Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX,
        }
    }
}

/// All faults of `source` as the text of a file; each complaint begins with its topic.
pub fn complaints(file: &File, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    house_rules(file, source, &mut found);
    let module = match wgsl::parse_str(source) {
        Ok(module) => module,
        Err(error) => {
            found.push(format!("parse: {}", error.emit_to_string(source)));
            return found;
        }
    };
    let mut validator = Validator::new(ValidationFlags::all(), file.capabilities());
    if let Err(error) = validator.validate(&module) {
        found.push(format!("validate: {}", error.emit_to_string(source)));
        return found;
    }
    let theirs: BTreeSet<&str> = module.entry_points.iter().map(|entry| entry.name.as_str()).collect();
    let ours: BTreeSet<&str> = file.shaders.iter().map(|shader| shader.name).collect();
    if theirs != ours {
        found.push(format!("entry: {theirs:?}, not {ours:?}"));
        return found;
    }
    let mut used = BTreeSet::new();
    for shader in &file.shaders {
        let module = alone(&module, shader.name);
        let mut of_entry = Vec::new();
        limits(&module, &mut of_entry);
        bindings(shader, &module, &mut of_entry);
        overrides(shader, &module, &mut of_entry);
        found.extend(of_entry.into_iter().map(|said| format!("{said} ({})", shader.name)));
        used.extend(names(&module));
    }
    let unused: Vec<String> = names(&module).into_iter().filter(|name| !used.contains(name)).collect();
    if !unused.is_empty() {
        found.push(format!("unused: {unused:?}"));
    }
    found
}

/// Names of the variables and pipeline constants of a module.
fn names(module: &Module) -> Vec<String> {
    let variables = module.global_variables.iter().filter_map(|(_, global)| global.name.clone());
    let constants = module.overrides.iter().filter_map(|(_, constant)| constant.name.clone());
    variables.chain(constants).collect()
}

/// The module reduced to one entry point and what it uses, as in a pipeline.
fn alone(module: &Module, entry: &str) -> Module {
    let mut module = module.clone();
    module.entry_points.retain(|point| point.name == entry);
    compact(&mut module, KeepUnused::No);
    module
}

/// Most lines of a file with all its forms.
pub const LONGEST: usize = 500;

/// Rules that no compiler checks: length, head comment, and two forbidden features. An `arrayLength` would count the
/// guard words of the parity tests as data. Sums and maxima of integers do not depend on the order of the threads; other atomics
/// do.
fn house_rules(file: &File, source: &str, found: &mut Vec<String>) {
    if source.lines().count() > LONGEST {
        found.push(format!("length: {} lines", source.lines().count()));
    }
    if !source.starts_with(&format!("// {}: ", file.stem)) {
        found.push("head: the first line does not begin with the file's name".into());
    }
    let head = source.lines().take_while(|line| line.starts_with("//"));
    let twins = head.last().and_then(|line| line.split_once("Twin: ").or(line.split_once("Twins: ")));
    let twins = twins.map_or("", |(_, pages)| pages);
    // All pages are in the folder of the first one.
    let folder = twins.rsplit_once('/').map_or("", |(folder, _)| folder);
    let pages = twins.split(", ").map(|page| format!("{folder}/{}", page.rsplit('/').next().unwrap_or(page)));
    let pages: BTreeSet<String> = pages.collect();
    if pages != file.pages {
        found.push(format!("twin: {pages:?}, not {:?}", file.pages));
    }
    let code = source.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    let ordered = |line: &str| {
        let mut rest = line.to_string();
        for allowed in ["atomicAdd(", "atomicMax(", "atomicLoad(", "atomicStore(", "atomic<i32>"] {
            rest = rest.replace(allowed, "");
        }
        rest.contains("atomic")
    };
    if code.into_iter().any(|line| line.contains("arrayLength") || ordered(line)) {
        found.push("feature: arrayLength, or an atomic that depends on the order, is used".into());
    }
}

/// Compares the resources of the module's only entry point with the default limits of WebGPU.
fn limits(module: &Module, found: &mut Vec<String>) {
    let limits = wgpu::Limits::defaults();
    let entry = &module.entry_points[0];
    let invocations = entry.workgroup_size.iter().product::<u32>();
    if invocations > limits.max_compute_invocations_per_workgroup {
        found.push(format!("limits: {invocations} invocations per workgroup"));
    }
    let spaces = || module.global_variables.iter().map(|(_, global)| global);
    let memory: u32 = spaces()
        .filter(|global| global.space == AddressSpace::WorkGroup)
        .map(|global| module.types[global.ty].inner.size(module.to_ctx()))
        .sum();
    if memory > limits.max_compute_workgroup_storage_size {
        found.push(format!("limits: {memory} bytes of workgroup memory"));
    }
    let storage = spaces().filter(|global| matches!(global.space, AddressSpace::Storage { .. })).count();
    if storage > limits.max_storage_buffers_per_shader_stage as usize {
        found.push(format!("limits: {storage} storage bindings"));
    }
}

fn bindings(shader: &Shader, module: &Module, found: &mut Vec<String>) {
    let bound = module.global_variables.iter().filter_map(|(_, global)| Some((global.binding?, global)));
    let mut bound: BTreeMap<(u32, u32), &GlobalVariable> =
        bound.map(|(at, global)| ((at.group, at.binding), global)).collect();
    // Which model it serves is in the step values, so every shader reads them.
    match bound.remove(&(0, 0)) {
        Some(now) => uniform("now", StepValues::FIELDS, now, module, found),
        None => found.push("now: not declared".into()),
    }
    match bound.remove(&(1, 0)) {
        Some(params) => uniform("params", shader.params, params, module, found),
        None => found.push("params: not declared".into()),
    }
    for arg in shader.args {
        let space = AddressSpace::Storage {
            access: match arg.access {
                Access::Read => StorageAccess::LOAD,
                Access::Write | Access::Update => StorageAccess::LOAD | StorageAccess::STORE,
            },
        };
        match bound.remove(&(1, arg.binding)) {
            Some(global) if global.name.as_deref() == Some(arg.name) && global.space == space => {}
            other => found.push(format!("args: binding {} is {other:?}, not {arg:?}", arg.binding)),
        }
    }
    for (at, global) in bound {
        found.push(format!("args: {at:?} {:?} is not declared in Rust", global.name));
    }
}

fn uniform(name: &str, fields: &[Field], global: &GlobalVariable, module: &Module, found: &mut Vec<String>) {
    let TypeInner::Array { base, size: ArraySize::Constant(length), stride } = module.types[global.ty].inner else {
        return found.push(format!("{name}: not an array"));
    };
    let TypeInner::Struct { members, span } = &module.types[base].inner else {
        return found.push(format!("{name}: not an array of structs"));
    };
    let members: Vec<_> = members
        .iter()
        .map(|member| {
            let scalar = match module.types[member.ty].inner {
                TypeInner::Scalar(Scalar::F32) => "f32".to_string(),
                TypeInner::Scalar(Scalar::U32) => "u32".to_string(),
                TypeInner::Scalar(Scalar::I32) => "i32".to_string(),
                ref other => format!("{other:?}"),
            };
            let offset = member.offset as usize;
            (member.name.clone().unwrap_or_default(), scalar, offset)
        })
        .collect();
    let ours = |&(name, kind, at): &Field| (name.to_string(), kind.to_string(), at);
    let ours: Vec<_> = fields.iter().map(ours).collect();
    let size = ours.last().map_or(0, |(_, _, offset)| offset + 4);
    if members != ours || *span as usize != size {
        found.push(format!("{name}: {members:?} ({span} bytes), not {ours:?}"));
    }
    if (length.get() as usize, stride as usize) != (MODELS, size) {
        found.push(format!("{name}: an array of {length} by {stride} bytes, not of {MODELS} by {size}"));
    }
    if (global.name.as_deref(), global.space) != (Some(name), AddressSpace::Uniform) {
        found.push(format!("{name}: is {:?} {:?}", global.name, global.space));
    }
}

fn overrides(shader: &Shader, module: &Module, found: &mut Vec<String>) {
    let value = |at| match module.global_expressions[at] {
        Expression::Literal(Literal::F32(value)) => f64::from(value),
        Expression::Literal(Literal::U32(value)) => f64::from(value),
        Expression::Literal(Literal::Bool(value)) => f64::from(u8::from(value)),
        _ => f64::NAN,
    };
    let theirs: Vec<_> = module
        .overrides
        .iter()
        .map(|(_, constant)| {
            let default = constant.init.map_or(f64::NAN, value) as f32;
            (constant.name.clone().unwrap_or_default(), default)
        })
        .collect();
    let ours = |&(name, default): &(&str, f64)| (name.to_string(), default as f32);
    let ours: Vec<_> = shader.overrides.iter().map(ours).collect();
    if theirs != ours {
        found.push(format!("overrides: {theirs:?}, not {ours:?}"));
    }
}
