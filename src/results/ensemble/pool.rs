//! Adds up the answers of members.

use super::doubt::{entropy, entropy_of_labels};
use super::{Doubt, Votes};
use crate::data::Task;
use crate::results::assess::most_probable;

/// A label is predicted as yes above this probability.
const YES: f32 = 0.5;

/// The answers of members for the same N samples, added up. Its memory does not grow with the number of members.
#[derive(Clone, Debug)]
pub struct Pool {
    kind: Kind,
    /// Outputs C of a sample.
    width: usize,
    members: u32,
    /// Sums of the answers (N, C).
    sums: Vec<f64>,
    /// Sums of the squared distances from the mean (N, C), for real values.
    squares: Vec<f64>,
    /// How many members chose a class, or said yes to a label (N, C).
    votes: Vec<u32>,
    /// Sums of the members' entropies (N).
    entropies: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Classes,
    Labels,
    Values,
}

impl Pool {
    /// An empty pool for a task.
    pub fn new(task: &Task) -> Pool {
        let kind = match task {
            Task::Classes { .. } => Kind::Classes,
            Task::Labels { .. } => Kind::Labels,
            Task::Values { .. } => Kind::Values,
        };
        let [sums, squares, entropies] = [const { Vec::new() }; 3];
        Pool { kind, width: task.outputs(), members: 0, sums, squares, votes: Vec::new(), entropies }
    }

    /// Adds the answers (N, C) of a member: probabilities, or values in their own units.
    ///
    /// # Panics
    /// If they are not as many as those of the other members.
    pub fn add(&mut self, answers: &[f32]) {
        let samples = answers.len() / self.width;
        if self.members == 0 {
            self.sums = vec![0.0; answers.len()];
            match self.kind {
                Kind::Values => self.squares = vec![0.0; answers.len()],
                Kind::Classes | Kind::Labels => {
                    (self.votes, self.entropies) = (vec![0; answers.len()], vec![0.0; samples]);
                }
            }
        }
        assert_eq!(answers.len(), self.sums.len(), "pool: answers of a member for other samples");
        let before = f64::from(self.members);
        self.members += 1;
        if self.kind == Kind::Values {
            // The update of Welford (Technometrics 4, 1962): no large squares cancel.
            for ((square, sum), &answer) in self.squares.iter_mut().zip(&self.sums).zip(answers) {
                let distance = if before > 0.0 { f64::from(answer) - sum / before } else { 0.0 };
                *square += distance * distance * before / (before + 1.0);
            }
        }
        self.sums.iter_mut().zip(answers).for_each(|(sum, &answer)| *sum += f64::from(answer));
        let wide = || answers.chunks_exact(self.width).map(|row| row.iter().map(|&p| f64::from(p)));
        match self.kind {
            Kind::Values => {}
            Kind::Classes => {
                for (sample, row) in answers.chunks_exact(self.width).enumerate() {
                    self.votes[sample * self.width + most_probable(row)] += 1;
                }
                self.entropies.iter_mut().zip(wide()).for_each(|(sum, row)| *sum += entropy(row));
            }
            Kind::Labels => {
                self.votes.iter_mut().zip(answers).for_each(|(votes, &p)| *votes += u32::from(p > YES));
                self.entropies.iter_mut().zip(wide()).for_each(|(sum, row)| *sum += entropy_of_labels(row));
            }
        }
    }

    /// Number of members.
    pub fn members(&self) -> u32 {
        self.members
    }

    /// The mean answers (N, C).
    pub fn answers(&self) -> Vec<f32> {
        self.sums.iter().map(|sum| (sum / f64::from(self.members)) as f32).collect()
    }

    /// How much the members disagree about each sample (N).
    pub fn doubts(&self) -> Vec<Doubt> {
        let answers = self.answers();
        let rows = answers.chunks_exact(self.width).enumerate();
        rows.map(|(sample, row)| self.doubt(sample, row)).collect()
    }

