// int_step: gradient descent in integers, the weights as factors, and the levels.
//   int_quantise   q = w·2⁻ᵇᵃˢᵉ, the factors of a product.     w (O, I) i32 -> q (O, I) i8; counts those that do not fit
//   int_sgd        w ← w − lr·(ḡ + l2·w).                     g (O, I) i32, levels (L, 8) i32 -> w (O, I) i32
//   int_momentum   v ← μ·v + ḡ + l2·w, w ← w − lr·v.          -> w, v (O, I) i32
//                  With NESTEROV: w ← w − lr·(ḡ + l2·w + μ·v).
//   int_levels     the shift of each layer's error signal for the next update -> levels (L, 8) i32
// count: vec4 of w (int_sgd, int_momentum), words of q (int_quantise), or layers (int_levels).
// words, stride: words per row of q, vec4 per row of w.
// ḡ is g divided by the number of samples in the batch, and has 28 fractional bits, as w and v have. g has 28 + `base`
// fractional bits less the layer's sum of levels. Formats: src/kernels/fixed.rs
// Twins: src/kernels/int_levels.rs, int_quantise.rs, int_step.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { count: u32, words: u32, stride: u32, layer: u32, base: i32, clip: i32, l2: f32, layers: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> g: array<vec4<i32>>;               // (O, I)
@group(1) @binding(2) var<storage, read_write> w: array<vec4<i32>>;         // (O, I)
@group(1) @binding(3) var<storage, read_write> v: array<vec4<i32>>;         // (O, I)
@group(1) @binding(4) var<storage, read> levels: array<i32>;                // (L, 8)
@group(1) @binding(5) var<storage, read> master: array<vec4<i32>>;          // (O, I)
@group(1) @binding(6) var<storage, read_write> q: array<u32>;               // (O, I) four per word
@group(1) @binding(7) var<storage, read_write> counts: array<atomic<i32>>;  // (L, 8)

override NESTEROV: bool = false;

// The functions of src/kernels/fixed.rs, four values at a time.
fn shift(a: vec4<i32>, k: u32) -> vec4<i32> {
    if k == 0u { return a; }
    return (a >> vec4<u32>(k)) + ((a >> vec4<u32>(k - 1u)) & vec4<i32>(1));
}
fn add(a: vec4<i32>, c: vec4<i32>) -> vec4<i32> {
    let sum = bitcast<vec4<i32>>(bitcast<vec4<u32>>(a) + bitcast<vec4<u32>>(c));
    // The sum has overflowed if its sign differs from that of both terms.
    let limit = select(vec4<i32>(0x7fffffff), vec4<i32>(-0x7fffffff), a < vec4<i32>(0));
    return select(max(sum, vec4<i32>(-0x7fffffff)), limit, ((a ^ sum) & (c ^ sum)) < vec4<i32>(0));
}

// A number m·2⁻ˢ that is not negative, prepared: v is shifted left, multiplied in two halves of 16 bits, and shifted right.
struct Multiplier { left: u32, m: i32, half: u32, right: u32, below: u32, round: i32, }
fn multiplier(m: i32, s: i32) -> Multiplier {
    let right = u32(clamp(s - 16, 0, 32));
    // After a shift of 32 bits or more nothing is left.
    if right > 31u { return Multiplier(0u, 0, 0u, 31u, 30u, 1); }
    let below = max(right, 1u) - 1u;
    return Multiplier(u32(clamp(16 - s, 0, 31)), m, select(0u, 0x8000u, right == 0u), right, below, select(0, 1, right > 0u));
}
// `Factor::of` the float with these bits.
fn of_bits(bits: u32) -> Multiplier {
    if bits < 0x800000u { return multiplier(0, 16); }
    let m = (((bits & 0x7fffffu) | 0x800000u) + 128u) >> 8u;
    let s = 142 - i32(bits >> 23u);
    if m > 0xffffu { return multiplier(0x8000, s - 1); }
    return multiplier(i32(m), s);
}
fn times(f: Multiplier, a: vec4<i32>) -> vec4<i32> {
    let most = vec4<i32>(0x7fffffff >> f.left);
    let c = clamp(a, -most, most) << vec4<u32>(f.left);
    let low = bitcast<vec4<u32>>(c & vec4<i32>(0xffff)) * u32(f.m) + f.half;
    let product = (c >> vec4<u32>(16u)) * f.m + bitcast<vec4<i32>>(low >> vec4<u32>(16u));
    return (product >> vec4<u32>(f.right)) + ((product >> vec4<u32>(f.below)) & vec4<i32>(f.round));
}

