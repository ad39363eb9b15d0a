// int_linear_dx: dx = (dy·w) ⊙ act'(x) ⊙ mask / keep in integers.
// dy (B, O) i8, w (O, I) i8, x (B, I) i8, mask (B, I) bits, levels (L, 8) i32 -> dx (B, I) i8
// x is the output of the layer below, so dx is that layer's error signal δ. It is shifted right by the layer's level. The
// largest |δ| of the update is kept in `levels`, and sets the next level. words, dy_words: u32 per row of x, w and dx, of dy.
// params.keep is the inverse of the keep probability, back that probability, alpha the slope of leaky ReLU, all with 12
// fractional bits.
// Formats: src/kernels/fixed.rs. Twin: src/kernels/int_linear_dx.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params {
    batch: u32, words: u32, inputs: u32, outputs: u32, dy_words: u32, mask_stride: u32,
    keep: i32, back: i32, alpha: i32, layer: u32, layers: u32, pad: u32,
}
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> dy: array<u32>;                    // (B, O) four per word
@group(1) @binding(2) var<storage, read> w: array<u32>;                     // (O, I) four per word
@group(1) @binding(3) var<storage, read> x: array<u32>;                     // (B, I) four per word
@group(1) @binding(4) var<storage, read> mask: array<u32>;                  // (B, I) bits
@group(1) @binding(5) var<storage, read_write> levels: array<atomic<i32>>;  // (L, 8)
@group(1) @binding(6) var<storage, read_write> dx: array<u32>;              // (B, I) four per word

override ACT: u32 = 0u;         // 0 identity, 1 ReLU, 2 leaky ReLU, 3 sigmoid, 4 tanh
override MASKED: bool = false;

// The functions of src/kernels/fixed.rs, four values at a time.
fn shift(v: vec4<i32>, k: u32) -> vec4<i32> {
    if k == 0u { return v; }
    return (v >> vec4<u32>(k)) + ((v >> vec4<u32>(k - 1u)) & vec4<i32>(1));
}
fn times12(v: vec4<i32>, m: vec4<i32>) -> vec4<i32> {
    return (v >> vec4<u32>(12u)) * m + (((v & vec4<i32>(4095)) * m + 2048) >> vec4<u32>(12u));
}
fn slope(params: Params, a: vec4<i32>, v: vec4<i32>) -> vec4<i32> {
    switch ACT {
        case 1u: { return select(vec4<i32>(0), v, a > vec4<i32>(0)); }
        case 2u: { return select(times12(v, vec4<i32>(params.alpha)), v, a > vec4<i32>(0)); }
        case 3u: { return times12(v, max(a * (64 - a), vec4<i32>(0))); }
        case 4u: { return times12(v, max(4096 - a * a, vec4<i32>(0))); }
        default: { return v; }
    }
}

