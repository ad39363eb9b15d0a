//! What Rust says of a shader and what its text says must be one thing: names, layouts, access, defaults, limits.
//!
//! Needs no GPU: naga, the shader compiler inside wgpu, parses the files and tells what they declare.

mod complaints;

use complaints::{complaints, path};
use gpu_mlp::kernels::shaders;
use gpu_mlp::plan::kernel::Shader;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Files of a folder with an extension: stem and text.
fn files(folder: &str, extension: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(path(folder)).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted
        .map(|path| {
            let stem = path.file_stem().expect("a file has a stem");
            let text = fs::read_to_string(&path).expect("a source file is text");
            (stem.to_string_lossy().into_owned(), text)
        })
        .collect()
}

#[test]
fn every_file_is_a_shader_of_the_list_and_every_shader_of_the_list_is_a_file() {
    let files = files("shaders", "wgsl");
    let listed: BTreeMap<String, String> =
        shaders().iter().map(|shader| (shader.name.to_string(), shader.source.to_string())).collect();
    assert_eq!(listed.len(), shaders().len(), "a name is listed twice");
    let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&files), names(&listed));
    for (name, text) in files {
        assert!(listed[&name] == text, "{name} includes another file's text");
    }
}

#[test]
fn every_page_with_shaders_is_in_the_list() {
    let listed: BTreeSet<&str> = shaders().iter().map(|shader| shader.name).collect();
    let mut included = BTreeSet::new();
    let pages = [files("src/kernels", "rs"), files("src/kernels/update", "rs")];
    for (page, text) in pages.iter().flatten().filter(|(_, text)| text.contains("SHADERS: ")) {
        let names =
            text.split("include_str!(").skip(1).filter_map(|rest| rest.split_once("/shaders/")?.1.split_once(".wgsl"));
        let before = included.len();
        included.extend(names.map(|(name, _)| name));
        assert!(included.len() > before, "{page} includes no shader");
    }
    assert_eq!(included, listed);
}

#[test]
fn every_shader_is_what_rust_says_it_is() {
    let said = |shader: &&Shader| {
        let complaints = complaints(shader, shader.source);
        (!complaints.is_empty()).then(|| format!("{}: {complaints:#?}", shader.name))
    };
    let said: Vec<String> = shaders().iter().filter_map(said).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}

