//! Records of runs are read back and shown on a self-contained page.
#![cfg(feature = "report")]

use gpu_mlp::config::{BatchSize, Config, Schedule};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::results::assess::assess;
use gpu_mlp::results::report::{MOST_RUNS, Results, Subject, page};
use gpu_mlp::run::history::History;
use gpu_mlp::run::model_file::Description;
use gpu_mlp::train::Trainer;
use gpu_mlp::train::rates::Rates;
use pollster::block_on;
use std::sync::Arc;

const RUN: &str = r#"{"type":"run","schema":2,"version":"0.1.0","unix_time":1763827200,"data":"digits","data_origin":"made <here> & now","data_sha256":"ab12","train_samples":1000,"test_samples":200,"widths":[784,30,30,10],"parameters":24790,"engine":"cpu","device":"2 threads","config":{"epochs":2,"activation":"sigmoid"},"news":[1]}"#;

/// An epoch whose gradient shrinks a thousandfold towards the first layer.
fn epoch(number: u32) -> String {
    format!(
        r#"{{"type":"epoch","epoch":{number},"step":{number}00,"train_loss":2.{number},"train_accuracy":0.1{number},"validation_loss":2.2,"validation_accuracy":0.15,"test_loss":2.25,"test_accuracy":0.12,"lr":0.1,"momentum":0,"seconds":0.5,"images_per_second":2000,"data":"digits","health":[{{"layer":1,"gradient_norm":1e-5,"weight_norm":3.1,"update_ratio":1e-6}},{{"layer":2,"gradient_norm":1e-3,"weight_norm":2.0,"update_ratio":1e-4,"dead_share":0.25}},{{"layer":3,"gradient_norm":1e-2,"weight_norm":1.5,"update_ratio":1e-3}}]}}"#
    )
}

const END: &str = r#"{"type":"end","seconds":1.5,"model_sha256":"cd34","reason":"early_stopping"}"#;

fn history(lines: &[&str]) -> History {
    History::parse(&lines.join("\n")).unwrap()
}

fn without_model(name: &str, history: History) -> Subject {
    let absent = || "there is no model".to_string();
    Subject {
        name: name.into(),
        history,
        model: Err(absent()),
        results: Err(absent()),
        notes: vec!["take <care>".into()],
    }
}

/// A net trained for an epoch on generated digits, with the record above.
fn trained(name: &str) -> Subject {
    let data = Arc::new(generate(&Options { train: 1000, test: 200, seed: 1 }));
    let config = Config { hidden: vec![64], epochs: 1, ..Config::default() };
    block_on(async {
        let mut trainer = Trainer::open(&config, &data, &Machine::Cpu).await.unwrap();
        trainer.epoch(&mut |_| {}).await.unwrap();
        let description = Description::of(&config, &data, trainer.net());
        let model = trainer.model().await.unwrap();
        let assessment = assess(&Machine::Cpu, &model, &description, &data.test, &data.item).await.unwrap();
        let history = history(&[RUN, &epoch(1), &epoch(2), END]);
        let results = Ok(Results { assessment, data });
        Subject { name: name.into(), history, model: Ok((model, description)), results, notes: Vec::new() }
    })
}

