//! The part of the graph from the outputs of the net to answers.

use super::super::onnx_proto::*;
use super::{FLOAT, INT64, dimension, integer, integers, tensor, value};
use crate::data::Task;
use crate::run::model_file::Description;

/// The sums of the last layer.
pub(super) const NAME: &str = "logits";

/// Adds the nodes and outputs after the last layer.
pub(super) fn add(graph: &mut Graph, description: &Description) {
    let task = description.task();
    let width = || vec![dimension(task.outputs())];
    graph.output.push(value(NAME, FLOAT, width(), "the last layer's sums"));
    match &task {
        Task::Classes { .. } => {
            graph.push("Softmax", &[NAME], "probabilities", vec![integer("axis", 1)]);
            // OpenCV 4 does not write the output of an ArgMax that drops the dimension.
            graph.push("ArgMax", &[NAME], "best", vec![integer("axis", 1), integer("keepdims", 1)]);
            graph.initializer.push(integers("flat", &[-1]));
            graph.push("Reshape", &["best", "flat"], "label", vec![]);
            graph.output.push(value("probabilities", FLOAT, width(), "softmax of the logits"));
            graph.output.push(value("label", INT64, vec![], "the most probable class"));
        }
        Task::Labels { .. } => {
            graph.push("Sigmoid", &[NAME], "probabilities", vec![]);
            graph.output.push(value("probabilities", FLOAT, width(), "probability of each label"));
        }
        Task::Values { scales, .. } => {
            if description.counts() {
                graph.push("Exp", &[NAME], "values", vec![]);
            } else if scales.is_empty() {
                graph.push("Identity", &[NAME], "values", vec![]);
            } else {
                let row = |of: fn(&crate::data::TargetScale) -> f32| scales.iter().map(of).collect::<Vec<f32>>();
                graph.initializer.push(tensor("target_deviation", &[1, scales.len()], &row(|scale| scale.deviation)));
                graph.initializer.push(tensor("target_mean", &[1, scales.len()], &row(|scale| scale.mean)));
                graph.push("Mul", &[NAME, "target_deviation"], "spread", vec![]);
                graph.push("Add", &["spread", "target_mean"], "values", vec![]);
            }
            graph.output.push(value("values", FLOAT, width(), "predicted values in their own units"));
        }
    }
}
