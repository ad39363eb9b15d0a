//! Results on the test split by class: confusion matrix, precision and recall, calibration.

use super::axis::percent;
use super::chart::px;
use crate::base::text;
use crate::results::assess::{Bin, ClassFindings, Confusion, expected_error};
use maud::{Markup, html};

/// Maximum number of classes for which the confusion matrix is shown. With more, the most confused pairs are clearer.
const WIDEST: usize = 26;

/// Confusion matrix, and a table of classes.
pub fn classes(findings: &ClassFindings, names: &[String]) -> Markup {
    let confusion = &findings.confusion;
    html! {
        div.pair {
            @if confusion.classes <= WIDEST { (matrix(confusion, names)) }
            (table(confusion, names))
        }
    }
}

fn matrix(confusion: &Confusion, names: &[String]) -> Markup {
    html! {
        figure {
            figcaption { h3 { "Confusion matrix" } span.unit { "rows: true class, columns: predicted class, in samples" } }
            div.scroll {
                table.matrix {
                    thead { tr { th { span.unseen { "truth" } } @for name in names { th scope="col" { (name) } } } }
                    tbody {
                        @for (truth, row) in confusion.counts.chunks_exact(confusion.classes).enumerate() {
                            @let all = row.iter().sum::<u64>().max(1);
                            tr {
                                th scope="row" { (names[truth]) }
                                @for (class, &count) in row.iter().enumerate() { (cell(count, all, class == truth)) }
                            }
                        }
                    }
                }
            }
            p.note { "Blue: correct. Orange: wrong. The darkness of orange grows with the square root of the share of the row, so that rare mistakes are visible." }
        }
    }
}

fn cell(count: u64, all: u64, right: bool) -> Markup {
    let share = count as f64 / all as f64;
    // Mistakes are rare, so a tenth of a row is already the darkest orange.
    let depth = if right { share } else { (10.0 * share).sqrt().min(1.0) };
    let class = match (right, count) {
        (_, 0) => "none",
        (true, _) if depth > 0.5 => "right deep",
        (true, _) => "right",
        (false, _) if depth > 0.5 => "wrong deep",
        _ => "wrong",
    };
    html! { td class=(class) style=[(count > 0).then(|| format!("--a:{:.0}%", 100.0 * depth))] { (count) } }
}

fn table(confusion: &Confusion, names: &[String]) -> Markup {
    let figure = |share: Option<f64>| share.map_or("–".into(), |share| text::percent(share, 2));
    html! {
        figure {
            figcaption { h3 { "Precision and recall" } span.unit { "in percent" } }
            div.scroll {
                table.figures {
                    thead { tr {
                        @for head in ["class", "samples", "precision", "recall", "F1"] { th scope="col" { (head) } }
                    } }
                    tbody { @for (name, score) in names.iter().zip(confusion.scores()) { tr {
                        th scope="row" { (name) }
                        td { (score.samples) }
                        td { (figure(score.precision())) }
                        td { (figure(score.recall())) }
                        td { (figure(score.f1())) }
                    } } }
                }
            }
        }
    }
}

/// Reliability diagram and expected calibration error.
pub fn calibration(findings: &ClassFindings) -> Markup {
    let error = expected_error(&findings.calibration);
    let (hits, sure): (u64, f64) =
        findings.calibration.iter().fold((0, 0.0), |sum, bin| (sum.0 + bin.hits, sum.1 + bin.confidence_sum));
    let samples = findings.calibration.iter().map(|bin| bin.samples).sum::<u64>() as f64;
    let accuracy = hits as f64 / samples;
    let confidence = sure / samples;
    let verdict = if confidence > accuracy { "overconfident" } else { "underconfident" };
    html! {
        div.charts {
            (diagram(&findings.calibration))
            div {
                p.large { (percent(error)) }
                p { "expected calibration error: the mean difference between confidence and accuracy in "
                    (findings.calibration.len()) " bins of equal width (Guo et al., 2017)." }
                p { "Mean confidence is " (percent(confidence)) ", accuracy is " (percent(accuracy)) ": on average the model is " (verdict) "." }
            }
        }
    }
}

const SIDE: f64 = 200.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 10.0;

fn diagram(bins: &[Bin]) -> Markup {
    let x = |share: f64| LEFT + SIDE * 1.38 * share;
    let y = |share: f64| TOP + SIDE * (1.0 - share);
    let width = SIDE * 1.38 / bins.len() as f64;
    let most = bins.iter().map(|bin| bin.samples).max().unwrap_or(1).max(1) as f64;
    html! {
        figure.chart {
            figcaption { h3 { "Accuracy by confidence" } span.unit { "perfect calibration: the diagonal" } }
            svg viewBox="0 0 400 250" role="img" aria-label="Accuracy by confidence" {
                @for tick in [0.0, 0.5, 1.0] {
                    line.grid x1=(px(x(0.0))) x2=(px(x(1.0))) y1=(px(y(tick))) y2=(px(y(tick))) {}
                    text.tick x=(px(LEFT - 7.0)) y=(px(y(tick) + 3.5)) text-anchor="end" { (format!("{:.0}\u{a0}%", 100.0 * tick)) }
                    text.tick x=(px(x(tick))) y=(px(y(0.0) + 17.0)) text-anchor="middle" { (format!("{:.0}\u{a0}%", 100.0 * tick)) }
                }
                text.tick x=(px(x(0.5))) y="246" text-anchor="middle" { "confidence" }
                @for (number, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.samples > 0) {
                    @let left = x(number as f64 / bins.len() as f64);
                    // A bar of few samples is pale, because it is not reliable.
                    @let weight = 0.35 + 0.65 * (bin.samples as f64).ln_1p() / most.ln_1p();
                    rect.bar x=(px(left + 1.0)) width=(px(width - 2.0)) y=(px(y(bin.accuracy()))) height=(px(SIDE * bin.accuracy()))
                        opacity=(format!("{weight:.2}")) {
                        title { (format!(
                            "{}, confidence {} %, accuracy {} %",
                            text::counted(bin.samples, "sample"), text::percent(bin.confidence(), 1), text::percent(bin.accuracy(), 1)
                        )) }
                    }
                }
                line.guide x1=(px(x(0.0))) y1=(px(y(0.0))) x2=(px(x(1.0))) y2=(px(y(1.0))) {}
                text.name style="--c:var(--test)" x=(px(x(1.0) + 7.0)) y=(px(y(1.0) + 4.0)) { "accuracy" }
            }
        }
    }
}
