//! The curves of one run.

use super::{END, RUN, alone, chart, epoch, history, without_model};
use gpu_mlp::config::{BatchSize, Config, Schedule};
use gpu_mlp::results::report::page;
use gpu_mlp::train::rates::Rates;

/// Points of the only line of a chart, from left to right.
fn line(chart: &str) -> Vec<(f64, f64)> {
    let path = chart.split_once("class=\"line\" d=\"").unwrap().1.split_once('"').unwrap().0;
    let points = path.split(['M', 'L']).skip(1).map(|point| point.split_once(' ').unwrap());
    points.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect()
}

/// The record of a run of two epochs of 100 updates.
fn of_config(config: &Config, epochs: u64) -> Vec<String> {
    let header =
        r#"{"type":"run","data":"digits","data_sha256":"ab12","train_samples":1000,"test_samples":200,"config":"#;
    let rates = Rates::new(config, 1000);
    let epoch = |number: u64| {
        let (step, lr) = (100 * number, rates.lr(100 * number - 1));
        format!(r#"{{"type":"epoch","epoch":{number},"step":{step},"train_loss":0.5,"lr":{}}}"#, lr as f32)
    };
    let run = format!("{header}{}}}", serde_json::to_string(config).unwrap());
    [run].into_iter().chain((1..=epochs).map(epoch)).collect()
}

#[test]
fn the_learning_rate_is_drawn_update_by_update() {
    let config = Config {
        epochs: 2,
        batch_size: BatchSize::Samples(10),
        schedule: Schedule::OneCycle,
        cycle_peak: 0.5,
        lr: Some(0.3),
        ..Config::default()
    };
    let drawn = |lines: &[String]| {
        let page = alone(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        (line(chart(&page, "Learning rate")), page.contains("of every update"))
    };
    let (points, whole) = drawn(&of_config(&config, 2));
    assert!(whole && points.len() == 200, "{points:?}");
    // The rate rises to the middle and falls again; heights count from the top.
    let highest = points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    let (first, last) = (points[0], points[199]);
    let share = (highest.0 - first.0) / (last.0 - first.0);
    assert!((0.45..0.55).contains(&share) && first.1 > highest.1 + 140.0 && last.1 > highest.1 + 140.0, "{points:?}");
    // After one of two epochs, half of the line, which only rises.
    let (points, _) = drawn(&of_config(&config, 1));
    assert!(points.len() == 100 && points.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{points:?}");
    // In a long run, not every update is drawn.
    let long = Config { batch_size: BatchSize::Samples(1), ..config.clone() };
    let mut lines = of_config(&long, 1);
    lines[1] = r#"{"type":"epoch","epoch":2,"step":2000}"#.into();
    assert!((200..300).contains(&drawn(&lines).0.len()));

    // If the schedule does not determine the rate, or contradicts the record, the record is drawn.
    let plateau = Config { schedule: Schedule::Plateau, ..config.clone() };
    let other = |line: &str| [of_config(&config, 2)[..2].to_vec(), vec![line.to_string()]].concat();
    let mut changed = of_config(&config, 2);
    changed.push(r#"{"type":"resume","step":200,"unix_time":1}"#.into());
    changed.push(changed[0].replace("\"seed\":1", "\"seed\":2"));
    for lines in [
        of_config(&plateau, 2),
        changed,
        other(r#"{"type":"epoch","epoch":2,"step":200,"lr":0.2}"#),
        other(r#"{"type":"epoch","epoch":2,"step":201,"lr":0.0}"#),
        of_config(&config, 2).iter().map(|line| line.replace("\"batch_size\":10", "\"batch_size\":0")).collect(),
        of_config(&config, 2).iter().map(|line| line.replace("\"lr_step\":", "\"lr_steppe\":")).collect(),
    ] {
        let (points, whole) = drawn(&lines);
        assert!(!whole && points.len() == 2, "{lines:?}: {points:?}");
    }
}

/// A record of the losses of 40 updates of `batch` samples each, in two seconds.
fn updates(batch: u64) -> String {
    let list = |value: &dyn Fn(u64) -> String| (1..=40).map(value).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"type":"updates","epoch":1,"step":[{}],"samples":[{}],"seconds":[{}],"loss":[{}]}}"#,
        list(&|step| step.to_string()),
        list(&|step| (batch * step).to_string()),
        list(&|step| (0.05 * step as f64).to_string()),
        list(&|step| (2.0 + (step % 2) as f64 / step as f64).to_string()),
    )
}

#[test]
fn the_loss_of_updates_is_drawn_by_each_axis() {
    let page = alone(&[RUN, &epoch(1), &updates(10), END]);
    let titles: Vec<&str> = page.split("<h3>Loss of updates</h3>").skip(1).collect();
    assert_eq!((titles.len(), page.matches("<input").count(), page.matches(" checked").count()), (3, 3, 1));
    for (chart, (across, last)) in
        titles.iter().zip([("updates", "40"), ("samples seen", "400"), ("seconds of training", "2.0")])
    {
        assert!(chart.contains(&format!(">{across}</text>")) && chart.contains(&format!(">{last}</text>")), "{chart}");
        // The losses, and their moving mean.
        assert_eq!(chart.split("</figure>").next().unwrap().matches("<path class=\"line").count(), 2);
    }
    let before = alone(&[RUN, &epoch(1), END]);
    assert!(!before.contains("Loss of updates") && !before.contains("<input"));
}

#[test]
fn runs_of_far_lengths_share_a_logarithmic_axis() {
    let run = |name: &str, updates: &str| {
        without_model(name, history(&[&RUN.replace("sigmoid", name), &epoch(1), updates, END]))
    };
    let page = page(&[run("tanh", &updates(1)), run("relu", &updates(100))]);
    let axis =
        |title: usize| page.split("<h3>Loss of updates</h3>").nth(title).unwrap().split("</figure>").next().unwrap();
    assert!(axis(2).contains(">1000</text>") || axis(2).contains(">10³</text>"), "{}", axis(2));
    assert!(axis(1).contains(">40</text>"), "{}", axis(1));
}

#[test]
fn values_that_are_not_finite_are_reported() {
    let lost = epoch(1).replace("2.1", "null").replace("2.2,", "null,").replace("2.25", "null");
    let lost = lost.replace("1e-5", "null").replace("1e-3,\"w", "null,\"w").replace("1e-2", "null");
    let end = r#"{"type":"end","seconds":0.4,"reason":"finished","test_loss":null,"test_accuracy":0.098}"#;
    let page = alone(&[RUN, &lost, end]);
    assert!(page.contains("No model was written, because the weights of this run are not finite."));
    assert!(chart(&page, "Loss").contains("No value is a finite number."));
    assert!(page.contains("none of their norms is finite"));
    assert!(!page.contains("Test accuracy") && !page.contains("9.80"));
    // If only some values are not finite, the others are drawn; zeros on a log scale are counted too.
    let page = alone(&[RUN, &epoch(1), &epoch(2).replace("1e-3,\"w", "null,\"w").replace("1e-2", "0")]);
    let norms = chart(&page, "Gradient norm by epoch");
    assert!(norms.contains("<path") && norms.contains("One value is not shown: it is not finite."), "{norms}");
    assert!(norms.contains("One value is not shown: it is zero or nearly zero."), "{norms}");
}

#[test]
fn a_test_score_at_the_end_is_a_point() {
    let bare = |number| epoch(number).replace("\"test_loss\":2.25,\"test_accuracy\":0.12,", "");
    let end = END.replace("1.5", "1.5,\"test_loss\":2.1,\"test_accuracy\":0.14");
    let page = alone(&[RUN, &bare(1), &bare(2), &end]);
    for (title, from) in [("Loss", "test: from 2.1 to 2.1"), ("Accuracy", "test: from 14.00\u{a0}% to 14.00\u{a0}%")] {
        let chart = chart(&page, title);
        assert!(chart.contains(">test</text>") && chart.contains(from), "{chart}");
    }
    // The point is at the epoch of the model.
    let restored = alone(&[RUN, &bare(1), &bare(2), &end.replace("\"reason\"", "\"restored_epoch\":1,\"reason\"")]);
    let at = |page: &str| chart(page, "Loss").rsplit_once("cx=\"").unwrap().1.split_once('"').unwrap().0.to_string();
    let place = |page: &str| at(page).parse::<f64>().unwrap();
    assert!(place(&restored) + 100.0 < place(&page));
}

#[test]
fn seconds_of_a_resumed_run_count_from_the_resume() {
    let resume = r#"{"type":"resume","step":100,"unix_time":1}"#;
    let page = alone(&[RUN, &epoch(1), resume, &epoch(2), END]);
    assert!(page.contains("After it was resumed from update 100, the run took 1.50 s"), "{page}");
    assert!(page.contains("early stopping, 1.50 s after it was resumed from update 100"));
    assert!(!page.contains("in total"));
}
