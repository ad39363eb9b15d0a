//! Samples and weights as pictures.

use super::Results;
use super::axis::grouped;
use crate::base::text;
use crate::data::shape::picture_size;
use crate::net::mlp::Mlp;
use crate::results::assess::{ClassFindings, Mixup};
use crate::results::png;
use base64::prelude::{BASE64_STANDARD, Engine};
use maud::{Markup, html};

/// Maximum number of sample pixels, and of weight pixels, on a page, for all runs together. Even if the pixels are
/// random bytes, the page stays under 1 MB.
const MOST_PIXELS: usize = 120_000;
/// Maximum number of mistakes shown.
const WORST: usize = 24;
/// Maximum number of pairs of classes shown.
const PAIRS: usize = 6;
/// Maximum number of samples shown per pair.
const EXAMPLES: usize = 6;
/// Maximum number of units of the first layer shown.
const UNITS: usize = 64;

/// The worst mistakes and the most confused pairs; `None` if there are no mistakes or samples are not pictures.
pub fn mistakes(results: &Results, findings: &ClassFindings, runs: usize) -> Option<Markup> {
    let (rows, columns) = picture_size(&results.data.item)?;
    let labels = results.data.test.classes();
    let names = results.data.task.names();
    let predictions = &findings.predictions;
    results.data.test.samples.bytes()?;
    let truth = |sample: usize| labels[sample] as usize;
    let mut wrong: Vec<usize> =
        (0..labels.len()).filter(|&sample| predictions.class(sample) != truth(sample)).collect();
    // Worst first: the lower the probability of the true class, the larger the loss.
    let likely = |sample: usize| predictions.row(sample)[truth(sample)];
    wrong.sort_by(|&a, &b| likely(a).total_cmp(&likely(b)));
    let room = MOST_PIXELS / (runs * rows * columns).max(1);
    let worst = WORST.min(room / 2);
    let pairs = PAIRS.min(room / 2 / EXAMPLES);
    if wrong.is_empty() || room == 0 {
        return None;
    }
    let confidence = |sample: usize| text::percent(f64::from(predictions.row(sample)[predictions.class(sample)]), 1);
    let picture = |sample: usize| {
        let pixels = results.data.test.sample(sample);
        let sure = confidence(sample);
        let words = format!(
            "test sample {sample}: {} predicted as {} with confidence {sure} %",
            names[truth(sample)],
            names[predictions.class(sample)]
        );
        html! { img.sample src=(uri(&png::grey(pixels, columns, rows))) width=(columns) height=(rows) alt=(words) title=(words); }
    };
    let of = |pair: &Mixup| {
        let Mixup { truth: t, prediction, .. } = *pair;
        let samples = wrong.iter().filter(move |&&s| truth(s) == t && predictions.class(s) == prediction);
        samples.take(EXAMPLES).map(|&sample| picture(sample)).collect::<Vec<_>>()
    };
    Some(html! {
        figure {
            figcaption { h3 { "Worst mistakes" } span.unit {
                (grouped(wrong.len() as u64)) " of " (grouped(labels.len() as u64)) " are wrong; shown: those with the largest loss, each with the model's confidence"
            } }
            ol.gallery {
                @for &sample in wrong.iter().take(worst) {
                    li {
                        (picture(sample))
                        span { strong { (names[truth(sample)]) } " as " strong.miss { (names[predictions.class(sample)]) } }
                        span.unit { (confidence(sample)) "\u{a0}%" }
                    }
                }
            }
        }
        @if pairs > 0 { figure {
            figcaption { h3 { "Most confused pairs" } span.unit { "true class as predicted class, with the worst examples" } }
            ol.pairs {
                @for pair in findings.confusion.mixups().iter().take(pairs) {
                    li {
                        span.what { strong { (names[pair.truth]) } " as " strong.miss { (names[pair.prediction]) } }
                        span.unit { (text::counted(pair.samples, "time")) }
                        div { @for image in of(pair) { (image) } }
                    }
                }
            }
        } }
    })
}

/// Weights of the first layer's units with the largest norms; `None` if samples are not pictures.
pub fn first_layer(model: &Mlp, item: &[usize], runs: usize) -> Option<Markup> {
    let layer = model.layers.first()?;
    // A table with categories has more inputs than columns.
    let (rows, columns) = picture_size(item).filter(|(rows, columns)| rows * columns == layer.inputs)?;
    let norm = |unit: &usize| layer.weight[unit * layer.inputs..][..layer.inputs].iter().map(|w| w * w).sum::<f32>();
    let mut units: Vec<usize> = (0..layer.outputs).collect();
    units.sort_by(|a, b| norm(b).total_cmp(&norm(a)));
    units.truncate(UNITS.min(MOST_PIXELS / (runs * rows * columns).max(1)));
    let picture = |unit: usize| {
        let weights = &layer.weight[unit * layer.inputs..][..layer.inputs];
        let words = format!("weights of unit {unit}, norm {:.2}", norm(&unit).sqrt());
        html! { img src=(uri(&signed_png(weights, rows, columns))) width=(columns) height=(rows) alt=(words) title=(words); }
    };
    (!units.is_empty()).then(|| html! {
        p.note {
            "The weights of each unit: " span.below { "blue" } " below zero, " span.above { "orange" } " above, transparent at zero. Each unit has its own scale. "
            @if units.len() < layer.outputs { "Shown: the " (units.len()) " of " (layer.outputs) " units with the largest weights." }
        }
        div.weights { @for &unit in &units { (picture(unit)) } }
    })
}

/// Number of levels of a colour. Few levels keep the files small.
const LEVELS: f32 = 15.0;

/// A picture of signed values, such as weights: blue below zero, orange above. Zero is transparent, so that the picture suits
/// light and dark pages.
pub fn signed_png(weights: &[f32], rows: usize, columns: usize) -> Vec<u8> {
    let largest = weights.iter().fold(f32::MIN_POSITIVE, |largest, w| largest.max(w.abs()));
    let colour = |&weight: &f32| {
        let level = (weight.abs() / largest * LEVELS).round() / LEVELS;
        let [r, g, b] = if level == 0.0 {
            [0; 3]
        } else if weight < 0.0 {
            [38, 120, 200]
        } else {
            [226, 106, 20]
        };
        [r, g, b, (255.0 * level) as u8]
    };
    let pixels: Vec<u8> = weights.iter().flat_map(colour).collect();
    png::rgba(&pixels, columns, rows)
}

/// A PNG as an address that holds it.
pub fn uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}
