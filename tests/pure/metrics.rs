//! Scores of predictions, their weights and intervals, and the importance of features.
//!
//! Values of scikit-learn 1.9.1 with numpy 2.4.6, for the same arrays in double precision; hence the tolerance.

use gpu_mlp::base::rng::{Stream, host};
use gpu_mlp::results::assess::metrics::{Bootstrap, Classification, Interval, Labels, Metric, Regression, importance};
use rand::RngExt;

/// Probabilities of 8 samples for 3 classes.
const P: [f32; 24] = [
    0.7, 0.2, 0.1, 0.4, 0.4, 0.2, 0.1, 0.6, 0.3, 0.25, 0.5, 0.25, 0.05, 0.15, 0.8, 0.3, 0.3, 0.4, 0.6, 0.1, 0.3, 0.2,
    0.7, 0.1,
];
const TRUTH: [u32; 8] = [0, 0, 1, 2, 2, 1, 2, 1];
const WEIGHTS: [f32; 8] = [1.0, 2.0, 0.5, 1.0, 3.0, 0.25, 0.0, 1.5];

/// Probabilities of class 1 of two classes; two are equal.
const BINARY: [f32; 8] = [0.1, 0.4, 0.35, 0.8, 0.35, 0.6, 0.5, 0.9];
const BINARY_TRUTH: [u32; 8] = [0, 0, 1, 1, 0, 1, 0, 1];

/// Predictions and truth of 6 samples for 2 targets.
const PREDICTED: [f32; 12] = [2.5, 12.0, 0.0, 19.0, 2.0, -2.0, 8.0, 33.0, 3.0, 1.5, 4.25, 7.0];
const REAL: [f32; 12] = [3.0, 10.0, -0.5, 20.0, 2.0, -5.0, 7.0, 40.0, 1.0, 1.0, 4.0, 8.0];
const SIX: [f32; 6] = [1.0, 2.0, 0.5, 1.0, 0.0, 3.0];

/// Probabilities and truth of 6 samples for 3 labels.
const LABELS: [f32; 18] = [0.9, 0.2, 0.6, 0.4, 0.5, 0.7, 0.8, 0.1, 0.3, 0.3, 0.9, 0.2, 0.6, 0.6, 0.1, 0.2, 0.3, 0.45];
const YES: [f32; 18] = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

// Accuracy, balanced accuracy, macro F1, ROC-AUC, log loss, Brier score.
const CLASSES: [f64; 6] =
    [0.625, 0.6666666666666666, 0.6222222222222222, 0.85, 0.7697312205754478, 0.45499999999999996];
const CLASSES_WEIGHTED: [f64; 6] = [
    0.8648648648648649,
    0.8796296296296297,
    0.8631636562671045,
    0.9722222222222222,
    0.5769080920672583,
    0.30864864864864866,
];
const TWO: [f64; 6] = [0.875, 0.875, 0.873015873015873, 0.84375, 0.4536585064141151, 0.146875];
const TWO_WEIGHTED: [f64; 6] = [
    0.9459459459459459,
    0.9230769230769231,
    0.9383333333333332,
    0.9102564102564102,
    0.3733148437252926,
    0.10851351351351353,
];
// RMSE, MAE, median absolute error, R² of each target.
const REALS: [[f64; 4]; 2] = [
    [0.962851667357612, 0.7083333333333334, 0.5, 0.8357933579335793],
    [3.272358986011977, 2.4166666666666665, 1.5, 0.9496998956158664],
];
const REALS_WEIGHTED: [[f64; 4]; 2] = [
    [0.5082650227325636, 0.43333333333333335, 0.5, 0.9559325246398787],
    [2.886751345948129, 2.066666666666667, 1.0, 0.9402980322231421],
];
const EXACT: f64 = 0.3333333333333333;
const EXACT_WEIGHTED: f64 = 0.2;
// Accuracy, F1, ROC-AUC of each label.
const EACH: [[f64; 3]; 3] = [
    [0.6666666666666666, 0.6666666666666666, 0.7777777777777778],
    [0.8333333333333334, 0.8, 1.0],
    [0.8333333333333334, 0.8, 1.0],
];
const EACH_WEIGHTED: [[f64; 3]; 3] =
    [[0.8666666666666667, 0.75, 0.84], [0.7333333333333333, 0.5, 1.0], [0.6, 0.6666666666666666, 1.0]];

fn pairs(of_one: &[f32]) -> Vec<f32> {
    of_one.iter().flat_map(|p| [1.0 - p, *p]).collect()
}

fn values(metrics: &[Metric]) -> Vec<Option<f64>> {
    metrics.iter().map(|metric| metric.value).collect()
}