    /// How much the members disagree about a sample with these mean answers (C).
    fn doubt(&self, sample: usize, row: &[f32]) -> Doubt {
        let (members, at) = (f64::from(self.members), sample * self.width..(sample + 1) * self.width);
        let means = self.sums.get(at.clone()).unwrap_or_default().iter().map(|sum| sum / members);
        let expected = || self.entropies[sample] / members;
        let votes = || self.votes[at.clone()].iter().map(|&votes| f64::from(votes) / members);
        match self.kind {
            Kind::Values => {
                let deviations = self.squares[at].iter().map(|square| (square / members).sqrt() as f32);
                Doubt::Deviations(deviations.collect())
            }
            Kind::Classes => Doubt::Votes(Votes {
                agreement: votes().nth(most_probable(row)).unwrap_or(0.0),
                entropy: entropy(means),
                expected_entropy: expected(),
            }),
            Kind::Labels => {
                let shares = votes().zip(row).map(|(yes, &p)| if p > YES { yes } else { 1.0 - yes });
                Doubt::Votes(Votes {
                    agreement: shares.sum::<f64>() / self.width as f64,
                    entropy: entropy_of_labels(means),
                    expected_entropy: expected(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;
    use crate::data::Task;
    use crate::results::ensemble::Doubt;

    fn close(one: f64, two: f64) {
        assert!((one - two).abs() < 1e-6, "{one} {two}");
    }

    /// By hand: p = 0.9 and 0.3 of the first of two classes. The mean is 0.6; only one of the two members agrees.
    #[test]
    fn the_entropy_splits_into_that_of_the_members_and_the_mutual_information() {
        let mut pool = Pool::new(&Task::numbered(2));
        pool.add(&[0.9, 0.1, 0.5, 0.5]);
        pool.add(&[0.3, 0.7, 0.5, 0.5]);
        let answers = pool.answers();
        close(answers[0].into(), 0.6);
        let doubts = pool.doubts();
        let Doubt::Votes(votes) = &doubts[0] else { panic!("{doubts:?}") };
        close(votes.agreement, 0.5);
        close(votes.entropy, 0.673_011_667);
        close(votes.expected_entropy, (0.325_082_973 + 0.610_864_302) / 2.0);
        close(votes.mutual_information(), 0.205_038_029);
        // Members that say the same have no mutual information, however unsure they are.
        let Doubt::Votes(votes) = &doubts[1] else { panic!("{doubts:?}") };
        close(votes.agreement, 1.0);
        close(votes.entropy, std::f64::consts::LN_2);
        assert_eq!(votes.mutual_information(), 0.0);
    }

    #[test]
    fn labels_are_averaged_one_by_one_and_values_have_a_deviation() {
        let mut labels = Pool::new(&Task::Labels { names: vec!["a".into(), "b".into()] });
        labels.add(&[0.9, 0.4]);
        labels.add(&[0.7, 0.8]);
        let doubts = labels.doubts();
        let Doubt::Votes(votes) = &doubts[0] else { panic!("{doubts:?}") };
        // Both say yes to a; the mean of b is 0.6, which one of them calls a no.
        close(votes.agreement, 0.75);
        close(votes.entropy, 0.500_402_424 + 0.673_011_667);

        let mut values = Pool::new(&Task::Values { names: vec!["y".into()], scales: Vec::new() });
        [1e6, 1e6 + 2.0, 1e6 + 4.0].iter().for_each(|&value| values.add(&[value]));
        assert_eq!(values.answers(), [1e6 + 2.0]);
        let doubts = values.doubts();
        let Doubt::Deviations(deviations) = &doubts[0] else { panic!("{doubts:?}") };
        close(deviations[0].into(), (8.0f64 / 3.0).sqrt());
    }

    #[test]
    fn a_pool_of_equal_members_has_the_bits_of_one() {
        let answers = [0.1f32, 0.7, 0.2, 0.333_333_34, 0.333_333_34, 0.333_333_3];
        for members in [1, 3, 7, 10] {
            let mut pool = Pool::new(&Task::numbered(3));
            (0..members).for_each(|_| pool.add(&answers));
            assert_eq!(pool.answers(), answers, "{members}");
        }
    }
}
