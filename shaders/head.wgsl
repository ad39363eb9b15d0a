// head: the last layer, its loss, and the gradients of its logits and inputs: z = x·wᵀ + b, p = softmax(z),
//      loss = −Σ y·log p with y as in softmax_xent, dlogits = (p − y) / total, dx = (dlogits·w) ⊙ act'(x) ⊙ mask.
// x (B, I), w (C, I), b (C), t (B), mask (B, I) bits -> record (S·⌈B/4⌉, 2) loss and hits, dlogits (B, C), dx (B, I); C ≤ 16
// Samples do not depend on each other, so one dispatch does it all. Twin: src/kernels/head.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params {
    batch: u32, inputs4: u32, classes: u32, classes4: u32, mask_stride: u32, scale: f32, keep: f32, smoothing: f32,
    record_len: u32, pad0: u32, pad1: u32, pad2: u32,
}
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> x: array<vec4<f32>>;               // (B, I)
@group(1) @binding(2) var<storage, read> w: array<vec4<f32>>;               // (C, I)
@group(1) @binding(3) var<storage, read> b: array<vec4<f32>>;               // (C)
@group(1) @binding(4) var<storage, read> t: array<u32>;                     // (B)
@group(1) @binding(5) var<storage, read> mask: array<u32>;                  // (B, I) bits
@group(1) @binding(6) var<storage, read_write> record: array<vec4<f32>>;    // (S·⌈B/4⌉, 2)
@group(1) @binding(7) var<storage, read_write> dlogits: array<vec4<f32>>;   // (B, C)
@group(1) @binding(8) var<storage, read_write> dx: array<vec4<f32>>;        // (B, I)

override ACT: u32 = 0u;         // 0 identity, 1 ReLU, 2 leaky ReLU, 3 sigmoid, 4 tanh
override ALPHA: f32 = 0.01;     // slope of leaky ReLU for z < 0
override MASKED: bool = false;

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

// Activation's slope and dropout: dx[row, 4·col4 ..] from the bare product, if that place exists. x is the output of
// dropout, act(z)/keep.
fn finish(now: StepValues, params: Params, row: u32, col4: u32, product: vec4<f32>) {
    if row >= params.batch || col4 >= params.inputs4 { return; }
    let at = (now.model * params.batch + row) * params.inputs4 + col4;
    var v = product * act_grad(x[at] * params.keep);
    if MASKED {
        let bits = mask[(now.model * params.batch + row) * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v *= vec4<f32>(kept) * params.scale;
    }
    dx[at] = v;
}

// The number of a workgroup. The grid may be folded into two dimensions; groups past the end have nothing to do.
fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

var<workgroup> parts: array<f32, 256>;          // (sample, class, part of the sum)
var<workgroup> logits: array<f32, 64>;          // (sample, class): z, then dlogits
var<workgroup> scores: array<vec4<f32>, 4>;     // (sample): loss and hit

// Replaces the logits of a sample by their gradient; returns its loss, and 1 for a hit or 0.
fn softmax_sample(now: StepValues, params: Params, sample: u32, label: u32) -> vec4<f32> {
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
        logits[base + c] = (p - even - select(0.0, 1.0 - params.smoothing, c == label)) / now.total;
    }
    return vec4<f32>(log(sum) + far, select(0.0, 1.0, best == label), 0.0, 0.0);
}

// Values of four neighbouring classes of a sample.
fn four(sample: u32, q: u32) -> vec4<f32> {
    let at = sample * 16u + q * 4u;
    return vec4<f32>(logits[at], logits[at + 1u], logits[at + 2u], logits[at + 3u]);
}

fn bias(now: StepValues, params: Params, c: u32) -> f32 { return b[now.model * params.classes4 + c / 4u][c % 4u]; }

