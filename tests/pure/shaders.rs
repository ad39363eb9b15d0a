//! The declarations of a shader in Rust and in WGSL must agree: names, layouts, access, defaults, limits.
//!
//! Needs no GPU: naga, the shader compiler inside wgpu, parses the files.

mod complaints;
mod translate;

use complaints::{File, LONGEST, complaints, path};
use gpu_mlp::kernels::shaders;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Stem and text of the files of a folder with an extension.
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

/// The pages of the kernels, and the names of the shaders that each lists.
fn pages() -> BTreeMap<String, BTreeSet<String>> {
    let pages = files("src/kernels", "rs").into_iter().map(|(stem, text)| (format!("src/kernels/{stem}.rs"), text));
    // The list of this page is in a separate file.
    let apart = fs::read_to_string(path("src/kernels/update/shaders.rs")).expect("the list of updates is there");
    let pages = pages.chain([("src/kernels/update.rs".to_string(), apart)]);
    let lists =
        pages.filter_map(|(page, text)| Some((page, text.split_once("SHADERS: ")?.1.split_once("];")?.0.to_string())));
    let names = |list: String| {
        let quoted = list.split('"').skip(1).step_by(2).map(str::to_string);
        // The list of a single shader also names arguments and constants.
        if list.contains("name: ") { quoted.take(1).collect() } else { quoted.collect() }
    };
    lists.map(|(page, list)| (page, names(list))).filter(|(_, names): &(_, BTreeSet<_>)| !names.is_empty()).collect()
}

/// The files of `shaders/`, each with its entries in the list of shaders.
fn modules() -> Vec<File> {
    let pages = pages();
    let file = |(stem, text): (String, String)| {
        let shaders: Vec<_> = shaders().into_iter().filter(|shader| shader.source == text).collect();
        let lists = |names: &BTreeSet<String>| shaders.iter().any(|shader| names.contains(shader.name));
        let pages = pages.iter().filter(|(_, names)| lists(names)).map(|(page, _)| page.clone()).collect();
        File { stem, text, shaders, pages }
    };
    files("shaders", "wgsl").into_iter().map(file).collect()
}

#[test]
fn every_file_has_listed_shaders_and_every_listed_shader_has_a_file() {
    let modules = modules();
    let empty: Vec<&str> =
        modules.iter().filter(|file| file.shaders.is_empty()).map(|file| file.stem.as_str()).collect();
    assert!(empty.is_empty(), "{empty:?} are in no list");
    let of_files = modules.iter().flat_map(|file| &file.shaders).map(|shader| shader.name);
    let listed: BTreeSet<&str> = shaders().iter().map(|shader| shader.name).collect();
    assert_eq!(listed.len(), shaders().len(), "a name is listed twice");
    assert_eq!(of_files.collect::<BTreeSet<_>>(), listed);
}

#[test]
fn every_page_with_shaders_is_in_the_list() {
    let listed: BTreeSet<String> = shaders().iter().map(|shader| shader.name.to_string()).collect();
    assert_eq!(pages().into_values().flatten().collect::<BTreeSet<_>>(), listed);
}

#[test]
fn every_shader_matches_its_declaration_in_rust() {
    let said = |file: &File| {
        let complaints = complaints(file, &file.text);
        (!complaints.is_empty()).then(|| format!("{}: {complaints:#?}", file.stem))
    };
    let said: Vec<String> = modules().iter().filter_map(said).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}

