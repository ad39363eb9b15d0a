//! Exports an ensemble as one graph.
//!
//! ```text
//! pixels → x0 → m1_logits → Softmax → m1_probabilities ┐
//!             → m2_logits → Softmax → m2_probabilities ┴ Sum → Mul 1/M → probabilities → ArgMax → label
//! ```
//!
//! The names of a member's nodes and tensors begin with `m1_`, `m2_`, …. If all members scale their inputs alike, the graph does
//! it once, else once per member. The metadata hold the descriptions of all members.

use super::super::onnx_proto::*;
use super::{check_size, encode, inputs, layers, outputs, tensor};
use crate::base::error::Error;
use crate::data::features::Encoding;
use crate::results::ensemble::{Member, check};
use crate::run::model_file::Description;
use serde::Serialize;

/// The metadata of the file.
#[derive(Serialize)]
struct About<'a> {
    members: Vec<&'a Description>,
}

/// Returns the bytes of an ONNX file whose answers are the means of the members' answers. Equal members give equal bytes.
///
/// # Errors
/// Those of [`check`]; [`Error::Setting`] if the members' categories have different numbers in a table, or if the file would be
/// larger than 2 GiB.
pub fn onnx_ensemble(members: &[Member]) -> Result<Vec<u8>, Error> {
    check(members)?;
    let parameters = members.iter().map(|member| member.model.parameters()).sum();
    check_size(parameters, "export fewer members, or each by itself")?;
    let first = &members[0];
    let codes = categories(&first.description);
    if let Some(other) = members.iter().find(|other| categories(&other.description) != codes) {
        return Err(Error::Setting(format!(
            "{} and {} were trained on rows with different categories, so they number them differently, but a graph takes the \
             numbers of categories: export each by itself, or train all on the same rows",
            first.name, other.name
        )));
    }
    let map = |of: &Description| (of.inputs.clone(), of.features.clone(), of.item.clone(), of.was_transposed());
    let shared = members.iter().all(|member| map(&member.description) == map(&first.description));

    let mut graph = Graph { name: "ensemble".into(), ..Graph::default() };
    if shared {
        inputs::add(&mut graph, &first.description);
    }
    let mut answers = Vec::new();
    for (Member { model, description, .. }, number) in members.iter().zip(1..) {
        let mut part = Graph::default();
        if !shared {
            inputs::add(&mut part, description);
        }
        layers(&mut part, model);
        let name = outputs::answers(&mut part, description);
        let prefix = format!("m{number}_");
        answers.push(format!("{prefix}{name}"));
        let input = part.input.pop();
        let kept = input.as_ref().map_or("x0", |input| &input.name).to_string();
        part.rename(&prefix, &kept);
        if graph.input.is_empty() {
            graph.input.extend(input);
        }
        graph.node.append(&mut part.node);
        graph.initializer.append(&mut part.initializer);
    }
    let task = first.description.task();
    graph.initializer.push(tensor("share", &[], &[1.0 / members.len() as f32]));
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    graph.push("Sum", &answers, "sum_of_members", vec![]);
    let mean = outputs::name(&task);
    graph.push("Mul", &["sum_of_members", "share"], mean, vec![]);
    outputs::declare(&mut graph, &task, "mean of the members' softmax", mean);
    encode(graph, &About { members: members.iter().map(|member| &member.description).collect() })
}

/// The categories of each column, in the order of their numbers.
fn categories(description: &Description) -> Vec<Option<&[String]>> {
    let columns = description.features.iter().flat_map(|features| &features.columns);
    columns
        .map(|feature| match &feature.encoding {
            Encoding::Categories(names) => Some(&names[..]),
            Encoding::Number(_) => None,
        })
        .collect()
}

impl Graph {
    /// Puts a prefix before the names of all nodes and tensors except `kept`.
    fn rename(&mut self, prefix: &str, kept: &str) {
        let change = |name: &mut String| {
            if name != kept {
                name.insert_str(0, prefix);
            }
        };
        self.initializer.iter_mut().for_each(|tensor| change(&mut tensor.name));
        for node in &mut self.node {
            change(&mut node.name);
            node.input.iter_mut().chain(&mut node.output).for_each(change);
        }
    }
}
