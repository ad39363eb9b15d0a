//! Loss and metric.

use crate::base::text::percent;
use crate::data::Task;
use crate::kernels::fixed::LOSS_BITS;
use crate::plan::tensor::{DType, TensorId};
use serde::{Deserialize, Serialize};

/// Loss and metric of a split, or of the part of it that was seen so far. Samples with weights count by their weight.
///
/// The metric of a sample is 1 for the right class and 0 for another; for several labels, the share of right ones; for real
/// values, the mean squared error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Sum of the losses: cross-entropies in nats, or the loss that the settings name.
    pub loss_sum: f64,
    /// Sum of the metrics.
    #[serde(alias = "hits")]
    pub metric_sum: f64,
    /// Samples counted.
    pub samples: u64,
    /// Sum of their weights; `None` if samples have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

impl Score {
    /// Mean loss.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.weight()
    }

    /// Mean metric: the accuracy for classes and labels, the mean squared error for real values.
    pub fn metric(&self) -> f64 {
        self.metric_sum / self.weight()
    }

    /// The metric as it is shown: [`Score::metric`], or its square root for real values.
    pub fn shown(&self, metric: Metric) -> f64 {
        if metric == Metric::Rmse { self.metric().sqrt() } else { self.metric() }
    }

    /// Loss and metric as text: `loss 0.5000 accuracy 90.00 %`.
    pub fn text(&self, metric: Metric) -> String {
        let shown = self.shown(metric);
        let loss = self.loss();
        match metric {
            Metric::Accuracy => format!("loss {loss:.4} accuracy {} %", percent(shown, 2)),
            Metric::Rmse => format!("loss {loss:.4} RMSE {shown:.4}"),
        }
    }

    /// Sum of the weights.
    pub fn weight(&self) -> f64 {
        self.weight.unwrap_or(self.samples as f64)
    }

    /// Adds rows of `tally`: sum of losses, sum of metrics, two words of padding. They cover this many samples with this
    /// total weight. In integers, losses have [`LOSS_BITS`] fractional bits.
    pub fn add(&mut self, tally: TensorId, rows: &[u32], samples: usize, weight: Option<f64>) {
        for row in rows.chunks_exact(4) {
            if tally.dtype == DType::F32 {
                self.loss_sum += f64::from(f32::from_bits(row[0]));
                self.metric_sum += f64::from(f32::from_bits(row[1]));
            } else {
                self.loss_sum += f64::from(row[0]) / f64::from(1 << LOSS_BITS);
                self.metric_sum += f64::from(row[1]);
            }
        }
        self.samples += samples as u64;
        if let Some(weight) = weight {
            *self.weight.get_or_insert(0.0) += weight;
        }
    }
}

/// The metric of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// Share of samples with the right class, or of right labels: more is better.
    #[default]
    Accuracy,
    /// Root of the mean squared error, in standard deviations of the targets (for counts, in their units): less is better.
    Rmse,
}

impl Metric {
    /// The metric of a task.
    pub fn of(task: &Task) -> Metric {
        if matches!(task, Task::Values { .. }) { Metric::Rmse } else { Metric::Accuracy }
    }

    /// Its name, in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::Rmse => "rmse",
        }
    }
}
