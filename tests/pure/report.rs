//! Records of runs are read back and shown on a self-contained page.
#![cfg(feature = "report")]

mod compare;
mod curves;
mod tables;

use gpu_mlp::config::Config;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::results::assess::assess;
use gpu_mlp::results::report::{Results, Subject, page};
use gpu_mlp::run::history::History;
use gpu_mlp::run::model_file::Description;
use gpu_mlp::train::Trainer;
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
        let results = Ok(Results { assessment, data, importance: None });
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
    const VOID: [&str; 4] = ["meta", "img", "input", "!DOCTYPE"];
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