// Applies slope, dropout and level, and stores word `word` of row `row`. The padding of w is zero, so that of dx becomes zero
// too.
fn finish(now: StepValues, params: Params, row: u32, word: u32, products: vec4<i32>) {
    if row >= params.batch || word >= params.words { return; }
    let own = (now.model * params.layers + params.layer) * 8u;
    let level = u32(atomicLoad(&levels[own]));
    let place = (now.model * params.batch + row) * params.words + word;
    var a = unpack4xI8(x[place]);
    if MASKED { a = times12(a, vec4<i32>(params.back)); }
    var v = slope(params, a, products);
    if MASKED {
        // Words past the last column are padding, which has no bits.
        let at = min(word, (params.inputs - 1u) / 4u);
        let bits = mask[(now.model * params.batch + row) * params.mask_stride + at / 8u] >> (at % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v = times12(v, vec4<i32>(params.keep)) * vec4<i32>(kept);
    }
    let size = abs(v);
    let peak = max(max(size.x, size.y), max(size.z, size.w));
    v = shift(v, level);
    let narrow = clamp(v, vec4<i32>(-127), vec4<i32>(127));
    let bytes = bitcast<vec4<u32>>(narrow) & vec4<u32>(255u);
    dx[place] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
    // Most values are below the largest so far, so a load often saves the atomic operation.
    if peak > atomicLoad(&levels[own + 1u]) { atomicMax(&levels[own + 1u], peak); }
    if any(narrow != v) {
        let limited = select(vec4<i32>(0), vec4<i32>(1), narrow != v);
        atomicAdd(&levels[own + 5u], limited.x + limited.y + limited.z + limited.w);
    }
}

fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// The transpose of 4×4 bytes.
fn turn(m: vec4<u32>) -> vec4<u32> {
    let low = vec2<u32>((m.x & 0xffu) | ((m.y & 0xffu) << 8u) | ((m.x & 0xff00u) << 8u) | ((m.y & 0xff00u) << 16u),
                        (m.z & 0xffu) | ((m.w & 0xffu) << 8u) | ((m.z & 0xff00u) << 8u) | ((m.w & 0xff00u) << 16u));
    let high = vec2<u32>(((m.x >> 16u) & 0xffu) | (((m.y >> 16u) & 0xffu) << 8u) | ((m.x >> 24u) << 16u) | ((m.y >> 24u) << 24u),
                         ((m.z >> 16u) & 0xffu) | (((m.w >> 16u) & 0xffu) << 8u) | ((m.z >> 24u) << 16u) | ((m.w >> 24u) << 24u));
    return vec4<u32>((low.x & 0xffffu) | (low.y << 16u), (low.x >> 16u) | (low.y & 0xffff0000u),
                     (high.x & 0xffffu) | (high.y << 16u), (high.x >> 16u) | (high.y & 0xffff0000u));
}

// Offsets of four rows of dy from `row` on. Rows past the end repeat the last one. Their results are not stored.
fn rows_at(now: StepValues, params: Params, row: u32) -> vec4<u32> {
    let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u));
    return (now.model * params.batch + rows) * params.dy_words;
}
// The same of w. dy is zero in its padding.
fn factors_at(now: StepValues, params: Params, row: u32) -> vec4<u32> {
    let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u));
    return (now.model * params.outputs + rows) * params.words;
}

// One invocation makes a word of dx.
@compute @workgroup_size(64)
fn int_linear_dx(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    let row = at / params.words;
    if row >= params.batch { return; }
    let word = at % params.words;
    var sum = vec4<i32>(0);
    for (var k = 0u; k < params.dy_words; k++) {
        let o = factors_at(now, params, k * 4u) + word;
        let m = turn(vec4<u32>(w[o.x], w[o.y], w[o.z], w[o.w]));
        let d = dy[(now.model * params.batch + row) * params.dy_words + k];
        sum += vec4<i32>(dot4I8Packed(d, m.x), dot4I8Packed(d, m.y), dot4I8Packed(d, m.z), dot4I8Packed(d, m.w));
    }
    finish(now, params, row, word, sum);
}

// Four neighbouring values as floats. Products of 8-bit integers, and their sums up to 2²⁴, are exact in floats.
fn errors(row: u32, k: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(dy[row + k])); }
fn factors(at: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(w[at])); }

fn four_rows(r: vec4<u32>, k: u32) -> mat4x4<f32> {
    return mat4x4<f32>(errors(r.x, k), errors(r.y, k), errors(r.z, k), errors(r.w, k));
}
fn four_factors(o: vec4<u32>, col: u32) -> mat4x4<f32> {
    return mat4x4<f32>(factors(o.x + col), factors(o.y + col), factors(o.z + col), factors(o.w + col));
}

