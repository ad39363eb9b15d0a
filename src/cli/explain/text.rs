//! An explanation as text, for a reader who learns how training works.

use crate::cli::predict::show;
use gpu_mlp::base::text::{counted, percent};
use gpu_mlp::data::Task;
use gpu_mlp::data::shape::picture_size;
use gpu_mlp::kernels::Activation;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::explain::{Backward, Explanation, Signals};

/// Layers of at most this many units are printed in full.
const FEW: usize = 16;
/// Values per line.
const PER_LINE: usize = 8;
/// Number of the largest values that are named.
const LARGEST: usize = 4;

/// What is printed, and how.
pub struct Text<'a> {
    pub explanation: &'a Explanation,
    pub model: &'a Mlp,
    pub task: Task,
    /// Whether all values are printed.
    pub all: bool,
}

impl Text<'_> {
    /// The whole text. `pixels` and `item`: the sample as it is stored, if it is bytes.
    pub fn write(&self, name: &str, pixels: &[u8], item: &[usize]) -> String {
        let mut text = format!("{name}\n\n");
        if let (false, Some((rows, columns))) = (pixels.is_empty(), picture_size(item)) {
            text += &show::draw(pixels, rows, columns);
            text.push('\n');
        }
        text += "FORWARD\n\ninput x: the sample, normalised\n";
        text += &self.values("x", &self.explanation.inputs);
        for at in 0..self.explanation.layers.len() {
            text += &self.forward(at);
        }
        text += &self.answer();
        let Some(backward) = &self.explanation.backward else { return text };
        text += "\nBACKWARD: δ is the gradient of the loss by the sums z of a layer\n";
        for signals in backward.layers.iter().rev() {
            text += &self.backward(backward, signals);
        }
        text += "\ninput: how the loss changes with x, Wᵀ·δ of layer 1\n";
        text + &self.values("dx", &backward.input_gradient)
    }

    fn activation(&self) -> Activation {
        self.model.activation
    }

    fn forward(&self, at: usize) -> String {
        let (layer, sizes) = (&self.explanation.layers[at], &self.model.layers[at]);
        let input = if at == 0 { "x".to_string() } else { format!("h{at}") };
        let (number, last) = (at + 1, at + 1 == self.model.layers.len());
        let mut text = format!(
            "\nlayer {number}, {} to {}: z{number} = W{number}·{input} + b{number}",
            sizes.inputs, sizes.outputs
        );
        if !last {
            text += &format!(", h{number} = {}(z{number})\n", self.activation());
            text += &self.values(&format!("z{number}"), &layer.z);
            return text + &self.values(&format!("h{number}"), &layer.h);
        }
        text += match self.task {
            Task::Classes { .. } => ", the logits\n",
            Task::Labels { .. } => ", a logit per label\n",
            Task::Values { .. } => ", the values in standard units\n",
        };
        if matches!(self.task, Task::Classes { .. }) {
            text
        } else {
            text + &self.values(&format!("z{number}"), &layer.z)
        }
    }

    /// The outputs, targets and the loss.
    fn answer(&self) -> String {
        let Explanation { layers, probabilities, backward, .. } = self.explanation;
        let Some(last) = layers.last() else { return String::new() };
        let names = self.task.names();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(6);
        let (what, p) = match self.task {
            Task::Classes { .. } => ("class", "softmax p"),
            Task::Labels { .. } => ("label", "sigmoid p"),
            Task::Values { .. } => ("value", ""),
        };
        let mut text = format!("\n{what:<width$} {:>10}", "z");
        if !p.is_empty() {
            text += &format!(" {p:>11}");
        }
        if let Some(Backward { layers: signals, .. }) = backward
            && !signals.is_empty()
        {
            let (y, difference) = match self.task {
                Task::Classes { .. } => ("one-hot y", "δ = p - y"),
                Task::Labels { .. } => ("y", "δ = (p - y)/T"),
                Task::Values { .. } => ("target y", "δ"),
            };
            text += &format!(" {y:>10} {difference:>14}");
        }
        text.push('\n');
        for (at, name) in names.iter().enumerate() {
            text += &format!("{name:<width$} {:>10.4}", last.z[at]);
            if let Some(p) = probabilities.get(at) {
                text += &format!(" {p:>11.6}");
            }
            if let Some(Backward { target, layers: signals, .. }) = backward
                && let Some(signals) = signals.last()
            {
                text += &format!(" {:>10} {:>14.6}", short(target[at]), signals.delta[at]);
            }
            text.push('\n');
        }
        let Some(Backward { target, loss, .. }) = backward else { return text };
        match self.task {
            Task::Classes { .. } => {
                let class = target.iter().position(|&y| y == 1.0).unwrap_or(0);
                text += &format!("\nloss = -ln p[{}] = -ln {:.6} = {loss:.6}\n", names[class], probabilities[class]);
                let best =
                    (0..probabilities.len()).fold(0, |a, b| if probabilities[b] > probabilities[a] { b } else { a });
                let verdict = if best == class { "right" } else { "wrong" };
                let sure = percent(f64::from(probabilities[best]), 2);
                text + &format!("the answer is {} with {sure} %: {verdict}\n", names[best])
            }
            _ => text + &format!("\nloss = {loss:.6}\n"),
        }
    }

    fn backward(&self, backward: &Backward, signals: &Signals) -> String {
        let number = signals.layer;
        let last = number == backward.layers.len();
        let input = if number == 1 { "x".to_string() } else { format!("h{}", number - 1) };
        let mut text = match last {
            true => format!("\nlayer {number}: δ{number}, as in the table above\n"),
            false => {
                format!("\nlayer {number}: δ{number} = (W{0}ᵀ·δ{0}) ⊙ {1}'(z{number})\n", number + 1, self.activation())
            }
        };
        if !last {
            text += &self.values(&format!("δ{number}"), &signals.delta);
        }
        text += &format!("gradients: dW{number} = δ{number}·{input}ᵀ, db{number} = δ{number}\n");
        let (weights, biases) = (&signals.weight_gradient, &signals.bias_gradient);
        let inputs = self.model.layers[number - 1].inputs;
        let at = (0..weights.len()).fold(0, |a, b| if weights[b].abs() > weights[a].abs() { b } else { a });
        text += &format!(
            "  dW{number:<3} {}, norm {}, largest {} from input {} to unit {}\n",
            counted(weights.len(), "value"),
            short(norm(weights)),
            short(weights[at]),
            at % inputs,
            at / inputs,
        );
        text + &format!("  db{number:<3} {}, norm {}\n", counted(biases.len(), "value"), short(norm(biases)))
    }

    /// A summary of the values of a layer, and the values: all of them, or the largest.
    fn values(&self, name: &str, values: &[f32]) -> String {
        let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len().max(1) as f64;
        let zeros = values.iter().filter(|v| **v == 0.0).count();
        let mut text = format!(
            "  {name:<5} {}, {} to {}, mean {}",
            counted(values.len(), "value"),
            short(low),
            short(high),
            short(mean as f32)
        );
        if zeros > 0 {
            text += &format!(", {zeros} of them 0");
        }
        text.push('\n');
        if self.all || values.len() <= FEW {
            for (line, part) in values.chunks(PER_LINE).enumerate() {
                let part: String = part.iter().map(|value| format!("{:>11}", short(*value))).collect();
                text += &format!("  {:>5} {part}\n", format!("[{}]", line * PER_LINE));
            }
            return text;
        }
        let mut order: Vec<usize> = (0..values.len()).filter(|&at| values[at] != 0.0).collect();
        order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
        let largest = order.iter().take(LARGEST).map(|&at| format!("{name}[{at}] = {}", short(values[at])));
        let largest: Vec<String> = largest.collect();
        if largest.is_empty() { text } else { text + &format!("        largest: {}\n", largest.join(", ")) }
    }
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32
}

/// A number with four digits.
fn short(value: f32) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (0.001..10_000.0).contains(&size) => {
            let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
            let text = format!("{value:.decimals$}");
            if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_string() }
        }
        _ => format!("{value:.3e}"),
    }
}
