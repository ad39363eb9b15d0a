//! Ensembles of nets and of passes with dropout: which nets fit each other, and what they answer.

use gpu_mlp::base::rng::{Stream, device_key, keep_threshold, threefry};
use gpu_mlp::config::{Config, Init};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::{Column, Features, Header, Scaling, Split, Task};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::{Activation, InputMap, Precision};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::{Evaluator, Findings, McDropout, Predictor, assess, softmax};
use gpu_mlp::results::ensemble::{Doubt, Ensemble, Member, Scores, check};
use gpu_mlp::run::model_file::Description;
use pollster::block_on;

/// A net with random weights for digits.
fn member(name: &str, hidden: &[usize], activation: Activation, inputs: InputMap, seed: u64) -> Member {
    let widths = [&[784][..], hidden, &[10]].concat();
    let model = Mlp::new(&widths, activation, Init::Auto, seed);
    let description = Description { item: vec![28, 28], ..Description::new(widths, activation, inputs) };
    Member { name: name.into(), model, description }
}

/// Three nets that differ in widths, activation and scaling.
fn three() -> Vec<Member> {
    vec![
        member("a", &[20], Activation::Relu, InputMap::UNIT, 1),
        member("b", &[33, 7], Activation::Tanh, InputMap { scale: 0.01, shift: -1.0 }, 2),
        member("c", &[], Activation::Identity, InputMap::UNIT, 3),
    ]
}

#[test]
fn an_ensemble_answers_with_the_mean_of_its_members() {
    let data = generate(&Options { train: 1, test: 150, seed: 5 });
    let members = three();
    let mut ensemble = block_on(Ensemble::new(&Machine::Cpu, &members, 64)).expect("an ensemble");
    let pooled = block_on(ensemble.predict(data.test.pixels())).expect("answers");
    let mut sum = vec![0.0; 1500];
    let mut scores = Scores::new(&data.task, &data.test);
    for Member { name, model, description } in &members {
        let mut alone = block_on(Predictor::new(&Machine::Cpu, model, description, 64)).expect("a predictor");
        let answers = block_on(alone.answers(data.test.pixels())).expect("answers");
        sum.iter_mut().zip(&answers).for_each(|(sum, &p)| *sum += f64::from(p));
        let result = block_on(assess(&Machine::Cpu, model, description, &data.test, &data.item)).expect("a result");
        scores.add(name, &result.findings).expect("scores");
    }
    for (sum, &p) in sum.iter().zip(&pooled.answers) {
        assert_eq!((sum / 3.0) as f32, p);
    }
    assert!(pooled.scaled.is_none() && pooled.doubts.len() == 150);
    let shares = pooled.doubts.iter().map(|doubt| match doubt {
        Doubt::Votes(votes) => (3.0 * votes.agreement).round() as u32,
        Doubt::Deviations(_) => panic!("{doubt:?}"),
    });
    let shares: Vec<u32> = shares.collect();
    assert!(shares.iter().all(|&share| share <= 3) && shares.iter().any(|&share| share < 3), "{shares:?}");

    // The evaluation agrees with the prediction.
    let outcome = scores.finish().expect("an outcome");
    let Findings::Classes(findings) = &outcome.findings else { panic!("{outcome:?}") };
    let apart = findings.predictions.probabilities.iter().zip(&pooled.answers).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f32::max) < 1e-6);
    let unanimous = shares.iter().filter(|&&share| share == 3).count() as u64;
    assert_eq!(outcome.agreement.expect("votes").unanimous, unanimous);
    let accuracies: Vec<f64> =
        outcome.members.iter().map(|one| one.groups[0].metrics[0].value.expect("a share")).collect();
    let (mean, error) = outcome.mean(0, 0).expect("a mean");
    assert!((mean - accuracies.iter().sum::<f64>() / 3.0).abs() < 1e-12 && error.is_some_and(|error| error >= 0.0));
}

