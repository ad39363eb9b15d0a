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
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32,
}
struct Params { batch: u32, targets: u32, targets4: u32, pad: u32, }
@group(0) @binding(0) var<uniform> now: StepValues;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> z: array<vec4<f32>>;               // (B, T)
@group(1) @binding(2) var<storage, read> y: array<vec4<f32>>;               // (B, T)
@group(1) @binding(3) var<storage, read> weights: array<f32>;               // (B)
@group(1) @binding(4) var<storage, read_write> score: array<vec4<f32>>;     // (B, 2)
@group(1) @binding(5) var<storage, read_write> dz: array<vec4<f32>>;        // (B, T)

override DELTA: f32 = 1.0;      // δ of Huber's loss
override WEIGHTED: bool = false;

fn mse(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> { return (z - y) * (z - y); }
fn mse_slope(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> { return 2.0 * (z - y); }

fn mae(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> { return abs(z - y); }
fn mae_slope(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(select(vec4<f32>(0.0), vec4<f32>(1.0), z > y), vec4<f32>(-1.0), z < y);
}

fn huber(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let d = abs(z - y);
    return select(0.5 * d * d, DELTA * (d - 0.5 * DELTA), d > vec4<f32>(DELTA));
}
fn huber_slope(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let d = z - y;
    let limit = vec4<f32>(DELTA);
    // Unlike `clamp` of some machines, comparisons let a NaN pass.
    return select(select(d, -limit, d < -limit), limit, d > limit);
}

fn poisson(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> { return exp(z) - y * z; }
fn poisson_slope(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> { return exp(z) - y; }

// 1 / (1 + e⁻ᶻ).
fn sigmoid(z: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(z));
    return select(vec4<f32>(1.0), e, z < vec4<f32>(0.0)) / (1.0 + e);
}

// In this form nothing overflows, and no logarithm of 0 is taken.
fn bce(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(z, vec4<f32>(0.0), z < vec4<f32>(0.0)) - z * y + log(1.0 + exp(-abs(z)));
}
fn bce_slope(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> { return sigmoid(z) - y; }
fn agreement(z: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(1.0), (z > vec4<f32>(0.0)) == (y > vec4<f32>(0.5)));
}

// Number of the sample. The grid may be folded into two dimensions.
fn sample(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 { return (group.x + group.y * groups.x) * 64u + lane; }

// Whether there is such a sample. Writes the zeros of a row past the end of a partial batch.
fn exists(b: u32) -> bool {
    if b >= params.batch || b < now.rows { return b < params.batch; }
    score[b] = vec4<f32>(0.0);
    for (var i4 = 0u; i4 < params.targets4; i4++) { dz[b * params.targets4 + i4] = vec4<f32>(0.0); }
    return false;
}

fn weight(b: u32) -> f32 {
    // A product with 1 changes no bit, so there is one formula for samples with and without weights.
    var w = 1.0;
    if WEIGHTED { w = weights[b]; }
    return w;
}

struct Sums { loss: vec4<f32>, metric: vec4<f32>, }

// Adds losses and metrics of four targets of a sample, and stores their gradient.
fn add(sums: ptr<function, Sums>, b: u32, i4: u32, loss: vec4<f32>, slope: vec4<f32>, metric: vec4<f32>) {
    let zero = vec4<f32>(0.0);
    let inside = i4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.targets);
    (*sums).loss += select(zero, loss, inside);
    (*sums).metric += select(zero, metric, inside);
    let gradient = weight(b) * slope / (f32(params.targets) * now.total);
    dz[b * params.targets4 + i4] = select(zero, gradient, inside);
}

fn total(v: vec4<f32>) -> f32 { return v.x + v.y + v.z + v.w; }

fn finish(b: u32, sums: Sums) {
    let mean = vec2<f32>(total(sums.loss), total(sums.metric)) / f32(params.targets);
    score[b] = vec4<f32>(weight(b) * mean, 0.0, 0.0);
}

@compute @workgroup_size(64)
fn loss_mse(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    let b = sample(group, groups, lane);
    if !exists(b) { return; }
    var sums = Sums();
    for (var i4 = 0u; i4 < params.targets4; i4++) {
        let a = z[b * params.targets4 + i4];
        let t = y[b * params.targets4 + i4];
        add(&sums, b, i4, mse(a, t), mse_slope(a, t), mse(a, t));
    }
    finish(b, sums);
}

@compute @workgroup_size(64)
fn loss_mae(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    let b = sample(group, groups, lane);
    if !exists(b) { return; }
    var sums = Sums();
    for (var i4 = 0u; i4 < params.targets4; i4++) {
        let a = z[b * params.targets4 + i4];
        let t = y[b * params.targets4 + i4];
        add(&sums, b, i4, mae(a, t), mae_slope(a, t), mse(a, t));
    }
    finish(b, sums);
}

@compute @workgroup_size(64)
fn loss_huber(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
    let b = sample(group, groups, lane);
    if !exists(b) { return; }
    var sums = Sums();
    for (var i4 = 0u; i4 < params.targets4; i4++) {
        let a = z[b * params.targets4 + i4];
        let t = y[b * params.targets4 + i4];
        add(&sums, b, i4, huber(a, t), huber_slope(a, t), mse(a, t));
    }
    finish(b, sums);
}

@compute @workgroup_size(64)
fn loss_poisson(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let b = sample(group, groups, lane);
    if !exists(b) { return; }
    var sums = Sums();
    for (var i4 = 0u; i4 < params.targets4; i4++) {
        let a = z[b * params.targets4 + i4];
        let t = y[b * params.targets4 + i4];
        add(&sums, b, i4, poisson(a, t), poisson_slope(a, t), mse(exp(a), t));
    }
    finish(b, sums);
}

@compute @workgroup_size(64)
fn loss_bce(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    let b = sample(group, groups, lane);
    if !exists(b) { return; }
    var sums = Sums();
    for (var i4 = 0u; i4 < params.targets4; i4++) {
        let a = z[b * params.targets4 + i4];
        let t = y[b * params.targets4 + i4];
        add(&sums, b, i4, bce(a, t), bce_slope(a, t), agreement(a, t));
    }
    finish(b, sums);
}
