// int_softmax: p = softmax(z), loss = −Σ y·log p, dz = p − y, in integers.
// z (B, C) i32, t (B) -> score (B, 2) i32: loss and hit, dz (B, C) i8
// y is onehot(t), or smoothed: `even` for each class, and `hot` in addition for class t, with 16 fractional bits. Logits have
// `bits` fractional bits, losses 10, dz 7. One invocation per sample.
// Formats: src/kernels/fixed.rs. Twin: src/kernels/int_softmax.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, classes: u32, stride: u32, dz_words: u32, bits: u32, hot: u32, even: u32, pad: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> z: array<i32>;                     // (B, C)
@group(1) @binding(2) var<storage, read> t: array<u32>;                     // (B)
@group(1) @binding(3) var<storage, read_write> score: array<vec4<i32>>;     // (B, 2)
@group(1) @binding(4) var<storage, read_write> dz: array<u32>;              // (B, C) four per word

// The functions of src/kernels/fixed.rs.
fn exp_minus(d: u32) -> u32 {
    let t = (min(d, 4095u) * 94548u) >> 8u;
    let f = t & 65535u;
    let p = 65536u - ((f * (45325u - ((f * (15149u - ((f * 2593u) >> 16u))) >> 16u))) >> 16u);
    return p >> min(1u + (t >> 16u), 31u);
}
fn ln(x: u32) -> u32 {
    let zeros = countLeadingZeros(max(x, 1u));
    let f = ((max(x, 1u) << zeros) >> 16u) & 32767u;
    let inner = 44222u - ((f * (20775u - ((f * 5263u) >> 15u))) >> 15u);
    let fraction = (f * (94246u - ((f * inner) >> 15u))) >> 15u;
    let log2 = ((31u - zeros) << 16u) + fraction;
    return (((log2 >> 5u) * 45426u) >> 16u) >> 1u;
}

// How far a logit lies below the largest, at most 32. The result has `to` fractional bits.
fn distance(params: Params, largest: i32, v: i32, to: u32) -> u32 {
    // The difference of two i32 fits in a u32.
    let d = u32(largest) - u32(v);
    if params.bits >= to { return min(d >> (params.bits - to), 32u << to); }
    return min(d, 32u << params.bits) << (to - params.bits);
}

@compute @workgroup_size(64)
fn int_softmax(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let b = (group.x + group.y * groups.x) * 64u + lane;
    if b >= params.batch { return; }
    let row = now.model * params.batch + b;
    if b >= now.rows {
        score[row] = vec4<i32>(0);
        for (var word = 0u; word < params.dz_words; word++) { dz[row * params.dz_words + word] = 0u; }
        return;
    }
    let base = row * params.stride;
    var best = 0u;
    for (var c = 1u; c < params.classes; c++) { if z[base + c] > z[base + best] { best = c; } }
    let largest = z[base + best];
    var sum = 0u;
    var all = 0u;
    for (var c = 0u; c < params.classes; c++) {
        sum += exp_minus(distance(params, largest, z[base + c], 8u));
        all += (distance(params, largest, z[base + c], 10u) * params.even) >> 16u;
    }
    let label = t[row];
    let far = (distance(params, largest, z[base + label], 10u) * params.hot) >> 16u;
    // Exponentials have 15 fractional bits, so ln 2¹⁵ is subtracted.
    let loss = min(ln(sum) - ln(32768u) + far + all, 32u << 10u);
    score[row] = vec4<i32>(i32(loss), select(0, 1, best == label), 0, 0);
    for (var word = 0u; word < params.dz_words; word++) {
        var packed = 0u;
        for (var i = 0u; i < 4u; i++) {
            let c = word * 4u + i;
            if c >= params.classes { break; }
            let p = i32((exp_minus(distance(params, largest, z[base + c], 8u)) << 16u) / sum);
            let y = i32(params.even + select(0u, params.hot, c == label));
            // Rounded half up to 7 fractional bits, and limited to ±127.
            let d = clamp(((p - y) >> 8u) + 1, -254, 255) >> 1u;
            packed |= (u32(d) & 255u) << (8u * i);
        }
        dz[row * params.dz_words + word] = packed;
    }
}
