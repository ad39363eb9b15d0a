// softmax_xent: loss = −w·Σ y·log p, hit = w·(argmax = t), dlogits = w·(p − y) / total,   p = softmax(logits)
// y is onehot(t), or with label smoothing ε: (1 − ε)·onehot(t) + ε/C.
// w is the sample's weight; it is 1, and `weights` is not read, unless WEIGHTED.
// logits (B, C), t (B), weights (B) -> score (B, 2) loss and hit, dlogits (B, C)
// One invocation takes one sample. The largest logit is subtracted first, so that logits of ±1e4 do not overflow exp or
// underflow the sum.
// Rows past the end of a partial batch get scores and gradients of zero. Twin: src/kernels/softmax_xent.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, classes: u32, stride: u32, smoothing: f32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> logits: array<f32>;               // (B, C)
@group(1) @binding(2) var<storage, read> t: array<u32>;                    // (B)
@group(1) @binding(3) var<storage, read> weights: array<f32>;              // (B)
@group(1) @binding(4) var<storage, read_write> score: array<vec4<f32>>;    // (B, 2)
@group(1) @binding(5) var<storage, read_write> dlogits: array<f32>;        // (B, C)

override WEIGHTED: bool = false;

@compute @workgroup_size(64)
fn softmax_xent(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let b = (group.x + group.y * groups.x) * 64u + lane;
    if b >= params.batch { return; }
    let row = now.model * params.batch + b;
    let base = row * params.stride;
    if b >= now.rows {
        score[row] = vec4<f32>(0.0);
        for (var c = 0u; c < params.stride; c++) { dlogits[base + c] = 0.0; }
        return;
    }
    // A product with 1 changes no bit, so there is one formula for samples with and without weights.
    var weight = 1.0;
    // Vectors are padded to whole vec4.
    if WEIGHTED { weight = weights[now.model * ((params.batch + 3u) / 4u * 4u) + b]; }
    var best = 0u;
    var largest = logits[base];
    for (var c = 1u; c < params.classes; c++) {
        let v = logits[base + c];
        if v > largest { largest = v; best = c; }
    }
    var sum = 0.0;
    for (var c = 0u; c < params.classes; c++) { sum += exp(logits[base + c] - largest); }
    let label = t[row];
    let even = params.smoothing / f32(params.classes);
    var far = (1.0 - params.smoothing) * (largest - logits[base + label]);
    if params.smoothing > 0.0 {
        var all = 0.0;
        for (var c = 0u; c < params.classes; c++) { all += largest - logits[base + c]; }
        far += even * all;
    }
    let loss = log(sum) + far;
    score[row] = vec4<f32>(weight * loss, select(0.0, weight, best == label), 0.0, 0.0);
    for (var c = 0u; c < params.stride; c++) {
        let p = exp(logits[base + min(c, params.classes - 1u)] - largest) / sum;
        let wanted = even + select(0.0, 1.0 - params.smoothing, c == label);
        let gradient = weight * (p - wanted) / now.total;
        dlogits[base + c] = select(0.0, gradient, c < params.classes);
    }
}
