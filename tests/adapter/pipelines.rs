//! The cache file of compiled pipelines is written, and training gives the same result with it, without it, or if it is
//! damaged.

use crate::common::{machines, not_run};
use gpu_mlp::config::Config;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::gpu::Gpu;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::train::Trainer;
use pollster::block_on;
use std::path::{Path, PathBuf};

/// For every adapter, opened with this cache folder, its name and the bits of the weights after a short run.
fn train(cache: Option<&Path>) -> Vec<(String, Vec<u32>)> {
    let data = generate(&Options { train: 100, test: 10, seed: 1 });
    let config = Config { hidden: vec![12], epochs: 1, ..Config::default() };
    let mut bits = Vec::new();
    for one in machines::found() {
        let machine = Machine::Gpu(block_on(Gpu::open(one, cache)).expect("a listed adapter can be opened"));
        let mut trainer = block_on(Trainer::open(&config, &data, &machine)).expect("the net fits");
        block_on(trainer.epoch(&mut |_| {})).expect("the adapter answers");
        let model = block_on(trainer.model()).expect("the adapter answers");
        let weights = model.layers.iter().flat_map(|layer| layer.weight.iter().map(|w| w.to_bits())).collect();
        bits.push((machine.description(), weights));
    }
    bits
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("pipelines"));
    entries.map_or(Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

#[test]
fn the_file_is_written_and_read_and_a_damaged_one_does_no_harm() {
    let folder = tempfile::TempDir::new().unwrap();
    let without = train(None);
    assert_eq!(train(Some(folder.path())), without);
    let written = files(folder.path());
    let vulkan = without.iter().filter(|(name, _)| name.contains("(vulkan, ")).count();
    if vulkan == 0 {
        not_run("no Vulkan adapter, and only Vulkan keeps such a file");
        return;
    }
    assert!((1..=vulkan).contains(&written.len()), "{written:?}");
    assert_eq!(train(Some(folder.path())), without, "with the file of the run before");
    for path in &written {
        let whole = std::fs::read(path).unwrap();
        assert!(whole.len() > 64, "{} holds {} bytes", path.display(), whole.len());
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        let cut = whole[..whole.len() - 1].to_vec();
        let longer = [&whole[..], &[0]].concat();
        for damaged in [Vec::new(), vec![7], cut, longer, flipped] {
            std::fs::write(path, &damaged).unwrap();
            assert_eq!(train(Some(folder.path())), without, "with {} damaged bytes", damaged.len());
            let anew = std::fs::read(path).unwrap();
            assert!(anew.len() >= whole.len() && anew != damaged, "the file was rewritten");
        }
        // Only complete files remain.
        assert_eq!(files(folder.path()), written);
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
        assert_eq!(train(Some(folder.path())), without, "with a folder in place of the file");
    }
}

#[test]
fn a_folder_that_cannot_be_written_does_no_harm() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "not a folder").unwrap();
    assert_eq!(train(Some(&file)), train(None));
}
