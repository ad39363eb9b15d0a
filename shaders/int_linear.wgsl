// int_linear: y = act(x·wᵀ + b) ⊙ mask / keep in integers.   x (B, I) i8, w (O, I) i8, b (O) i32, mask (B, O) bits,
//   levels (L, 8) i32 -> y (B, O) i8. Counts the outputs that do not fit in 8 bits.
// int_logits: z = x·wᵀ + b, for the last layer.   -> z (B, O) i32
// words, out_words: u32 per row of x and w, of y. Sums have `bits` fractional bits. b is shifted right by `bias_shift` to
// match. Outputs are shifted right by `out_shift`. params.keep is the inverse of the keep probability, alpha the slope of
// leaky ReLU, both with 12 fractional bits.
// Formats: src/kernels/fixed.rs. Twin: src/kernels/int_linear.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params {
    batch: u32, words: u32, outputs: u32, out_words: u32, mask_stride: u32, bits: u32,
    bias_shift: u32, out_shift: u32, keep: i32, alpha: i32, layer: u32, layers: u32,
}
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> x: array<vec4<u32>>;               // (B, I) sixteen per vec4
@group(1) @binding(2) var<storage, read> w: array<vec4<u32>>;               // (O, I) sixteen per vec4
@group(1) @binding(3) var<storage, read> b: array<vec4<i32>>;               // (O)
@group(1) @binding(4) var<storage, read> mask: array<u32>;                  // (B, O) bits
@group(1) @binding(5) var<storage, read_write> levels: array<atomic<i32>>;  // (L, 8)
@group(1) @binding(6) var<storage, read_write> y: array<u32>;               // (B, O) four per word
@group(1) @binding(7) var<storage, read_write> z: array<vec4<i32>>;         // (B, O)

override ACT: u32 = 0u;         // 0 identity, 1 ReLU, 2 leaky ReLU, 3 sigmoid, 4 tanh
override MASKED: bool = false;

// The functions of src/kernels/fixed.rs, four values at a time.
fn shift(v: vec4<i32>, k: u32) -> vec4<i32> {
    if k == 0u { return v; }
    return (v >> vec4<u32>(k)) + ((v >> vec4<u32>(k - 1u)) & vec4<i32>(1));
}
fn times12(v: vec4<i32>, m: i32) -> vec4<i32> {
    return (v >> vec4<u32>(12u)) * m + (((v & vec4<i32>(4095)) * m + 2048) >> vec4<u32>(12u));
}
fn exp_minus(d: vec4<u32>) -> vec4<u32> {
    let t = (min(d, vec4<u32>(4095u)) * 94548u) >> vec4<u32>(8u);
    let f = t & vec4<u32>(65535u);
    let a = 15149u - ((f * 2593u) >> vec4<u32>(16u));
    let b = 45325u - ((f * a) >> vec4<u32>(16u));
    let p = 65536u - ((f * b) >> vec4<u32>(16u));
    return p >> min(1u + (t >> vec4<u32>(16u)), vec4<u32>(31u));
}
fn eighth(params: Params, v: vec4<i32>) -> vec4<u32> {
    let size = bitcast<vec4<u32>>(abs(v));
    if params.bits >= 8u { return size >> vec4<u32>(params.bits - 8u); }
    return min(size, vec4<u32>(4095u)) << vec4<u32>(8u - params.bits);
}
fn activate(params: Params, v: vec4<i32>) -> vec4<i32> {
    let negative = v < vec4<i32>(0);
    switch ACT {
        case 1u: { return max(v, vec4<i32>(0)); }
        case 2u: { return select(v, times12(v, params.alpha), negative); }
        case 3u: {
            let e = exp_minus(eighth(params, v));
            let high = bitcast<vec4<i32>>(((32768u << 14u) + (32768u + e) / 2u) / (32768u + e));
            return select(high, (1 << 14u) - high, negative);
        }
        case 4u: {
            let e = exp_minus(2u * min(eighth(params, v), vec4<u32>(4095u)));
            let high = bitcast<vec4<i32>>((((32768u - e) << vec4<u32>(14u)) + (32768u + e) / 2u) / (32768u + e));
            return select(high, -high, negative);
        }
        default: { return v; }
    }
}

