// int_update: the gradients of a layer in integers, and gradient descent with them.
//   int_gradient   g = dyᵀ·x.               dy (B, O) i8, x (B, I) i8 -> g (O, I) i32
//   int_gradient_b g = the sums of dy.      dy (B, O) i8 -> g (O) i32
//                  Added to g if `accumulate` is 1.
//   int_sgd        w ← w − lr·(ḡ + l2·w).   g, w (O, I) or (O) i32, levels (L, 8) i32 -> w
//   int_momentum   v ← μ·v + ḡ + l2·w, w ← w − lr·v.   -> w, v
//                  With NESTEROV: w ← w − lr·(ḡ + l2·w + μ·v).
//   int_update_*   Both at once, for the weights and the biases of a layer. No gradient is stored. Only w is penalised.
// ḡ is g divided by the number of samples in the batch, and has 28 fractional bits, as w and v have. g has 28 + `base`
// fractional bits less the layer's sum of levels; that of the biases of int_update_* has 28 + `base_b` less that sum.
// words, dy_words: u32 per row of x, of dy. inputs4, outputs4: vec4 per row of w, of b. count: vec4 of w (int_sgd, int_momentum).
// Formats: src/kernels/fixed.rs. Twins: src/kernels/int_gradient.rs, int_step.rs, int_update.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params {
    batch: u32, words: u32, inputs4: u32, outputs: u32, dy_words: u32, outputs4: u32,
    count: u32, layer: u32, layers: u32, base: i32, base_b: i32, clip: i32, l2: f32, pad0: u32, pad1: u32, pad2: u32,
}
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> dy: array<u32>;                // (B, O) four per word
@group(1) @binding(2) var<storage, read> x: array<u32>;                 // (B, I) four per word
@group(1) @binding(3) var<storage, read_write> sums: array<vec4<i32>>;  // (O, I) or (O): g, to be stored
@group(1) @binding(4) var<storage, read> g: array<vec4<i32>>;           // as w: g, stored before
@group(1) @binding(5) var<storage, read> levels: array<i32>;            // (L, 8)
@group(1) @binding(6) var<storage, read_write> w: array<vec4<i32>>;     // (O, I); of int_sgd and int_momentum also (O)
@group(1) @binding(7) var<storage, read_write> b: array<vec4<i32>>;     // (O)
@group(1) @binding(8) var<storage, read_write> v: array<vec4<i32>>;     // as w
@group(1) @binding(9) var<storage, read_write> v_b: array<vec4<i32>>;   // (O)

override NESTEROV: bool = false;

// The functions of src/kernels/fixed.rs, four values at a time.
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
struct Factors { mean: Multiplier, mean_b: Multiplier, l2: Multiplier, lr: Multiplier, momentum: Multiplier, }
fn factors(now: StepValues, params: Params) -> Factors {
    // `Factor::one_over` the batch.
    let whole = 0x80000000u / max(now.batch, 1u);
    let zeros = countLeadingZeros(whole);
    let m = i32((whole << zeros) >> 16u);
    let s = 15 + i32(zeros) - levels[(now.model * params.layers + params.layer) * 8u + 2u];
    return Factors(multiplier(m, s + params.base), multiplier(m, s + params.base_b), of_bits(bitcast<u32>(params.l2)),
                   of_bits(bitcast<u32>(now.lr)), of_bits(bitcast<u32>(now.momentum)));
}

// ḡ from the sum, limited to `clip` if that is above 0.
fn mean(params: Params, mean: Multiplier, sum: vec4<i32>) -> vec4<i32> {
    let g = times(mean, sum);
    if params.clip > 0 { return clamp(g, vec4<i32>(-params.clip), vec4<i32>(params.clip)); }
    return g;
}
// ḡ + l2·w
fn penalised(params: Params, f: Factors, sum: vec4<i32>, w: vec4<i32>) -> vec4<i32> {
    let g = mean(params, f.mean, sum);
    if params.l2 > 0.0 { return add(g, times(f.l2, w)); }
    return g;
}

