//! Notes about suspicious data: one for each kind, and none for good data.

use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::survey::{Survey, lost_classes};
use gpu_mlp::data::{Choice, DataSet, Request, Split, Task, table};
use gpu_mlp::results::report::data_page;

use crate::common::mnist;
use crate::common::splits::{classes, pixels};

/// 1000 training and 200 test samples of 4 × 4 with ten classes, all different, in the full range.
fn good() -> [Split; 2] {
    // The mixing function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    let value = |at: usize| {
        let z = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as u8
    };
    let split = |from: usize, count: usize| {
        let samples: Vec<u8> = (16 * from..16 * (from + count)).map(value).collect();
        Split::new(samples, (0..count).map(|at| (at % 10) as u8).collect::<Vec<_>>())
    };
    [split(0, 1000), split(1000, 200)]
}

fn notes([train, test]: [Split; 2]) -> Vec<String> {
    let data = DataSet::from_splits("some", vec![4, 4], train, test).expect("a set");
    Survey::of(&data).notes()
}

/// Changes the good set; there must be one note that contains all of `words`.
#[track_caller]
fn one_note(change: impl FnOnce(&mut [Split; 2]), words: &[&str]) {
    let mut set = good();
    change(&mut set);
    let notes = notes(set);
    assert_eq!(notes.len(), 1, "{notes:?}");
    for word in words {
        assert!(notes[0].contains(word), "{:?} lacks {word:?}", notes[0]);
    }
}

fn relabel(set: &mut [Split; 2], label: impl Fn(u32) -> u32) {
    set.iter_mut().flat_map(classes).for_each(|old| *old = label(*old));
}

#[test]
fn good_data_give_no_note() {
    assert_eq!(notes(good()), Vec::<String>::new());
    for (train, test) in [(12_000, 2_000), (1000, 100), (10, 10)] {
        let digits = generate(&Options { train, test, seed: 3 });
        assert_eq!(Survey::of(&digits).notes(), Vec::<String>::new(), "{train} digits");
    }
    if let Some(mnist) = mnist::mnist() {
        let start = std::time::Instant::now();
        let survey = Survey::of(&mnist);
        eprintln!("figure: survey of MNIST: {:.0} ms", 1e3 * start.elapsed().as_secs_f64());
        assert_eq!(survey.notes(), Vec::<String>::new());
        assert_eq!((survey.shared, survey.train.duplicates, survey.test.duplicates), (0, 0, 0));
        assert_eq!((survey.constant_features, survey.train.classes[5], survey.test.classes[5]), (67, 5421, 892));
        assert!((survey.train.mean - 33.318).abs() < 1e-3 && (survey.train.deviation - 78.567).abs() < 1e-3);
    }
}

#[test]
fn emnist_letters_begin_with_1_and_that_is_known() {
    let [mut train, mut test] = good();
    [&mut train, &mut test].into_iter().flat_map(classes).for_each(|label| *label += 1);
    let mut set = DataSet::from_splits("some", vec![4, 4], train, test).expect("a set");
    assert_eq!(Survey::of(&set).notes().len(), 1);
    set.name = "emnist-letters".into();
    assert_eq!(Survey::of(&set).notes(), Vec::<String>::new());
}

#[test]
fn suspicious_labels() {
    one_note(|set| relabel(set, |_| 3), &["all 1000 training samples have the label 3", "single class"]);
    one_note(|set| relabel(set, |label| label + 48), &["58 classes", "0 … 47", "ASCII", "subtract 48"]);
    one_note(|set| relabel(set, |label| label + 1), &["11 classes", "class 0 has", "subtract 1 "]);
    one_note(|set| relabel(set, |label| label + u32::from(label > 3)), &["class 4 has no training samples", "0 … 9"]);
    one_note(|set| relabel(set, |label| 2 * label), &["classes 1 … 17 (with gaps) have no training samples"]);
    one_note(
        |set| classes(&mut set[0])[7] = 255,
        &["256 classes", "10 … 254", "correct the label 255 of 1 training sample"],
    );
    // A class that only the test split has.
    one_note(
        |set| classes(&mut set[0]).iter_mut().filter(|label| **label == 4).for_each(|label| *label = 5),
        &["class 4 has no training samples", "20 test samples"],
    );
    one_note(
        |set| classes(&mut set[1]).iter_mut().filter(|label| **label == 4).for_each(|label| *label = 5),
        &["no test samples of class 4"],
    );
}

#[test]
fn unequal_classes() {
    one_note(
        |set| classes(&mut set[0])[10..980].fill(6),
        &["class 6 has 97.3 % of the training samples", "10.0 % of the test samples"],
    );
    one_note(
        |set| classes(&mut set[0])[10..].iter_mut().filter(|label| **label == 2).for_each(|label| *label = 1),
        &["only 1 training sample of class 2", "100 of a class"],
    );
}