/// One net answers as its predictor does, bit for bit, and is in no doubt.
#[test]
fn an_ensemble_of_one_net_has_the_bits_of_the_net() {
    let data = generate(&Options { train: 1, test: 20, seed: 5 });
    for member in three() {
        let Member { model, description, .. } = &member;
        let mut alone = block_on(Predictor::new(&Machine::Cpu, model, description, 8)).expect("a predictor");
        let answers = block_on(alone.answers(data.test.pixels())).expect("answers");
        let members = std::slice::from_ref(&member);
        let mut ensemble = block_on(Ensemble::new(&Machine::Cpu, members, 8)).expect("an ensemble");
        let pooled = block_on(ensemble.predict(data.test.pixels())).expect("answers");
        assert!(pooled.answers == answers && pooled.doubts.is_empty());
    }
}

#[test]
fn members_that_do_not_fit_are_both_named() {
    let first = member("runs/1", &[20], Activation::Relu, InputMap::UNIT, 1);
    let refused = |change: &dyn Fn(&mut Description), words: [&str; 2]| {
        let mut other = Member { name: "runs/2".into(), ..first.clone() };
        change(&mut other.description);
        let error = check(&[first.clone(), other]).expect_err("they do not fit").to_string();
        for word in ["runs/1", "runs/2", words[0], words[1]] {
            assert!(error.contains(word), "{word}: {error}");
        }
    };
    refused(&|of| of.item = vec![16, 49], ["[28, 28]", "[16, 49]"]);
    refused(&|of| of.task = Some(Task::numbered(3)), ["10 classes", "3 classes"]);
    let ten = |kind: fn(Vec<String>) -> Task| kind((0..10).map(|at| format!("y{at}")).collect());
    refused(&|of| of.task = Some(ten(|names| Task::Labels { names })), ["10 classes", "10 labels"]);
    refused(&|of| of.task = Some(ten(|names| Task::Classes { names })), ["`0`", "`y0`"]);
    let features = |of: &mut Description| {
        of.features = Some(Features::uniform(&[1], &[0.0, 1.0], None, Scaling::None).expect("features"))
    };
    refused(&features, ["bytes", "numbers"]);
    let table = |columns: Vec<Column>| Some(Header { columns, target: None, named: true, spelled: true });
    refused(&|of| of.header = table(vec![Column::numeric("x")]), ["without names", "1 column"]);

    let mut turned = [first.clone(), first.clone()];
    turned[0].description.transposed = Some(true);
    turned[1].description.transposed = Some(false);
    let error = check(&turned).expect_err("turned").to_string();
    assert!(error.contains("transposed") && error.contains("as they are stored"), "{error}");
    let mut tables = [first.clone(), first.clone()];
    tables[0].description.header = table(vec![Column::numeric("size")]);
    tables[1].description.header = table(vec![Column::categorical("size", vec!["large".into()])]);
    let error = check(&tables).expect_err("other columns").to_string();
    assert!(error.contains("`size`") && error.contains("numbers") && error.contains("large"), "{error}");
    assert!(check(&[]).is_err());
    assert!(check(&three()).is_ok());
}

/// The textbook's forward pass of one sample in double precision, with the masks of a pass drawn number by number.
fn by_hand(member: &Member, pixels: &[u8], dropout: &McDropout, pass: u32, sample: u32) -> Vec<f32> {
    let InputMap { scale, shift } = member.description.inputs;
    let mut x: Vec<f64> = pixels.iter().map(|&p| f64::from(p) * f64::from(scale) + f64::from(shift)).collect();
    for (number, layer) in member.model.layers.iter().enumerate() {
        let keep = if number == 0 { dropout.input_keep_prob } else { dropout.keep_prob };
        if keep < 1.0 {
            let key = device_key(dropout.seed, Stream::McDropout, number as u64);
            let pairs = x.len().div_ceil(2) as u32;
            for (unit, value) in x.iter_mut().enumerate() {
                let random = threefry(key, [pass, sample * pairs + unit as u32 / 2])[unit % 2];
                let kept = random >> 8 < keep_threshold(keep);
                *value *= if kept { 1.0 / f64::from(keep) } else { 0.0 };
            }
        }
        let sum = |o: usize| {
            let products = layer.weight[o * layer.inputs..][..layer.inputs].iter().zip(&x);
            products.map(|(&w, x)| f64::from(w) * x).sum::<f64>() + f64::from(layer.bias[o])
        };
        let last = number + 1 == member.model.layers.len();
        let act = |z: f64| {
            if last {
                z
            } else if member.model.activation == Activation::Relu {
                z.max(0.0)
            } else {
                z.tanh()
            }
        };
        x = (0..layer.outputs).map(|o| act(sum(o))).collect();
    }
    softmax(&x.iter().map(|&z| z as f32).collect::<Vec<_>>())
}