// One workgroup takes four samples. Its invocations share z (4 samples × 16 classes × 4 parts of each sum), then four
// do the softmax of a sample each, then all share dx.
@compute @workgroup_size(256)
fn head(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let now = now[id.z];
    let params = params[now.model];
    let group = number(id, groups);
    let count = (params.batch + 3u) / 4u;
    if group >= count { return; }

    // Rows and classes past the end repeat the last one; their results are not stored.
    let x_row = (now.model * params.batch + min(group * 4u + lane / 64u, params.batch - 1u)) * params.inputs4;
    let w_row = (now.model * params.classes + min(lane / 4u % 16u, params.classes - 1u)) * params.inputs4;
    var sum = vec4<f32>(0.0);
    for (var k = lane % 4u; k < params.inputs4; k += 4u) { sum += x[x_row + k] * w[w_row + k]; }
    parts[lane] = sum.x + sum.y + sum.z + sum.w;
    workgroupBarrier();
    if lane < 64u {
        let c = lane % 16u;
        let z = parts[lane * 4u] + parts[lane * 4u + 1u] + parts[lane * 4u + 2u] + parts[lane * 4u + 3u];
        // Values past the last class are padding and must be zero.
        logits[lane] = select(0.0, z + bias(now, params, min(c, params.classes - 1u)), c < params.classes);
    }
    workgroupBarrier();
    if lane < 4u {
        let at = group * 4u + lane;
        if at < min(now.rows, params.batch) {
            scores[lane] = softmax_sample(now, params, lane, t[now.model * params.batch + at]);
        } else {
            scores[lane] = vec4<f32>(0.0);
            for (var c = 0u; c < params.classes; c++) { logits[lane * 16u + c] = 0.0; }
        }
    }
    workgroupBarrier();
    if lane == 0u {
        record[now.model * params.record_len + now.slot * count + group] = scores[0] + scores[1] + scores[2] + scores[3];
    }
    let inside = min(4u, params.batch - group * 4u);
    if lane < inside * params.classes4 {
        let first = (now.model * params.batch + group * 4u) * params.classes4;
        dlogits[first + lane] = four(lane / params.classes4, lane % params.classes4);
    }
    for (var at = lane; at < inside * params.inputs4; at += 256u) {
        let sample = at / params.inputs4;
        let col4 = at % params.inputs4;
        var product = vec4<f32>(0.0);
        for (var c = 0u; c < params.classes; c++) {
            product += logits[sample * 16u + c] * w[(now.model * params.classes + c) * params.inputs4 + col4];
        }
        finish(now, params, group * 4u + sample, col4, product);
    }
}

// The 16 classes of a sample.
struct Row { q0: vec4<f32>, q1: vec4<f32>, q2: vec4<f32>, q3: vec4<f32>, }

fn total(v: vec4<f32>) -> f32 { return v.x + v.y + v.z + v.w; }

// Logits of the four classes from 4·q on. A class that does not exist gets −3.4e38, so its probability is 0.
fn known(now: StepValues, params: Params, q: u32, z: vec4<f32>) -> vec4<f32> {
    let at = now.model * params.classes4 + min(q, params.classes4 - 1u);
    return select(vec4<f32>(-3.4e38), z + b[at], q * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.classes));
}

// The first of the four classes from 4·q on whose logit is `largest`; 16 if there is none.
fn first_of(q: u32, z: vec4<f32>, largest: f32) -> u32 {
    let c = select(vec4<u32>(16u), q * 4u + vec4<u32>(0u, 1u, 2u, 3u), z == vec4<f32>(largest));
    return min(min(c.x, c.y), min(c.z, c.w));
}

// Target probabilities: onehot(t), or smoothed; zero past the last class.
fn targets(params: Params, q: u32, label: u32) -> vec4<f32> {
    let c = q * 4u + vec4<u32>(0u, 1u, 2u, 3u);
    let even = vec4<f32>(params.smoothing / f32(params.classes));
    let hot = select(vec4<f32>(0.0), vec4<f32>(1.0 - params.smoothing), c == vec4<u32>(label));
    return hot + select(vec4<f32>(0.0), even, c < vec4<u32>(params.classes));
}

// Turns the bare products of a sample into its dlogits, stores them, and adds its loss and hit to the score.
fn softmax_row(now: StepValues, params: Params, row: u32, products: ptr<function, Row>, score: ptr<function, vec4<f32>>) {
    if row >= min(now.rows, params.batch) {
        *products = Row();
    } else {
        let z = Row(known(now, params, 0u, (*products).q0), known(now, params, 1u, (*products).q1),
                    known(now, params, 2u, (*products).q2), known(now, params, 3u, (*products).q3));
        let high = max(max(z.q0, z.q1), max(z.q2, z.q3));
        let largest = max(max(high.x, high.y), max(high.z, high.w));
        let e = Row(exp(z.q0 - largest), exp(z.q1 - largest), exp(z.q2 - largest), exp(z.q3 - largest));
        let sum = total(e.q0) + total(e.q1) + total(e.q2) + total(e.q3);
        let label = t[now.model * params.batch + row];
        let y = Row(targets(params, 0u, label), targets(params, 1u, label), targets(params, 2u, label), targets(params, 3u, label));
        let far = dot(largest - z.q0, y.q0) + dot(largest - z.q1, y.q1) + dot(largest - z.q2, y.q2) + dot(largest - z.q3, y.q3);
        let best = min(min(first_of(0u, z.q0, largest), first_of(1u, z.q1, largest)),
                       min(first_of(2u, z.q2, largest), first_of(3u, z.q3, largest)));
        *score += vec4<f32>(log(sum) + far, select(0.0, 1.0, best == label), 0.0, 0.0);
        *products = Row((e.q0 / sum - y.q0) / now.total, (e.q1 / sum - y.q1) / now.total,
                        (e.q2 / sum - y.q2) / now.total, (e.q3 / sum - y.q3) / now.total);
    }
    if row >= params.batch { return; }
    let at = (now.model * params.batch + row) * params.classes4;
    dlogits[at] = (*products).q0;
    if params.classes4 > 1u { dlogits[at + 1u] = (*products).q1; }
    if params.classes4 > 2u { dlogits[at + 2u] = (*products).q2; }
    if params.classes4 > 3u { dlogits[at + 3u] = (*products).q3; }
}

