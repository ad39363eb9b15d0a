//! The choice of forms: the same cache file gives the same choice, a damaged one does no harm, the time is bounded, and
//! the weights depend only on the recorded forms.

use crate::common::machines;
use gpu_mlp::config::{BatchSize, Config, PlanKind};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::gpu::Class;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::forms::{Chosen, Forms, MatmulShape};
use gpu_mlp::kernels::{Form, InputMap};
use gpu_mlp::measure::tune::{BUDGET, Tune, Tuning, tune};
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::train::Trainer;
use pollster::block_on;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{ThreadId, current};
use std::time::Instant;
use tracing::subscriber::set_global_default;
use tracing::{Event, Metadata, Subscriber, span};

fn config() -> Config {
    // In the plain plan, every product has its own shader for each form.
    let plan = PlanKind::Plain;
    Config { hidden: vec![24], epochs: 1, batch_size: BatchSize::Samples(50), plan, ..Config::default() }
}

fn digits() -> DataSet {
    generate(&Options { train: 100, test: 10, seed: 1 })
}

fn products(config: &Config, data: &DataSet) -> Vec<String> {
    let net = Net::for_training(config, Sizes::of(config, data, Form::Plain, u64::MAX).unwrap(), &InputMap::RAW);
    let mut names: Vec<String> =
        net.plan.steps.iter().filter_map(|kernel| Some(MatmulShape::of(kernel.as_ref())?.to_string())).collect();
    names.sort();
    names.dedup();
    names
}

fn tuned(machine: &Machine, mode: Tune, cache: Option<&Path>) -> Tuning {
    block_on(tune(&config(), &digits(), machine, mode, cache)).expect("the adapter answers")
}

fn the_file(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(folder.join("tune")).unwrap();
    let file = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "one adapter, one file");
    file
}

#[test]
fn known_choices_are_reused_and_unknown_ones_are_measured() {
    for machine in machines::adapters() {
        let folder = tempfile::TempDir::new().unwrap();
        let forced = tuned(&machine, Tune::Force, Some(folder.path()));
        let names: Vec<String> = forced.forms.keys().cloned().collect();
        assert_eq!(names, products(&config(), &digits()), "{}", machine.description());
        assert_eq!((forced.notes.is_empty(), forced.forms.len()), (true, names.len()));
        let text = std::fs::read_to_string(the_file(folder.path())).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(file["adapter"], machine.description());
        assert_eq!(file["forms"].as_object().unwrap().len(), forced.tried);

        // Choices that no measurement would make, and a choice for another net.
        let mut known: Chosen = names.iter().cloned().zip(Form::SINGLE.into_iter().cycle()).collect();
        let write = |known: &Chosen| {
            let file = serde_json::json!({ "adapter": file["adapter"], "version": file["version"], "forms": known });
            std::fs::write(the_file(folder.path()), file.to_string()).unwrap();
        };
        write(&[known.clone(), Chosen::from([("linear 1x2x3".into(), Form::Plain)])].into_iter().flatten().collect());
        for _ in 0..2 {
            let auto = tuned(&machine, Tune::Auto, Some(folder.path()));
            assert_eq!((&auto.forms, auto.tried), (&known, 0), "{}", machine.description());
        }
        assert_eq!(tuned(&machine, Tune::Off, Some(folder.path())), Tuning::default());

        // One choice is removed: a GPU measures it again; a software adapter is measured only on request.
        let Machine::Gpu(gpu) = &machine else { unreachable!("an adapter") };
        known.pop_first();
        write(&known);
        let auto = tuned(&machine, Tune::Auto, Some(folder.path()));
        let anew = usize::from(gpu.class() == Class::Gpu);
        assert_eq!((auto.forms.len(), auto.tried), (known.len() + anew, anew));
        let text = std::fs::read_to_string(the_file(folder.path())).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(file["forms"].as_object().unwrap().len(), known.len() + anew);
    }
    for mode in [Tune::Off, Tune::Auto, Tune::Force] {
        assert_eq!(tuned(&Machine::Cpu, mode, None), Tuning::default(), "the CPU has no forms");
    }
}

