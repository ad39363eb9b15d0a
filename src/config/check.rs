//! Which settings are valid, alone and together.

use super::{Amount, Config, MOST_LAYERS, Normalize, Optimizer, Schedule};
use crate::base::error::Error;
use crate::base::text::counted;
use crate::kernels::forms::Forms;

impl Config {
    /// Checks the settings against each other and against the size of the training split.
    ///
    /// # Errors
    /// [`Error::Setting`] names the setting, its value and the allowed values.
    pub fn check(&self, samples: usize) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Setting(what));
        for (name, value) in [("keep-prob", self.keep_prob), ("input-keep-prob", self.input_keep_prob)] {
            if !(value > 0.0 && value <= 1.0) {
                return refuse(format!("{name} is {value} but must be a probability above 0 and at most 1"));
            }
        }
        for (name, value) in [
            ("momentum", self.momentum),
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("rho", self.rho),
            ("ema", self.ema),
            ("label-smoothing", self.label_smoothing),
        ] {
            if !(0.0..1.0).contains(&value) {
                return refuse(format!("{name} is {value} but must be at least 0 and below 1"));
            }
        }
        for (name, value) in
            [("lr", self.lr.unwrap_or(1.0)), ("epsilon", self.epsilon), ("huber-delta", self.huber_delta)]
        {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(format!("{name} is {value} but must be a finite number above 0"));
            }
        }
        for (name, value) in
            [("l2", self.l2), ("alpha", self.alpha), ("clip-norm", self.clip_norm), ("clip-value", self.clip_value)]
        {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(format!("{name} is {value} but must be a finite number, at least 0"));
            }
        }
        if let Some(width) = self.hidden.iter().find(|&&width| !(1..=1 << 20).contains(&width)) {
            return refuse(format!("a hidden layer has {} but must have 1 to 1048576", counted(*width, "unit")));
        }
        if self.hidden.len() >= MOST_LAYERS {
            let (layers, most) = (self.hidden.len(), MOST_LAYERS - 1);
            return refuse(format!("there are {layers} hidden layers but there can be at most {most}"));
        }
        if self.epochs == 0 {
            return refuse("epochs is 0 but must be at least 1".into());
        }
        if let Normalize::Given(map) = &self.normalize
            && !map.is_valid()
        {
            return refuse(format!("normalize is {map} but needs a scale other than 0"));
        }
        Forms::check(&self.forms).or_else(refuse)?;
        if let Some(fold @ Amount::Fold { .. }) = self.limit_train {
            return refuse(format!("limit-train is {fold}, but folds are for validation: use a number or a share"));
        }
        if self.physical_batch == 0 {
            return refuse("physical-batch is 0 but must be at least 1".into());
        }
        self.check_shards(samples)?;
        if matches!(self.optimizer, Optimizer::Adam | Optimizer::Adamw) && self.momentum != 0.0 {
            return refuse(format!("momentum is {} but Adam has no such setting: use beta1", self.momentum));
        }
        if self.batch_size.samples(samples) > samples {
            return refuse(format!(
                "batch-size is {} but the training split has {}: use at most that, or `full`",
                self.batch_size,
                counted(samples, "sample")
            ));
        }
        if self.accumulate > 1 && self.batch(samples) > samples {
            let (batch, times, samples) = (self.batch_size, self.accumulate, counted(samples, "sample"));
            return refuse(format!(
                "accumulate is {times} and batch-size is {batch}, but the training split has only {samples}"
            ));
        }
        self.check_schedule()?;
        self.check_loop()
    }

    /// Checks that every shard of a whole batch has samples, and not too many.
    fn check_shards(&self, samples: usize) -> Result<(), Error> {
        let (Some(shards), batch) = (self.shards, self.batch(samples)) else { return Ok(()) };
        let refuse = |what: String| Err(Error::Setting(what));
        if shards == 0 {
            return refuse("shards is 0 but must be at least 1".into());
        }
        // The size of a full batch is not known before the data.
        if batch == usize::MAX {
            return Ok(());
        }
        if shards > batch {
            return refuse(format!("shards is {shards} but a batch has only {}", counted(batch, "sample")));
        }
        let (rows, most) = (batch.div_ceil(shards), self.physical_batch);
        if rows > most {
            let enough = batch.div_ceil(most);
            return refuse(format!(
                "each of the {} has {rows} samples, but physical-batch is {most}: use at least {enough} shards, or a larger \
                 physical-batch",
                counted(shards, "shard")
            ));
        }
        Ok(())
    }

    /// Checks warm-ups, momentum, `min-delta` and `accumulate`.
    fn check_loop(&self) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Setting(what));
        if !(0.0..1.0).contains(&self.momentum_low) {
            return refuse(format!("momentum-low is {} but must be at least 0 and below 1", self.momentum_low));
        }
        let spans = [("warmup", self.warmup), ("momentum-warmup", self.momentum_warmup), ("min-delta", self.min_delta)];
        for (name, value) in spans {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(format!("{name} is {value} but must be a finite number, at least 0"));
            }
        }
        if self.warmup > 0.0 && self.warmup >= self.epochs as f32 {
            return refuse(format!(
                "warmup is {} epochs, but the run has only {}",
                self.warmup,
                counted(self.epochs, "epoch")
            ));
        }
        if self.accumulate == 0 {
            return refuse("accumulate is 0 but must be at least 1".into());
        }
        let (low, top) = (self.momentum_low, self.top_momentum());
        if self.momentum_warmup > 0.0 && low >= top {
            return refuse(format!("momentum cannot rise from {low} to {top}: change momentum-low or momentum"));
        }
        Ok(())
    }

    /// Checks that there is a validation split if a setting needs one.
    ///
    /// # Errors
    /// [`Error::Setting`] names the setting that needs it.
    pub fn check_choices(&self, validation: bool) -> Result<(), Error> {
        let choices = [
            (self.early_stopping > 0, "early-stopping"),
            (self.restore_best, "restore-best"),
            (self.schedule == Schedule::Plateau, "the plateau schedule"),
        ];
        match choices.iter().find(|(chosen, _)| *chosen && !validation) {
            Some((_, name)) => Err(Error::Setting(format!(
                "{name} needs a validation split (test data must not be used): set validation, for example to 10000 or 0.1"
            ))),
            None => Ok(()),
        }
    }
}
