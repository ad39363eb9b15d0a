//! Changes to the samples and targets of a split.

use gpu_mlp::data::{Samples, Split, Targets};

/// The bytes of the samples.
pub fn pixels(split: &mut Split) -> &mut Vec<u8> {
    let Samples::Bytes(bytes) = &mut split.samples else { panic!("the samples are not bytes") };
    bytes
}

/// The class of each sample.
pub fn classes(split: &mut Split) -> &mut Vec<u32> {
    let Targets::Classes(classes) = &mut split.targets else { panic!("the targets are not classes") };
    classes
}

/// The class of each sample, as an IDX file stores it.
pub fn labels(split: &Split) -> Vec<u8> {
    split.classes().iter().map(|&class| u8::try_from(class).expect("a class below 256")).collect()
}
