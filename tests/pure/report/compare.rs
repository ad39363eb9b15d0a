//! Pages that compare runs.

use super::{END, RUN, chart, epoch, history, trained, well_formed, without_model};
use gpu_mlp::results::report::{MOST_RUNS, Subject, page};

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