// w − lr·d
fn descend(f: Factors, w: vec4<i32>, d: vec4<i32>) -> vec4<i32> { return add(w, -times(f.lr, d)); }
// The next w and v.
struct Next { w: vec4<i32>, v: vec4<i32>, }
fn momentum_step(f: Factors, w: vec4<i32>, v: vec4<i32>, d: vec4<i32>) -> Next {
    let next = add(times(f.momentum, v), d);
    if NESTEROV { return Next(descend(f, w, add(d, times(f.momentum, next))), next); }
    return Next(descend(f, w, next), next);
}

// Use of a sum: of vec4 `at` of the weights, or of the biases.
fn store(now: StepValues, at: u32, sum: vec4<i32>) {
    if now.accumulate == 1u { sums[at] += sum; } else { sums[at] = sum; }
}
fn sgd_w(params: Params, f: Factors, at: u32, sum: vec4<i32>) { w[at] = descend(f, w[at], penalised(params, f, sum, w[at])); }
fn sgd_b(params: Params, f: Factors, at: u32, sum: vec4<i32>) { b[at] = descend(f, b[at], mean(params, f.mean_b, sum)); }
fn momentum_w(params: Params, f: Factors, at: u32, sum: vec4<i32>) {
    let next = momentum_step(f, w[at], v[at], penalised(params, f, sum, w[at]));
    w[at] = next.w; v[at] = next.v;
}
fn momentum_b(params: Params, f: Factors, at: u32, sum: vec4<i32>) {
    let next = momentum_step(f, b[at], v_b[at], mean(params, f.mean_b, sum));
    b[at] = next.w; v_b[at] = next.v;
}

// The transpose of 4×4 bytes.
fn turn(m: vec4<u32>) -> vec4<u32> {
    let low = vec2<u32>((m.x & 0xffu) | ((m.y & 0xffu) << 8u) | ((m.x & 0xff00u) << 8u) | ((m.y & 0xff00u) << 16u),
                        (m.z & 0xffu) | ((m.w & 0xffu) << 8u) | ((m.z & 0xff00u) << 8u) | ((m.w & 0xff00u) << 16u));
    let high = vec2<u32>(((m.x >> 16u) & 0xffu) | (((m.y >> 16u) & 0xffu) << 8u) | ((m.x >> 24u) << 16u) | ((m.y >> 24u) << 24u),
                         ((m.z >> 16u) & 0xffu) | (((m.w >> 16u) & 0xffu) << 8u) | ((m.z >> 24u) << 16u) | ((m.w >> 24u) << 24u));
    return vec4<u32>((low.x & 0xffffu) | (low.y << 16u), (low.x >> 16u) | (low.y & 0xffff0000u),
                     (high.x & 0xffffu) | (high.y << 16u), (high.x >> 16u) | (high.y & 0xffff0000u));
}

fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// Word `word` of the four rows of dy from `row` on, transposed: a component holds one column, four terms of a sum. Rows past
// the end are zero.
fn terms_of_dy(now: StepValues, params: Params, row: u32, word: u32) -> vec4<u32> {
    var m = vec4<u32>(0u);
    let top = now.model * params.batch + row;
    for (var i = 0u; i < 4u; i++) { if row + i < params.batch { m[i] = dy[(top + i) * params.dy_words + word]; } }
    return turn(m);
}
// The same of x.
fn terms_of_x(now: StepValues, params: Params, row: u32, word: u32) -> vec4<u32> {
    var m = vec4<u32>(0u);
    let top = now.model * params.batch + row;
    for (var i = 0u; i < 4u; i++) { if row + i < params.batch { m[i] = x[(top + i) * params.words + word]; } }
    return turn(m);
}

fn products(d: u32, v: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot4I8Packed(d, v.x), dot4I8Packed(d, v.y), dot4I8Packed(d, v.z), dot4I8Packed(d, v.w));
}

// Place of vec4 `col4` of row `row` in w.
fn place(now: StepValues, params: Params, row: u32, col4: u32) -> u32 {
    return (now.model * params.outputs + row) * params.inputs4 + col4;
}

