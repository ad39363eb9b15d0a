//! An HTML page about a data set: its notes, its numbers, its classes and a few samples of each.

use super::axis::{grouped, percent, short};
use super::pictures::uri;
use super::{document, section, section_if};
use crate::data::folder::few;
use crate::data::shape::picture_size;
use crate::data::survey::{ColumnSurvey, SplitSurvey, Survey};
use crate::data::{DataSet, Split, Task};
use crate::results::png;
use maud::{Markup, html};

/// Maximum number of columns in a table of the page.
const MOST_COLUMNS: usize = 500;

/// Values are stretched if their range is smaller than this.
const STRETCHED: u8 = 64;

/// Maximum number of pixels on the page. Even if they are random bytes, the page stays under 1 MB.
const MOST_PIXELS: usize = 400_000;

/// The page as HTML, with up to `samples` training samples of each class.
#[must_use]
pub fn data_page(data: &DataSet, survey: &Survey, samples: usize) -> String {
    let splits = [("Training", &survey.train), ("Test", &survey.test)];
    let predicted = match data.task {
        Task::Classes { .. } => "Classes",
        Task::Values { .. } => "Targets",
        Task::Labels { .. } => "Labels",
    };
    let header = html! {
        p.over { "gpu-mlp · data set" }
        h1 { (data.name) }
        p.device { (data.origin) }
        @for note in survey.notes() { p.warning.said { (note) "." } }
        dl.tiles {
            @for (name, split) in splits {
                div { dt { (name) } dd { (grouped(split.samples as u64)) span { "samples" } } }
            }
            div { dt { (predicted) } dd { (data.outputs()) span { (few(data.task.names())) } } }
            div { dt { "Sample" } dd { (dimensions(&data.item)) span { (grouped(data.inputs() as u64)) " values" } } }
            @if survey.bytes { div { dt { "In both splits" } dd { (grouped(survey.shared as u64)) span { "test samples that are training samples too" } } } }
            div { dt { "Constant features" } dd { (grouped(survey.constant_features as u64)) span { "in the training split" } } }
        }
    };
    let main = html! {
        (section_if("Samples", sheet(data, survey.train.range, samples)))
        @if data.task.is_classes() { (section("Classes", classes(survey))) }
        @else { (section("Targets", html! { @for (name, split) in splits.iter().filter(|(_, split)| split.samples > 0) { p.note { (name) } (columns("target", &split.targets)) } })) }
        @if survey.bytes { (section("Values", values(&splits))) }
        @else { (section("Columns", html! { p.note { "Of the training split." } (columns("column", &survey.columns)) })) }
        (section("Details", html! { div.pair { dl {
            dt { "SHA-256" } dd { (data.sha256) }
        } } }))
    };
    document(&data.name, header, main, "")
}

fn dimensions(item: &[usize]) -> String {
    item.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

/// The first samples of each class; `None` if samples are not grey pictures. Values of a small range, such as 0 and 1, are
/// stretched, because they would all look alike.
fn sheet(data: &DataSet, [low, high]: [u8; 2], samples: usize) -> Option<Markup> {
    data.train.samples.bytes()?;
    let (rows, columns) = picture_size(&data.item)?;
    let samples = samples.min(MOST_PIXELS / (data.outputs() * rows * columns).max(1));
    let stretched = (1..STRETCHED).contains(&high.saturating_sub(low));
    let shown = |value: &u8| match stretched {
        true => ((u16::from(value.saturating_sub(low)) * 255) / u16::from(high - low)) as u8,
        false => *value,
    };
    let picture = |at: usize| {
        let words = format!("training sample {at}");
        let pixels: Vec<u8> = data.train.sample(at).iter().map(shown).collect();
        html! { img.sample src=(uri(&png::grey(&pixels, columns, rows))) width=(columns) height=(rows) alt=(words) title=(words); }
    };
    (samples > 0).then(|| {
        html! {
            p.note {
                "The first training samples of each class."
                @if stretched { " Values from " (low) " to " (high) " are shown from black to white." }
            }
            ol.pairs {
                @for (class, name) in data.task.names().iter().enumerate() {
                    li {
                        span.what { strong { (name) } }
                        div { @for at in first_of(&data.train, class, samples) { (picture(at)) } }
                    }
                }
            }
        }
    })
}

/// The first samples of a class.
pub fn first_of(split: &Split, class: usize, samples: usize) -> Vec<usize> {
    let of_class = (0..split.len()).filter(|&at| split.classes().get(at) == Some(&(class as u32)));
    of_class.take(samples).collect()
}

fn classes(survey: &Survey) -> Markup {
    let (train, test) = (&survey.train, &survey.test);
    let share = |part: usize, whole: usize| match whole {
        0 => "–".into(),
        _ => percent(part as f64 / whole as f64),
    };
    html! { div.scroll { table.figures {
        thead { tr { th { "class" } th { "training" } th { "share" } th { "test" } th { "share" } } }
        tbody { @for (name, (&of_train, &of_test)) in survey.names.iter().zip(train.classes.iter().zip(&test.classes)) { tr {
            th scope="row" { (name) }
            td { (grouped(of_train as u64)) } td { (share(of_train, train.samples)) }
            td { (grouped(of_test as u64)) } td { (share(of_test, test.samples)) }
        } } }
    } } }
}

fn values(splits: &[(&str, &SplitSurvey); 2]) -> Markup {
    html! { div.scroll { table.figures {
        thead { tr { th { "split" } th { "smallest" } th { "largest" } th { "mean" } th { "deviation" } th { "blank" } th { "copies" } th { "copies with another label" } } }
        tbody { @for (name, split) in splits { tr {
            th scope="row" { (name) }
            td { (split.range[0]) } td { (split.range[1]) } td { (format!("{:.2}", split.mean)) } td { (format!("{:.2}", split.deviation)) }
            td { (grouped(split.blank.len() as u64)) } td { (grouped(split.duplicates as u64)) } td { (grouped(split.contradictions as u64)) }
        } } }
    } } }
}

fn columns(head: &str, columns: &[ColumnSurvey]) -> Markup {
    let number = |value: Option<f64>| value.map_or("–".into(), short);
    html! {
        div.scroll { table.figures {
            thead { tr { th { (head) } th { "kind" } th { "smallest" } th { "largest" } th { "mean" } th { "deviation" } th { "missing" } th { "constant" } } }
            tbody { @for column in columns.iter().take(MOST_COLUMNS) { tr {
                th scope="row" { (column.name) } td { (column.kind()) }
                td { (number(column.numbers.map(|of| of.range[0].into()))) } td { (number(column.numbers.map(|of| of.range[1].into()))) }
                td { (number(column.numbers.map(|of| of.mean))) } td { (number(column.numbers.map(|of| of.deviation))) }
                td { (grouped(column.missing as u64)) } td { @if column.constant { "yes" } }
            } } }
        } }
        @if columns.len() > MOST_COLUMNS { p.note { "Listed: the first " (MOST_COLUMNS) " of " (grouped(columns.len() as u64)) "." } }
    }
}
