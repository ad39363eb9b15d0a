//! The scores of an ensemble beside those of its members.

use super::{Doubt, DoubtScore, Pool};
use crate::base::error::Error;
use crate::data::{Split, Task};
use crate::results::assess::metrics::{Classification, Labels, Metric, Regression};
use crate::results::assess::{ClassFindings, Findings, LabelFindings, Predictions, ValueFindings, expected_error};
use crate::train::Score;

/// Scores that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The target; empty if the scores are of all outputs.
    pub name: String,
    /// The scores, without intervals.
    pub metrics: Vec<Metric>,
}

/// The scores of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Its name.
    pub name: String,
    /// One group for classes or labels, one per target for real values.
    pub groups: Vec<Group>,
}

/// How many samples all members predict alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// All samples.
    pub samples: u64,
    /// Those that the ensemble predicts correctly.
    pub hits: u64,
    /// Samples for which all members give the same class, or the same labels.
    pub unanimous: u64,
    /// Those of them that the ensemble predicts correctly.
    pub unanimous_hits: u64,
}

/// Evaluations of members on one split, added up.
pub struct Scores<'a> {
    task: Task,
    split: &'a Split,
    pool: Pool,
    members: Vec<Scored>,
    /// True values or labels (N, T).
    truth: Vec<f32>,
}

/// The results of an ensemble on a split.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The members' scores, in the order in which they were added.
    pub members: Vec<Scored>,
    /// The mean answers, and what follows from them.
    pub findings: Findings,
    /// The scores of the mean answers.
    pub groups: Vec<Group>,
    /// Loss and metric of the mean answers: for classes and labels the cross-entropy and the accuracy. `None` for real values,
    /// whose loss is that of each net.
    pub score: Option<Score>,
    /// The measures of doubt. For real values one per target: the standard deviation between the members.
    pub doubts: Vec<DoubtScore>,
    /// `None` for real values.
    pub agreement: Option<Agreement>,
}