#[test]
fn a_pass_with_dropout_is_the_textbooks_and_does_not_depend_on_the_batch() {
    let data = generate(&Options { train: 1, test: 30, seed: 5 });
    let dropout = McDropout { input_keep_prob: 0.9, keep_prob: 0.6, seed: 7 };
    for member in [
        member("a", &[20], Activation::Relu, InputMap::UNIT, 1),
        member("b", &[33, 7], Activation::Tanh, InputMap { scale: 0.01, shift: -1.0 }, 2),
    ] {
        let Member { model, description, .. } = &member;
        let mut all = Vec::new();
        for batch in [1, 7, 64] {
            let mut predictor = block_on(Predictor::with_dropout(&Machine::Cpu, model, description, batch, &dropout));
            let predictor = predictor.as_mut().expect("a predictor");
            for pass in [0, 1, 5] {
                let answers = block_on(predictor.answers_of_pass(data.test.pixels(), pass, 0)).expect("answers");
                for (sample, row) in answers.chunks_exact(10).enumerate() {
                    let pixels = &data.test.pixels()[sample * 784..][..784];
                    let truth = by_hand(&member, pixels, &dropout, pass, sample as u32);
                    let apart = row.iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(apart < 1e-5, "batch {batch}, pass {pass}, sample {sample}: {apart}");
                }
                // Sample 12 alone has the masks of sample 12.
                let alone = block_on(predictor.answers_of_pass(&data.test.pixels()[12 * 784..13 * 784], pass, 12));
                let alone = alone.expect("an answer");
                let apart = alone.iter().zip(&answers[120..130]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart < 1e-6, "{apart}");
                all.push(answers);
            }
            assert!(all[all.len() - 1] != all[all.len() - 2], "passes differ");
        }
        let mut evaluator =
            block_on(Evaluator::with_dropout(&Machine::Cpu, model, description, &data.test, &data.item, &dropout))
                .expect("an evaluator");
        let result = block_on(evaluator.pass(5)).expect("a result");
        let found = &result.classes().expect("classes").predictions.probabilities;
        assert!(found.iter().zip(&all[8]).all(|(a, b)| (a - b).abs() < 1e-6), "the evaluation has the same masks");
    }
}

#[test]
fn an_ensemble_of_passes_is_repeatable_and_stands_beside_the_scaled_net() {
    let data = generate(&Options { train: 1, test: 40, seed: 5 });
    let member = member("a", &[50], Activation::Relu, InputMap::UNIT, 1);
    let Member { model, description, .. } = &member;
    let predict = |seed, passes, batch| {
        let dropout = McDropout { input_keep_prob: 1.0, keep_prob: 0.8, seed };
        let ensemble = Ensemble::with_dropout(&Machine::Cpu, &member, &dropout, passes, batch);
        let mut ensemble = block_on(ensemble).expect("an ensemble");
        let mut answers = Vec::new();
        let mut scaled = Vec::new();
        for part in data.test.pixels().chunks(784 * batch) {
            let pooled = block_on(ensemble.predict(part)).expect("answers");
            answers.extend(pooled.answers);
            scaled.extend(pooled.scaled.expect("the scaled net"));
        }
        (answers, scaled)
    };
    let (answers, scaled) = predict(1, 30, 8);
    assert_eq!(predict(1, 30, 8), (answers.clone(), scaled.clone()));
    let close = |one: &[f32], two: &[f32], most: f32| one.iter().zip(two).all(|(a, b)| (a - b).abs() < most);
    assert!(close(&answers, &predict(1, 30, 40).0, 1e-6), "the batch does not matter");
    assert!(!close(&answers, &predict(2, 30, 8).0, 1e-3), "another seed has other masks");
    let mut alone = block_on(Predictor::new(&Machine::Cpu, model, description, 8)).expect("a predictor");
    assert!(close(&scaled, &block_on(alone.answers(data.test.pixels())).expect("answers"), 1e-6));
    assert!(close(&answers, &scaled, 0.3), "the mean is near the scaled net");
    assert!(
        block_on(Ensemble::with_dropout(
            &Machine::Cpu,
            &member,
            &McDropout { input_keep_prob: 1.0, keep_prob: 0.8, seed: 1 },
            0,
            8
        ))
        .is_err()
    );
}