#[test]
fn a_file_that_is_damaged_or_foreign_is_rewritten_with_a_note() {
    for machine in machines::adapters() {
        let folder = tempfile::TempDir::new().unwrap();
        tuned(&machine, Tune::Force, Some(folder.path()));
        let file = the_file(folder.path());
        let whole = std::fs::read_to_string(&file).unwrap();
        let foreign = whole.replacen(&machine.description(), "another adapter", 1);
        let old = whole.replacen(env!("CARGO_PKG_VERSION"), "0.0.0", 1);
        let unknown = whole.replacen("\"forms\"", "\"shapes\"", 1);
        for damaged in ["", "{", "[]", "\u{0}\u{1}", &whole[..whole.len() / 2], &foreign, &old, &unknown] {
            std::fs::write(&file, damaged).unwrap();
            let again = tuned(&machine, Tune::Force, Some(folder.path()));
            let note = again.notes.first().expect("a note about the damage");
            assert!(note.contains(file.to_str().unwrap()) && note.contains("a new file is written"), "{note}");
            assert_eq!(tuned(&machine, Tune::Force, Some(folder.path())).notes, [""; 0], "the file was rewritten");
        }
        // A bad entry is named, the others are kept, and the file is rewritten although nothing was measured.
        let contents: serde_json::Value = serde_json::from_str(&whole).unwrap();
        for (name, form, words) in [
            ("update_adam 64x784x128", "plain", "has no form plain"),
            ("linear 64x784", "tiled", "needs batch, inputs and outputs"),
            ("linar 1x2x3", "tiled", "unknown product"),
        ] {
            let mut bad = contents.clone();
            bad["forms"][name] = form.into();
            std::fs::write(&file, bad.to_string()).unwrap();
            let notes = tuned(&machine, Tune::Auto, Some(folder.path())).notes;
            assert!(notes.len() == 1 && notes[0].contains(words) && notes[0].contains("a new file"), "{notes:?}");
            let text = std::fs::read_to_string(&file).unwrap();
            let again: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(again["forms"], contents["forms"]);
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(tuned(&machine, Tune::Force, Some(folder.path())).notes.len() == 1, "a folder in its place");
        let none = tuned(&machine, Tune::Force, None);
        assert_eq!((none.notes.is_empty(), none.forms.is_empty()), (true, false), "without a folder there is no note");
    }
}

/// End time of each product's trial, with its thread: other tests run trials at the same time.
#[derive(Clone, Default)]
struct Trials(Arc<Mutex<Vec<(ThreadId, Instant)>>>);

impl Subscriber for Trials {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "gpu_mlp::measure::tune::trial"
    }
    fn event(&self, _: &Event<'_>) {
        self.0.lock().unwrap().push((current().id(), Instant::now()));
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Tunes a net whose every product takes seconds on a software adapter. A trial may take any time and is always
/// finished, but none begins after the end of the budget.
#[test]
fn the_time_is_bounded_whatever_the_net() {
    let data = generate(&Options { train: 1100, test: 1100, seed: 1 });
    let config = Config { hidden: vec![2048, 2048], batch_size: BatchSize::Samples(1024), ..Config::default() };
    let trials = Trials::default();
    set_global_default(trials.clone()).expect("no other test listens");
    for machine in machines::adapters() {
        trials.0.lock().unwrap().clear();
        let tuning = block_on(tune(&config, &data, &machine, Tune::Force, None)).expect("the adapter answers");
        let end = Instant::now();
        eprintln!("{}: {} products in {:?}", machine.description(), tuning.tried, tuning.took);
        assert_eq!(tuning.forms.len(), products(&config, &data).len(), "each product has a form");
        let all = trials.0.lock().unwrap().clone();
        let its: Vec<Instant> = all.iter().filter(|(id, _)| *id == current().id()).map(|(_, over)| *over).collect();
        assert!(tuning.tried > 0 && its.len() == tuning.tried, "{} of {}", its.len(), tuning.tried);
        for (number, &over) in its[..its.len() - 1].iter().enumerate() {
            // Slightly less than the time since the beginning, because `took` was measured slightly before `end`.
            let after = tuning.took.saturating_sub(end - over);
            assert!(after < BUDGET, "trial {} began {after:?} after the beginning", number + 2);
        }
    }
}

#[test]
fn the_weights_depend_only_on_the_recorded_forms() {
    let data = digits();
    let train = |machine: &Machine, forms: &Chosen| -> Vec<u32> {
        let config = Config { forms: forms.clone(), ..config() };
        // Through the settings file, as when a run is repeated.
        let config: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        let mut trainer = block_on(Trainer::open(&config, &data, machine)).unwrap();
        let steps = &trainer.net().plan.steps;
        for (kernel, product) in steps.iter().filter_map(|kernel| Some((kernel, MatmulShape::of(kernel.as_ref())?))) {
            let wanted = Forms { default: machine.form(), chosen: forms.clone() }.of(product);
            let name = kernel.shader().name;
            let found = Form::SINGLE.into_iter().find(|form| name.ends_with(form.name())).unwrap_or_default();
            assert_eq!(found, wanted, "{product} runs as {name}");
        }
        block_on(trainer.epoch(&mut |_| {})).unwrap();
        let model = block_on(trainer.model()).unwrap();
        model.layers.iter().flat_map(|layer| layer.weight.iter().map(|w| w.to_bits())).collect()
    };
    for machine in machines::adapters() {
        let names = products(&config(), &data);
        // Each product has another form than its neighbours.
        let mixed: Chosen = names.iter().cloned().zip(Form::SINGLE.into_iter().cycle()).collect();
        let weights = train(&machine, &mixed);
        assert!(weights == train(&machine, &mixed), "{}: another run differs", machine.description());
        let same: Chosen = names.iter().map(|name| (name.clone(), machine.form())).collect();
        assert!(train(&machine, &same) == train(&machine, &Chosen::new()), "{}", machine.description());
        // The forms differ only by rounding.
        let other = train(&machine, &Chosen::new());
        let far = |(a, b): (&u32, &u32)| (f32::from_bits(*a) - f32::from_bits(*b)).abs();
        let largest = weights.iter().zip(&other).map(far).fold(0.0, f32::max);
        assert!(largest < 1e-4, "{}: weights differ by {largest}", machine.description());
    }
}