// The sums of word `word` of dy over the batch.
fn sum_of_dy(now: StepValues, params: Params, word: u32) -> vec4<i32> {
    var sum = vec4<i32>(0);
    for (var row = 0u; row < params.batch; row++) {
        let d = dy[(now.model * params.batch + row) * params.dy_words + word];
        sum += vec4<i32>(vec4<u32>(d) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
    }
    return sum;
}

// One invocation makes 4×4 values. The padding of x is zero, so that of g becomes zero too.
@compute @workgroup_size(64)
fn int_gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    let row = at / params.inputs4 * 4u;
    let col4 = at % params.inputs4;
    if row >= params.outputs { return; }
    var s0 = vec4<i32>(0); var s1 = vec4<i32>(0); var s2 = vec4<i32>(0); var s3 = vec4<i32>(0);
    for (var b = 0u; b < params.batch; b += 4u) {
        let d = terms_of_dy(now, params, b, row / 4u);
        let v = terms_of_x(now, params, b, col4);
        s0 += products(d.x, v); s1 += products(d.y, v); s2 += products(d.z, v); s3 += products(d.w, v);
    }
    let first = place(now, params, row, col4);
    store(now, first, s0);
    if row + 1u < params.outputs { store(now, first + params.inputs4, s1); }
    if row + 2u < params.outputs { store(now, first + 2u * params.inputs4, s2); }
    if row + 3u < params.outputs { store(now, first + 3u * params.inputs4, s3); }
}

// One invocation makes four neighbouring sums.
@compute @workgroup_size(64)
fn int_gradient_b(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let word = number(group, groups) * 64u + lane;
    if word >= params.outputs4 { return; }
    store(now, now.model * params.outputs4 + word, sum_of_dy(now, params, word));
}

// Word `word` of the four rows of x from `b` on as floats: a matrix column per row of x. Rows from `end` on are zero.
fn four_of_x(now: StepValues, params: Params, b: u32, end: u32, word: u32) -> mat4x4<f32> {
    let rows = min(vec4<u32>(b) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u));
    let r = (now.model * params.batch + rows) * params.words + word;
    let real = vec4<f32>(vec4<u32>(b) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end));
    return mat4x4<f32>(real.x * vec4<f32>(unpack4xI8(x[r.x])), real.y * vec4<f32>(unpack4xI8(x[r.y])),
                       real.z * vec4<f32>(unpack4xI8(x[r.z])), real.w * vec4<f32>(unpack4xI8(x[r.w])));
}
// The same of dy, transposed: a matrix row per row of dy. Rows past the end may hold anything, because x is zero there.
fn four_of_dy(now: StepValues, params: Params, b: u32, word: u32) -> mat4x4<f32> {
    let rows = min(vec4<u32>(b) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u));
    let r = (now.model * params.batch + rows) * params.dy_words + word;
    return transpose(mat4x4<f32>(vec4<f32>(unpack4xI8(dy[r.x])), vec4<f32>(unpack4xI8(dy[r.y])),
                                 vec4<f32>(unpack4xI8(dy[r.z])), vec4<f32>(unpack4xI8(dy[r.w]))));
}

