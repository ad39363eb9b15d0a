//! Limits that end a run before its last epoch, and trial runs.

use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::config::{BatchSize, Config};
use gpu_mlp::data::DataSet;
use gpu_mlp::net::EVAL_BATCH;
use gpu_mlp::train::session::Limits;
use std::time::Duration;

#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Stop after this time (seconds, or 90s, 10m, 1h 30m) and save the model; the schedule is not shortened
    #[arg(long, value_parser = duration, value_name = "TIME")]
    max_time: Option<Duration>,
    /// Stop after this many updates and save the model; the schedule is not shortened
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Train only on the samples of this many batches, to check that the net can overfit them
    #[arg(long, conflicts_with = "limit_train", value_name = "N")]
    overfit_batches: Option<usize>,
    /// Build everything, train one batch, score one batch of each split, and write no run
    #[arg(long)]
    pub dry_run: bool,
}

/// A number of seconds, as for `bench`, or a time with units.
fn duration(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string()),
    }
}

impl LimitOptions {
    /// The limits of the session.
    ///
    /// # Errors
    /// [`Error::Setting`] if a limit is zero.
    pub fn limits(&self) -> Result<Limits, Error> {
        if self.max_steps == Some(0) {
            return Err(Error::Setting("max-steps is 0 but must be at least 1".into()));
        }
        let max_steps = if self.dry_run { Some(1) } else { self.max_steps };
        Ok(Limits { max_steps, max_time: self.max_time })
    }

    /// Limits the training split to the batches to overfit.
    ///
    /// # Errors
    /// [`Error::Setting`] if the number is 0, or if the batch is the whole split.
    pub fn overfit(&self, config: &mut Config) -> Result<(), Error> {
        let Some(batches) = self.overfit_batches else { return Ok(()) };
        let BatchSize::Samples(_) = config.batch_size else {
            return Err(Error::Setting("overfit-batches needs a batch-size that is a number".into()));
        };
        if batches == 0 {
            return Err(Error::Setting("overfit-batches is 0 but must be at least 1".into()));
        }
        config.limit_train = Some(batches.saturating_mul(config.batch(usize::MAX)).into());
        Ok(())
    }

    /// The data; for a dry run, the validation and test splits are cut to one batch.
    pub fn cut(&self, mut data: DataSet) -> DataSet {
        if self.dry_run {
            data.test = data.test.head(EVAL_BATCH);
            data.validation = data.validation.map(|split| split.head(EVAL_BATCH));
        }
        data
    }
}