#[test]
fn copies() {
    let copy = |set: &mut [Split; 2], count: usize| {
        let [train, test] = set;
        pixels(test)[..16 * count].copy_from_slice(&train.pixels()[..16 * count]);
    };
    one_note(|set| copy(set, 40), &["40 of 200 test samples (20.0 %)"]);
    one_note(|set| set[1] = set[0].clone(), &["the test split is the training split"]);
    // One or none changes nothing.
    let mut set = good();
    copy(&mut set, 1);
    assert_eq!(notes(set), Vec::<String>::new());
    one_note(
        |set| (0..20).for_each(|at| pixels(&mut set[0]).copy_within(at * 16..at * 16 + 16, (505 + at) * 16)),
        &["20 training samples (2.0 %)", "another label"],
    );
    one_note(
        |set| (0..100).for_each(|at| pixels(&mut set[0]).copy_within(at * 16..at * 16 + 16, (500 + at) * 16)),
        &["100 training samples (10.0 %) are copies"],
    );
}

#[test]
fn blank_pictures_and_other_scales() {
    one_note(|set| pixels(&mut set[0])[16 * 9..16 * 11].fill(7), &["2 of 1000 training samples are blank", "sample 9"]);
    let scale = |set: &mut [Split; 2], by: fn(u8) -> u8| {
        set.iter_mut().flat_map(pixels).for_each(|pixel| *pixel = by(*pixel));
    };
    one_note(|set| scale(set, |pixel| pixel / 15), &["largest value is 17", "multiply the values by 15"]);
    one_note(|set| pixels(&mut set[1]).iter_mut().for_each(|pixel| *pixel /= 64), &["one scale", "0 to 255", "0 to 3"]);
    let mut set = good();
    scale(&mut set, |pixel| pixel >> 7);
    let notes = notes(set);
    assert!(notes.iter().any(|note| note.contains("all values are 0 or 1")), "{notes:?}");
}

#[test]
fn a_class_that_the_validation_split_takes_away() {
    let [mut train, test] = good();
    classes(&mut train).iter_mut().for_each(|label| *label %= 2);
    classes(&mut train)[77] = 9;
    let data = DataSet::from_splits("some", vec![4, 4], train, test).expect("a set");
    let before = data.train.counts(data.outputs());
    let names = data.task.names().to_vec();
    // The seeds draw alike: the share of one sample is rounded by its remainder.
    let divided = data.clone().divided(900, None, 1).expect("a split");
    let note = lost_classes(&names, &before, &divided.train.counts(10)).expect("a note");
    assert!(note.contains("class 9") && note.contains("its only one"), "{note}");
    let divided = data.divided(10, None, 1).expect("a split");
    assert_eq!(lost_classes(&names, &before, &divided.train.counts(10)), None);
}

/// A CSV file whose column `y` is the target.
fn opened(text: &str) -> DataSet {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).expect("it is written");
    let table = table::Options { target: Some(vec!["y".into()]), ..Default::default() };
    let request = Request { choice: Choice::Dir(path), table, ..Request::default() };
    gpu_mlp::data::open(&request, &mut |_| {}).expect("a table")
}

fn of_table(text: &str) -> Survey {
    Survey::of(&opened(text))
}

#[test]
fn the_page_of_a_table_has_its_columns() {
    let data = opened("x,colour,y\n1.5,red,a\n2.5,blue,b\n");
    let page = data_page(&data, &Survey::of(&data), 5);
    for words in ["<th scope=\"row\">colour</th>", "2 categories", "<th scope=\"row\">b</th>", "<td>2.5</td>"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("<td>255</td>") && !page.contains("blank"), "{page}");
}

/// Bytes of 0 and 1 would all be black.
#[test]
fn pictures_of_a_small_range_are_shown_stretched() {
    let page = |most: u8| {
        let pixels = (0..3 * 64).map(|at| if at % 5 == 0 { most } else { 0 }).collect::<Vec<u8>>();
        let split = || Split::new(pixels.clone(), vec![0u32, 1, 1]);
        let data = DataSet::from_splits("bits", vec![8, 8], split(), split()).unwrap();
        data_page(&data, &Survey::of(&data), 5)
    };
    let picture = |page: &str| page.split("data:image").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(page(1).contains("Values from 0 to 1 are shown from black to white."));
    assert_eq!(picture(&page(1)), picture(&page(255)));
    assert!(!page(100).contains("are shown from black"));
    assert_ne!(picture(&page(100)), picture(&page(255)));
}

