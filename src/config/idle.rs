//! Settings that change nothing because of others.

use super::{ActivationName, Config, LossName, Optimizer, Schedule};

impl Config {
    /// Settings that differ from their defaults but have no effect with the others: `beta2 has no effect with optimizer sgd`.
    pub fn without_effect(&self) -> Vec<String> {
        let default = Config::default();
        let adam = matches!(self.optimizer, Optimizer::Adam | Optimizer::Adamw);
        let rmsprop = self.optimizer == Optimizer::Rmsprop;
        let schedule = |kinds: &[Schedule]| kinds.contains(&self.schedule);
        let alpha = matches!(self.activation, ActivationName::LeakyRelu | ActivationName::Elu);
        let judged = self.validates();
        use Schedule::{Cosine, Exponential, Linear, OneCycle, Plateau, Step};
        let optimizer = format!("optimizer {}", name(&self.optimizer));
        let shape = format!("schedule {}", name(&self.schedule));
        let activation = format!("activation {}", name(&self.activation));
        let loss = format!("loss {}", self.loss);
        let validation = "validation 0".to_string();
        let rules = [
            ("beta1", self.beta1 != default.beta1, adam, &optimizer),
            ("beta2", self.beta2 != default.beta2, adam, &optimizer),
            ("rho", self.rho != default.rho, rmsprop, &optimizer),
            ("epsilon", self.epsilon != default.epsilon, adam || rmsprop, &optimizer),
            ("alpha", self.alpha != self.activation.default_alpha(), alpha, &activation),
            ("huber-delta", self.huber_delta != default.huber_delta, self.loss == LossName::Huber, &loss),
            ("lr-end", self.lr_end != default.lr_end, schedule(&[Linear, Cosine, OneCycle, Plateau]), &shape),
            ("lr-gamma", self.lr_gamma != default.lr_gamma, schedule(&[Step, Exponential, Plateau]), &shape),
            ("lr-step", self.lr_step != default.lr_step, schedule(&[Step]), &shape),
            ("plateau-patience", self.plateau_patience != default.plateau_patience, schedule(&[Plateau]), &shape),
            ("cycle-peak", self.cycle_peak != default.cycle_peak, schedule(&[OneCycle]), &shape),
            (
                "momentum-low",
                self.momentum_low != default.momentum_low,
                schedule(&[OneCycle]) || self.momentum_warmup > 0.0,
                &shape,
            ),
            ("monitor", self.monitor != default.monitor, judged, &validation),
            ("min-delta", self.min_delta != default.min_delta, judged, &validation),
        ];
        let idle = rules.into_iter().filter(|(_, differs, used, _)| *differs && !used);
        idle.map(|(setting, _, _, with)| format!("{setting} has no effect with {with}")).collect()
    }
}

/// The name of a choice as files write it.
fn name(choice: &impl serde::Serialize) -> String {
    toml::Value::try_from(choice).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Amount;

    #[test]
    fn a_setting_without_effect_is_named_with_the_reason() {
        assert!(Config::default().without_effect().is_empty());
        let of = |config: Config| config.without_effect();
        let sgd = Config { beta1: 0.8, lr_step: 5, alpha: 0.3, ..Config::default() };
        assert_eq!(
            of(sgd.clone()),
            [
                "beta1 has no effect with optimizer sgd",
                "alpha has no effect with activation relu",
                "lr-step has no effect with schedule linear"
            ]
        );
        let used = Config {
            optimizer: Optimizer::Adam,
            schedule: Schedule::Step,
            activation: ActivationName::LeakyRelu,
            ..sgd
        };
        assert!(of(used).is_empty());
        let judged = Config { min_delta: 0.1, ..Config::default() };
        assert_eq!(of(judged.clone()), ["min-delta has no effect with validation 0"]);
        assert!(of(Config { validation: Amount::Samples(10), ..judged }).is_empty());
        assert!(of(Config { activation: ActivationName::Elu, alpha: 1.0, ..Config::default() }).is_empty());
    }
}