// Four rows of w from class 4·q on, at column k. Classes past the last one repeat it; their results do not count.
fn classes(now: StepValues, params: Params, q: u32, k: u32) -> mat4x4<f32> {
    let c = min(q * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.classes - 1u));
    let at = (now.model * params.classes + c) * params.inputs4 + k;
    return mat4x4<f32>(w[at.x], w[at.y], w[at.z], w[at.w]);
}

// For software adapters: one invocation keeps four samples and all their classes in registers.
@compute @workgroup_size(8)
fn head_registers(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
    let now = now[id.z];
    let params = params[now.model];
    let group = number(id, groups) * 8u + lane;
    let count = (params.batch + 3u) / 4u;
    if group >= count { return; }
    let row = group * 4u;
    // Rows past the end repeat the last row; their results are not stored.
    let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u));
    let r = (now.model * params.batch + rows) * params.inputs4;
    var s0 = Row(); var s1 = Row(); var s2 = Row(); var s3 = Row();
    for (var k = 0u; k < params.inputs4; k++) {
        let x0 = x[r.x + k]; let x1 = x[r.y + k]; let x2 = x[r.z + k]; let x3 = x[r.w + k];
        let m0 = classes(now, params, 0u, k);
        s0.q0 += x0 * m0; s1.q0 += x1 * m0; s2.q0 += x2 * m0; s3.q0 += x3 * m0;
        if params.classes4 > 1u {
            let m = classes(now, params, 1u, k);
            s0.q1 += x0 * m; s1.q1 += x1 * m; s2.q1 += x2 * m; s3.q1 += x3 * m;
        }
        if params.classes4 > 2u {
            let m = classes(now, params, 2u, k);
            s0.q2 += x0 * m; s1.q2 += x1 * m; s2.q2 += x2 * m; s3.q2 += x3 * m;
        }
        if params.classes4 > 3u {
            let m = classes(now, params, 3u, k);
            s0.q3 += x0 * m; s1.q3 += x1 * m; s2.q3 += x2 * m; s3.q3 += x3 * m;
        }
    }
    var score = vec4<f32>(0.0);
    softmax_row(now, params, row, &s0, &score);
    softmax_row(now, params, row + 1u, &s1, &score);
    softmax_row(now, params, row + 2u, &s2, &score);
    softmax_row(now, params, row + 3u, &s3, &score);
    record[now.model * params.record_len + now.slot * count + group] = score;
    for (var k = 0u; k < params.inputs4; k++) {
        let m0 = classes(now, params, 0u, k);
        var d0 = m0 * s0.q0; var d1 = m0 * s1.q0; var d2 = m0 * s2.q0; var d3 = m0 * s3.q0;
        if params.classes4 > 1u {
            let m = classes(now, params, 1u, k);
            d0 += m * s0.q1; d1 += m * s1.q1; d2 += m * s2.q1; d3 += m * s3.q1;
        }
        if params.classes4 > 2u {
            let m = classes(now, params, 2u, k);
            d0 += m * s0.q2; d1 += m * s1.q2; d2 += m * s2.q2; d3 += m * s3.q2;
        }
        if params.classes4 > 3u {
            let m = classes(now, params, 3u, k);
            d0 += m * s0.q3; d1 += m * s1.q3; d2 += m * s2.q3; d3 += m * s3.q3;
        }
        finish(now, params, row, k, d0);
        finish(now, params, row + 1u, k, d1);
        finish(now, params, row + 2u, k, d2);
        finish(now, params, row + 3u, k, d3);
    }
}