fn close(metrics: &[Metric], wanted: &[f64]) {
    assert_eq!(metrics.len(), wanted.len());
    for (metric, wanted) in metrics.iter().zip(wanted) {
        let value = metric.value.unwrap_or(f64::NAN);
        assert!((value - wanted).abs() < 2e-7 * wanted.abs().max(1.0), "{}: {value}, not {wanted}", metric.name);
    }
}

/// Functions: `accuracy_score`, `balanced_accuracy_score`, `f1_score(average="macro")`, the mean of `roc_auc_score` of each
/// class against the others, `log_loss`, and the mean of the summed squares.
#[test]
fn scores_of_classes_are_those_of_scikit_learn() {
    close(&Classification::new(&P, 3, &TRUTH, None).unwrap().metrics(None), &CLASSES);
    close(&Classification::new(&P, 3, &TRUTH, Some(&WEIGHTS)).unwrap().metrics(None), &CLASSES_WEIGHTED);
}

/// `roc_auc_score` and `brier_score_loss` of class 1.
#[test]
fn scores_of_two_classes_are_those_of_scikit_learn() {
    let p = pairs(&BINARY);
    close(&Classification::new(&p, 2, &BINARY_TRUTH, None).unwrap().metrics(None), &TWO);
    close(&Classification::new(&p, 2, &BINARY_TRUTH, Some(&WEIGHTS)).unwrap().metrics(None), &TWO_WEIGHTED);
}

/// `root_mean_squared_error`, `mean_absolute_error`, `median_absolute_error`, `r2_score`.
#[test]
fn scores_of_real_values_are_those_of_scikit_learn() {
    for (weights, wanted) in [(None, REALS), (Some(&SIX[..]), REALS_WEIGHTED)] {
        let targets = Regression::of_targets(&PREDICTED, &REAL, 2, weights).unwrap();
        targets.iter().zip(wanted).for_each(|(target, wanted)| close(&target.metrics(None), &wanted));
    }
}

/// `accuracy_score`, `f1_score`, `roc_auc_score` of each label; `accuracy_score` of all for exact match.
#[test]
fn scores_of_labels_are_those_of_scikit_learn() {
    for (weights, exact, wanted) in [(None, EXACT, EACH), (Some(&SIX[..]), EXACT_WEIGHTED, EACH_WEIGHTED)] {
        let labels = Labels::new(&LABELS, &YES, 3, weights).unwrap();
        labels.each().iter().zip(wanted).for_each(|(label, wanted)| close(&label.metrics(None), &wanted));
        let mean = |at: usize| wanted.iter().map(|label| label[at]).sum::<f64>() / 3.0;
        close(&labels.metrics(None), &[exact, mean(0), mean(1), mean(2)]);
    }
}

/// Rows of an array, each as often as its weight says.
fn repeated<T: Copy>(rows: &[T], width: usize, times: &[f32]) -> Vec<T> {
    let rows = rows.chunks(width).zip(times);
    rows.flat_map(|(row, &times)| row.repeat(times as usize)).collect()
}

#[test]
fn a_weight_of_two_is_the_row_twice_and_zero_is_the_row_gone() {
    let times = [2.0, 0.0, 1.0, 3.0, 1.0, 0.0, 2.0, 1.0];
    let check = |weighted: &[Metric], repeated: &[Metric]| {
        for (weighted, repeated) in weighted.iter().zip(repeated) {
            let (a, b) = (weighted.value.unwrap(), repeated.value.unwrap());
            assert!((a - b).abs() <= 1e-15 * a.abs().max(1.0), "{}: {a} {b}", weighted.name);
        }
    };
    for (p, classes, truth) in [(P.to_vec(), 3, TRUTH), (pairs(&BINARY), 2, BINARY_TRUTH)] {
        let (more, classes_of) = (repeated(&p, classes, &times), repeated(&truth, 1, &times));
        let weighted = Classification::new(&p, classes, &truth, Some(&times)).unwrap().metrics(None);
        check(&weighted, &Classification::new(&more, classes, &classes_of, None).unwrap().metrics(None));
    }
    // Samples with an even and with an odd total weight, for the median.
    for times in [[2.0, 0.0, 1.0, 3.0, 1.0, 1.0], [2.0, 1.0, 1.0, 0.0, 1.0, 0.0]] {
        let (predicted, real) = (repeated(&PREDICTED, 2, &times), repeated(&REAL, 2, &times));
        let weighted = Regression::of_targets(&PREDICTED, &REAL, 2, Some(&times)).unwrap();
        let more = Regression::of_targets(&predicted, &real, 2, None).unwrap();
        weighted.iter().zip(&more).for_each(|(one, more)| check(&one.metrics(None), &more.metrics(None)));
    }
    let times = [2.0, 1.0, 0.0, 3.0, 1.0, 1.0];
    let (p, yes) = (repeated(&LABELS, 3, &times), repeated(&YES, 3, &times));
    let (weighted, more) =
        (Labels::new(&LABELS, &YES, 3, Some(&times)).unwrap(), Labels::new(&p, &yes, 3, None).unwrap());
    check(&weighted.metrics(None), &more.metrics(None));
    weighted.each().iter().zip(more.each()).for_each(|(one, more)| check(&one.metrics(None), &more.metrics(None)));
}

