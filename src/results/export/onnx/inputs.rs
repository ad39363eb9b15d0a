//! The part of the graph from samples as they are stored to the inputs of the net.

use super::super::onnx_proto::*;
use super::{FLOAT, INT64, UINT8, dimension, integer, integers, tensor, value};
use crate::data::Features;
use crate::data::features::{CLIP_FROM, Encoding, Number};
use crate::run::model_file::Description;

/// Adds the input of the graph and the nodes that end in `x0` (N, I).
pub(super) fn add(graph: &mut Graph, description: &Description) {
    match &description.features {
        None => pixels(graph, description),
        Some(features) => table(graph, description, features),
    }
}

/// Bytes: one scale and one shift for all.
fn pixels(graph: &mut Graph, description: &Description) {
    let transposed = match description.item[..] {
        [rows, columns] if description.was_transposed() == Some(true) => Some([columns, rows]),
        _ => None,
    };
    let item = transposed.as_ref().map_or(&description.item[..], |stored| stored);
    let doc = match transposed {
        Some(_) => "samples as bytes, as the files of the data set store them: columns as rows; not normalised",
        None => "samples as bytes, not normalised",
    };
    graph.input.push(value("pixels", UINT8, item.iter().map(|&size| dimension(size)).collect(), doc));
    for (name, number) in [("scale", description.inputs.scale), ("shift", description.inputs.shift)] {
        graph.initializer.push(tensor(name, &[], &[number]));
    }
    graph.push("Cast", &["pixels"], "floats", vec![integer("to", FLOAT.into())]);
    graph.push("Mul", &["floats", "scale"], "scaled", vec![]);
    graph.push("Add", &["scaled", "shift"], "normalised", vec![]);
    let upright = if let Some([columns, rows]) = transposed {
        // OpenCV gives (N, 1, columns, rows).
        graph.initializer.push(integers("stored_shape", &[-1, columns as i64, rows as i64]));
        graph.push("Reshape", &["normalised", "stored_shape"], "stored", vec![]);
        let perm = Attribute { name: "perm".into(), ints: vec![0, 2, 1], r#type: 7, ..Attribute::default() };
        graph.push("Transpose", &["stored"], "upright", vec![perm]);
        "upright"
    } else {
        "normalised"
    };
    graph.push("Flatten", &[upright], "x0", vec![integer("axis", 1)]);
}

/// Numbers and categories, each column by its own rule. The parts are concatenated, then brought to the order of the inputs.
fn table(graph: &mut Graph, description: &Description, features: &Features) {
    let doc = "raw values, NaN for a missing one; a category is its position in the list of its column in the metadata, any \
               other number is a category that the training rows did not have";
    let item = description.item.iter().map(|&size| dimension(size)).collect();
    graph.input.push(value("features", FLOAT, item, doc));
    graph.push("Flatten", &["features"], "raw", vec![integer("axis", 1)]);
    let mut parts = Parts::default();
    let mut column = 0;
    for feature in &features.columns {
        match &feature.encoding {
            Encoding::Number(number) => (0..feature.count).for_each(|each| parts.number(column + each, number)),
            Encoding::Categories(names) => parts.categories.push((column, names.len(), parts.inputs)),
        }
        if let Encoding::Categories(names) = &feature.encoding {
            parts.inputs += names.len() + 1;
        }
        column += feature.count;
    }
    parts.push(graph);
}

/// The inputs by kind, each with its place among all inputs.
#[derive(Default)]
struct Parts {
    /// Number of inputs so far.
    inputs: usize,
    /// Raw column, rule and place.
    numbers: Vec<(usize, Number, usize)>,
    /// Raw column and place.
    indicators: Vec<(usize, usize)>,
    /// Raw column, number of categories, and place of the first.
    categories: Vec<(usize, usize, usize)>,
}

impl Parts {
    fn number(&mut self, column: usize, number: &Number) {
        self.numbers.push((column, *number, self.inputs));
        self.inputs += 1;
        if number.indicator {
            self.indicators.push((column, self.inputs));
            self.inputs += 1;
        }
    }

    fn push(&self, graph: &mut Graph) {
        let mut names = Vec::new();
        // For each concatenated column, its place among the inputs.
        let mut places = Vec::new();
        if !self.numbers.is_empty() {
            self.scale(graph);
            names.push("scaled".to_string());
            places.extend(self.numbers.iter().map(|&(.., place)| place));
        }
        if !self.indicators.is_empty() {
            let columns: Vec<i64> = self.indicators.iter().map(|&(column, _)| column as i64).collect();
            graph.pick("raw", "unmarked", &columns);
            graph.push("IsNaN", &["unmarked"], "missing", vec![]);
            graph.push("Cast", &["missing"], "indicators", vec![integer("to", FLOAT.into())]);
            names.push("indicators".into());
            places.extend(self.indicators.iter().map(|&(_, place)| place));
        }
        for &(column, count, place) in &self.categories {
            let name = |part: &str| format!("column{column}_{part}");
            graph.pick("raw", &name("code"), &[column as i64]);
            let codes: Vec<f32> = (0..count).map(|code| code as f32).collect();
            graph.initializer.push(tensor(&name("codes"), &[1, count], &codes));
            graph.push("Equal", &[&name("code"), &name("codes")], &name("is"), vec![]);
            graph.push("Cast", &[&name("is")], &name("one_hot"), vec![integer("to", FLOAT.into())]);
            graph.initializer.push(integers(&name("axis"), &[1]));
            graph.push("ReduceSum", &[&name("one_hot"), &name("axis")], &name("known"), vec![]);
            let one = graph.scalar(&name("one"), 1.0);
            graph.push("Sub", &[&one, &name("known")], &name("other"), vec![]);
            names.extend([name("one_hot"), name("other")]);
            places.extend(place..=place + count);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let joined = if let [only] = names[..] {
            only
        } else {
            graph.push("Concat", &names, "joined", vec![integer("axis", 1)]);
            "joined"
        };
        let mut order = vec![0; places.len()];
        places.iter().enumerate().for_each(|(at, &place)| order[place] = at as i64);
        if order.iter().enumerate().all(|(at, &from)| at as i64 == from) {
            graph.push("Identity", &[joined], "x0", vec![]);
        } else {
            graph.pick(joined, "x0", &order);
        }
    }

    /// Fills, centres, scales and clips the numbers.
    fn scale(&self, graph: &mut Graph) {
        let columns: Vec<i64> = self.numbers.iter().map(|&(column, ..)| column as i64).collect();
        graph.pick("raw", "numbers", &columns);
        let row = |of: fn(&Number) -> f32| self.numbers.iter().map(|(_, number, _)| of(number)).collect::<Vec<f32>>();
        let width = self.numbers.len();
        for (name, values) in [("fill", row(|n| n.fill)), ("center", row(|n| n.center)), ("scale", row(|n| n.scale))] {
            graph.initializer.push(tensor(name, &[1, width], &values));
        }
        graph.push("IsNaN", &["numbers"], "absent", vec![]);
        graph.push("Where", &["absent", "fill", "numbers"], "filled", vec![]);
        graph.push("Sub", &["filled", "center"], "centered", vec![]);
        if !self.numbers.iter().any(|(_, number, _)| number.clip) {
            graph.push("Mul", &["centered", "scale"], "scaled", vec![]);
            return;
        }
        graph.push("Mul", &["centered", "scale"], "unlimited", vec![]);
        // As on the host: the square of a larger number could overflow.
        let limit = row(|n| if n.clip { CLIP_FROM } else { f32::MAX });
        let low: Vec<f32> = limit.iter().map(|limit| -limit).collect();
        graph.initializer.push(tensor("highest", &[1, width], &limit));
        graph.initializer.push(tensor("lowest", &[1, width], &low));
        graph.push("Min", &["unlimited", "highest"], "limited", vec![]);
        graph.push("Max", &["limited", "lowest"], "unclipped", vec![]);
        // Where a number is not clipped, a third of it counts as 0: x / √(1 + 0²).
        let thirds = row(|n| if n.clip { 1.0 / 3.0 } else { 0.0 });
        graph.initializer.push(tensor("thirds", &[1, width], &thirds));
        graph.push("Mul", &["unclipped", "thirds"], "third", vec![]);
        graph.push("Mul", &["third", "third"], "square", vec![]);
        let one = graph.scalar("one", 1.0);
        graph.push("Add", &["square", &one], "sum", vec![]);
        graph.push("Sqrt", &["sum"], "root", vec![]);
        graph.push("Div", &["unclipped", "root"], "scaled", vec![]);
    }
}

impl Graph {
    /// Adds a node that picks columns.
    fn pick(&mut self, from: &str, to: &str, columns: &[i64]) {
        let indices = format!("{to}_columns");
        self.initializer.push(Tensor { data_type: INT64, ..integers(&indices, columns) });
        self.push("Gather", &[from, &indices], to, vec![integer("axis", 1)]);
    }
}
