//! How much the members of an ensemble disagree about a sample.

/// Disagreement about one sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// About its class or its labels.
    Votes(Votes),
    /// About its real values: the standard deviation (T) of the members' values, in the unit of the target, with divisor M.
    Deviations(Vec<f32>),
}

/// Disagreement about a class, or about yes/no labels. Entropies are in nats. Those of several labels are added up, as if the
/// labels were independent.
///
/// The entropy of the mean splits into two parts: H(mean p) = mean H(p) + mutual information. The first is the doubt that
/// each member has on its own, such as about a blurred digit. The second is 0 if all members say the same, and large for samples
/// unlike the training data (Houlsby et al., "Bayesian active learning for classification and preference learning", 2011; Smith
/// and Gal, "Understanding measures of uncertainty for adversarial example detection", UAI 2018).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Votes {
    /// Share of the members whose most probable class is that of the ensemble: 1 minus the variation ratio (Freeman,
    /// "Elementary applied statistics", 1965). For several labels, the mean of the labels' shares.
    pub agreement: f64,
    /// Predictive entropy: the entropy of the ensemble's probabilities.
    pub entropy: f64,
    /// The mean of the members' entropies.
    pub expected_entropy: f64,
}

impl Votes {
    /// The mutual information between the answer and the member, at least 0.
    pub fn mutual_information(&self) -> f64 {
        // The difference is rounded, so it may be slightly below 0.
        (self.entropy - self.expected_entropy).max(0.0)
    }

    /// The measures with their names.
    pub fn named(&self) -> [(&'static str, f64); 4] {
        [
            ("agreement", self.agreement),
            ("entropy", self.entropy),
            ("expected entropy", self.expected_entropy),
            ("mutual information", self.mutual_information()),
        ]
    }
}

/// A measure of doubt over all samples.
#[derive(Clone, Debug, PartialEq)]
pub struct DoubtScore {
    /// Its name.
    pub name: String,
    /// Its mean over all samples.
    pub mean: f64,
    /// Its mean over the samples that the ensemble predicts correctly; `None` if there are none, and for real values.
    pub right: Option<f64>,
    /// Its mean over the other samples.
    pub wrong: Option<f64>,
    /// The probability that it shows more doubt about a wrong answer than about a right one (ROC-AUC; Hendrycks and Gimpel,
    /// "A baseline for detecting misclassified and out-of-distribution examples", ICLR 2017).
    pub detects: Option<f64>,
}

/// The entropy of probabilities in nats.
pub(super) fn entropy(probabilities: impl IntoIterator<Item = f64>) -> f64 {
    probabilities.into_iter().filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum()
}

/// The entropy of yes/no labels with these probabilities of yes: the sum over the labels.
pub(super) fn entropy_of_labels(probabilities: impl IntoIterator<Item = f64>) -> f64 {
    probabilities.into_iter().map(|p| entropy([p, 1.0 - p])).sum()
}