#[test]
fn a_row_of_weight_zero_cannot_spoil_a_score() {
    let weights = [1.0, 1.0, 0.0];
    let found = Regression::of_targets(&[1.0, 2.0, f32::INFINITY], &[1.0, 3.0, 0.0], 1, Some(&weights)).unwrap();
    assert_eq!(values(&found[0].metrics(None))[..2], [Some(0.5f64.sqrt()), Some(0.5)]);
}

#[test]
fn scores_that_are_not_defined_have_no_value() {
    let one = Classification::new(&[0.9, 0.1, 0.2, 0.8], 2, &[0, 0], None).unwrap();
    assert_eq!((one.accuracy(), one.roc_auc(), one.balanced_accuracy()), (Some(0.5), None, Some(0.5)));
    let none = Classification::new(&P, 3, &TRUTH, Some(&[0.0; 8])).unwrap().metrics(Some(Bootstrap::default()));
    assert!(none.iter().all(|metric| metric.value.is_none() && metric.interval.is_none()), "{none:?}");
    let constant = &Regression::of_targets(&[0.3, 0.2, 0.1], &[0.1; 3], 1, None).unwrap()[0];
    assert!(constant.r2().is_none() && constant.rmse().is_some());
    let labels = Labels::new(&[0.1, 0.2], &[0.0, 0.0], 1, None).unwrap();
    let label = &labels.each()[0];
    assert_eq!(
        (label.f1(), label.roc_auc(), label.accuracy(), labels.exact_match()),
        (None, None, Some(1.0), Some(1.0))
    );
}

#[test]
fn a_probability_of_zero_gives_a_finite_loss() {
    let found = Classification::new(&[1.0, 0.0], 2, &[1], None).unwrap().log_loss().unwrap();
    assert!((found - 126.0 * std::f64::consts::LN_2).abs() < 1e-9, "{found}");
}

#[test]
fn arrays_that_contradict_each_other_are_refused() {
    let classes = [
        Classification::new(&P, 3, &TRUTH[..7], None),
        Classification::new(&P, 0, &TRUTH, None),
        Classification::new(&[], 3, &[], None),
        Classification::new(&P, 3, &[0, 0, 1, 3, 2, 1, 2, 1], None),
        Classification::new(&P, 3, &TRUTH, Some(&WEIGHTS[..7])),
        Classification::new(&P, 3, &TRUTH, Some(&[1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0])),
        Classification::new(&P, 3, &TRUTH, Some(&[f32::NAN; 8])),
    ];
    assert!(classes.iter().all(Result::is_err));
    assert!(classes[3].as_ref().unwrap_err().to_string().contains("sample 3 has class 3"));
    assert!(Regression::of_targets(&PREDICTED, &REAL[..10], 2, None).is_err());
    assert!(Regression::of_targets(&PREDICTED[..11], &REAL[..11], 2, None).is_err());
    assert!(Labels::new(&LABELS, &YES, 0, None).is_err() && Labels::new(&LABELS, &[0.5; 18], 3, None).is_err());
}

/// N samples of which every fifth is wrong.
fn every_fifth_wrong(samples: usize) -> (Vec<f32>, Vec<u32>) {
    let p: Vec<f32> = (0..samples).flat_map(|at| if at % 5 == 0 { [0.6, 0.4] } else { [0.3, 0.7] }).collect();
    (p, vec![1; samples])
}

/// The accuracy of a resample is binomial: its standard deviation is √(0.8 · 0.2 / N), and 95 % lie within 1.96 of them.
#[test]
fn the_interval_of_an_accuracy_is_the_binomial_one() {
    let (p, truth) = every_fifth_wrong(2000);
    let found = Classification::new(&p, 2, &truth, None).unwrap().metrics(Some(Bootstrap::default()));
    let Some(Interval { low, high }) = found[0].interval else { panic!("{found:?}") };
    let half = 1.96 * (0.8f64 * 0.2 / 2000.0).sqrt();
    assert!((low - (0.8 - half)).abs() < 0.003 && (high - (0.8 + half)).abs() < 0.003, "{low} {high}");
    // There is only one class, so there is no ROC curve.
    assert_eq!(found[3], Metric { name: "ROC-AUC", value: None, interval: None });
}

