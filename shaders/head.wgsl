// head: the last layer, its loss and both gradients it starts: z = x·wᵀ + b, p = softmax(z), loss = −Σ y·log p with y as
//      in softmax_xent, dlogits = (p − y) / batch, dx = (dlogits·w) ⊙ act'(x) ⊙ mask.
// x (B, I), w (C, I), b (C), t (B), mask (B, I) bits -> record (S·⌈B/4⌉, 2) loss and hits, dlogits (B, C), dx (B, I); C ≤ 16
// One workgroup owns four samples: 4 samples × 16 classes × 4 parts of the sum for z, a sample an invocation for the softmax,
// then all of them for dx. Nothing here depends on another sample, so no dispatch need come between. Twin: src/kernels/head.rs
struct Now {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, pad: u32,
}
struct Params { batch: u32, inputs4: u32, classes: u32, classes4: u32, mask_stride: u32, scale: f32, keep: f32, smoothing: f32, }
@group(0) @binding(0) var<uniform> now: Now;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> x: array<vec4<f32>>;               // (B, I)
@group(1) @binding(2) var<storage, read> w: array<vec4<f32>>;               // (C, I)
@group(1) @binding(3) var<storage, read> b: array<f32>;                     // (C)
@group(1) @binding(4) var<storage, read> t: array<u32>;                     // (B)
@group(1) @binding(5) var<storage, read> mask: array<u32>;                  // (B, I) bits
@group(1) @binding(6) var<storage, read_write> record: array<vec4<f32>>;    // (S·⌈B/4⌉, 2)
@group(1) @binding(7) var<storage, read_write> dlogits: array<vec4<f32>>;   // (B, C)
@group(1) @binding(8) var<storage, read_write> dx: array<vec4<f32>>;        // (B, I)

override ACT: u32 = 0u;         // 0 identity, 1 ReLU, 2 leaky ReLU, 3 sigmoid, 4 tanh
override ALPHA: f32 = 0.01;     // slope of leaky ReLU for z < 0
override MASKED: bool = false;

var<workgroup> parts: array<f32, 256>;          // (sample, class, part of the sum)
var<workgroup> logits: array<f32, 64>;          // (sample, class): z, then dlogits
var<workgroup> scores: array<vec4<f32>, 4>;     // (sample): loss and hit

// act'(z), from a = act(z).
fn act_grad(a: vec4<f32>) -> vec4<f32> {
    switch ACT {
        case 1u: { return select(vec4<f32>(0.0), vec4<f32>(1.0), a > vec4<f32>(0.0)); }
        case 2u: { return select(vec4<f32>(ALPHA), vec4<f32>(1.0), a > vec4<f32>(0.0)); }
        case 3u: { return a * (1.0 - a); }
        case 4u: { return 1.0 - a * a; }
        default: { return vec4<f32>(1.0); }
    }
}

// Activation's slope and dropout: dx[row, 4·col4 ..] from the bare product. x is what dropout left, act(z)/keep.
fn finish(row: u32, col4: u32, product: vec4<f32>) {
    let at = row * params.inputs4 + col4;
    var v = product * act_grad(x[at] * params.keep);
    if MASKED {
        let bits = mask[row * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v *= vec4<f32>(kept) * params.scale;
    }
    dx[at] = v;
}

// Replaces the logits of a sample by their gradient; returns its loss and whether it was a hit.
fn softmax(sample: u32, label: u32) -> vec4<f32> {
    let base = sample * 16u;
    var best = 0u;
    var largest = logits[base];
    for (var c = 1u; c < params.classes; c++) {
        let v = logits[base + c];
        if v > largest { largest = v; best = c; }
    }
    var sum = 0.0;
    for (var c = 0u; c < params.classes; c++) { sum += exp(logits[base + c] - largest); }
    let even = params.smoothing / f32(params.classes);
    var far = (1.0 - params.smoothing) * (largest - logits[base + label]);
    if params.smoothing > 0.0 {
        var all = 0.0;
        for (var c = 0u; c < params.classes; c++) { all += largest - logits[base + c]; }
        far += even * all;
    }
    for (var c = 0u; c < params.classes; c++) {
        let p = exp(logits[base + c] - largest) / sum;
        logits[base + c] = (p - even - select(0.0, 1.0 - params.smoothing, c == label)) / f32(now.batch);
    }
    return vec4<f32>(log(sum) + far, select(0.0, 1.0, best == label), 0.0, 0.0);
}

// Four neighbouring classes of a sample.
fn four(sample: u32, q: u32) -> vec4<f32> {
    let at = sample * 16u + q * 4u;
    return vec4<f32>(logits[at], logits[at + 1u], logits[at + 2u], logits[at + 3u]);
}

@compute @workgroup_size(256)
fn head(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let group = id.x + id.y * groups.x;
    let count = (params.batch + 3u) / 4u;
    if group >= count { return; }

    // Rows and classes outside repeat the last one inside; what they give is not stored.
    let x_row = min(group * 4u + lane / 64u, params.batch - 1u) * params.inputs4;
    let w_row = min(lane / 4u % 16u, params.classes - 1u) * params.inputs4;
    var sum = vec4<f32>(0.0);
    for (var k = lane % 4u; k < params.inputs4; k += 4u) { sum += x[x_row + k] * w[w_row + k]; }
    parts[lane] = sum.x + sum.y + sum.z + sum.w;
    workgroupBarrier();
    if lane < 64u {
        let c = lane % 16u;
        let z = parts[lane * 4u] + parts[lane * 4u + 1u] + parts[lane * 4u + 2u] + parts[lane * 4u + 3u];
        // What lies past the last class is padding, and zero.
        logits[lane] = select(0.0, z + b[min(c, params.classes - 1u)], c < params.classes);
    }
    workgroupBarrier();
    if lane < 4u {
        let at = group * 4u + lane;
        if at < min(now.rows, params.batch) {
            scores[lane] = softmax(lane, t[at]);
        } else {
            scores[lane] = vec4<f32>(0.0);
            for (var c = 0u; c < params.classes; c++) { logits[lane * 16u + c] = 0.0; }
        }
    }
    workgroupBarrier();
    if lane == 0u { record[now.slot * count + group] = scores[0] + scores[1] + scores[2] + scores[3]; }
    let inside = min(4u, params.batch - group * 4u);
    if lane < inside * params.classes4 {
        dlogits[group * 4u * params.classes4 + lane] = four(lane / params.classes4, lane % params.classes4);
    }
    for (var at = lane; at < inside * params.inputs4; at += 256u) {
        let sample = at / params.inputs4;
        let col4 = at % params.inputs4;
        var product = vec4<f32>(0.0);
        for (var c = 0u; c < params.classes; c++) {
            product += logits[sample * 16u + c] * w[c * params.inputs4 + col4];
        }
        finish(group * 4u + sample, col4, product);
    }
}
