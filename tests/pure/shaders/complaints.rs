//! What a shader's text declares, by reflection, against what Rust says of it.

use gpu_mlp::plan::kernel::{Access, Field, Needs, Now, Shader};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};
use wgpu::naga::{
    AddressSpace, Expression, GlobalVariable, Literal, Module, Scalar, ShaderStage, StorageAccess, TypeInner,
    front::wgsl,
};

/// A file of the repository.
pub fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

/// Everything wrong with `source` as the text of `shader`; each complaint begins with its topic.
pub fn complaints(shader: &Shader, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    house_rules(shader, source, &mut found);
    match wgsl::parse_str(source) {
        Err(error) => found.push(format!("parse: {}", error.emit_to_string(source))),
        Ok(module) => {
            // No capability beyond what the file itself enables: without, it runs wherever WebGPU does.
            let capabilities = match shader.needs() {
                Needs::Core => Capabilities::empty(),
                Needs::Half => Capabilities::SHADER_FLOAT16,
                Needs::Coop => Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX,
            };
            let mut validator = Validator::new(ValidationFlags::all(), capabilities);
            if let Err(error) = validator.validate(&module) {
                found.push(format!("validate: {}", error.emit_to_string(source)));
            }
            entry_and_limits(shader, &module, &mut found);
            bindings(shader, &module, &mut found);
            overrides(shader, &module, &mut found);
        }
    }
    found
}

/// What no compiler checks: length, head comment, and two features this crate does without. An `arrayLength` would
/// count the guard words of the court as data; an atomic sum of floats would depend on the order of the threads.
fn house_rules(shader: &Shader, source: &str, found: &mut Vec<String>) {
    if source.lines().count() > 150 {
        found.push(format!("length: {} lines", source.lines().count()));
    }
    if !source.starts_with(&format!("// {}: ", shader.name)) {
        found.push("head: the first line does not begin with the shader's name".into());
    }
    let head = source.lines().take_while(|line| line.starts_with("//"));
    let head: Vec<&str> = head.collect();
    let twin = head.last().and_then(|line| line.split_once("Twin: ")?.1.into());
    // The page itself, or one that holds its list of shaders.
    let pages = |twin: &str| [twin.to_string(), twin.replace(".rs", "/shaders.rs")];
    let included = format!("shaders/{}.wgsl\"", shader.name);
    let includes = |page: &String| fs::read_to_string(path(page)).is_ok_and(|text| text.contains(&included));
    if !twin.is_some_and(|twin: &str| pages(twin).iter().any(includes)) {
        found.push(format!("twin: {twin:?} is no page that includes the shader"));
    }
    let code = source.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    if code.into_iter().any(|line| line.contains("arrayLength") || line.contains("atomic")) {
        found.push("feature: arrayLength or an atomic is used".into());
    }
}

fn entry_and_limits(shader: &Shader, module: &Module, found: &mut Vec<String>) {
    let limits = wgpu::Limits::defaults();
    let [entry] = module.entry_points.as_slice() else {
        return found.push(format!("entry: {} entry points", module.entry_points.len()));
    };
    if entry.name != shader.name || entry.stage != ShaderStage::Compute {
        found.push(format!("entry: {} is a {:?}", entry.name, entry.stage));
    }
    let invocations = entry.workgroup_size.iter().product::<u32>();
    if invocations > limits.max_compute_invocations_per_workgroup {
        found.push(format!("limits: {invocations} invocations a workgroup"));
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
    if let Some(now) = bound.remove(&(0, 0)) {
        uniform("now", Now::FIELDS, size_of::<Now>(), now, module, found);
    }
    match (bound.remove(&(1, 0)), shader.params) {
        (Some(params), fields @ [.., (_, _, last)]) => {
            uniform("params", fields, last + 4, params, module, found);
        }
        (None, []) => {}
        _ => found.push("params: declared on one side only".into()),
    }
    for (number, arg) in (1..).zip(shader.args) {
        let space = AddressSpace::Storage {
            access: match arg.access {
                Access::Read => StorageAccess::LOAD,
                Access::Write | Access::Update => StorageAccess::LOAD | StorageAccess::STORE,
            },
        };
        match bound.remove(&(1, number)) {
            Some(global) if global.name.as_deref() == Some(arg.name) && global.space == space => {}
            other => found.push(format!("args: binding {number} is {other:?}, not {arg:?}")),
        }
    }
    for (at, global) in bound {
        found.push(format!("args: {at:?} {:?} is unknown to Rust", global.name));
    }
}

fn uniform(
    name: &str,
    fields: &[Field],
    size: usize,
    global: &GlobalVariable,
    module: &Module,
    found: &mut Vec<String>,
) {
    let TypeInner::Struct { members, span } = &module.types[global.ty].inner else {
        return found.push(format!("{name}: no struct"));
    };
    let members: Vec<_> = members
        .iter()
        .map(|member| {
            let scalar = match module.types[member.ty].inner {
                TypeInner::Scalar(Scalar::F32) => "f32".to_string(),
                TypeInner::Scalar(Scalar::U32) => "u32".to_string(),
                ref other => format!("{other:?}"),
            };
            let offset = member.offset as usize;
            (member.name.clone().unwrap_or_default(), scalar, offset)
        })
        .collect();
    let ours = |&(name, kind, at): &Field| (name.to_string(), kind.to_string(), at);
    let ours: Vec<_> = fields.iter().map(ours).collect();
    if members != ours || *span as usize != size {
        found.push(format!("{name}: {members:?} ({span} bytes), not {ours:?}"));
    }
    if !size.is_multiple_of(16) {
        found.push(format!("{name}: {size} bytes is no multiple of 16"));
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
