//! The end of a run.

use crate::cli::recorder::{Recorder, last_line, resume_line};
use crate::cli::sink::Voice;
use gpu_mlp::Error;
use gpu_mlp::base::disk::{Os, write_whole};
use gpu_mlp::base::hash::sha256;
use gpu_mlp::config::Config;
use gpu_mlp::run::folder::RunFolder;
use gpu_mlp::run::history::History;
use gpu_mlp::run::metrics::Record;
use gpu_mlp::run::model_file::{self, Description};
use gpu_mlp::run::scores::Scores;
use gpu_mlp::train::session::{Finish, Reason, Session};
use serde_json::{Map, Value};
use std::time::Instant;

/// Ends a run: saves a last checkpoint, prints how to resume, writes the model and the last records. Returns why it ended.
pub async fn end(
    mut session: Session<'_>,
    recorder: Recorder<'_>,
    outcome: Result<Reason, Error>,
    folder: &RunFolder,
    start: Instant,
) -> anyhow::Result<Reason> {
    let Recorder { mut display, mut board, mut sink, mut keeper, .. } = recorder;
    display.clear();
    // A run is finished only after its last weights have been checked.
    let (outcome, kept) = match outcome {
        Ok(reason) => match session.snapshot().await {
            Ok(last) => (Ok(reason), keeper.save(&last).and_then(|()| keeper.settle())),
            Err(error) => (Err(error), keeper.settle()),
        },
        Err(error) => (Err(error), keeper.settle()),
    };
    match &outcome {
        // Nothing is left to resume.
        Ok(Reason::Finished | Reason::EarlyStopping) => {}
        Ok(Reason::MaxSteps | Reason::MaxTime) => sink.note(&resume_line(folder.path(), keeper.whole(), &outcome)),
        _ if sink.voice == Voice::Silent => {}
        _ => eprintln!("{}", resume_line(folder.path(), keeper.whole(), &outcome)),
    }
    let seconds = || start.elapsed().as_secs_f64();
    let settings = differing(session.trainer().config(), session.trainer().data().train.len())?;
    let trainer = session.trainer();
    let description = Description::of(trainer.config(), trainer.data(), trainer.net()).with_novelty(trainer.data());
    let step = trainer.step();
    let chosen = trainer.data().validation.is_some();
    let outcome = match outcome {
        Ok(reason) => session.finish().await.map(|finish| (reason, finish)),
        Err(error) => Err(error),
    };
    if let Err(error @ (Error::Diverged { .. } | Error::NotFinite { .. })) = &outcome {
        let (reason, seconds, problem) = (Reason::Diverged, seconds(), error.to_string());
        let problem = Some(problem.as_str());
        let (scores, settings) = (Scores::default(), &settings);
        sink.push(&Record::End {
            seconds,
            reason,
            problem,
            model_sha256: None,
            restored_epoch: None,
            scores,
            settings,
        })?;
    }
    if let (Err(_), Err(problem)) = (&outcome, &kept) {
        eprintln!("note: the last checkpoint is missing: {problem}");
    }
    let (reason, finish) = outcome?;
    if chosen {
        sink.line(&last_line(&finish))?;
        if let (Some(board), Some(test)) = (&mut board, &finish.test) {
            board.test(step, test, finish.metric)?;
        }
    }
    let record = History::read(folder.path()).unwrap_or_default();
    let scores = Scores::last(&finish, &record, step);
    let Finish { model, restored: restored_epoch, .. } = finish;
    let path = folder.model();
    let hash = match model.is_finite() {
        true => {
            let bytes = model_file::to_bytes(&path, &model, &description)?;
            write_whole(&Os, &path, &bytes)?;
            Some(sha256(&bytes))
        }
        false => None,
    };
    let (seconds, model_sha256, settings) = (seconds(), hash.as_deref(), &settings);
    sink.push(&Record::End { seconds, reason, problem: None, model_sha256, restored_epoch, scores, settings })?;
    if reason != Reason::Finished {
        sink.note(&format!("ended: {reason}"));
    }
    match hash {
        Some(hash) => sink.note(&format!("model: {} (sha256 {})", path.display(), &hash[..16])),
        None => {
            eprintln!("note: no model was written, because the weights are not finite (allowed by --on-nan ignore)")
        }
    }
    // A disk too full for a checkpoint may have had room for the model, so this error is returned last.
    kept?;
    Ok(reason)
}

/// The settings that differ from the defaults.
fn differing(config: &Config, samples: usize) -> Result<Map<String, Value>, Error> {
    let names = config.differing(samples)?;
    // Through text: a JSON value would print a single-precision number with the digits of a double.
    let all = serde_json::to_string(config).and_then(|text| serde_json::from_str(&text));
    let mut all: Map<String, Value> = all.map_err(|error| Error::Setting(error.to_string()))?;
    all.retain(|name, _| names.contains_key(name));
    Ok(all)
}