#[test]
fn intervals_depend_on_the_seed_and_not_on_the_threads() {
    let with = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let bootstrap = Some(Bootstrap { resamples: 200, seed });
        pool.install(|| {
            let classes = Classification::new(&P, 3, &TRUTH, Some(&WEIGHTS)).unwrap().metrics(bootstrap);
            let reals = Regression::of_targets(&PREDICTED, &REAL, 2, None).unwrap();
            (classes, reals.iter().map(|target| target.metrics(bootstrap)).collect::<Vec<_>>())
        })
    };
    let one = with(1, 7);
    assert!(one == with(3, 7) && one != with(1, 8));
    for Metric { name, value, interval } in &one.0 {
        let (value, Interval { low, high }) = (value.unwrap(), interval.unwrap());
        assert!(low <= value && value <= high && low < high, "{name}: {low} {value} {high}");
    }
}

#[test]
fn a_row_of_weight_zero_does_not_change_an_interval() {
    let bootstrap = Some(Bootstrap { resamples: 100, seed: 1 });
    let without: [usize; 7] = [0, 1, 2, 3, 4, 5, 7];
    let p: Vec<f32> = without.iter().flat_map(|&at| P[3 * at..][..3].to_vec()).collect();
    let (truth, weights) = (without.map(|at| TRUTH[at]), without.map(|at| WEIGHTS[at]));
    let all = Classification::new(&P, 3, &TRUTH, Some(&WEIGHTS)).unwrap().metrics(bootstrap);
    let fewer = Classification::new(&p, 3, &truth, Some(&weights)).unwrap().metrics(bootstrap);
    assert_eq!(all, fewer);
}

/// y = 3·a + b with independent a and b: a permutation of a adds 2·9 variances of a to the squared error, one of b adds 2.
#[test]
fn the_importance_of_a_feature_is_the_drop_of_the_score_without_it() {
    let mut random = host(5, Stream::Init, 0);
    let rows: Vec<f32> = (0..3 * 4000).map(|_| random.random_range(-1.0f32..1.0)).collect();
    let truth: Vec<f32> = rows.chunks(3).map(|row| 3.0 * row[0] + row[1]).collect();
    let mut calls = 0;
    let score = async |raw: &[f32]| {
        calls += 1;
        let errors = raw.chunks(3).zip(&truth).map(|(row, y)| f64::from(3.0 * row[0] + row[1] - y).powi(2));
        Ok(-errors.sum::<f64>() / 4000.0)
    };
    let (base, found) = pollster::block_on(importance(&rows, &[1; 3], 5, 1, score)).unwrap();
    assert_eq!(base, 0.0);
    let variance = 1.0 / 3.0;
    let near = |at: usize, wanted: f64| (found[at].mean - wanted).abs() < 0.1 * wanted;
    assert!(near(0, 18.0 * variance) && near(1, 2.0 * variance), "{found:?}");
    assert!(found[0].deviation > 0.0 && found[0].deviation < 0.5);
    assert_eq!((found[2].mean, found[2].deviation, calls), (0.0, 0.0, 16));
}

/// A feature of one value, and one of two values, which stay together.
#[test]
fn importance_permutes_one_feature_and_restores_it() {
    let rows: Vec<f32> = (0..300).map(|at| at as f32).collect();
    let mut seen = Vec::new();
    let score = async |rows: &[f32]| {
        seen.push(rows.to_vec());
        Ok(0.0)
    };
    pollster::block_on(importance(&rows, &[1, 2], 2, 1, score)).unwrap();
    assert_eq!((seen.len(), &seen[0]), (5, &rows));
    for (call, permuted) in seen.iter().enumerate().skip(1) {
        let features = |rows: &[f32]| -> [Vec<Vec<f32>>; 2] {
            [0..1, 1..3].map(|values| rows.chunks(3).map(|row| row[values.clone()].to_vec()).collect())
        };
        let (mut now, was) = (features(permuted), features(&rows));
        let feature = (call - 1) / 2;
        assert_eq!(now[1 - feature], was[1 - feature]);
        assert_ne!(now[feature], was[feature]);
        now[feature].sort_by(|a, b| a[0].total_cmp(&b[0]));
        assert_eq!(now[feature], was[feature]);
    }
    assert_ne!(seen[1], seen[2]);
    let wrong: [(&[f32], &[usize], usize); 4] =
        [(&rows[..299], &[1, 2], 1), (&rows, &[], 1), (&rows, &[1, 2], 0), (&[], &[1, 2], 1)];
    for (rows, widths, repeats) in wrong {
        assert!(pollster::block_on(importance(rows, widths, repeats, 1, async |_| Ok(0.0))).is_err());
    }
}