// Adds the bias, applies activation and dropout, and stores word `word` of row `row`. Padding becomes zero. Counts values
// that do not fit.
fn finish(now: StepValues, params: Params, row: u32, word: u32, products: vec4<i32>) {
    if row >= params.batch || word >= params.out_words { return; }
    // Words past the last column are padding.
    let at = min(word, (params.outputs - 1u) / 4u);
    var v = activate(params, products + shift(b[now.model * ((params.outputs + 3u) / 4u) + at], params.bias_shift));
    if MASKED {
        let bits = mask[(now.model * params.batch + row) * params.mask_stride + at / 8u] >> (at % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v = times12(v, params.keep) * vec4<i32>(kept);
    }
    v = select(vec4<i32>(0), shift(v, params.out_shift), word * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.outputs));
    let narrow = clamp(v, vec4<i32>(-127), vec4<i32>(127));
    let bytes = bitcast<vec4<u32>>(narrow) & vec4<u32>(255u);
    y[(now.model * params.batch + row) * params.out_words + word] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
    if any(narrow != v) && row < now.rows {
        let limited = select(vec4<i32>(0), vec4<i32>(1), narrow != v);
        atomicAdd(&levels[(now.model * params.layers + params.layer) * 8u + 4u], limited.x + limited.y + limited.z + limited.w);
    }
}

fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

fn dot16(a: vec4<u32>, c: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, c.x) + dot4I8Packed(a.y, c.y) + dot4I8Packed(a.z, c.z) + dot4I8Packed(a.w, c.w);
}

// Offsets of four rows of x or of w from `row` on. Rows past the end repeat the last one; their results are not stored.
fn rows_at(now: StepValues, params: Params, row: u32, rows: u32) -> vec4<u32> {
    let r = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(rows - 1u));
    return (now.model * rows + r) * (params.words / 4u);
}

// The products of a row of x with four neighbouring rows of w.
fn four(now: StepValues, params: Params, row: u32, word: u32) -> vec4<i32> {
    let words4 = params.words / 4u;
    let r = (now.model * params.batch + row) * words4;
    let o = rows_at(now, params, word * 4u, params.outputs);
    var sum = vec4<i32>(0);
    for (var k = 0u; k < words4; k++) {
        let v = x[r + k];
        sum += vec4<i32>(dot16(v, w[o.x + k]), dot16(v, w[o.y + k]), dot16(v, w[o.z + k]), dot16(v, w[o.w + k]));
    }
    return sum;
}

// One invocation makes a word of y.
@compute @workgroup_size(64)
fn int_linear(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    let row = at / params.out_words;
    if row >= params.batch { return; }
    finish(now, params, row, at % params.out_words, four(now, params, row, at % params.out_words));
}

// One invocation makes four neighbouring logits.
@compute @workgroup_size(64)
fn int_logits(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    let outputs4 = params.out_words / 4u;
    let row = at / outputs4;
    if row >= params.batch { return; }
    let col4 = at % outputs4;
    let v = four(now, params, row, col4) + shift(b[now.model * ((params.outputs + 3u) / 4u) + col4], params.bias_shift);
    let inside = col4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.outputs);
    z[now.model * params.batch * outputs4 + at] = select(vec4<i32>(0), v, inside);
}

// Four neighbouring inputs as floats. Products of 8-bit integers, and their sums up to 2²⁴, are exact in floats.
fn floats(row: u32, word: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(x[row + word / 4u][word % 4u])); }
fn factors(row: u32, word: u32) -> vec4<f32> { return vec4<f32>(unpack4xI8(w[row + word / 4u][word % 4u])); }