// For software adapters, which multiply floats fastest: one invocation makes a 16×16 block. Products of 8-bit integers, and
// their sums up to 2²⁴, are exact in floats. After 1024 terms the sums are added to integers.
struct Block { row4: u32, col4: u32, sums: array<vec4<i32>, 64>, }
fn registers(now: StepValues, params: Params, number: u32, lane: u32, block: ptr<function, Block>) {
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let at = number * 16u + lane;
    let row4 = at / tiles_across * 4u;
    let col4 = at % tiles_across * 4u;
    (*block).row4 = row4;
    (*block).col4 = col4;
    if row4 * 4u >= params.outputs { return; }
    for (var begin = 0u; begin < params.batch; begin += 1024u) {
        var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
        var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
        var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
        var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
        let end = min(begin + 1024u, params.batch);
        for (var b = begin; b < end; b += 4u) {
            // Rows of dy and of x are whole multiples of four words.
            let v0 = four_of_x(now, params, b, end, col4); let v1 = four_of_x(now, params, b, end, col4 + 1u);
            let v2 = four_of_x(now, params, b, end, col4 + 2u); let v3 = four_of_x(now, params, b, end, col4 + 3u);
            let d0 = four_of_dy(now, params, b, row4);
            c00 += v0 * d0; c01 += v1 * d0; c02 += v2 * d0; c03 += v3 * d0;
            let d1 = four_of_dy(now, params, b, row4 + 1u);
            c10 += v0 * d1; c11 += v1 * d1; c12 += v2 * d1; c13 += v3 * d1;
            let d2 = four_of_dy(now, params, b, row4 + 2u);
            c20 += v0 * d2; c21 += v1 * d2; c22 += v2 * d2; c23 += v3 * d2;
            let d3 = four_of_dy(now, params, b, row4 + 3u);
            c30 += v0 * d3; c31 += v1 * d3; c32 += v2 * d3; c33 += v3 * d3;
        }
        var tile = array<mat4x4<f32>, 16>(
            c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
        for (var i = 0u; i < 64u; i++) { (*block).sums[i] += vec4<i32>(tile[i / 4u][i % 4u]); }
    }
}
const OUTSIDE = 0xffffffffu;
// Place in w of the i-th vec4 of a block, or OUTSIDE.
fn place_in(now: StepValues, params: Params, row4: u32, col4: u32, i: u32) -> u32 {
    let row = row4 * 4u + i / 16u * 4u + i % 4u;
    let col = col4 + i / 4u % 4u;
    if row >= params.outputs || col >= params.inputs4 { return OUTSIDE; }
    return place(now, params, row, col);
}

@compute @workgroup_size(16)
fn int_gradient_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                          @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    var block = Block();
    registers(now, params, number(group, groups), lane, &block);
    for (var i = 0u; i < 64u; i++) {
        let at = place_in(now, params, block.row4, block.col4, i);
        if at != OUTSIDE { store(now, at, block.sums[i]); }
    }
}
@compute @workgroup_size(16)
fn int_update_sgd_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                            @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let f = factors(now, params);
    var block = Block();
    registers(now, params, number(group, groups), lane, &block);
    for (var i = 0u; i < 64u; i++) {
        let at = place_in(now, params, block.row4, block.col4, i);
        if at != OUTSIDE { sgd_w(params, f, at, block.sums[i]); }
    }
    if block.col4 > 0u { return; }
    for (var unit4 = block.row4; unit4 < min(block.row4 + 4u, params.outputs4); unit4++) {
        sgd_b(params, f, now.model * params.outputs4 + unit4, sum_of_dy(now, params, unit4));
    }
}
@compute @workgroup_size(16)
fn int_update_momentum_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                                 @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let f = factors(now, params);
    var block = Block();
    registers(now, params, number(group, groups), lane, &block);
    for (var i = 0u; i < 64u; i++) {
        let at = place_in(now, params, block.row4, block.col4, i);
        if at != OUTSIDE { momentum_w(params, f, at, block.sums[i]); }
    }
    if block.col4 > 0u { return; }
    for (var unit4 = block.row4; unit4 < min(block.row4 + 4u, params.outputs4); unit4++) {
        momentum_b(params, f, now.model * params.outputs4 + unit4, sum_of_dy(now, params, unit4));
    }
}

// Words per row in workgroup memory: 16 words (64 terms), and one of padding, so that neighbouring rows start in different
// memory banks. Each array has 32 rows.
const ROW = 17u;
var<workgroup> left: array<u32, 544>;
var<workgroup> right: array<u32, 544>;

// 4×4 sums of weights: vec4 `col4` of the rows from `row` on. And the sums of these rows of biases.
struct Tile { row: u32, col4: u32, s0: vec4<i32>, s1: vec4<i32>, s2: vec4<i32>, s3: vec4<i32>, bias: vec4<i32>, }
// Adds the products of the four rows of `left` from 4·ty on with the four rows of `right` from 4·tx on.
fn multiply(tx: u32, ty: u32, t: ptr<function, Tile>) {
    for (var k = 0u; k < 16u; k++) {
        let r = tx * 4u * ROW + k;
        let v = vec4<u32>(right[r], right[r + ROW], right[r + 2u * ROW], right[r + 3u * ROW]);
        let l = ty * 4u * ROW + k;
        let d = vec4<u32>(left[l], left[l + ROW], left[l + 2u * ROW], left[l + 3u * ROW]);
        (*t).s0 += products(d.x, v);
        (*t).s1 += products(d.y, v);
        (*t).s2 += products(d.z, v);
        (*t).s3 += products(d.w, v);
        (*t).bias += products(0x01010101u, d);
    }
}

