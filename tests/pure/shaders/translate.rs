//! Translates every entry point, with every set of pipeline constants of a case, to SPIR-V (Vulkan), MSL (Metal) and
//! HLSL (DirectX). The compiler is wgpu's own, so a translation that fails here also fails there.

use super::modules;
use gpu_mlp::kernels::cases;
use gpu_mlp::plan::kernel::{Needs, Shader};
use naga::back::pipeline_constants::process_overrides;
use naga::back::{PipelineConstants, hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage, front::wgsl};
use std::collections::BTreeMap;

/// Pipeline constants: name, value.
type Constants = Vec<(&'static str, f64)>;

/// For each shader, every set of constants used in a case, keyed by its debug text.
fn used() -> BTreeMap<&'static str, BTreeMap<String, Constants>> {
    let mut used: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for case in cases() {
        let (shader, constants) = (case.plan.steps[0].shader(), case.plan.steps[0].overrides());
        used.entry(shader.name).or_default().insert(format!("{constants:?}"), constants);
    }
    used
}

fn checked(source: &str) -> Result<(Module, ModuleInfo), String> {
    let module = wgsl::parse_str(source).map_err(|error| error.emit_to_string(source))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module);
    let info = info.map_err(|error| error.emit_to_string(source))?;
    Ok((module, info))
}

/// Writes one entry point in each language; returns the names of the languages written.
fn translate(
    shader: &Shader,
    (module, info): &(Module, ModuleInfo),
    constants: &Constants,
) -> Result<Vec<&'static str>, String> {
    let entry = (ShaderStage::Compute, shader.name);
    let constants: PipelineConstants = constants.iter().map(|&(name, value)| (name.to_string(), value)).collect();
    let (module, info) = process_overrides(module, info, Some(entry), &constants).map_err(|error| error.to_string())?;
    let mut written = Vec::new();

    let options = spv::Options {
        // Cooperative matrices need SPIR-V 1.6.
        lang_version: if shader.needs() == Needs::Coop { (1, 6) } else { (1, 3) },
        ..spv::Options::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: entry.0, entry_point: entry.1.into() };
    let words =
        spv::write_vec(&module, &info, &options, Some(&pipeline)).map_err(|error| format!("SPIR-V: {error}"))?;
    if !words.is_empty() {
        written.push("SPIR-V");
    }

    let options = msl::Options {
        lang_version: if shader.needs() == Needs::Coop { (2, 3) } else { (2, 0) },
        ..msl::Options::default()
    };
    let pipeline = msl::PipelineOptions { entry_point: Some((entry.0, entry.1.into())), ..Default::default() };
    let (text, names) =
        msl::write_string(&module, &info, &options, &pipeline).map_err(|error| format!("MSL: {error}"))?;
    let [Ok(name)] = &names.entry_point_names[..] else {
        return Err(format!("MSL: {:?}", names.entry_point_names));
    };
    if text.contains(&format!("kernel void {name}(")) {
        written.push("MSL");
    }

    // DirectX has no cooperative matrices; half precision needs a newer shader model than the old compiler supports.
    if shader.needs() < Needs::Coop {
        let half = shader.needs() == Needs::Half;
        let options = hlsl::Options {
            shader_model: if half { hlsl::ShaderModel::V6_2 } else { hlsl::ShaderModel::V5_1 },
            // Where the host passes the number of workgroups.
            special_constants_binding: Some(hlsl::BindTarget::default()),
            ..hlsl::Options::default()
        };
        let pipeline = hlsl::PipelineOptions { entry_point: Some((entry.0, entry.1.into())) };
        let mut text = String::new();
        let names = hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None);
        let names = names.map_err(|error| format!("HLSL: {error}"))?;
        let [Ok(name)] = &names.entry_point_names[..] else {
            return Err(format!("HLSL: {:?}", names.entry_point_names));
        };
        if text.contains(&format!("void {name}(")) {
            written.push("HLSL");
        }
    }
    Ok(written)
}

#[test]
fn every_shader_translates_to_every_language_with_all_used_constants() {
    let (used, mut sets) = (used(), 0);
    for file in modules() {
        let module = checked(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.stem));
        for shader in &file.shaders {
            let wanted: &[&str] = match shader.needs() {
                Needs::Core | Needs::Half => &["SPIR-V", "MSL", "HLSL"],
                Needs::Coop => &["SPIR-V", "MSL"],
            };
            for constants in used[shader.name].values() {
                assert_eq!(
                    translate(shader, &module, constants).as_deref(),
                    Ok(wanted),
                    "{} {constants:?}",
                    shader.name
                );
                sets += 1;
            }
        }
    }
    eprintln!("{sets} sets of constants of {} shaders", used.len());
    assert!(sets > 2 * used.len());
}

/// Changes that only a translation notices: file | shader | part of the text | replacement | constants | error text.
const CHANGES: &str = "
linear | linear | _ | _ | ACT=5.5e9 | fit
linear | linear | _ | _ | ACT=-1 | fit
linear | linear | _ | _ | BETA=1 | not found
linear | linear | ALPHA: f32 = 0.01; | ALPHA: f32; | ACT=1 | Missing value
sum | sum | var<workgroup> sums | var<immediate> more: u32; var<workgroup> sums | | HLSL
";

#[test]
fn a_shader_that_a_language_cannot_express_fails() {
    let modules = modules();
    for change in CHANGES.lines().skip(1) {
        let parts: Vec<&str> = change.split('|').map(str::trim).collect();
        let [stem, name, from, to, constants, wanted] = parts[..] else {
            panic!("{change:?} has six parts");
        };
        let file = modules.iter().find(|file| file.stem == stem).expect("there is such a file");
        let shader = file.shaders.iter().find(|shader| shader.name == name).expect("there is such a shader");
        assert!(file.text.contains(from), "{stem} has no {from:?}");
        let module = checked(&file.text.replace(from, to)).unwrap_or_else(|error| panic!("{change}: {error}"));
        let constants = constants.split_once('=').map(|(name, value)| (name, value.parse().expect("a number")));
        let said = translate(shader, &module, &constants.into_iter().collect());
        assert!(said.as_ref().is_err_and(|said| said.contains(wanted)), "{change}: {said:?}");
    }
}