fn four_rows(r: vec4<u32>, k: u32) -> mat4x4<f32> {
    return mat4x4<f32>(floats(r.x, k), floats(r.y, k), floats(r.z, k), floats(r.w, k));
}
fn four_factors(o: vec4<u32>, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(factors(o.x, k), factors(o.y, k), factors(o.z, k), factors(o.w, k)));
}

// For software adapters, which multiply floats fastest: one invocation makes a 16×16 tile. After 1024 terms the sums are
// added to integers.
@compute @workgroup_size(16)
fn int_linear_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.out_words + 3u) / 4u;
    let at = number(group, groups) * 16u + lane;
    let row = at / tiles_across * 16u;
    let word = at % tiles_across * 4u;
    if row >= params.batch { return; }
    let r0 = rows_at(now, params, row + 0u, params.batch); let r1 = rows_at(now, params, row + 4u, params.batch);
    let r2 = rows_at(now, params, row + 8u, params.batch); let r3 = rows_at(now, params, row + 12u, params.batch);
    let o0 = rows_at(now, params, word * 4u + 0u, params.outputs); let o1 = rows_at(now, params, word * 4u + 4u, params.outputs);
    let o2 = rows_at(now, params, word * 4u + 8u, params.outputs); let o3 = rows_at(now, params, word * 4u + 12u, params.outputs);
    var sums = array<vec4<i32>, 64>();
    for (var begin = 0u; begin < params.words; begin += 256u) {
        var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
        var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
        var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
        var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
        let end = min(begin + 256u, params.words);
        for (var k = begin; k < end; k++) {
            let x0 = four_rows(r0, k); let x1 = four_rows(r1, k); let x2 = four_rows(r2, k); let x3 = four_rows(r3, k);
            let w0 = four_factors(o0, k);
            c00 += w0 * x0; c10 += w0 * x1; c20 += w0 * x2; c30 += w0 * x3;
            let w1 = four_factors(o1, k);
            c01 += w1 * x0; c11 += w1 * x1; c21 += w1 * x2; c31 += w1 * x3;
            let w2 = four_factors(o2, k);
            c02 += w2 * x0; c12 += w2 * x1; c22 += w2 * x2; c32 += w2 * x3;
            let w3 = four_factors(o3, k);
            c03 += w3 * x0; c13 += w3 * x1; c23 += w3 * x2; c33 += w3 * x3;
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

// For GPUs: a workgroup of 64 makes a 32×32 tile of y, 64 inputs at a time.
@compute @workgroup_size(64)
fn int_linear_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.out_words + 7u) / 8u;
    let top = number(group, groups) / tiles_across * 32u;
    let across = number(group, groups) % tiles_across * 32u;
    if top >= params.batch { return; }
    let words4 = params.words / 4u;
    var t = Tile();
    for (var k = 0u; k < words4; k += 4u) {
        // Each invocation stages two vec4 of x and two of w; zeros past the end of a row.
        for (var i = 0u; i < 2u; i++) {
            let row = lane / 4u + i * 16u;
            let kk = k + lane % 4u;
            var a = vec4<u32>(0u);
            var c = vec4<u32>(0u);
            if kk < words4 {
                a = x[(now.model * params.batch + min(top + row, params.batch - 1u)) * words4 + kk];
                c = w[(now.model * params.outputs + min(across + row, params.outputs - 1u)) * words4 + kk];
            }
            for (var j = 0u; j < 4u; j++) {
                left[row * ROW + lane % 4u * 4u + j] = a[j];
                right[row * ROW + lane % 4u * 4u + j] = c[j];
            }
        }
        workgroupBarrier();
        multiply(lane % 8u, lane / 8u, &t);
        workgroupBarrier();
    }
    let row = top + lane / 8u * 4u;
    let word = across / 4u + lane % 8u;
    finish(now, params, row, word, t.s0);
    finish(now, params, row + 1u, word, t.s1);
    finish(now, params, row + 2u, word, t.s2);
    finish(now, params, row + 3u, word, t.s3);
}
