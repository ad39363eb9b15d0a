// activate: activations whose slope does not follow from their output. This file has their only WGSL copy.
//   activate:    h = act(z) ⊙ mask          z (B, O), mask (B, O) bits -> h (B, O)
//   activate_dx: d ← d ⊙ act'(z) ⊙ mask     d (B, O): from the gradient with respect to h to that with respect to z
// One invocation takes four neighbouring values of a sample. mask_stride: words of a mask row. scale: 1/keep.
// Nothing can overflow: exponents are at most 0. A NaN stays a NaN. Twins: src/kernels/activate.rs, activate_dx.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, units: u32, units4: u32, mask_stride: u32, scale: f32, pad0: u32, pad1: u32, pad2: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> z: array<vec4<f32>>;          // (B, O)
@group(1) @binding(2) var<storage, read> mask: array<u32>;             // (B, O) bits
@group(1) @binding(3) var<storage, read_write> h: array<vec4<f32>>;    // (B, O)
@group(1) @binding(4) var<storage, read_write> d: array<vec4<f32>>;    // (B, O)

override ACT: u32 = 5u;         // 5 GELU, 6 GELU by tanh, 7 SiLU, 8 Mish, 9 SELU, 10 ELU, 11 softplus
override ALPHA: f32 = 1.0;      // ELU tends to −ALPHA
override MASKED: bool = false;

const SELU_SCALE = 1.0507009873554805;
const SELU_ALPHA = 1.6732632423543772;

// 1 / (1 + e⁻ᶻ).
fn sigmoid(z: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(z));
    return select(vec4<f32>(1.0), e, z < vec4<f32>(0.0)) / (1.0 + e);
}

// The normal distribution function Φ(z), to 0.75e-7 (Abramowitz and Stegun, 7.1.26).
fn normal(z: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / (1.0 + 0.23164189 * abs(z));
    let p = ((((1.0614054 * t - 1.4531520) * t + 1.4214137) * t - 0.28449674) * t + 0.25482959) * t;
    let tail = 0.5 * p * exp(-0.5 * z * z);
    return select(1.0 - tail, tail, z < vec4<f32>(0.0));
}

// The u of GELU by tanh, z·sigmoid(2u).
fn gelu_u(z: vec4<f32>) -> vec4<f32> {
    return 0.79788456 * (z + 0.044715 * z * z * z);
}

// tanh(softplus(z)) and 1 − tanh(softplus(z)).
struct Mish { t: vec4<f32>, rest: vec4<f32>, }
fn mish(z: vec4<f32>) -> Mish {
    let e = exp(-abs(z));
    let negative = z < vec4<f32>(0.0);
    let n = select(1.0 + 2.0 * e, e * (e + 2.0), negative);
    let r = select(2.0 * e * e, vec4<f32>(2.0), negative);
    return Mish(n / (n + r), r / (n + r));
}

fn act(z: vec4<f32>) -> vec4<f32> {
    let negative = z < vec4<f32>(0.0);
    switch ACT {
        case 6u: { return z * sigmoid(2.0 * gelu_u(z)); }
        case 7u: { return z * sigmoid(z); }
        case 8u: { return z * mish(z).t; }
        case 9u: { return SELU_SCALE * select(z, SELU_ALPHA * (exp(-abs(z)) - 1.0), negative); }
        case 10u: { return select(z, ALPHA * (exp(-abs(z)) - 1.0), negative); }
        case 11u: { return select(z, vec4<f32>(0.0), negative) + log(1.0 + exp(-abs(z))); }
        default: { return z * normal(z); }
    }
}

fn slope(z: vec4<f32>) -> vec4<f32> {
    // At 0 the slope from the left, as in PyTorch.
    let left = z <= vec4<f32>(0.0);
    switch ACT {
        case 6u: {
            let s = sigmoid(2.0 * gelu_u(z));
            // Beyond 16 both s·(1 − s) and the true second term are 0; without the limit c² could overflow.
            let c = min(abs(z), vec4<f32>(16.0));
            return s + z * (s * (1.0 - s) * 1.5957691 * (1.0 + 0.134145 * c * c));
        }
        case 7u: {
            let s = sigmoid(z);
            return s + z * (s * (1.0 - s));
        }
        case 8u: {
            let m = mish(z);
            return m.t + z * (m.rest * (2.0 - m.rest) * sigmoid(z));
        }
        case 9u: { return select(z * 0.0 + SELU_SCALE, SELU_SCALE * SELU_ALPHA * exp(-abs(z)), left); }
        case 10u: { return select(z * 0.0 + 1.0, ALPHA * exp(-abs(z)), left); }
        case 11u: { return sigmoid(z); }
        default: { return normal(z) + z * (0.39894228 * exp(-0.5 * z * z)); }
    }
}

// Applies dropout to v and writes zeros to the padding.
fn masked(now: StepValues, params: Params, row: u32, col4: u32, v: vec4<f32>) -> vec4<f32> {
    var kept = v;
    if MASKED {
        let bits = mask[(now.model * params.batch + row) * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        kept *= vec4<f32>((vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u)) * params.scale;
    }
    return select(vec4<f32>(0.0), kept, col4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.units));
}

@compute @workgroup_size(64)
fn activate(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.batch * params.units4 { return; }
    let place = now.model * params.batch * params.units4 + at;
    h[place] = masked(now, params, at / params.units4, at % params.units4, act(z[place]));
}

@compute @workgroup_size(64)
fn activate_dx(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.batch * params.units4 { return; }
    let place = now.model * params.batch * params.units4 + at;
    d[place] = masked(now, params, at / params.units4, at % params.units4, d[place] * slope(z[place]));
}
