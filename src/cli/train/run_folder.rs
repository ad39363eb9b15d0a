//! A run that writes a run folder.

use super::Train;
use super::end::end;
use crate::cli::processes;
use crate::cli::progress::{Display, Waiting};
use crate::cli::rate::Guessing;
use crate::cli::recorder::{OnEpoch, Recorder};
use crate::cli::resume::Resumed;
use crate::cli::signals::Signals;
use crate::cli::sink::{Sink, Voice};
use gpu_mlp::Error;
use gpu_mlp::base::disk::{Os, write_whole};
use gpu_mlp::config::{Config, HealthName};
use gpu_mlp::data::{DataSet, Split};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::Precision;
use gpu_mlp::kernels::forms::Chosen;
use gpu_mlp::results::tensorboard::Board;
use gpu_mlp::run::checkpoint::{Identity, Keeper, Saved, Setup};
use gpu_mlp::run::folder::{METRICS, RunFolder};
use gpu_mlp::run::metrics::{Record, SCHEMA};
use gpu_mlp::run::model_file::Description;
use gpu_mlp::run::settings::{self, Ancestor, from_root};
use gpu_mlp::train::session::{Reason, Session};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The first line of config.toml. `changed` is the update since which the settings apply, if they changed.
fn head(changed: Option<u64>) -> String {
    match changed {
        None => "# Repeats the run: `gpu-mlp train --config` with this file or its folder.\n".into(),
        Some(step) => format!("# Settings since update {step}; {METRICS} has the earlier settings.\n"),
    }
}

/// The forms that the first process has chosen. Each process would time them anew.
pub fn forms_of_first(config: &Config) -> anyhow::Result<Chosen> {
    Ok(serde_json::from_str(&processes::of_first(&serde_json::to_string(&config.forms)?)?)?)
}

/// Refuses processes with another identity, or another checkpoint to resume from.
pub fn compare_processes(identity: &Identity, step: Option<u64>) -> anyhow::Result<()> {
    let mut identity = identity.clone();
    if identity.config.precision == Precision::Int8 {
        // Integers give the same bits on every engine.
        (identity.engine, identity.device) = Default::default();
    }
    Ok(processes::compare(&serde_json::to_string(&(identity, step))?)?)
}

/// A run that is about to start or resume.
pub struct Run<'a> {
    pub data: &'a DataSet,
    pub machine: &'a Machine,
    pub identity: Identity,
    pub ancestor: Option<Ancestor>,
    pub resumed: Option<&'a Resumed>,
    /// Whether anything differs from the checkpoint.
    pub changed: bool,
    /// Ends with the first progress.
    pub waiting: Waiting,
    /// When the program started.
    pub start: Instant,
    /// The folder; `None` for the next free one.
    pub out: Option<&'a Path>,
    pub signals: Signals,
    pub voice: Voice,
    pub of_several: Option<OnEpoch<'a>>,
}

