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
    let width = vec![dimension(task.outputs())];
    graph.output.push(value(NAME, FLOAT, width, "the last layer's sums"));
    answers(graph, description);
    declare(graph, &task, "softmax of the logits", NAME);
}

/// Adds the nodes from the sums of the last layer to the answers. Returns the name of the answers: `probabilities` or `values`.
pub(super) fn answers(graph: &mut Graph, description: &Description) -> &'static str {
    let task = description.task();
    let answers = name(&task);
    match &task {
        Task::Classes { .. } => graph.push("Softmax", &[NAME], answers, vec![integer("axis", 1)]),
        Task::Labels { .. } => graph.push("Sigmoid", &[NAME], answers, vec![]),
        Task::Values { .. } if description.counts() => graph.push("Exp", &[NAME], answers, vec![]),
        Task::Values { scales, .. } if scales.is_empty() => graph.push("Identity", &[NAME], answers, vec![]),
        Task::Values { scales, .. } => {
            let row = |of: fn(&crate::data::TargetScale) -> f32| scales.iter().map(of).collect::<Vec<f32>>();
            graph.initializer.push(tensor("target_deviation", &[1, scales.len()], &row(|scale| scale.deviation)));
            graph.initializer.push(tensor("target_mean", &[1, scales.len()], &row(|scale| scale.mean)));
            graph.push("Mul", &[NAME, "target_deviation"], "spread", vec![]);
            graph.push("Add", &["spread", "target_mean"], answers, vec![]);
        }
    }
    answers
}

/// The name of the answers of a task.
pub(super) fn name(task: &Task) -> &'static str {
    if matches!(task, Task::Values { .. }) { "values" } else { "probabilities" }
}

/// Declares the answers as outputs. For classes, also adds the output `label`: the class with the largest of `scores`.
pub(super) fn declare(graph: &mut Graph, task: &Task, of_classes: &str, scores: &str) {
    let doc = match task {
        Task::Classes { .. } => of_classes,
        Task::Labels { .. } => "probability of each label",
        Task::Values { .. } => "predicted values in their own units",
    };
    graph.output.push(value(name(task), FLOAT, vec![dimension(task.outputs())], doc));
    if task.is_classes() {
        // OpenCV 4 does not write the output of an ArgMax that drops the dimension.
        graph.push("ArgMax", &[scores], "best", vec![integer("axis", 1), integer("keepdims", 1)]);
        graph.initializer.push(integers("flat", &[-1]));
        graph.push("Reshape", &["best", "flat"], "label", vec![]);
        graph.output.push(value("label", INT64, vec![], "the most probable class"));
    }
}
