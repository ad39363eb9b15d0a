// loss: losses of values and of yes/no labels, their slopes, and a metric. z is an output of the net, y its target.
//   entry point    loss                                             slope                      metric
//   loss_mse       (z − y)²                                         2·(z − y)                  (z − y)²
//   loss_mae       |z − y|                                          sign of z − y, 0 at 0      (z − y)²
//   loss_huber     (z − y)²/2 up to |z − y| = δ, then δ·(|z − y| − δ/2)   z − y, clipped to ±δ    (z − y)²
//   loss_poisson   eᶻ − y·z                                         eᶻ − y                     (eᶻ − y)²
//   loss_bce       −y·ln σ(z) − (1 − y)·ln(1 − σ(z))                σ(z) − y                   1 if z > 0 is the label
// z (B, T), y (B, T), weights (B) -> score (B, 2) = w·(mean loss, mean metric) over T, dz (B, T) = w·slope / (T·total)
// w is the sample's weight; it is 1, and `weights` is not read, unless WEIGHTED. One invocation takes one sample.
// Rows past the end of a partial batch get zeros. eᶻ may overflow: an infinite loss is seen, a silent limit is not.
// Twin: src/kernels/loss.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, targets: u32, targets4: u32, pad: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> z: array<vec4<f32>>;               // (B, T)
@group(1) @binding(2) var<storage, read> y: array<vec4<f32>>;               // (B, T)
@group(1) @binding(3) var<storage, read> weights: array<f32>;               // (B)
@group(1) @binding(4) var<storage, read_write> score: array<vec4<f32>>;     // (B, 2)
@group(1) @binding(5) var<storage, read_write> dz: array<vec4<f32>>;        // (B, T)

override DELTA: f32 = 1.0;      // δ of Huber's loss
override WEIGHTED: bool = false;

const MSE = 0u;
const MAE = 1u;
const HUBER = 2u;
const POISSON = 3u;
const BCE = 4u;

fn loss(kind: u32, z: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let d = abs(z - y);
    switch kind {
        case MSE: { return (z - y) * (z - y); }
        case MAE: { return d; }
        case HUBER: { return select(0.5 * d * d, DELTA * (d - 0.5 * DELTA), d > vec4<f32>(DELTA)); }
        case POISSON: { return exp(z) - y * z; }
        // In this form nothing overflows, and no logarithm of 0 is taken.
        default: { return select(z, vec4<f32>(0.0), z < vec4<f32>(0.0)) - z * y + log(1.0 + exp(-abs(z))); }
    }
}

// 1 / (1 + e⁻ᶻ).
fn sigmoid(z: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(z));
    return select(vec4<f32>(1.0), e, z < vec4<f32>(0.0)) / (1.0 + e);
}

fn slope(kind: u32, z: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let d = z - y;
    let limit = vec4<f32>(DELTA);
    switch kind {
        case MSE: { return 2.0 * d; }
        case MAE: { return select(select(vec4<f32>(0.0), vec4<f32>(1.0), z > y), vec4<f32>(-1.0), z < y); }
        // Unlike `clamp` of some machines, comparisons let a NaN pass.
        case HUBER: { return select(select(d, -limit, d < -limit), limit, d > limit); }
        case POISSON: { return exp(z) - y; }
        default: { return sigmoid(z) - y; }
    }
}

fn metric(kind: u32, z: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    switch kind {
        case MSE, MAE, HUBER: { return (z - y) * (z - y); }
        case POISSON: { return (exp(z) - y) * (exp(z) - y); }
        default: { return select(vec4<f32>(0.0), vec4<f32>(1.0), (z > vec4<f32>(0.0)) == (y > vec4<f32>(0.5))); }
    }
}

// Number of the sample. The grid may be folded into two dimensions.
fn sample(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 { return (group.x + group.y * groups.x) * 64u + lane; }

// Whether there is such a sample. Writes the zeros of a row past the end of a partial batch.
fn exists(now: StepValues, params: Params, b: u32) -> bool {
    if b >= params.batch || b < now.rows { return b < params.batch; }
    score[now.model * params.batch + b] = vec4<f32>(0.0);
    for (var i4 = 0u; i4 < params.targets4; i4++) { dz[(now.model * params.batch + b) * params.targets4 + i4] = vec4<f32>(0.0); }
    return false;
}

fn weight(now: StepValues, params: Params, b: u32) -> f32 {
    // A product with 1 changes no bit, so there is one formula for samples with and without weights.
    var w = 1.0;
    // Vectors are padded to whole vec4.
    if WEIGHTED { w = weights[now.model * ((params.batch + 3u) / 4u * 4u) + b]; }
    return w;
}

fn total(v: vec4<f32>) -> f32 { return v.x + v.y + v.z + v.w; }

// Score and gradient of a sample. `kind` is a constant in each entry point.
fn run(now: StepValues, params: Params, kind: u32, b: u32) {
    if !exists(now, params, b) { return; }
    let w = weight(now, params, b);
    let zero = vec4<f32>(0.0);
    var losses = zero;
    var metrics = zero;
    for (var i4 = 0u; i4 < params.targets4; i4++) {
        let at = (now.model * params.batch + b) * params.targets4 + i4;
        let inside = i4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.targets);
        losses += select(zero, loss(kind, z[at], y[at]), inside);
        metrics += select(zero, metric(kind, z[at], y[at]), inside);
        dz[at] = select(zero, w * slope(kind, z[at], y[at]) / (f32(params.targets) * now.total), inside);
    }
    let mean = vec2<f32>(total(losses), total(metrics)) / f32(params.targets);
    score[now.model * params.batch + b] = vec4<f32>(w * mean, 0.0, 0.0);
}

@compute @workgroup_size(64)
fn loss_mse(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    run(now, params, MSE, sample(group, groups, lane));
}

@compute @workgroup_size(64)
fn loss_mae(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    run(now, params, MAE, sample(group, groups, lane));
}

@compute @workgroup_size(64)
fn loss_huber(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    run(now, params, HUBER, sample(group, groups, lane));
}

@compute @workgroup_size(64)
fn loss_poisson(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    run(now, params, POISSON, sample(group, groups, lane));
}

@compute @workgroup_size(64)
fn loss_bce(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    run(now, params, BCE, sample(group, groups, lane));
}