// For software adapters: one invocation makes a 16×16 tile, as in int_linear_registers.
@compute @workgroup_size(16)
fn int_linear_dx_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                           @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.words + 3u) / 4u;
    let at = number(group, groups) * 16u + lane;
    let row = at / tiles_across * 16u;
    let word = at % tiles_across * 4u;
    if row >= params.batch { return; }
    // `words` is a multiple of four.
    let r0 = rows_at(now, params, row + 0u); let r1 = rows_at(now, params, row + 4u);
    let r2 = rows_at(now, params, row + 8u); let r3 = rows_at(now, params, row + 12u);
    var sums = array<vec4<i32>, 64>();
    for (var begin = 0u; begin < params.dy_words; begin += 256u) {
        var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
        var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
        var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
        var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
        let end = min(begin + 256u, (params.outputs + 3u) / 4u);
        for (var k = begin; k < end; k++) {
            let d0 = four_rows(r0, k); let d1 = four_rows(r1, k); let d2 = four_rows(r2, k); let d3 = four_rows(r3, k);
            let o = factors_at(now, params, k * 4u) + word;
            let w0 = four_factors(o, 0u);
            c00 += w0 * d0; c10 += w0 * d1; c20 += w0 * d2; c30 += w0 * d3;
            let w1 = four_factors(o, 1u);
            c01 += w1 * d0; c11 += w1 * d1; c21 += w1 * d2; c31 += w1 * d3;
            let w2 = four_factors(o, 2u);
            c02 += w2 * d0; c12 += w2 * d1; c22 += w2 * d2; c32 += w2 * d3;
            let w3 = four_factors(o, 3u);
            c03 += w3 * d0; c13 += w3 * d1; c23 += w3 * d2; c33 += w3 * d3;
        }
        var tile = array<mat4x4<f32>, 16>(
            c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
        for (var i = 0u; i < 64u; i++) { sums[i] += vec4<i32>(tile[i / 4u][i % 4u]); }
    }
    for (var i = 0u; i < 64u; i++) { finish(now, params, row + i / 16u * 4u + i % 4u, word + i / 4u % 4u, sums[i]); }
}

fn products(d: u32, v: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot4I8Packed(d, v.x), dot4I8Packed(d, v.y), dot4I8Packed(d, v.z), dot4I8Packed(d, v.w));
}

// Words per row in workgroup memory: 16 words (64 terms), and one of padding, so that neighbouring rows start in different
// memory banks. Each array has 32 rows.
const ROW = 17u;
var<workgroup> left: array<u32, 544>;
var<workgroup> right: array<u32, 544>;

// 4×4 sums.
struct Tile { s0: vec4<i32>, s1: vec4<i32>, s2: vec4<i32>, s3: vec4<i32>, }
// Adds the products of the four rows of `left` from 4·ty on with the four rows of `right` from 4·tx on.
fn multiply(tx: u32, ty: u32, t: ptr<function, Tile>) {
    for (var k = 0u; k < 16u; k++) {
        let r = tx * 4u * ROW + k;
        let v = vec4<u32>(right[r], right[r + ROW], right[r + 2u * ROW], right[r + 3u * ROW]);
        let l = ty * 4u * ROW + k;
        (*t).s0 += products(left[l], v);
        (*t).s1 += products(left[l + ROW], v);
        (*t).s2 += products(left[l + 2u * ROW], v);
        (*t).s3 += products(left[l + 3u * ROW], v);
    }
}

// For GPUs: a workgroup of 64 makes a 32×32 tile of dx, 64 outputs at a time.
@compute @workgroup_size(64)
fn int_linear_dx_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.words + 7u) / 8u;
    let top = number(group, groups) / tiles_across * 32u;
    let word0 = number(group, groups) % tiles_across * 8u;
    if top >= params.batch { return; }
    var t = Tile();
    for (var k = 0u; k < params.dy_words; k += 16u) {
        // Each invocation stages eight words of dy, and two blocks of 4×4 weights, transposed. Past the end dy is zero, so w
        // may hold anything there.
        for (var i = 0u; i < 8u; i++) {
            let row = lane / 16u + i * 4u;
            let kk = k + lane % 16u;
            var d = 0u;
            if kk < params.dy_words { d = dy[(now.model * params.batch + min(top + row, params.batch - 1u)) * params.dy_words + kk]; }
            left[row * ROW + lane % 16u] = d;
        }
        for (var i = 0u; i < 2u; i++) {
            let word = lane % 8u;
            let term = lane / 8u + i * 8u;
            let o = factors_at(now, params, (k + term) * 4u) + min(word0 + word, params.words - 1u);
            let m = turn(vec4<u32>(w[o.x], w[o.y], w[o.z], w[o.w]));
            for (var j = 0u; j < 4u; j++) { right[(word * 4u + j) * ROW + term] = m[j]; }
        }
        workgroupBarrier();
        multiply(lane % 8u, lane / 8u, &t);
        workgroupBarrier();
    }
    let row = top + lane / 8u * 4u;
    let word = word0 + lane % 8u;
    finish(now, params, row, word, t.s0);
    finish(now, params, row + 1u, word, t.s1);
    finish(now, params, row + 2u, word, t.s2);
    finish(now, params, row + 3u, word, t.s3);
}