#[test]
fn a_record_is_read_if_it_is_complete_or_torn() {
    let whole = history(&[RUN, &epoch(1), r#"{"type":"weather","sun":true}"#, &epoch(2), END]);
    assert_eq!((whole.epochs.len(), whole.torn), (2, 0));
    assert_eq!(whole.header.widths, [784, 30, 30, 10]);
    assert_eq!(whole.epochs[1].health[1].dead_share, Some(0.25));
    assert_eq!(whole.end.unwrap().reason.as_deref(), Some("early_stopping"));

    let second = epoch(2);
    let torn = history(&[RUN, &epoch(1), &second[..second.len() / 2]]);
    assert_eq!((torn.epochs.len(), torn.torn, torn.end.is_none()), (1, 1, true));

    // A run resumed after its first epoch trains the second again.
    let resumed = history(&[RUN, &epoch(1), &epoch(2), &second[..40], &epoch(2).replace("2.25", "1.75"), END]);
    assert_eq!((resumed.epochs.len(), resumed.torn), (2, 1));
    assert_eq!(resumed.epochs[1].test_loss, Some(1.75));

    // The first version of the format had neither learning rate nor health.
    let old = history(&[RUN, r#"{"type":"epoch","epoch":1,"train_loss":0.5,"train_accuracy":0.9,"seconds":1.0}"#]);
    assert_eq!((old.epochs[0].lr, old.epochs[0].health.len(), old.epochs[0].test_accuracy), (None, 0, None));

    // A measured NaN (null) differs from a missing value.
    let lost = history(&[RUN, r#"{"type":"epoch","epoch":1,"train_loss":null}"#]);
    assert!(lost.epochs[0].train_loss.is_some_and(f64::is_nan) && lost.epochs[0].test_loss.is_none());

    for nothing in ["", "no JSON", END] {
        assert!(History::parse(nothing).is_none(), "{nothing:?}");
    }
}

/// Checks that start and end tags match and that nothing refers to another page.
fn well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "img", "!DOCTYPE"];
    let mut open = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("no > after <{part}"));
        let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap();
        match tag.starts_with('/') {
            true => assert_eq!(open.pop(), Some(name), "at {part}"),
            false if VOID.contains(&name) => {}
            false => open.push(name),
        }
        assert!(!text.contains('>') || open.last() == Some(&"style"), "an unescaped > in {text}");
        for (before, value) in tag.match_indices("src=\"").map(|(at, key)| (tag, &tag[at + key.len()..])) {
            assert!(value.starts_with("data:image/png;base64,"), "{before}");
        }
        assert!(!["script", "link", "iframe", "object", "a"].contains(&name), "<{tag}>");
    }
    assert!(open.is_empty(), "still open: {open:?}");
    for word in ["http", "url(", "@import", "NaN", "inf\""] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn a_page_is_self_contained_and_shows_everything() {
    let page = page(&[trained("runs/1")]);
    well_formed(&page);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for title in [
        "Loss",
        "Accuracy",
        "Learning rate",
        "Throughput",
        "Gradient norm by layer",
        "Update ratio",
        "Dead units",
        "Confusion matrix",
        "Precision and recall",
        "Worst mistakes",
        "Most confused pairs",
        "First layer",
        "expected calibration error",
        "Configuration",
        "data SHA-256",
        "early stopping",
    ] {
        assert!(page.contains(title), "{title}");
    }
    for split in [">train<", ">validation<", ">test<"] {
        assert!(page.contains(split), "{split}");
    }
    assert!(
        page.contains("The gradient vanishes towards the first layer: in epoch 2 it is about 1000 times smaller there")
    );
    assert!(page.contains("made &lt;here&gt; &amp; now") && !page.contains("<here>"));
}

#[test]
fn the_largest_number_of_runs_fits_a_page() {
    let subject = |number: usize| {
        let mut subject = trained(&format!("runs/{number}"));
        subject.history.header.config.insert("lr".into(), number.into());
        subject
    };
    let page = page(&(1..=MOST_RUNS).map(subject).collect::<Vec<_>>());
    well_formed(&page);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for number in 1..=MOST_RUNS {
        assert!(page.contains(&format!(">lr {number}</text>")), "lr {number} has no line");
        assert!(page.contains(&format!(">runs/{number}</h2>")), "runs/{number} has no details");
    }
}

/// A run with this learning rate, seed, and accuracies on 500 validation and 200 test samples.
fn scored(lr: f64, seed: u32, validation: f64, test: f64) -> Subject {
    let run = RUN.replace("\"epochs\":2", &format!("\"epochs\":2,\"lr\":{lr},\"seed\":{seed}"));
    let run = run.replace("\"test_samples\"", "\"validation_samples\":500,\"test_samples\"");
    let scores = format!("1.5,\"validation_accuracy\":{validation},\"test_accuracy\":{test}");
    let second = epoch(2).replace("2.25", &format!("2.{seed}"));
    let history = history(&[&run, &epoch(1), &second, &END.replace("1.5", &scores)]);
    without_model(&format!("runs/{seed}"), history)
}

/// The table of compared runs.
fn head(page: &str) -> &str {
    page.split_once("<main>").unwrap().0
}

#[test]
fn the_validation_score_leads_and_only_it_is_bold() {
    let compared = page(&[scored(0.1, 1, 0.9, 0.5), scored(0.2, 2, 0.8, 0.6)]);
    well_formed(&compared);
    let head = head(&compared);
    assert!(head.contains("class=\"best\">90.00\u{a0}%") && head.matches("class=\"best\"").count() == 1, "{head}");
    assert!(head.find("validation accuracy").unwrap() < head.find("test accuracy").unwrap());
    assert!(head.contains("87.06 to 92.33\u{a0}%"), "the interval of the validation score: {head}");
    assert!(compared.contains(">lr 0.1</text>") && compared.contains("Choose by it"));
    // Another split of the data, or none, is no basis for a choice.
    let mut other = scored(0.2, 2, 0.8, 0.6);
    other.history.header.validation_samples = 0;
    let mixed = page(&[scored(0.1, 1, 0.9, 0.5), other]);
    assert!(!mixed.contains("class=\"best\"") && mixed.contains("do not have the same validation split"));
    // One run: the large figure is the validation score.
    let single = page(&[scored(0.1, 1, 0.9, 0.5)]);
    let tiles = single.split_once("class=\"main\"").unwrap().1;
    assert!(tiles.starts_with("><dt>Validation accuracy</dt><dd>90.00"), "{tiles:.200}");
    assert!(tiles.contains("Test accuracy") && single.contains("<title>runs/1: 90.00\u{a0}% on the validation split"));
}

#[test]
fn runs_that_differ_only_in_their_seed_are_one_line_with_a_band() {
    let seeds = [scored(0.1, 1, 0.9, 0.5), scored(0.1, 2, 0.8, 0.6), scored(0.1, 3, 0.7, 0.7)];
    let page = |subjects: Vec<Subject>| {
        let page = page(&subjects);
        well_formed(&page);
        page
    };
    let [a, b, c] = seeds;
    let compared = page(vec![a, scored(0.2, 4, 0.85, 0.5), b, c]);
    let head = head(&compared);
    assert_eq!(head.matches("scope=\"col\"").count(), 2, "{head}");
    assert!(
        head.contains("80.00\u{a0}% <span class=\"unit\">mean of 3") && head.contains("70.00 to 90.00\u{a0}%"),
        "{head}"
    );
    assert!(
        head.contains("runs/1\u{a0}90.00\u{a0}%, runs/2\u{a0}80.00\u{a0}%, runs/3\u{a0}70.00\u{a0}%")
            && head.contains(">1, 2, 3<")
    );
    assert!(head.contains("class=\"best\">85.00\u{a0}%"), "by the mean: {head}");
    let accuracy = chart(&compared, "Accuracy");
    // Two groups with two lines each.
    assert_eq!(accuracy.matches("class=\"line").count(), 4, "{accuracy}");
    assert!(
        chart(&compared, "Loss").contains("class=\"band\"") && compared.contains("shaded the lowest to the highest")
    );
    // Only seeds: one line per split.
    let only = page((1..=5).map(|seed| scored(0.1, seed, 0.9, 0.5)).collect());
    assert_eq!(chart(&only, "Accuracy").matches("class=\"line").count(), 3);
    // A run that failed does not hide among the others.
    let mut failed = scored(0.1, 2, 0.8, 0.6);
    failed.history.end.as_mut().unwrap().model_sha256 = None;
    let two = page(vec![scored(0.1, 1, 0.9, 0.5), failed]);
    assert!(two.contains("failed</text>") && two.contains("runs/2: No model was written"), "{two}");
}

#[test]
fn of_many_runs_the_table_has_all_and_the_charts_have_the_best() {
    let subject = |number: u32| scored(f64::from(number), number, f64::from(number) / 100.0, 0.5);
    let page = page(&(1..=30).map(subject).collect::<Vec<_>>());
    well_formed(&page);
    for number in 1..=30 {
        assert!(head(&page).contains(&format!("</span>lr {number}</th>")), "lr {number}");
        assert_eq!(chart(&page, "Accuracy").contains(&format!(">lr {number}</text>")), number > 22, "lr {number}");
    }
    assert!(page.contains("Drawn: the first 8 of the table's 30 lines.") && !page.contains("<h2 class=\"run\">"));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn missing_parts_are_named_and_the_rest_is_shown() {
    for lines in [vec![RUN], vec![RUN, &epoch(1)], vec![r#"{"type":"run"}"#]] {
        let page = page(&[without_model("<b>", history(&lines))]);
        well_formed(&page);
        assert!(page.contains("Not evaluated: there is no model.") && page.contains("No end is recorded"), "{page}");
        assert!(page.contains("take &lt;care&gt;.") && page.contains("&lt;b&gt;"));
        assert_eq!(page.contains("No epoch has been recorded yet."), lines.len() == 1);
    }
}

/// The page of a run without a model.
fn alone(lines: &[&str]) -> String {
    let page = page(&[without_model("run", history(lines))]);
    well_formed(&page);
    page
}

/// The part of a page between the title of a chart and the next.
fn chart<'a>(page: &'a str, title: &str) -> &'a str {
    let (_, from) = page.split_once(&format!("<h3>{title}</h3>")).unwrap_or_else(|| panic!("no chart {title}"));
    from.split_once("</figure>").unwrap().0
}

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

#[test]
fn a_run_that_diverged_says_so_first() {
    let end = r#"{"type":"end","seconds":0.4,"reason":"diverged","problem":"the loss was infinite in epoch <1>"}"#;
    let page = alone(&[RUN, end]);
    let banner = page.find("This run diverged: the loss was infinite in epoch &lt;1&gt;.").expect("a banner");
    assert!(banner < page.find("<main>").unwrap());
    assert!(page.contains("No epoch was completed") && page.contains("0 of 2 epochs"));
    for wrong in ["-0.00", "No epoch has been recorded yet", "No end is recorded", "Test accuracy"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    // An accuracy measured before the divergence is not that of a model.
    let page = alone(&[RUN, &epoch(1), end]);
    assert!(page.contains("Test accuracy after epoch 1") && page.contains("diverged, without a model"));
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

#[test]
fn a_comparison_shows_only_the_settings_that_differ() {
    let other = RUN.replace("\"data\":\"digits\"", "\"data\":\"letters\"").replace("ab12", "ef56");
    let config = |health: &str| {
        RUN.replace("\"epochs\":2", &format!("\"epochs\":2,\"health\":\"{health}\",\"seed\":\"{health}\""))
    };
    let pair = |a: &str, b: &str| {
        let page = page(&[without_model("a", history(&[a, &epoch(1), END])), without_model("b", history(&[b, END]))]);
        well_formed(&page);
        let head = page.split_once("<main>").unwrap().0.to_string();
        (head.contains(">data</th>"), head.contains(">health</th>"), head.contains(">seed</th>"))
    };
    assert_eq!(pair(RUN, &other), (true, false, false));
    assert_eq!(pair(&config("record"), &config("show")), (false, false, true));
}

#[test]
#[cfg(feature = "cli")]
fn missing_data_gives_a_short_message() {
    let folder = tempfile::TempDir::new().unwrap();
    let gpu_mlp = |words: &str| {
        crate::common::runs::complete(crate::common::program::gpu_mlp(folder.path()).args(words.split(' ')));
    };
    gpu_mlp("train --engine cpu --data digits --digits-train 600 --digits-test 100 --epochs 1 --hidden 8 --out run");
    let path = folder.path().join("run/config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept =
        text.lines().filter(|line| !line.starts_with("digits_")).map(|line| line.replace("\"digits\"", "\"mnist\""));
    std::fs::write(&path, kept.collect::<Vec<_>>().join("\n")).unwrap();
    gpu_mlp("report run");
    let page = std::fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    let (_, reason) = page.split_once("Not evaluated: ").unwrap();
    let reason = reason.split_once("</p>").unwrap().0;
    assert!(
        reason.contains("mnist is not on this machine") && reason.contains("--data DIR or GPU_MLP_DATA_DIR"),
        "{reason}"
    );
    assert!(reason.len() < 200 && !reason.contains("offline"), "{reason}");
}
