//! An HTML page about a data set: its notes, its numbers, its classes and a few samples of each.

use super::axis::{grouped, percent};
use super::pictures::uri;
use super::{document, section, section_if};
use crate::data::shape::picture_size;
use crate::data::survey::{SplitSurvey, Survey};
use crate::data::{DataSet, Split};
use crate::results::png;
use maud::{Markup, html};

/// Maximum number of pixels on the page. Even if they are random bytes, the page stays under 1 MB.
const MOST_PIXELS: usize = 400_000;

/// The page as HTML, with up to `samples` training samples of each class.
#[must_use]
pub fn data_page(data: &DataSet, survey: &Survey, samples: usize) -> String {
    let splits = [("Training", &survey.train), ("Test", &survey.test)];
    let header = html! {
        p.over { "gpu-mlp · data set" }
        h1 { (data.name) }
        p.device { (data.origin) }
        @for note in survey.notes() { p.warning.said { (note) "." } }
        dl.tiles {
            @for (name, split) in splits {
                div { dt { (name) } dd { (grouped(split.samples as u64)) span { "samples" } } }
            }
            div { dt { "Classes" } dd { (data.outputs()) span { "labels 0 to " (data.outputs().saturating_sub(1)) } } }
            div { dt { "Sample" } dd { (dimensions(&data.item)) span { (grouped(data.inputs() as u64)) " values" } } }
            div { dt { "In both splits" } dd { (grouped(survey.shared as u64)) span { "test samples that are training samples too" } } }
            div { dt { "Constant features" } dd { (grouped(survey.constant_features as u64)) span { "in the training split" } } }
        }
    };
    let main = html! {
        (section_if("Samples", sheet(data, samples)))
        (section("Classes", classes(survey)))
        (section("Values", values(&splits)))
        (section("Details", html! { dl {
            dt { "SHA-256" } dd { (data.sha256) }
        } }))
    };
    document(&data.name, header, main)
}

fn dimensions(item: &[usize]) -> String {
    item.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

/// The first samples of each class; `None` if samples are not grey pictures.
fn sheet(data: &DataSet, samples: usize) -> Option<Markup> {
    data.train.samples.bytes()?;
    let (rows, columns) = picture_size(&data.item)?;
    let samples = samples.min(MOST_PIXELS / (data.outputs() * rows * columns).max(1));
    let picture = |at: usize| {
        let words = format!("training sample {at}");
        html! { img.sample src=(uri(&png::grey(data.train.sample(at), columns, rows))) width=(columns) height=(rows) alt=(words) title=(words); }
    };
    (samples > 0).then(|| {
        html! {
            p.note { "The first training samples of each class." }
            ol.pairs {
                @for class in 0..data.outputs() {
                    li {
                        span.what { strong { (class) } }
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
    let share = |part: usize, whole: usize| percent(part as f64 / whole.max(1) as f64);
    html! { div.scroll { table.figures {
        thead { tr { th { "class" } th { "training" } th { "share" } th { "test" } th { "share" } } }
        tbody { @for (class, (&of_train, &of_test)) in train.classes.iter().zip(&test.classes).enumerate() { tr {
            th scope="row" { (class) }
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
