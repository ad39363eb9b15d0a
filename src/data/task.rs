//! What a net predicts: a class, real values, or several yes/no labels.

use super::target_scale::TargetScale;
use crate::base::text::counted;
use serde::{Deserialize, Serialize};

/// The task of a data set, and of a model trained on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// One of C classes.
    Classes {
        /// The names (C).
        names: Vec<String>,
    },
    /// T real values.
    Values {
        /// The names (T).
        names: Vec<String>,
        /// How each value was standardised (T): empty before the training split is known, and for losses that take the
        /// values as they are.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        scales: Vec<TargetScale>,
    },
    /// T labels, each yes or no.
    Labels {
        /// The names (T).
        names: Vec<String>,
    },
}

impl Task {
    /// Classes that are numbers, 0 to `classes` − 1.
    #[must_use]
    pub fn numbered(classes: usize) -> Task {
        Task::Classes { names: (0..classes).map(|class| class.to_string()).collect() }
    }

    /// The names of the classes, values or labels: one per output of the net.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Task::Classes { names } | Task::Values { names, .. } | Task::Labels { names } => names,
        }
    }

    /// The number of outputs of the net: C or T.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.names().len()
    }

    /// Whether there is an output, and a usable scale for each if there are any.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let scales = match self {
            Task::Values { scales, .. } => &scales[..],
            Task::Classes { .. } | Task::Labels { .. } => &[],
        };
        let usable = |scale: &TargetScale| scale.is_valid();
        self.outputs() > 0 && (scales.is_empty() || scales.len() == self.outputs()) && scales.iter().all(usable)
    }

    /// Whether a net chooses one of several classes.
    #[must_use]
    pub fn is_classes(&self) -> bool {
        matches!(self, Task::Classes { .. })
    }

    /// The number of outputs with their kind: "10 classes", "1 value", "3 labels".
    #[must_use]
    pub fn counted(&self) -> String {
        let noun = match self {
            Task::Classes { .. } => "class",
            Task::Values { .. } => "value",
            Task::Labels { .. } => "label",
        };
        counted(self.outputs(), noun)
    }
}
