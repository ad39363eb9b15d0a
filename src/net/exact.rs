//! The plan in integers: the same training step as in floats, with the kernels `int_*`. Formats: [`crate::kernels::fixed`].

use super::build::{Builder, Layer};
use super::{Evaluation, Sizes, Source, Training};
use crate::base::error::Error;
use crate::config::{Config, Optimizer};
use crate::kernels::fixed::{self, FLOAT_BITS, LARGEST_LOSS, LOSS_BITS, MOST, factor_bits};
use crate::kernels::int_gather::IntGather;
use crate::kernels::int_gradient::IntGradient;
use crate::kernels::int_levels::IntLevels;
use crate::kernels::int_linear::IntLinear;
use crate::kernels::int_linear_dx::IntLinearDx;
use crate::kernels::int_quantise::IntQuantise;
use crate::kernels::int_softmax::{ERROR_BITS, IntSoftmax, MOST_CLASSES};
use crate::kernels::int_step::IntStep;
use crate::kernels::int_update::IntUpdate;
use crate::kernels::tally::Tally;
use crate::kernels::{Activation, Form, InputMap, Precision};
use crate::plan::tensor::{DType, Role, TensorId};

/// Largest learning rate: a weight is at most 8, so a larger one is a mistake.
const MOST_LR: f32 = 64.0;
/// Columns of the tensor of levels: see [`IntLevels`].
const LEVEL_COLUMNS: usize = 8;

/// With precision int8, checks that the net can be trained in integers, and that no sum can overflow.
///
/// # Errors
/// [`Error::Setting`] names the setting that has no integer form, or the sum with its largest value.
pub fn check(config: &Config, sizes: &Sizes, inputs: &InputMap) -> Result<(), Error> {
    if config.precision != Precision::Int8 {
        return Ok(());
    }
    let refuse = |problem: String| Err(Error::Setting(format!("precision is int8, but {problem}")));
    if sizes.loss.is_some() {
        return refuse("the loss is not cross-entropy: use precision f32 for values and labels".into());
    }
    if sizes.weighted {
        return refuse("samples have weights, which need precision f32".into());
    }
    if !matches!(config.optimizer, Optimizer::Sgd | Optimizer::Nesterov) {
        return refuse("the optimizer needs roots: use sgd or nesterov, or precision f32".into());
    }
    if config.clip_norm > 0.0 {
        return refuse("clip-norm needs a root: use clip-value, or precision f32".into());
    }
    if config.ema > 0.0 {
        return refuse("averages of weights (ema) need precision f32".into());
    }
    if let Some(lr) = config.lr.filter(|&lr| lr > MOST_LR) {
        return refuse(format!("lr is {lr} but must be at most {MOST_LR}"));
    }
    let act = config.activation();
    if fixed::hidden_bits(act).is_none() {
        return refuse(format!("{act} has no integer form: use relu, leaky-relu, sigmoid, tanh or identity"));
    }
    if matches!(act, Activation::LeakyRelu(alpha) if alpha > 1.0) {
        return refuse(format!("alpha is {} but must be at most 1", config.alpha));
    }
    if !sizes.floats && fixed::input_bits(inputs).is_none() {
        return refuse(format!("normalize is {inputs}, and inputs do not fit in 8 bits: use standard or unit"));
    }
    if sizes.outputs > MOST_CLASSES {
        return refuse(format!("there are {} classes but at most {MOST_CLASSES} are possible", sizes.outputs));
    }
    let most = f64::from(i32::MAX);
    let widths = config.widths(sizes.inputs, sizes.outputs);
    let product = f64::from(MOST * MOST);
    let keep = f64::from(config.keep_prob);
    for (number, pair) in (1..).zip(widths.windows(2)) {
        let (inputs, outputs) = (pair[0] as f64, pair[1] as f64);
        // A bias is at most 8, and sums have at most 14 fractional bits: 8·2¹⁴ = 2¹⁷.
        let forward = (product * inputs + f64::from(1 << 17)) / keep;
        let backward = product * outputs / keep;
        for (what, largest) in [("sums", forward), ("error signals", backward)] {
            // The first layer passes no error signal on.
            if largest > most && (number > 1 || what == "sums") {
                return refuse(format!(
                    "the {what} of layer {number} can reach {largest:.0}, above {most}: use precision f32"
                ));
            }
        }
    }
    let gradients = product * config.batch(sizes.train) as f64;
    if gradients > most {
        let batch = config.batch(sizes.train);
        return refuse(format!(
            "gradients of a batch of {batch} can reach {gradients:.0}, above {most}: use a smaller batch"
        ));
    }
    let losses = config.micro_batch(sizes.train) as f64 * f64::from(LARGEST_LOSS << LOSS_BITS);
    if losses > most {
        return refuse(format!("the sum of losses can reach {losses:.0}, above {most}: use a smaller physical-batch"));
    }
    Ok(())
}