impl Train {
    /// Trains, and writes the run folder. Returns why the run ended.
    pub async fn write_run(&self, mut session: Session<'_>, run: Run<'_>) -> anyhow::Result<Reason> {
        let Run { data, machine, identity, ancestor, resumed, changed, start, out, signals, voice, of_several, .. } =
            run;
        let display = if voice == Voice::Silent { Display::silent() } else { Display::new(run.waiting) };
        let config = identity.config.clone();
        let folder = resumed.map_or_else(|| RunFolder::make(out), |resumed| Ok(resumed.folder.clone()))?;
        let before = resumed.and_then(|resumed| resumed.checkpoint.as_ref());
        let free = || match resumed {
            // The run in the folder begins again.
            Some(resumed) => resumed.folder.refuse_if_taken(true),
            None => self.refuse_if_taken(out),
        };
        let open = folder.open(before, free)?;
        let resumed_at = open.resumed_at;
        let before = before.map(|generation| &generation.state);
        let since = if changed { resumed_at } else { before.and_then(|state| state.changed) };
        let board = self.board(&folder, resumed, &session, data, voice)?;
        let tensorboard = board.as_ref().map(|board| from_root(board.folder()));
        let engine = self.engine.settings(machine);
        let record = settings::Provenance {
            adapter: engine.adapter.clone(),
            backend: engine.backend.clone(),
            tensorboard: tensorboard.clone(),
            ..settings::Provenance::now(data, machine, ancestor.as_ref())
        };
        let settings = self.data_settings(Some(data));
        let text = settings::to_text(&config, &settings, Some(&record), |_| None)?;
        write_whole(&Os, &folder.settings(), (head(since) + &text).as_bytes())?;

        let mut sink = Sink { metrics: open.metrics, voice };
        begin(&mut sink, &session, machine, ancestor.as_ref(), resumed_at, changed)?;
        let setup = Setup { data: settings, engine, tensorboard };
        let best = before.and_then(|state| state.best);
        let description = data.features.is_some().then(|| Description::of(&config, data, session.trainer().net()));
        let session_state = Default::default();
        let saved =
            Saved { identity, setup, from: ancestor, changed: since, best, description, session: session_state };
        let bytes = sink.metrics.bytes();
        let mut recorder = Recorder {
            display,
            board,
            sink,
            data: &data.name,
            epochs: config.epochs,
            show_health: config.health == HealthName::Show,
            noted: false,
            guessing: Guessing::new(&config, data.train.len(), &data.task),
            keeper: Keeper::new(open.checkpoints, saved, self.resume.every(), bytes, resumed_at),
            signals,
            of_several,
        };
        let outcome = session.run(&mut recorder).await;
        end(session, recorder, outcome, &folder, start).await
    }

    /// Opens TensorBoard's file, if --tensorboard was given. Prints where a resumed run continues.
    fn board(
        &self,
        folder: &RunFolder,
        resumed: Option<&Resumed>,
        session: &Session<'_>,
        data: &DataSet,
        voice: Voice,
    ) -> Result<Option<Board>, Error> {
        // Several runs are reported together.
        let told = |resumed: &&Resumed| resumed.checkpoint.is_some() && voice != Voice::Silent;
        if let Some(resumed) = resumed.filter(told) {
            let more = self.tensorboard.as_ref();
            let more = more.map_or(String::new(), |folder| format!(", and in {} for TensorBoard", folder.display()));
            say!("resumed: {} after update {}{more}", folder.path().display(), resumed.step());
        }
        // The folder that the resumed run wrote to.
        let known =
            resumed.and_then(|resumed| resumed.setup.tensorboard.as_ref().map(|known| from_root(Path::new(known))));
        let of = |path: &PathBuf| match resumed.map(Resumed::step) {
            Some(step) if known.as_ref() == Some(&from_root(path)) => {
                Board::resume(path, &data.item, step - step % session.trainer().updates_per_epoch())
            }
            _ => {
                let run = folder.path().file_name().map_or("run".into(), |name| name.to_string_lossy().into_owned());
                let board = Board::create_apart(path, &run, &data.item)?;
                if board.folder() != path.as_path() {
                    let (path, apart) = (path.display(), board.folder().display());
                    say!("note: {path} holds curves of another run; those of this run are in {apart}");
                }
                Ok(board)
            }
        };
        self.tensorboard.as_ref().map(of).transpose()
    }
}

/// Writes the first records of a run, or of its continuation after update `resumed_at`.
fn begin(
    sink: &mut Sink,
    session: &Session<'_>,
    machine: &Machine,
    from: Option<&Ancestor>,
    resumed_at: Option<u64>,
    changed: bool,
) -> Result<(), Error> {
    let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if let Some(step) = resumed_at {
        sink.push(&Record::Resume { step, unix_time })?;
        if !changed {
            return Ok(());
        }
    }
    let (trainer, config) = (session.trainer(), session.trainer().config());
    let data = trainer.data();
    sink.push(&Record::Run {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        unix_time,
        data: &data.name,
        data_origin: &data.origin,
        data_sha256: &data.sha256,
        train_samples: data.train.len(),
        validation_samples: data.validation.as_ref().map_or(0, Split::len),
        test_samples: data.test.len(),
        widths: &trainer.widths(),
        parameters: trainer.net().parameters(),
        engine: machine.name(),
        device: &machine.description(),
        from,
        evaluated_weights: if config.ema > 0.0 { "averaged" } else { "last" },
        config,
    })
}
