//! The table of deliberate faults of an engine.

use super::broken::{Change, Place, Scene};
use gpu_mlp::engine::NAN_POISON;
use gpu_mlp::engine::parity::Question;
use gpu_mlp::plan::tensor::DType;
use std::rc::Rc;

/// Changes the last value of an `F32` tensor.
fn last(words: &mut [u32], scene: &Scene, change: impl Fn(f32) -> f32) {
    if scene.id.dtype == DType::F32 {
        let at = scene.last();
        words[at] = change(f32::from_bits(words[at])).to_bits();
    }
}

/// A fault: its description, the question that must find it, which words are changed, and how.
pub type Breakage = (&'static str, Question, Place, Change);

/// Every fault that the parity tests must find.
pub fn breakages() -> Vec<Breakage> {
    use Place::*;
    use Question::*;
    fn row(
        name: &'static str,
        question: Question,
        place: Place,
        change: impl Fn(&Scene, &mut Vec<u32>) + 'static,
    ) -> Breakage {
        (name, question, place, Rc::new(change))
    }
    vec![
        row("the last value is never written", AllWritten, Output, |scene, words| {
            let at = scene.last();
            if scene.before[at] == scene.fresh {
                words[at] = scene.fresh
            }
        }),
        row("the last value is never updated", Right, Output, |scene, words| {
            let at = scene.last();
            if scene.before[at] != scene.fresh {
                words[at] = scene.before[at]
            }
        }),
        row("the last value is too large", Right, Output, |scene, words| {
            last(words, scene, |x| x + 1.0 + x.abs() / 64.0)
        }),
        row("the last word has another bit", Right, Output, |scene, words| {
            if scene.id.dtype != DType::F32 {
                words[scene.last()] ^= 1
            }
        }),
        row("the last value is not a number", Right, Output, |scene, words| last(words, scene, |_| f32::NAN)),
        row("the last value is infinite", Right, Output, |scene, words| last(words, scene, |_| f32::INFINITY)),
        row("the largest and the smallest value are swapped", Right, Output, |scene, words| {
            let by_value = |&a: &usize, &b: &usize| f32::from_bits(words[a]).total_cmp(&f32::from_bits(words[b]));
            let places = || (0..words.len()).filter(|at| at % scene.id.stride() < scene.id.cols);
            let (low, high) = (places().min_by(by_value), places().max_by(by_value));
            if let (DType::F32, Some(low), Some(high)) = (scene.id.dtype, low, high) {
                words.swap(low, high)
            }
        }),
        row("the padding of the first row is not zero", Right, Output, |scene, words| {
            let (id, at) = (scene.id, scene.id.stride() - 1);
            match id.dtype {
                DType::F32 if at >= id.cols => words[at] = 1e-30f32.to_bits(),
                DType::Bits if id.cols % 32 > 0 => words[at] ^= 1 << 31,
                _ => {}
            }
        }),
        row("the last word is not returned", Right, Output, |_, words| _ = words.pop()),
        row("nothing is returned", Right, Output, |_, words| words.clear()),
        row("an input is overwritten", Right, Input, |_, words| words[0] ^= 1 << 30),
        row("a word before the tensor is overwritten", NothingElseWritten, Guards, |_, words| words[0] = 0),
        row("the word behind the tensor is overwritten", NothingElseWritten, Guards, |_, words| words[64] = 0),
        row(
            "the word behind the tensor is scaled, which leaves a NaN unchanged",
            NothingElseWritten,
            Guards,
            |scene, words| {
                if scene.fresh != NAN_POISON {
                    words[64] = (f32::from_bits(words[64]) * 0.9).to_bits()
                }
            },
        ),
        row(
            "the word behind the tensor is raised to at least 0, which leaves a huge value unchanged",
            NothingElseWritten,
            Guards,
            |scene, words| {
                if scene.fresh == NAN_POISON {
                    words[64] = 0;
                }
            },
        ),
        row("there are no guard words", NothingElseWritten, Guards, |_, words| words.clear()),
        row("a ReLU swallows the NaN read past the end", NothingElseRead, Output, |scene, words| {
            if scene.fresh != NAN_POISON {
                words[0] = scene.fresh
            }
        }),
        row("the lowest bit differs the second time", AgainTheSame, Output, |scene, words| {
            if scene.runs == 2 {
                words[0] ^= 1
            }
        }),
        row("a word is missing the second time", AgainTheSame, Output, |scene, words| {
            if scene.runs == 2 {
                words.truncate(words.len() - 1)
            }
        }),
        row("a word is missing among other poison", NothingElseRead, Output, |scene, words| {
            if scene.fresh != NAN_POISON {
                words.truncate(words.len() - 1)
            }
        }),
    ]
}