// For GPUs: a workgroup of 64 makes a 32×32 tile, 64 samples at a time.
fn tiled(now: StepValues, params: Params, number: u32, lane: u32) -> Tile {
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let top = number / tiles_across * 8u;
    let across = number % tiles_across * 8u;
    var t = Tile();
    t.row = top * 4u + lane / 8u * 4u;
    t.col4 = across + lane % 8u;
    for (var b = 0u; b < params.batch; b += 64u) {
        // Each invocation stages two 4×4 blocks of dy and two of x, transposed. Words past the end repeat the last one. Their
        // results are not stored.
        for (var i = 0u; i < 2u; i++) {
            let word = lane % 8u;
            let term = lane / 8u + i * 8u;
            let d = terms_of_dy(now, params, b + term * 4u, min(top + word, params.dy_words - 1u));
            let v = terms_of_x(now, params, b + term * 4u, min(across + word, params.words - 1u));
            for (var j = 0u; j < 4u; j++) {
                left[(word * 4u + j) * ROW + term] = d[j];
                right[(word * 4u + j) * ROW + term] = v[j];
            }
        }
        workgroupBarrier();
        multiply(lane % 8u, lane / 8u, &t);
        workgroupBarrier();
    }
    return t;
}

@compute @workgroup_size(64)
fn int_gradient_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let t = tiled(now, params, number(group, groups), lane);
    if t.col4 >= params.inputs4 { return; }
    let at = place(now, params, t.row, t.col4);
    if t.row < params.outputs { store(now, at, t.s0); }
    if t.row + 1u < params.outputs { store(now, at + params.inputs4, t.s1); }
    if t.row + 2u < params.outputs { store(now, at + 2u * params.inputs4, t.s2); }
    if t.row + 3u < params.outputs { store(now, at + 3u * params.inputs4, t.s3); }
}
@compute @workgroup_size(64)
fn int_update_sgd_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let f = factors(now, params);
    let t = tiled(now, params, number(group, groups), lane);
    if t.col4 >= params.inputs4 || t.row >= params.outputs { return; }
    let at = place(now, params, t.row, t.col4);
    sgd_w(params, f, at, t.s0);
    if t.row + 1u < params.outputs { sgd_w(params, f, at + params.inputs4, t.s1); }
    if t.row + 2u < params.outputs { sgd_w(params, f, at + 2u * params.inputs4, t.s2); }
    if t.row + 3u < params.outputs { sgd_w(params, f, at + 3u * params.inputs4, t.s3); }
    if t.col4 == 0u { sgd_b(params, f, now.model * params.outputs4 + t.row / 4u, t.bias); }
}
@compute @workgroup_size(64)
fn int_update_momentum_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                             @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let f = factors(now, params);
    let t = tiled(now, params, number(group, groups), lane);
    if t.col4 >= params.inputs4 || t.row >= params.outputs { return; }
    let at = place(now, params, t.row, t.col4);
    momentum_w(params, f, at, t.s0);
    if t.row + 1u < params.outputs { momentum_w(params, f, at + params.inputs4, t.s1); }
    if t.row + 2u < params.outputs { momentum_w(params, f, at + 2u * params.inputs4, t.s2); }
    if t.row + 3u < params.outputs { momentum_w(params, f, at + 3u * params.inputs4, t.s3); }
    if t.col4 == 0u { momentum_b(params, f, now.model * params.outputs4 + t.row / 4u, t.bias); }
}

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
    for (var i = first; i < min(first + 64u * EACH, params.count); i += 64u) { sgd_w(params, f, own + i, g[own + i]); }
}

@compute @workgroup_size(64)
fn int_momentum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let f = factors(now, params);
    let own = now.model * params.count;
    let first = number(group, groups) * 64u * EACH + lane;
    for (var i = first; i < min(first + 64u * EACH, params.count); i += 64u) { momentum_w(params, f, own + i, g[own + i]); }
}
