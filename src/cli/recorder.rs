//! The output of a training run while it trains: terminal, metrics, checkpoints, TensorBoard.

use super::progress::Display;
use super::rate::Guessing;
use super::signals::Signals;
use super::sink::Sink;
use gpu_mlp::Error;
use gpu_mlp::base::text::percent;
use gpu_mlp::results::tensorboard::Board;
use gpu_mlp::run::checkpoint::Keeper;
use gpu_mlp::run::metrics::Record;
use gpu_mlp::train::session::{EpochReport, Finish, Inspection, Observer, Progress, Reason, Snapshot, Wish};
use std::path::Path;

/// Records a run: progress on stderr, one line per epoch on stdout, `metrics.jsonl`, the TensorBoard file, checkpoints.
pub struct Recorder<'a> {
    pub display: Display,
    pub board: Option<Board>,
    pub sink: Sink,
    pub data: &'a str,
    pub epochs: usize,
    pub show_health: bool,
    pub guessing: Guessing,
    pub keeper: Keeper,
    pub signals: Signals,
    /// Whether there was a note about limited values.
    pub noted: bool,
    /// Called with each epoch of a run that is one of several.
    pub of_several: Option<OnEpoch<'a>>,
}

/// Called with an epoch of a run.
pub type OnEpoch<'a> = &'a (dyn Fn(&EpochReport) + Sync);

/// A note is printed if a larger share of values was limited.
const NOTED: f64 = 0.01;

impl Observer for Recorder<'_> {
    fn progress(&mut self, progress: &Progress) -> Wish {
        self.display.show(progress);
        self.interrupted().or(self.keeper.due())
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        self.display.clear();
        self.sink.push(&Record::epoch(report, self.data))?;
        Record::updates(report).iter().try_for_each(|updates| self.sink.push(updates))?;
        self.board.iter_mut().try_for_each(|board| board.epoch(report).map(drop))?;
        let mut text = line(report, self.epochs);
        let health = report.health.iter().flatten().filter(|_| self.show_health);
        health.for_each(|layer| text += &format!("\n{layer}"));
        let limited = report.limited.iter().flatten();
        limited.clone().filter(|_| self.show_health).for_each(|layer| text += &format!("\n{layer}"));
        self.sink.line(&text)?;
        let worst = limited.max_by(|a, b| a.worst().0.total_cmp(&b.worst().0)).filter(|layer| layer.worst().0 > NOTED);
        if let Some(layer) = worst.filter(|_| !std::mem::replace(&mut self.noted, true)) {
            let ((share, what), layer) = (layer.worst(), layer.layer);
            let share = percent(share, 1);
            self.sink.note(&format!(
                "note: so far {share} % of the {what} of layer {layer} did not fit in 8 bits and were limited. The first updates \
                 limit many errors, which does no harm; later, a lower --lr helps. `--health show` prints the shares of each layer"
            ));
        }
        if let Some(warning) = self.guessing.warning(report) {
            self.sink.note(&warning);
        }
        if let Some(of_several) = self.of_several {
            of_several(report);
        }
        Ok(self.interrupted().or(self.keeper.epoch(report, self.sink.metrics.bytes())))
    }

    fn snapshot_at(&mut self, step: u64) -> Option<u64> {
        self.keeper.due_at(step)
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.keeper.save(snapshot)
    }

    fn inspects(&self) -> bool {
        self.board.is_some()
    }

    fn inspect(&mut self, inspection: &Inspection) -> Result<(), Error> {
        self.board.iter_mut().try_for_each(|board| board.inspect(inspection))
    }
}

impl Recorder<'_> {
    fn interrupted(&self) -> Wish {
        self.signals.code().map_or(Wish::Continue, |_| Wish::Stop(Reason::Interrupted))
    }
}

/// The last checkpoint of an unfinished run, and the command that resumes the run.
pub fn resume_line(folder: &Path, whole: Option<u64>, outcome: &Result<Reason, Error>) -> String {
    let folder = folder.display();
    match (whole, outcome) {
        (None, _) => format!("checkpoint: none was saved in {folder} yet"),
        (Some(step), Err(Error::Diverged { .. } | Error::NotFinite { .. })) => format!(
            "checkpoint: all values were finite after update {step}; resume there with `gpu-mlp train --resume {folder} --lr RATE --allow-mismatch lr`"
        ),
        (Some(step), _) => {
            format!("checkpoint: saved after update {step}; resume with `gpu-mlp train --resume {folder}`")
        }
    }
}

/// An epoch as one line.
pub fn line(report: &EpochReport, epochs: usize) -> String {
    let part = if report.whole { String::new() } else { format!(" to update {}", report.step) };
    let mut text = format!("epoch {}/{epochs}{part}  train {}", report.epoch, report.train.text(report.metric));
    for (name, score) in [("validation", &report.validation), ("test", &report.test)] {
        text += &score.as_ref().map_or_else(String::new, |score| format!("  {name} {}", score.text(report.metric)));
    }
    let (best, seconds, rate) = (if report.best { "  best" } else { "" }, report.seconds, report.images_per_second);
    format!("{text}{best}  {seconds:.2} s  {rate:.0} samples/s")
}

/// The scores at the end of a run. The validation score is first: a model is chosen by it.
pub fn last_line(finish: &Finish) -> String {
    let model = finish.restored.map_or("the last update".to_string(), |epoch| format!("epoch {epoch}, the best"));
    let scores = [("validation", &finish.validation), ("test", &finish.test)];
    let scored = scores.into_iter().filter_map(|(name, score)| Some((name, score.as_ref()?)));
    let scores: String = scored.map(|(name, score)| format!("  {name} {}", score.text(finish.metric))).collect();
    format!("model of {model}{scores}")
}
