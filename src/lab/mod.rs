//! The lab: the experiments of a lecture on neural networks, as trainings of seconds, on one HTML page.
//!
//! [`Experiment`] lists them, [`Lab::run`] runs one, [`page`] composes the page. Each experiment has a file: it trains with the
//! same trainer as any run, and draws what it has measured. `bench` has what they share: parts of the data, and runs. `draw` has
//! pictures that the report lacks; `texts` says what the lecture says.

mod activations;
mod backprop;
mod batch_size;
mod bench;
mod draw;
mod dropout;
mod mnist;
mod shuffle;
mod softmax;
mod surface;
mod texts;
mod vanishing;

use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::data::DataSet;
use crate::data::shape::picture_size;
use crate::engine::machine::Machine;
use crate::results::report::axis::duration;
use crate::results::report::document;
use maud::{Markup, html};

/// An experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Experiment {
    /// Full batch, mini-batches and single samples on the same error surface.
    BatchSize,
    /// An epoch in the order of the classes against a shuffled one.
    Shuffle,
    /// Logits, softmax, one-hot, cross-entropy and p − y, before and after training.
    Softmax,
    /// A small net with its activations, error signals and gradients.
    Backprop,
    /// The gradient by layer, depth, activation and initial weights.
    Vanishing,
    /// Activations, their slopes, and dead units.
    Activations,
    /// Over-fitting and its cure; the gates; the masks as an ensemble.
    Dropout,
    /// From a pixel to a prediction.
    Mnist,
}

impl Experiment {
    /// All experiments, in the order of the lecture.
    pub const ALL: [Experiment; 8] = [
        Experiment::BatchSize,
        Experiment::Shuffle,
        Experiment::Softmax,
        Experiment::Backprop,
        Experiment::Vanishing,
        Experiment::Activations,
        Experiment::Dropout,
        Experiment::Mnist,
    ];

    /// Its name, and the anchor of its section.
    pub fn name(self) -> &'static str {
        match self {
            Experiment::BatchSize => "batch-size",
            Experiment::Shuffle => "shuffle",
            Experiment::Softmax => "softmax",
            Experiment::Backprop => "backprop",
            Experiment::Vanishing => "vanishing",
            Experiment::Activations => "activations",
            Experiment::Dropout => "dropout",
            Experiment::Mnist => "mnist",
        }
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        texts::title(self)
    }

    /// What the lecture says, in two sentences.
    pub fn lecture(self) -> &'static str {
        texts::lecture(self)
    }

    /// The formula.
    pub fn formula(self) -> &'static str {
        texts::formula(self)
    }
}

/// Where the experiments run.
pub struct Lab {
    /// The machine.
    pub machine: Machine,
    /// Pictures with classes.
    pub data: DataSet,
    /// Whether to use a tenth of the samples and epochs, to try the page itself.
    pub quick: bool,
}

/// An experiment that was run.
pub struct Section {
    /// Which one.
    pub experiment: Experiment,
    /// What was measured, drawn.
    picture: Markup,
    /// What it shows: sentences with their numbers.
    seen: Vec<String>,
    /// Seconds that it took.
    pub seconds: f64,
}

/// What an experiment found: its pictures, and sentences.
type Found = (Markup, Vec<String>);

impl Lab {
    /// Checks that the experiments can use the data.
    ///
    /// # Errors
    /// [`Error::Setting`] if the data set does not hold grey pictures of classes, or too few of them.
    pub fn check(&self) -> Result<(), Error> {
        let usable = self.data.task.is_classes()
            && picture_size(&self.data.item).is_some()
            && self.data.train.samples.bytes().is_some();
        if !usable {
            let problem = format!("the experiments need grey pictures of classes, but {} has none", self.data.name);
            return Err(Error::Setting(problem));
        }
        let (train, test) = (self.data.train.len(), self.data.test.len());
        let (least, tested) = bench::NEEDED;
        if train < least || test < tested {
            return Err(Error::Setting(format!(
                "the experiments need at least {least} training and {tested} test samples, but {} has {train} and {test}",
                self.data.name
            )));
        }
        Ok(())
    }

    /// Runs an experiment.
    ///
    /// # Errors
    /// If the device fails, or a training diverges.
    pub async fn run(&self, experiment: Experiment) -> Result<Section, Error> {
        let begin = Instant::now();
        let (picture, seen) = match experiment {
            Experiment::BatchSize => batch_size::run(self).await,
            Experiment::Shuffle => shuffle::run(self).await,
            Experiment::Softmax => softmax::run(self).await,
            Experiment::Backprop => backprop::run(self).await,
            Experiment::Vanishing => vanishing::run(self).await,
            Experiment::Activations => activations::run(self).await,
            Experiment::Dropout => dropout::run(self).await,
            Experiment::Mnist => mnist::run(self).await,
        }?;
        Ok(Section { experiment, picture, seen, seconds: begin.elapsed().as_secs_f64() })
    }
}

/// A command that a reader can try next, and what it shows.
pub type Next = (&'static str, &'static str);

/// The page as HTML. `next`: what to try after an experiment.
pub fn page(lab: &Lab, sections: &[Section], next: impl Fn(Experiment) -> &'static [Next]) -> String {
    let DataSet { name, origin, .. } = &lab.data;
    let header = html! {
        p.over { "gpu-mlp · lab" }
        h1 { "The lecture, measured" }
        p.device {
            "Every picture on this page was trained just now: on " (name) " (" (origin) "), "
            (lab.machine.name()) ", " (lab.machine.description()) "."
            @if lab.quick { " Quick: a tenth of the samples and epochs, so the results are rough." }
        }
        nav.contents { ol { @for section in sections {
            li { a href={ "#" (section.experiment.name()) } { (section.experiment.title()) } }
        } } }
    };
    let main = html! {
        @for section in sections {
            @let experiment = section.experiment;
            section.experiment id=(experiment.name()) {
                h2 { (experiment.title()) }
                p.lecture { (experiment.lecture()) }
                p.formula { (experiment.formula()) }
                (section.picture)
                @if !section.seen.is_empty() { div.seen { h3 { "What you see" } ul { @for sentence in &section.seen { li { (sentence) } } } } }
                div.next { h3 { "Try next" } @for (command, why) in next(experiment) { p { code { (command) } span.unit { (why) } } } }
                p.note { "Trained and drawn in " (duration(section.seconds)) "." }
            }
        }
    };
    document("gpu-mlp lab", header, main, include_str!("lab.css"))
}