#[test]
fn the_columns_of_a_table() {
    let survey = of_table("size,same,colour,y\n1000001,7,red,a\n1000003,7,blue,b\n,7,red,a\n");
    let [size, same, colour] = &survey.columns[..] else { panic!("{:?}", survey.columns) };
    let numbers = size.numbers.expect("numbers");
    assert_eq!((size.missing, size.constant, numbers.range), (1, false, [1_000_001.0, 1_000_003.0]));
    assert_eq!((numbers.mean, numbers.deviation), (1_000_002.0, 1.0));
    assert_eq!((&*same.name, same.constant, survey.constant_features), ("same", true, 1));
    assert_eq!((colour.kind(), colour.numbers, colour.constant), ("2 categories".into(), None, false));
    assert_eq!((survey.names, survey.train.classes), (vec!["a".into(), "b".into()], vec![2, 1]));

    let survey = of_table("x,y\n1,0.5\n2,1.5\n4,2.5\n");
    let target = &survey.train.targets[0];
    let numbers = target.numbers.expect("numbers");
    assert_eq!((&*target.name, numbers.range, numbers.mean), ("y", [0.5, 2.5], 1.5));
    assert!((numbers.deviation - (2.0f64 / 3.0).sqrt()).abs() < 1e-12 && !survey.test.targets[0].constant);
    assert!(survey.names.is_empty() && survey.train.classes.is_empty());
}

#[test]
fn many_rows_are_added_up_like_few() {
    let rows: String = (0..10_000).map(|at| format!("{},{}\n", at % 5, at % 2)).collect();
    let numbers = of_table(&format!("x,y\n{rows}")).columns[0].numbers.expect("numbers");
    assert_eq!((numbers.range, numbers.mean, numbers.deviation), ([0.0, 4.0], 2.0, 2.0f64.sqrt()));
}

#[test]
fn classes_of_a_table_are_named() {
    let rows = |count: usize, class: &str| (0..count).map(|at| format!("{at}.5,{class}\n")).collect::<String>();
    let note = |rows: String| match &of_table(&format!("x,y\n{rows}")).notes()[..] {
        [note] => note.clone(),
        several => panic!("{several:?}"),
    };
    assert!(note(rows(240, "a")).starts_with("all 240 training samples have the label a:"));
    assert!(note(rows(1, "a")).starts_with("the only training sample has the label a:"));
    let one = note(rows(60, "yes") + &rows(60, "no") + &rows(1, "maybe"));
    assert!(
        one.starts_with("there is only 1 training sample of class maybe, ") && one.ends_with("leave it out"),
        "{one}"
    );
    let two = note(rows(60, "yes") + &rows(60, "no") + &rows(1, "maybe") + &rows(1, "never"));
    assert!(two.starts_with("there are only 2 training samples of classes maybe and never, "), "{two}");
    let most = note(rows(99, "ham") + &rows(5, "spam"));
    assert!(most.starts_with("class ham has 95.2 % of") && most.contains("always answers ham would"), "{most}");
    // Rows of a class that only the test split has.
    let rows = Split::new(vec![1.0f32, 2.0, 3.0], vec![0u32, 1, 2]);
    let mut set = DataSet::from_splits("some", vec![1], rows.clone(), rows.rows(&[2])).expect("a set");
    set.task = Task::Classes { names: ["ham", "spam", "eggs"].map(String::from).into() };
    set.train = rows.rows(&[0, 1]);
    let notes = Survey::of(&set).notes();
    assert!(notes[0].starts_with("class eggs has no training samples, and 1 test sample of such"), "{notes:?}");
}

#[test]
fn texts_that_differ_in_most_rows() {
    let notes = |rows: usize, of: &dyn Fn(usize) -> String| {
        let rows: String = (0..rows).map(|at| format!("{at},{},{}\n", of(at), ["a", "b"][at % 2])).collect();
        of_table(&format!("n,price,y\n{rows}")).notes()
    };
    for of in [&|at| format!("\"1,{:03},567\"", at), &|at| format!("{at}.5 kg"), &|at| format!("{at}%") as String]
        as [&dyn Fn(usize) -> String; 3]
    {
        let notes = notes(160, of);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("column price has 160 categories in 160 training rows"), "{notes:?}");
    }
    assert_eq!(notes(20, &|at| format!("{at} kg")), Vec::<String>::new());
    assert_eq!(notes(160, &|at| format!("{} kg", at % 80)), Vec::<String>::new());
    assert_eq!(notes(160, &|at| format!("{} kg", at % 81)).len(), 1);
    let rows: String = (0..160).map(|at| format!("{at}.5,{at}%\n")).collect();
    let target = of_table(&format!("x,y\n{rows}")).notes();
    assert!(
        target.len() == 1 && target[0].starts_with("the target has 160 classes in 160 training rows"),
        "{target:?}"
    );
}