// The factors of an update.
struct Factors { mean: Multiplier, l2: Multiplier, lr: Multiplier, momentum: Multiplier, }
fn factors(now: StepValues, params: Params) -> Factors {
    // `Factor::one_over` the batch.
    let whole = 0x80000000u / max(now.batch, 1u);
    let zeros = countLeadingZeros(whole);
    let s = 15 + i32(zeros) + params.base - levels[(now.model * params.layers + params.layer) * 8u + 2u];
    return Factors(multiplier(i32((whole << zeros) >> 16u), s), of_bits(bitcast<u32>(params.l2)),
                   of_bits(bitcast<u32>(now.lr)), of_bits(bitcast<u32>(now.momentum)));
}

fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// ḡ, limited to `clip` if that is above 0, + l2·w, for vec4 number `at`.
fn gradient(params: Params, f: Factors, at: u32) -> vec4<i32> {
    var mean = times(f.mean, g[at]);
    if params.clip > 0 { mean = clamp(mean, vec4<i32>(-params.clip), vec4<i32>(params.clip)); }
    if params.l2 > 0.0 { mean = add(mean, times(f.l2, w[at])); }
    return mean;
}

// w ← w − lr·d for vec4 number `at`.
fn descend(f: Factors, at: u32, d: vec4<i32>) { w[at] = add(w[at], -times(f.lr, d)); }

// Number of vec4 that an invocation updates. They lie 64 apart.
const EACH = 8u;

@compute @workgroup_size(64)
fn int_sgd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let f = factors(now, params);
    let own = now.model * params.count;
    let first = number(group, groups) * 64u * EACH + lane;
    for (var i = first; i < min(first + 64u * EACH, params.count); i += 64u) { descend(f, own + i, gradient(params, f, own + i)); }
}

@compute @workgroup_size(64)
fn int_momentum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let f = factors(now, params);
    let own = now.model * params.count;
    let first = number(group, groups) * 64u * EACH + lane;
    for (var i = first; i < min(first + 64u * EACH, params.count); i += 64u) {
        let at = own + i;
        let d = gradient(params, f, at);
        let next = add(times(f.momentum, v[at]), d);
        v[at] = next;
        if NESTEROV { descend(f, at, add(d, times(f.momentum, next))); } else { descend(f, at, next); }
    }
}

// One invocation makes a word of q. Only the first micro-batch of an update counts.
@compute @workgroup_size(64)
fn int_quantise(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    if at >= params.count { return; }
    let word = at % params.words;
    let place = now.model * params.count + at;
    // Rows of q are padded to more words than rows of w have vec4.
    if word >= params.stride { q[place] = 0u; return; }
    let value = shift(master[place / params.words * params.stride + word], u32(params.base));
    let narrow = clamp(value, vec4<i32>(-127), vec4<i32>(127));
    let bytes = bitcast<vec4<u32>>(narrow) & vec4<u32>(255u);
    q[place] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
    if any(narrow != value) && now.first == 0u {
        let limited = select(vec4<i32>(0), vec4<i32>(1), narrow != value);
        atomicAdd(&counts[(now.model * params.layers + params.layer) * 8u + 3u], limited.x + limited.y + limited.z + limited.w);
    }
}

// A single invocation sets all levels, from the last layer to the first.
@compute @workgroup_size(1)
fn int_levels(@builtin(workgroup_id) group: vec3<u32>) {
    let now = now[group.z];
    let params = params[now.model];
    var sum = 0;
    for (var i = params.count; i > 0u; i--) {
        let row = (now.model * params.count + i - 1u) * 8u;
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