/// A layer as its products use it: the factors q (O, I), the biases b (O), and the layer's number, from 0.
struct Operand {
    q: TensorId,
    b: TensorId,
    layer: usize,
}

/// What the loss of a micro-batch is computed with. `prefix`: of the names of its tensors.
struct LossStep<'a> {
    t: TensorId,
    levels: TensorId,
    tally: TensorId,
    smoothing: f32,
    prefix: &'a str,
}

impl Builder<'_> {
    /// Whether the plan is in integers.
    pub(super) fn exact(&self) -> bool {
        self.config.precision == Precision::Int8
    }

    /// Form of the products: that of the adapter, or `Tiled` if integer products do not have it.
    fn int_form(&self) -> Form {
        let form = self.sizes.forms.default;
        if fixed::FORMS.contains(&form) { form } else { Form::Tiled }
    }

    /// Type of the inputs of the net.
    pub(super) fn input_type(&self) -> DType {
        DType::I8(if self.sizes.floats { FLOAT_BITS } else { fixed::input_bits(self.map).unwrap_or(0) })
    }

    /// Type of the outputs of the hidden layers.
    fn hidden_type(&self) -> DType {
        DType::I8(fixed::hidden_bits(self.config.activation()).unwrap_or(4))
    }

    /// The fractional bits that the product of layer `layer` (from 0) uses: of its weights, and of its biases.
    pub(super) fn grid(&self, layer: usize, inputs: usize) -> [u8; 2] {
        let input = if layer == 0 { self.input_type() } else { self.hidden_type() };
        let bits = factor_bits(inputs);
        [bits, bits + fraction(input)]
    }

    /// Adds the tensor of levels (L, 8): see [`IntLevels`].
    pub(super) fn add_levels(&mut self) -> TensorId {
        let layers = self.config.hidden.len() + 1;
        self.plan.tensor("levels", Role::Scratch, DType::I32(0), layers, LEVEL_COLUMNS)
    }

    /// Adds the steps that round the weights to factors, one per layer.
    fn operands(&mut self, layers: &[Layer], levels: TensorId, prefix: &str) -> Vec<Operand> {
        let mut operands = Vec::new();
        for (layer, (ids, _)) in layers.iter().enumerate() {
            let dtype = DType::I8(factor_bits(ids.w.cols));
            let name = format!("{prefix}q{}", layer + 1);
            let q = self.plan.tensor(name, Role::Scratch, dtype, ids.w.rows, ids.w.cols);
            self.plan.push(IntQuantise { w: ids.w, q, levels, layer });
            operands.push(Operand { q, b: ids.b, layer });
        }
        operands
    }

    /// Adds the step that picks a micro-batch. Returns its inputs (B, I) and classes (B).
    fn int_gather(
        &mut self,
        from: &Source,
        mask: TensorId,
        rows: usize,
        keep: f32,
        prefix: &str,
        role: Role,
    ) -> [TensorId; 2] {
        let Source { samples, targets, order, .. } = *from;
        let dtype = self.input_type();
        let x0 = self.plan.tensor(format!("{prefix}x0"), role, dtype, rows, self.sizes.inputs);
        let t = self.plan.tensor(format!("{prefix}t"), role, DType::U32, 1, rows);
        let map = fixed::integer_map(self.map, fraction(dtype));
        self.plan.push(IntGather { samples, targets, order, mask, x0, t, map, keep });
        [x0, t]
    }

    /// Adds the last layer and the loss. Returns the logits and their error signal, each (B, C).
    fn int_loss(&mut self, x: TensorId, last: &Operand, loss: &LossStep<'_>) -> [TensorId; 2] {
        let LossStep { t, levels, tally, smoothing, prefix } = *loss;
        let (rows, classes) = (x.rows, self.sizes.outputs);
        let role = self.plan.role(x);
        let bits = fraction(x.dtype) + fraction(last.q.dtype);
        let z = self.plan.tensor(format!("{prefix}logits"), role, DType::I32(bits), rows, classes);
        let (mask, act, form) = (self.none, Activation::Identity, self.int_form());
        self.plan.push(IntLinear {
            x,
            w: last.q,
            b: last.b,
            mask,
            y: z,
            levels,
            act,
            keep: 1.0,
            layer: last.layer,
            form,
        });
        let score = self.plan.tensor(format!("{prefix}score"), role, DType::I32(0), rows, 2);
        let dz = self.plan.tensor(format!("{prefix}dlogits"), role, DType::I8(ERROR_BITS), rows, classes);
        self.plan.push(IntSoftmax { z, t, score, dz, smoothing });
        self.plan.push(Tally { score, tally });
        [z, dz]
    }

    /// Adds the training step to the plan.
    pub(super) fn int_training(&mut self, layers: &[Layer], source: Source, micro: usize, slots: usize) -> Training {
        let levels = self.levels;
        let tally = self.plan.tensor("tally", Role::Record, DType::I32(0), slots, 2);
        let start = self.plan.steps.len();
        let operands = self.operands(layers, levels, "");
        let masks: Vec<TensorId> =
            (0..layers.len()).map(|layer| self.mask(layer, micro, layers[layer].0.w.cols, self.keep(layer))).collect();
        let role = Role::Activation { layer: 1 };
        let [x0, t] = self.int_gather(&source, masks[0], micro, self.keep(0), "", role);
        let mut activations = vec![x0];
        let (act, form) = (self.config.activation(), self.int_form());
        for operand in &operands[..layers.len() - 1] {
            let layer = operand.layer;
            let role = Role::Activation { layer: layer + 1 };
            let y = self.plan.tensor(format!("h{}", layer + 1), role, self.hidden_type(), micro, operand.q.rows);
            let (x, mask, keep) = (activations[layer], masks[layer + 1], self.keep(layer + 1));
            self.plan.push(IntLinear { x, w: operand.q, b: operand.b, mask, y, levels, act, keep, layer, form });
            activations.push(y);
        }
        let last = layers.len() - 1;
        let smoothing = self.config.label_smoothing;
        let loss = LossStep { t, levels, tally, smoothing, prefix: "" };
        let [_, mut dy] = self.int_loss(activations[last], &operands[last], &loss);

        // Fractional bits of each layer's error signal if all levels are 0.
        let mut bits = ERROR_BITS;
        let mut bases = vec![0; layers.len()];
        let mut deltas = vec![dy; layers.len()];
        for layer in (0..layers.len()).rev() {
            let x = activations[layer];
            bases[layer] = bits;
            deltas[layer] = dy;
            if let Some((dw, db)) = layers[layer].1 {
                self.plan.push(IntGradient { dy, x: Some(x), g: dw, form });
                self.plan.push(IntGradient { dy, x: None, g: db, form });
            }
            if layer > 0 {
                let role = Role::ErrorSignal { layer };
                let dx = self.plan.tensor(format!("dh{layer}"), role, DType::I8(0), micro, x.cols);
                let (w, mask, keep) = (operands[layer].q, masks[layer], self.keep(layer));
                self.plan.push(IntLinearDx { dy, w, x, mask, levels, dx, act, keep, layer: layer - 1, form });
                bits += fraction(w.dtype);
                dy = dx;
            }
        }

        let update = self.plan.steps.len();
        let (clip, l2, nesterov) =
            (self.config.clip_value, self.config.l2, self.config.optimizer == Optimizer::Nesterov);
        for (layer, (ids, gradients)) in layers.iter().enumerate() {
            let (vw, vb) = (ids.state.first().copied(), ids.state.get(1).copied());
            let (x, base) = (activations[layer], bases[layer]);
            let Some((dw, db)) = *gradients else {
                // Integer updates have no plain form.
                let form = if form == Form::Plain { Form::Tiled } else { form };
                let (dy, v) = (deltas[layer], vw.zip(vb).map(|(vw, vb)| [vw, vb]));
                let (w, b) = (ids.w, ids.b);
                self.plan.push(IntUpdate { dy, x, w, b, v, levels, layer, base, clip, l2, nesterov, form });
                continue;
            };
            let mut step = |g, w, v, base, l2| {
                self.plan.push(IntStep { g, w, v, levels, layer, base, clip, l2, nesterov });
            };
            step(dw, ids.w, vw, base + fraction(x.dtype), l2);
            // As usual, biases are not penalized.
            step(db, ids.b, vb, base, 0.0);
        }
        self.plan.push(IntLevels { levels });
        let end = self.plan.steps.len();
        let finite = super::FiniteCheck { steps: end..end, totals: levels };
        Training {
            source,
            micro,
            gradients: start..update,
            update: update..end,
            tally,
            tally_rows: 1,
            health: None,
            finite,
        }
    }

    /// Adds the evaluation of a split to the plan.
    pub(super) fn int_evaluation(
        &mut self,
        layers: &[Layer],
        split: &str,
        source: Source,
        micro: usize,
        slots: usize,
    ) -> Evaluation {
        let levels = self.levels;
        let tally = self.plan.tensor(format!("{split}_tally"), Role::Record, DType::I32(0), slots, 2);
        // Scoring has counts of its own, so those of training do not depend on how often a split is scored.
        let counts =
            self.plan.tensor(format!("{split}_levels"), Role::Scratch, DType::I32(0), levels.rows, LEVEL_COLUMNS);
        let start = self.plan.steps.len();
        let operands = self.operands(layers, counts, &format!("{split}_"));
        let masks = self.evaluation_masks(layers, micro);
        let (mask, keep) = masks[0];
        let [mut x, t] = self.int_gather(&source, mask, micro, keep, &format!("{split}_"), Role::Evaluation);
        let (act, form) = (self.config.activation(), self.int_form());
        for operand in &operands[..layers.len() - 1] {
            let layer = operand.layer;
            let name = format!("{split}_h{}", layer + 1);
            let y = self.plan.tensor(name, Role::Evaluation, self.hidden_type(), micro, operand.q.rows);
            let (mask, keep) = masks[layer + 1];
            self.plan.push(IntLinear {
                x,
                w: operand.q,
                b: operand.b,
                mask,
                y,
                levels: counts,
                act,
                keep,
                layer,
                form,
            });
            x = y;
        }
        let last = &operands[layers.len() - 1];
        let loss = LossStep { t, levels: counts, tally, smoothing: 0.0, prefix: &format!("{split}_") };
        let [logits, _] = self.int_loss(x, last, &loss);
        Evaluation { source, micro, steps: start..self.plan.steps.len(), logits, tally }
    }
}

/// Fractional bits of a type; 0 if it is not fixed-point.
fn fraction(dtype: DType) -> u8 {
    match dtype {
        DType::I32(bits) | DType::I8(bits) => bits,
        _ => 0,
    }
}