/// Changes that must be noticed: shader | a part of its text | what stands there instead | topic of the complaint.
const CHANGES: &str = "
linear    | fn finish(               | fn finish((                | parse
sgd       | array<vec4<f32>>         | array<vec4<f16>>           | parse
linear_half | enable f16;            | diagnostic(off, a);        | parse
linear_coop | enable wgpu_cooperative_matrix; | diagnostic(off, a); | parse
linear_dw_coop | <f16, A>            | <f16, B>                   | validate
linear    | if at >=                 | _ = subgroupAdd(at); if at >= | validate
sgd       | w[at] -=                 | dw[at] -=                  | validate
linear    | fn linear(               | fn linear_plain(           | entry
linear    | @compute @workgroup_size(64) | @fragment              | entry
linear    | workgroup_size(64)       | workgroup_size(512)        | limits
tally     | vec4<f32>, 64>           | vec4<f32>, 1025>           | limits
sgd       | lr: f32, momentum: f32   | momentum: f32, lr: f32     | now
sgd       | bias2: f32, pad: u32     | bias2: f32                 | now
sgd       | slot: u32                | slot: f32                  | now
linear    | inputs4: u32, outputs: u32 | outputs: u32, inputs4: u32 | params
linear_dw | outputs4: u32, }         | outputs4: u32, more: u32, } | params
linear_dw | batch: u32, inputs4      | @size(8) batch: u32, inputs4 | params
gather    | @group(1) @binding(0)    | @group(1) @binding(7)      | params
gather    | @binding(5)              | @binding(7)                | args
linear    | var<storage, read> x     | var<storage, read_write> x | args
linear_dw | read_write> dw           | read> dw                   | args
adam      | = false                  | = true                     | overrides
linear    | = 0.01                   | = 0.02                     | overrides
linear    | override ALPHA           | override BETA: u32 = 1u; override ALPHA | overrides
linear    | // linear:               | // The layer:              | head
linear    | kernels/linear.rs        | kernels/linear_db.rs       | twin
linear    | params.batch *           | arrayLength(&x) *          | feature
";

#[test]
fn every_check_is_seen_to_fail() {
    let changes = CHANGES.lines().skip(1).map(|line| line.split('|').map(str::trim).collect());
    for change in changes {
        let change: Vec<&str> = change;
        let [name, from, to, topic] = change[..] else {
            panic!("{change:?} has four parts");
        };
        let shader = shaders().into_iter().find(|shader| shader.name == name);
        let shader = shader.expect("it is listed");
        assert!(shader.source.contains(from), "{name} has no {from:?}");
        let said = complaints(shader, &shader.source.replacen(from, to, 1));
        assert!(
            said.iter().any(|said| said.starts_with(topic)),
            "{from:?} became {to:?} in {name}, and all that was said is {said:?}"
        );
    }
    let shader = shaders()[0];
    let long = shader.source.to_string() + &"\n".repeat(150);
    assert!(complaints(shader, &long)[0].starts_with("length"));
}

/// A function or struct of a shader, head and body as they stand in the file.
fn item<'a>(source: &'a str, head: &str) -> Option<&'a str> {
    let begin = source.find(head)?;
    let line = source[begin..].lines().next()?;
    let length = if line.ends_with('}') { line.len() } else { source[begin..].find("\n}")? };
    Some(&source[begin..begin + length])
}

/// Shaders of some kernels whose copy of an item reads otherwise than the first one's, and the number of copies.
fn copies(family: &str, head: &str, texts: &[(&str, &str)]) -> (Vec<String>, usize) {
    const FORMS: [&str; 7] = ["", "_tiled", "_regs", "_wide", "_split", "_half", "_coop"];
    let member = |name: &str, kernel| name.strip_prefix(kernel).is_some_and(|form| FORMS.contains(&form));
    let in_family = |name: &str| family.is_empty() || family.split(' ').any(|kernel| member(name, kernel));
    let found: Vec<_> = texts
        .iter()
        .filter(|(name, _)| in_family(name))
        .filter_map(|(name, text)| Some((*name, item(text, head)?)))
        .collect();
    let odd = found.iter().filter(|(_, text)| *text != found[0].1);
    (odd.map(|(name, _)| name.to_string()).collect(), found.len())
}

/// What stands in several files because WGSL has no import: kernels, head of the item, files that have it at least.
const SHARED: [(&str, &str, usize); 24] = [
    ("", "struct Now {", 8),
    ("", "fn half(", 6),
    ("", "fn loss_scale(", 4),
    ("linear", "fn act(", 7),
    ("linear", "fn finish(", 7),
    ("linear_dx head", "fn act_grad(", 9),
    ("linear_dx head", "fn finish(", 9),
    ("linear_dw", "fn finish(", 7),
    ("update_sgd", "fn step(", 3),
    ("update_sgd", "fn finish(", 3),
    ("update_sgd", "fn finish_bias(", 3),
    ("update_momentum", "fn step(", 3),
    ("update_momentum", "fn finish(", 3),
    ("update_momentum", "fn finish_bias(", 3),
    ("update_adam", "fn first(", 3),
    ("update_adam", "fn second(", 3),
    ("update_adam", "fn step(", 3),
    ("update_adam", "fn finish(", 3),
    ("update_adam", "fn finish_bias(", 3),
    ("update_rmsprop", "fn square(", 3),
    ("update_rmsprop", "fn velocity(", 3),
    ("update_rmsprop", "fn finish(", 3),
    ("update_rmsprop", "fn finish_bias(", 3),
    ("linear_dw update_sgd update_momentum update_adam update_rmsprop", "fn turn(", 5),
];

#[test]
fn what_stands_in_several_files_is_the_same_text_in_each() {
    let shaders = shaders();
    let text = |shader: &&'static Shader| (shader.name, shader.source);
    let mut texts: Vec<_> = shaders.iter().map(text).collect();
    for (family, head, least) in SHARED {
        let (odd, copies) = copies(family, head, &texts);
        assert!(odd.is_empty(), "{head} of {odd:?} differs from the others");
        assert!(copies >= least, "{head}: only {copies} of {family}");
    }
    // Seen to fail: one file's copy is changed.
    let changed = include_str!("../../shaders/linear_regs.wgsl").replace("-abs(z)", "-z");
    texts.retain(|(name, _)| *name != "linear_regs");
    texts.push(("linear_regs", &changed));
    assert_eq!(copies("linear", "fn act(", &texts).0, ["linear_regs"]);
}

/// The lines of an entry point's body, those about biases left out.
fn tiles(source: &str) -> Vec<&str> {
    let body = source.lines().skip_while(|line| !line.contains("let tiles_across"));
    body.filter(|line| !line.contains("bias")).collect()
}

#[test]
fn fused_updates_compute_their_gradient_as_linear_dw_does() {
    let shaders = shaders();
    let source = |name: &str| shaders.iter().find(|shader| shader.name == name).expect(name).source;
    for form in ["tiled", "regs", "wide"] {
        let plain = tiles(source(&format!("linear_dw_{form}")));
        assert!(plain.len() > 20, "linear_dw_{form} has a body");
        for rule in ["sgd", "momentum", "adam", "rmsprop"] {
            assert_eq!(tiles(source(&format!("update_{rule}_{form}"))), plain, "update_{rule}_{form}");
        }
    }
}
