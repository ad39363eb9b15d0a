//! Runs are read back and shown on a page that stands alone.
#![cfg(feature = "report")]

use gpu_mlp::assess::assess;
use gpu_mlp::config::Config;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::history::History;
use gpu_mlp::machine::Machine;
use gpu_mlp::model_file::Description;
use gpu_mlp::report::{MOST_RUNS, Results, Subject, page};
use gpu_mlp::train::Trainer;
use pollster::block_on;
use std::sync::Arc;

const RUN: &str = r#"{"type":"run","schema":2,"version":"0.1.0","unix_time":1763827200,"data":"digits","data_origin":"made <here> & now","data_sha256":"ab12","train_samples":1000,"test_samples":200,"widths":[784,30,30,10],"parameters":24790,"engine":"cpu","device":"2 threads","config":{"epochs":2,"activation":"sigmoid"},"news":[1]}"#;

/// An epoch whose gradients shrink a thousandfold on their way down.
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
        let gpu_mlp::net::Source { scale, shift, .. } = trainer.net().evaluation.source;
        let description = Description {
            widths: vec![784, 64, 10],
            activation: config.activation(),
            scale,
            shift,
            item: data.item.clone(),
            data: data.name.clone(),
            data_sha256: data.sha256.clone(),
            version: String::new(),
        };
        let model = trainer.model().await.unwrap();
        let assessment = assess(&Machine::Cpu, &model, &description, &data.test, &data.item).await.unwrap();
        let history = history(&[RUN, &epoch(1), &epoch(2), END]);
        let results = Ok(Results { assessment, data });
        Subject { name: name.into(), history, model: Ok((model, description)), results, notes: Vec::new() }
    })
}

#[test]
fn a_record_is_read_whole_or_torn() {
    let whole = history(&[RUN, &epoch(1), r#"{"type":"weather","sun":true}"#, &epoch(2), END]);
    assert_eq!((whole.epochs.len(), whole.torn), (2, 0));
    assert_eq!(whole.header.widths, [784, 30, 30, 10]);
    assert_eq!(whole.epochs[1].health[1].dead_share, Some(0.25));
    assert_eq!(whole.end.unwrap().reason.as_deref(), Some("early_stopping"));

    let second = epoch(2);
    let torn = history(&[RUN, &epoch(1), &second[..second.len() / 2]]);
    assert_eq!((torn.epochs.len(), torn.torn, torn.end.is_none()), (1, 1, true));

    // A run that was resumed from its first epoch trains the second again.
    let resumed = history(&[RUN, &epoch(1), &epoch(2), &second[..40], &epoch(2).replace("2.25", "1.75"), END]);
    assert_eq!((resumed.epochs.len(), resumed.torn), (2, 1));
    assert_eq!(resumed.epochs[1].test_loss, Some(1.75));

    // The first version of the layout had neither learning rate nor health.
    let old = history(&[RUN, r#"{"type":"epoch","epoch":1,"train_loss":0.5,"train_accuracy":0.9,"seconds":1.0}"#]);
    assert_eq!((old.epochs[0].lr, old.epochs[0].health.len(), old.test_accuracy()), (None, 0, None));

    for nothing in ["", "no JSON", END] {
        assert!(History::parse(nothing).is_none(), "{nothing:?}");
    }
}

/// Start tags and end tags pair up, and nothing points out of the page.
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
        assert!(!text.contains('>') || open.last() == Some(&"style"), "a bare > in {text}");
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
fn a_page_stands_alone_and_shows_everything() {
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
    assert!(page.contains(
        "The gradient vanishes on its way down: in epoch 2 that of the first layer is about 1000 times smaller"
    ));
    assert!(page.contains("made &lt;here&gt; &amp; now") && !page.contains("<here>"));
}

#[test]
fn as_many_runs_as_are_allowed_fit_a_page() {
    let names: Vec<String> = (1..=MOST_RUNS).map(|number| format!("runs/{number}")).collect();
    let page = page(&names.iter().map(|name| trained(name)).collect::<Vec<_>>());
    well_formed(&page);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    names.iter().for_each(|name| assert!(page.contains(&format!(">{name}</text>")), "{name} has no line"));
}

#[test]
fn what_is_missing_is_said_and_the_rest_is_shown() {
    for lines in [vec![RUN], vec![RUN, &epoch(1)], vec![r#"{"type":"run"}"#]] {
        let page = page(&[without_model("<b>", history(&lines))]);
        well_formed(&page);
        assert!(page.contains("Not evaluated: there is no model.") && page.contains("No end is recorded"), "{page}");
        assert!(page.contains("take &lt;care&gt;.") && page.contains("&lt;b&gt;"));
        assert_eq!(page.contains("No epoch has been recorded yet."), lines.len() == 1);
    }
}