impl<'a> Scores<'a> {
    /// For members that were evaluated on this split.
    pub fn new(task: &Task, split: &'a Split) -> Scores<'a> {
        Scores { task: task.clone(), split, pool: Pool::new(task), members: Vec::new(), truth: Vec::new() }
    }

    /// Adds what a member found on the split.
    ///
    /// # Errors
    /// Those of the scores, such as a weight that is not finite.
    pub fn add(&mut self, name: impl Into<String>, findings: &Findings) -> Result<(), Error> {
        let (answers, truth) = match findings {
            Findings::Classes(findings) => (&findings.predictions.probabilities, None),
            Findings::Values(findings) => (&findings.predicted, Some(&findings.truth)),
            Findings::Labels(findings) => (&findings.probabilities, Some(&findings.truth)),
        };
        self.pool.add(answers);
        if let Some(truth) = truth.filter(|_| self.truth.is_empty()) {
            self.truth.clone_from(truth);
        }
        self.members.push(Scored { name: name.into(), groups: groups(findings, &self.task, self.split)? });
        Ok(())
    }

    /// The results of the members together.
    ///
    /// # Errors
    /// Those of the scores.
    pub fn finish(self) -> Result<Outcome, Error> {
        let Scores { task, split, pool, members, truth } = self;
        let answers = pool.answers();
        let findings = match &task {
            Task::Classes { .. } => {
                let predictions = Predictions { classes: task.outputs(), probabilities: answers };
                Findings::Classes(ClassFindings::of(predictions, split.classes()))
            }
            Task::Values { .. } => Findings::Values(ValueFindings { predicted: answers, truth }),
            Task::Labels { .. } => Findings::Labels(LabelFindings { probabilities: answers, truth }),
        };
        let hits = hits(&findings, split);
        let doubts = pool.doubts();
        let agreement = hits.as_ref().map(|hits| agreement(&doubts, hits));
        Ok(Outcome {
            members,
            groups: groups(&findings, &task, split)?,
            score: score(&findings, split),
            doubts: doubt_scores(&doubts, hits.as_deref(), task.names())?,
            agreement,
            findings,
        })
    }
}

impl Outcome {
    /// The mean of the members' scores and its standard error, for a score of a group; `None` if it is not defined for some
    /// member. The standard error of one member is `None`.
    pub fn mean(&self, group: usize, metric: usize) -> Option<(f64, Option<f64>)> {
        let values = self.members.iter().map(|member| member.groups.get(group)?.metrics.get(metric)?.value);
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some((mean, (values.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt())))
    }
}

/// The scores of findings on a split.
///
/// # Errors
/// Those of the scores, such as a weight that is not finite.
pub fn groups(findings: &Findings, task: &Task, split: &Split) -> Result<Vec<Group>, Error> {
    let weights = split.weights.as_deref();
    let all = |metrics| vec![Group { name: String::new(), metrics }];
    Ok(match findings {
        Findings::Classes(findings) => {
            let Predictions { classes, probabilities } = &findings.predictions;
            let mut metrics = Classification::new(probabilities, *classes, split.classes(), weights)?.metrics(None);
            let error = Some(expected_error(&findings.calibration));
            metrics.push(Metric { name: "calibration error", value: error, interval: None });
            all(metrics)
        }
        Findings::Labels(findings) => {
            let labels = Labels::new(&findings.probabilities, &findings.truth, task.outputs(), weights)?;
            all(labels.metrics(None))
        }
        Findings::Values(findings) => {
            let targets = Regression::of_targets(&findings.predicted, &findings.truth, task.outputs(), weights)?;
            let named = task.names().iter().zip(targets);
            named.map(|(name, target)| Group { name: name.clone(), metrics: target.metrics(None) }).collect()
        }
    })
}

/// Whether each sample is predicted correctly, with all of its labels; `None` for real values.
fn hits(findings: &Findings, split: &Split) -> Option<Vec<bool>> {
    match findings {
        Findings::Classes(findings) => {
            let truth = split.classes().iter().enumerate();
            Some(truth.map(|(sample, &class)| findings.predictions.class(sample) == class as usize).collect())
        }
        Findings::Labels(LabelFindings { probabilities, truth }) => {
            let width = truth.len().checked_div(split.len()).filter(|&width| width > 0)?;
            let rows = probabilities.chunks_exact(width).zip(truth.chunks_exact(width));
            Some(rows.map(|(p, y)| p.iter().zip(y).all(|(&p, &y)| (p > 0.5) == (y == 1.0))).collect())
        }
        Findings::Values(_) => None,
    }
}

/// Loss and metric of mean probabilities.
fn score(findings: &Findings, split: &Split) -> Option<Score> {
    let loss = |p: f32| -f64::from(p.max(f32::MIN_POSITIVE)).ln();
    let mut score = Score { samples: split.len() as u64, ..Score::default() };
    match findings {
        Findings::Classes(findings) => {
            score.metric_sum = findings.confusion.hits() as f64;
            let rows = split.classes().iter().enumerate();
            score.loss_sum = rows.map(|(sample, &class)| loss(findings.predictions.row(sample)[class as usize])).sum();
        }
        Findings::Labels(LabelFindings { probabilities, truth }) => {
            let width = truth.len() as f64 / split.len() as f64;
            for (&p, &y) in probabilities.iter().zip(truth) {
                let yes = y == 1.0;
                score.loss_sum += loss(if yes { p } else { 1.0 - p }) / width;
                score.metric_sum += f64::from(u8::from((p > 0.5) == yes)) / width;
            }
        }
        Findings::Values(_) => return None,
    }
    Some(score)
}

fn agreement(doubts: &[Doubt], hits: &[bool]) -> Agreement {
    let mut found = Agreement { samples: hits.len() as u64, ..Agreement::default() };
    for (doubt, &hit) in doubts.iter().zip(hits) {
        let all = matches!(doubt, Doubt::Votes(votes) if votes.agreement == 1.0);
        found.hits += u64::from(hit);
        found.unanimous += u64::from(all);
        found.unanimous_hits += u64::from(all && hit);
    }
    found
}

fn doubt_scores(doubts: &[Doubt], hits: Option<&[bool]>, names: &[String]) -> Result<Vec<DoubtScore>, Error> {
    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    for doubt in doubts {
        let values: Vec<(String, f64)> = match doubt {
            Doubt::Votes(votes) => votes.named().map(|(name, value)| (name.to_string(), value)).to_vec(),
            Doubt::Deviations(deviations) => {
                names.iter().zip(deviations).map(|(name, &value)| (name.clone(), value.into())).collect()
            }
        };
        columns.resize_with(values.len(), Default::default);
        for (column, (name, value)) in columns.iter_mut().zip(values) {
            column.0 = name;
            column.1.push(value);
        }
    }
    let scored = columns.into_iter().map(|(name, values)| -> Result<DoubtScore, Error> {
        let mean = |of: &dyn Fn(usize) -> bool| {
            let picked: Vec<f64> = (0..values.len()).filter(|&at| of(at)).map(|at| values[at]).collect();
            (!picked.is_empty()).then(|| picked.iter().sum::<f64>() / picked.len() as f64)
        };
        let Some(hits) = hits else {
            return Ok(DoubtScore {
                name,
                mean: mean(&|_| true).unwrap_or(0.0),
                right: None,
                wrong: None,
                detects: None,
            });
        };
        // Agreement is high where there is no doubt.
        let sign = if name == "agreement" { -1.0 } else { 1.0 };
        let doubt: Vec<f32> = values.iter().map(|value| (sign * value) as f32).collect();
        let wrong: Vec<f32> = hits.iter().map(|&hit| f32::from(u8::from(!hit))).collect();
        let detects = Labels::new(&doubt, &wrong, 1, None)?.each().first().and_then(|label| label.roc_auc());
        let (all, right) = (mean(&|_| true).unwrap_or(0.0), mean(&|at| hits[at]));
        Ok(DoubtScore { name, mean: all, right, wrong: mean(&|at| !hits[at]), detects })
    });
    scored.collect()
}
