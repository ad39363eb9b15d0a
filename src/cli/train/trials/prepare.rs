//! The runs of trials, prepared: grouped by their data, with all settings resolved.

use super::Open;
use crate::cli::train::members::Member;
use crate::cli::train::{Learned, Train, divided};
use gpu_mlp::Error;
use gpu_mlp::config::{BatchSize, Config};
use gpu_mlp::data::DataSet;
use gpu_mlp::net::with_loss;
use gpu_mlp::run::checkpoint::Identity;
use gpu_mlp::run::sweep::table::Table;
use gpu_mlp::train::fleet;
use gpu_mlp::train::session::Limits;

/// A run of a trial, up to the end of an epoch.
#[derive(Clone)]
pub struct Job {
    /// Position of the trial.
    pub at: usize,
    pub fold: Option<u32>,
    pub config: Config,
    pub epoch: u64,
    /// Whether the run goes no further than its last epoch.
    last: bool,
}

impl Open<'_> {
    /// The runs of these trials that are not yet at the end of the rung.
    pub fn jobs(&self, table: &Table, trials: &[usize]) -> Result<Vec<Job>, Error> {
        let mut jobs = Vec::new();
        for &at in trials {
            let row = &table.rows[at];
            let whole = self.sweep.config(&self.base, &row.trial, self.sweep.folds()[0])?.epochs;
            let epoch = table.rungs.epochs(table.rung, whole) as u64;
            for fold in row.folds_left(&self.sweep, epoch, table.rung + 1 == table.rungs.count()) {
                let config = self.sweep.config(&self.base, &row.trial, fold)?;
                jobs.push(Job { at, fold, config, epoch, last: epoch == whole as u64 });
            }
        }
        Ok(jobs)
    }

    /// The data of runs: the same for all of a group.
    pub fn divided(&self, config: &Config, learned: Learned) -> Result<DataSet, Error> {
        divided(&config.in_samples(self.data.train.len()), self.data.clone(), learned)
    }
}

/// The runs in groups with the same data.
pub fn groups(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let key = |config: &Config| {
        let Config { validation, split_seed, limit_train, class_weight, normalize, loss, precision, .. } = config;
        format!("{validation} {split_seed} {limit_train:?} {class_weight:?} {normalize:?} {loss} {precision:?}")
    };
    let mut groups: Vec<(String, Vec<Job>)> = Vec::new();
    for job in jobs {
        let key = key(&job.config);
        match groups.iter_mut().find(|(same, _)| *same == key) {
            Some((_, group)) => group.push(job),
            None => groups.push((key, vec![job])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

impl Train {
    /// A run that is ready to be trained.
    ///
    /// # Errors
    /// Those of reading its checkpoints; [`Error::Setting`] if the run would not be as before.
    pub(super) fn member_of(
        &self,
        open: &Open<'_>,
        job: &Job,
        config: Config,
        data: &DataSet,
    ) -> Result<Member, Error> {
        let epochs = (!job.last).then(|| job.epoch.saturating_mul(config.updates_per_epoch(data.train.len())));
        let max_steps = [epochs, open.sweep.max_steps].into_iter().flatten().min();
        let folder = open.trial(job).run(&open.folder, job.fold);
        let resumed = self.resume.member(&folder)?;
        let identity = Identity::new(&config, data, &open.machine);
        let changed = match &resumed {
            Some(resumed) => !self.resume.check(resumed, &identity)?.is_empty(),
            None => false,
        };
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let limits = Limits { max_steps, max_time: None };
        Ok(Member { folder, config, limits, resumed, changed })
    }
}

impl Open<'_> {
    /// The settings of a run with its data, checked.
    ///
    /// # Errors
    /// [`Error::Setting`] if they do not suit the data, [`Error::TooLarge`] if the net is too large.
    pub fn resolved(&self, job: &Job, data: &DataSet) -> Result<Config, Error> {
        let samples = data.train.len();
        let mut config = with_loss(&job.config.in_samples(self.data.train.len()), &data.task);
        // The default batch size is for more samples.
        if config.batch_size == Config::default().batch_size && config.batch_size.samples(samples) > samples {
            config.batch_size = BatchSize::Full;
        }
        config.check(samples)?;
        let config = config.with_learning_rate(samples);
        // A net that cannot be made must not end the wave of the others.
        fleet::waves(std::slice::from_ref(&config), data, &self.machine)?;
        Ok(config)
    }
}