/// Changes that must be noticed: file | part of its text | replacement | topic of the complaint.
const CHANGES: &str = "
linear    | fn finish(               | fn finish((                | parse
update    | array<vec4<f32>>         | array<vec4<f16>>           | parse
half      | enable f16;              | diagnostic(off, a);        | parse
coop      | enable wgpu_cooperative_matrix; | diagnostic(off, a); | parse
coop      | <f16, A>                 | <f16, B>                   | validate
linear    | if at >=                 | _ = subgroupAdd(at); if at >= | validate
update    | w[at] = sgd_step         | dy[at] = sgd_step          | validate
linear    | fn linear(               | fn linear_plain(           | entry
linear    | fn number(               | @compute @workgroup_size(1) fn more() {} fn number( | entry
head      | @compute @workgroup_size(8) |                         | validate
tally     | struct StepValues {             | @fragment fn more() {} struct StepValues { | entry
dead      | workgroup_size(64)       | workgroup_size(512)        | limits
tally     | vec4<f32>, 64>           | vec4<f32>, 1025>           | limits
update    | parts: array<vec4<f32>, 1024> | parts: array<vec4<f32>, 1025> | limits
update    | fn adam_b(now: StepValues, params: Params, unit4: u32, gradient: vec4<f32>) { | fn adam_b(now: StepValues, params: Params, unit4: u32, gradient: vec4<f32>) { dw[unit4] = gradient; | limits
average   | lr: f32, momentum: f32   | momentum: f32, lr: f32     | now
average   | pad2: u32,               | pad2: u32, more: u32, more1: u32, more2: u32, more3: u32, | now
average   | array<StepValues, MODELS> | array<StepValues, 63>     | now
average   | var<uniform> now: array<StepValues, MODELS> | var<storage> now: array<StepValues, MODELS> | now
sum       | MODELS = 64u             | MODELS = 32u               | params
average   | slot: u32                | slot: f32                  | now
linear    | inputs4: u32, outputs: u32 | outputs: u32, inputs4: u32 | params
update    | epsilon: f32, pad: u32   | epsilon: f32, pad: u32, more: u32 | validate
update    | params: array<Params, MODELS> | params: Params | parse
update    | batch: u32, inputs4      | @size(20) batch: u32, inputs4 | params
gather    | @group(1) @binding(0)    | @group(1) @binding(9)      | params
gather    | @binding(5)              | @binding(9)                | args
update    | @binding(12)             | @binding(14)               | args
update    | b[at] = next.w; first_b[at] = next.first;  | b[at] = next.w; second_b[at] = next.first; | args
linear    | var<storage, read> x     | var<storage, read_write> x | args
linear_db | read_write> db           | read> db                   | validate
update    | DECOUPLED: bool = false  | DECOUPLED: bool = true     | overrides
linear    | = 0.01                   | = 0.02                     | overrides
linear    | override ALPHA           | override BETA: u32 = 1u; override ALPHA | unused
update    | NESTEROV);               | DECOUPLED);                | overrides
linear    | const ROW                | var<workgroup> more: u32; const ROW | unused
linear    | // linear:               | // The layer:              | head
linear    | kernels/linear.rs        | kernels/linear_db.rs       | twin
half      | , linear_dw.rs           |                            | twin
linear    | params.batch *           | arrayLength(&x) *          | feature
int_levels | atomicAdd(              | atomicExchange(            | feature
int_update | layers: u32, base: i32  | base: i32, layers: u32     | params
";

#[test]
fn every_check_can_fail() {
    let modules = modules();
    for change in CHANGES.lines().skip(1) {
        let parts: Vec<&str> = change.split('|').map(str::trim).collect();
        let [stem, from, to, topic] = parts[..] else {
            panic!("{change:?} has four parts");
        };
        let file = modules.iter().find(|file| file.stem == stem).expect("there is such a file");
        assert!(file.text.contains(from), "{stem} has no {from:?}");
        let said = complaints(file, &file.text.replacen(from, to, 1));
        assert!(
            said.iter().any(|said| said.starts_with(topic)),
            "{from:?} became {to:?} in {stem}, but the complaints are only {said:?}"
        );
    }
    let long = modules[0].text.clone() + &"\n".repeat(LONGEST);
    assert!(complaints(&modules[0], &long)[0].starts_with("length"));
}

/// The text of a function or struct of a file after its name.
fn item<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let begin = ["fn", "struct"].iter().find_map(|kind| {
        let head = format!("\n{kind} {name}");
        let found = source.match_indices(&head).find(|(at, head)| source[at + head.len()..].starts_with(['(', ' ']));
        found.map(|(at, head)| at + head.len())
    })?;
    let line = source[begin..].lines().next()?;
    let length = if line.ends_with('}') { line.len() } else { source[begin..].find("\n}")? };
    Some(&source[begin..begin + length])
}

/// Items repeated in several files because WGSL has no import. The items of a line, as file.name, have the same text.
const SHARED: &str = "
linear.act half.act coop.act
linear_dx.act_grad head.act_grad half.act_grad coop.act_grad
linear.finish half.finish_y coop.finish_y
linear_dx.finish head.finish half.finish_dx coop.finish_dx
linear.finish4 linear_dx.finish4
update.store half.store coop.store
activate.sigmoid loss.sigmoid
head.total loss.total
half.half coop.half
half.loss_scale coop.loss_scale
linear.Params linear_dx.Params half.Params coop.Params
linear.number linear_dx.number head.number update.number half.number
";

/// Items of a line of `SHARED` whose text differs from the first.
fn odd<'a>(line: &'a str, texts: &BTreeMap<String, String>) -> Vec<&'a str> {
    let texts: Vec<(&str, &str)> = line
        .split(' ')
        .map(|place| {
            let (file, name) = place.split_once('.').expect("a place is a file and a name");
            (place, item(&texts[file], name).unwrap_or_else(|| panic!("{place} is missing")))
        })
        .collect();
    let other = texts.iter().filter(|(_, text)| *text != texts[0].1);
    other.map(|(place, _)| *place).collect()
}

#[test]
fn repeated_items_have_the_same_text_in_each_file() {
    let mut texts = files("shaders", "wgsl");
    let step_values: Vec<String> = texts.keys().map(|stem| format!("{stem}.StepValues")).collect();
    for line in SHARED.lines().skip(1).chain([step_values.join(" ").as_str()]) {
        assert_eq!(odd(line, &texts), [""; 0]);
    }
    let constants = |stem: &str| -> Vec<String> {
        texts[stem].lines().filter(|line| line.starts_with("override ")).map(str::to_string).collect()
    };
    for stem in ["linear_dx", "head", "half", "coop"] {
        assert_eq!(constants(stem), constants("linear"), "{stem}");
    }
    // The check must fail if one file's copy is changed.
    let changed = texts["half"].replace("-abs(z)", "-z");
    texts.insert("half".into(), changed);
    assert_eq!(odd("linear.act half.act coop.act", &texts), ["half.act"]);
}
