// int_step: gradient descent in integers, and what goes with it.
//   int_quantise   q = the weights as factors of a product.   w (O, I) i32 -> q (O, I) i8; counts those that do not fit
//   int_sgd        w ← w − lr·(ḡ + l2·w).                     g (O, I) i32, levels (L, 8) i32 -> w (O, I) i32
//   int_momentum   v ← μ·v + ḡ + l2·w, w ← w − lr·v.          -> w, v (O, I) i32
//   int_levels     the shift of each layer's error signal for the next update -> levels (L, 8) i32
// ḡ is g divided by the batch, with 28 fractional bits as w and v have. g has `base` fractional bits less the layer's sum of
// levels. Formats: src/kernels/fixed.rs
// Twins: src/kernels/int_levels.rs, int_quantise.rs, int_step.rs
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32,
}
struct Params { count: u32, words: u32, inputs: u32, stride: u32, layer: u32, base: i32, clip: i32, l2: f32, }
@group(0) @binding(0) var<uniform> now: StepValues;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> g: array<i32>;                     // (O, I)
@group(1) @binding(2) var<storage, read_write> w: array<i32>;               // (O, I)
@group(1) @binding(3) var<storage, read_write> v: array<i32>;               // (O, I)
@group(1) @binding(4) var<storage, read> levels: array<i32>;                // (L, 8)
@group(1) @binding(5) var<storage, read> master: array<i32>;                // (O, I)
@group(1) @binding(6) var<storage, read_write> q: array<u32>;               // (O, I) four per word
@group(1) @binding(7) var<storage, read_write> counts: array<atomic<i32>>;  // (L, 8)

override NESTEROV: bool = false;

// The functions of src/kernels/fixed.rs.
fn shift(a: i32, k: u32) -> i32 {
    if k == 0u { return a; }
    return (a >> k) + ((a >> (k - 1u)) & 1);
}
fn shift_left(a: i32, k: u32) -> i32 {
    let most = 0x7fffffff >> k;
    return clamp(a, -most, most) << k;
}
fn add(a: i32, c: i32) -> i32 {
    let sum = bitcast<i32>(bitcast<u32>(a) + bitcast<u32>(c));
    // The sum overflows if both have the other sign than it has.
    if ((a ^ sum) & (c ^ sum)) < 0 { return select(0x7fffffff, -0x7fffffff, a < 0); }
    return max(sum, -0x7fffffff);
}

// A positive number as m·2⁻ˢ.
struct Factor { m: i32, s: i32, }
fn factor(bits: u32) -> Factor {
    if bits < 0x800000u { return Factor(0, 16); }
    let m = (((bits & 0x7fffffu) | 0x800000u) + 128u) >> 8u;
    let s = 142 - i32(bits >> 23u);
    if m > 0xffffu { return Factor(0x8000, s - 1); }
    return Factor(i32(m), s);
}
fn one_over(n: u32) -> Factor {
    let whole = 0x80000000u / max(n, 1u);
    let zeros = countLeadingZeros(whole);
    return Factor(i32((whole << zeros) >> 16u), 15 + i32(zeros));
}
fn times(f: Factor, a: i32) -> i32 {
    var c = a;
    if f.s < 16 { c = shift_left(a, u32(min(16 - f.s, 31))); }
    let high = c >> 16u;
    let product = u32(c & 0xffff) * u32(f.m);
    if f.s <= 16 { return high * f.m + i32((product + 0x8000u) >> 16u); }
    let k = u32(f.s - 16);
    if k > 31u { return 0; }
    return shift(high * f.m + i32(product >> 16u), k);
}

fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// ḡ + l2·w at a place.
fn gradient(at: u32) -> i32 {
    var f = one_over(now.batch);
    f.s += params.base - levels[params.layer * 8u + 2u];
    var mean = times(f, g[at]);
    if params.clip > 0 { mean = clamp(mean, -params.clip, params.clip); }
    if params.l2 > 0.0 { mean = add(mean, times(factor(bitcast<u32>(params.l2)), w[at])); }
    return mean;
}

// w − lr·d at a place.
fn descend(at: u32, d: i32) { w[at] = add(w[at], -times(factor(bitcast<u32>(now.lr)), d)); }

@compute @workgroup_size(64)
fn int_sgd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let at = number(group, groups) * 64u + lane;
    if at >= params.count { return; }
    descend(at, gradient(at));
}

@compute @workgroup_size(64)
fn int_momentum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let at = number(group, groups) * 64u + lane;
    if at >= params.count { return; }
    let momentum = factor(bitcast<u32>(now.momentum));
    let d = gradient(at);
    let next = add(times(momentum, v[at]), d);
    v[at] = next;
    if NESTEROV { descend(at, add(d, times(momentum, next))); } else { descend(at, next); }
}

// One invocation makes a word of q. Micro-batches after the first count nothing.
@compute @workgroup_size(64)
fn int_quantise(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let at = number(group, groups) * 64u + lane;
    if at >= params.count { return; }
    let row = at / params.words;
    var packed = 0u;
    var limited = 0;
    for (var i = 0u; i < 4u; i++) {
        let col = at % params.words * 4u + i;
        if col >= params.inputs { break; }
        let value = shift(master[row * params.stride + col], u32(params.base));
        let narrow = clamp(value, -127, 127);
        if narrow != value { limited++; }
        packed |= (u32(narrow) & 255u) << (8u * i);
    }
    q[at] = packed;
    if limited > 0 && now.first == 0u { atomicAdd(&counts[params.layer * 8u + 3u], limited); }
}

// One invocation does all layers, the last first.
@compute @workgroup_size(1)
fn int_levels() {
    var sum = 0;
    for (var i = params.count; i > 0u; i--) {
        let row = (i - 1u) * 8u;
        let peak = u32(atomicLoad(&counts[row + 1u]));
        let need = max(25 - i32(countLeadingZeros(peak)), 0);
        var level = atomicLoad(&counts[row]);
        if need >= level { level = need; } else if now.step % 8u == 7u { level -= 1; }
        sum += level;
        atomicStore(&counts[row], level);
        atomicStore(&counts[row + 1u], 0);
        atomicStore(&counts[row + 2u], sum);
        for (var at = row + 3u; at < row + 6u; at++) {
            atomicStore(&counts[at], min(atomicLoad(&counts[at]), 1 << 30u));
        }
    }
}