#[test]
fn a_net_without_dropout_has_no_passes() {
    let error = McDropout::of(&Config::default(), 1).expect_err("no dropout").to_string();
    assert!(error.contains("trained without dropout") && error.contains("keep-prob"), "{error}");
    assert!(McDropout::of(&Config { hidden: Vec::new(), keep_prob: 0.5, ..Config::default() }, 1).is_err());
    let dropout = McDropout::of(&Config { input_keep_prob: 0.9, ..Config::default() }, 3).expect("dropout");
    assert_eq!(dropout, McDropout { input_keep_prob: 0.9, keep_prob: 1.0, seed: 3 });
}

/// A test split with real values in their own units; both members see the plane, one adds 2.
#[test]
fn real_values_are_averaged_in_their_own_units() {
    let line = |bias: f32| {
        let mut model = Mlp::new(&[2, 1], Activation::Identity, Init::Auto, 1);
        (model.layers[0].weight, model.layers[0].bias) = (vec![1.0, 0.5], vec![bias]);
        let task = Task::Values { names: vec!["y".into()], scales: Vec::new() };
        let description =
            Description { task: Some(task), ..Description::new(vec![2, 1], Activation::Identity, InputMap::RAW) };
        Member { name: format!("bias {bias}"), model, description }
    };
    let split = Split::new(vec![2u8, 4, 8, 6], vec![5.0f32, 12.0]);
    let members = [line(0.0), line(2.0)];
    let mut scores = Scores::new(&members[0].description.task(), &split);
    for Member { name, model, description } in &members {
        let result = block_on(assess(&Machine::Cpu, model, description, &split, &[2])).expect("a result");
        scores.add(name, &result.findings).expect("scores");
    }
    let outcome = scores.finish().expect("an outcome");
    let Findings::Values(findings) = &outcome.findings else { panic!("{outcome:?}") };
    assert_eq!(findings.predicted, [5.0, 12.0]);
    assert!(outcome.score.is_none() && outcome.agreement.is_none());
    let rmse = |groups: &[gpu_mlp::results::ensemble::Group]| groups[0].metrics[0].value.expect("a score");
    assert_eq!((rmse(&outcome.groups), rmse(&outcome.members[0].groups)), (0.0, 1.0));
    assert_eq!((outcome.doubts[0].name.as_str(), outcome.doubts[0].mean), ("y", 1.0));
}

#[test]
fn integers_have_passes_with_dropout_too() {
    let data = generate(&Options { train: 1, test: 30, seed: 5 });
    let mut member = member("a", &[20, 9], Activation::Relu, InputMap::UNIT, 1);
    member.description.precision = Some(Precision::Int8);
    let dropout = McDropout { input_keep_prob: 0.9, keep_prob: 0.6, seed: 7 };
    let float = Member { description: Description { precision: None, ..member.description.clone() }, ..member.clone() };
    let passes = |member: &Member, batch| {
        let Member { model, description, .. } = member;
        let predictor = Predictor::with_dropout(&Machine::Cpu, model, description, batch, &dropout);
        let mut predictor = block_on(predictor).expect("a predictor");
        block_on(predictor.answers_of_pass(data.test.pixels(), 3, 0)).expect("answers")
    };
    let answers = passes(&member, 30);
    assert_eq!(answers, passes(&member, 7), "integers have the same bits in any batch");
    let apart = answers.iter().zip(passes(&float, 30)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 0.1 && apart > 0.0, "the same masks as in floats: {apart}");
}
