// int_gradient: g = dyᵀ·x in integers.   dy (B, O) i8, x (B, I) i8 -> g (O, I) i32
// int_gradient_b: g = the sums of dy over the batch.   dy (B, O) i8 -> g (O) i32
// Added to g if `accumulate` is 1. words, dy_words: u32 per row of x, of dy. inputs4: vec4 per row of g.
// Formats: src/kernels/fixed.rs. Twin: src/kernels/int_gradient.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, words: u32, inputs: u32, inputs4: u32, outputs: u32, dy_words: u32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> dy: array<u32>;                // (B, O) four per word
@group(1) @binding(2) var<storage, read> x: array<u32>;                 // (B, I) four per word
@group(1) @binding(3) var<storage, read_write> g: array<vec4<i32>>;     // (O, I)

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

fn store(now: StepValues, params: Params, row: u32, col4: u32, sum: vec4<i32>) {
    if row >= params.outputs { return; }
    let at = (now.model * params.outputs + row) * params.inputs4 + col4;
    if now.accumulate == 1u { g[at] += sum; } else { g[at] = sum; }
}

// One invocation makes 4×4 values. The padding of x is zero, so that of g becomes zero too.
@compute @workgroup_size(64)
fn int_gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    let row4 = at / params.inputs4;
    let col4 = at % params.inputs4;
    if row4 * 4u >= params.outputs { return; }
    var s0 = vec4<i32>(0); var s1 = vec4<i32>(0); var s2 = vec4<i32>(0); var s3 = vec4<i32>(0);
    for (var b = 0u; b < params.batch; b += 4u) {
        let d = terms_of_dy(now, params, b, row4);
        let v = terms_of_x(now, params, b, col4);
        s0 += products(d.x, v); s1 += products(d.y, v); s2 += products(d.z, v); s3 += products(d.w, v);
    }
    store(now, params, row4 * 4u, col4, s0);
    store(now, params, row4 * 4u + 1u, col4, s1);
    store(now, params, row4 * 4u + 2u, col4, s2);
    store(now, params, row4 * 4u + 3u, col4, s3);
}

// One invocation makes four neighbouring sums.
@compute @workgroup_size(64)
fn int_gradient_b(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let word = number(group, groups) * 64u + lane;
    if word * 4u >= params.outputs { return; }
    var sum = vec4<i32>(0);
    for (var b = 0u; b < params.batch; b++) {
        let d = dy[(now.model * params.batch + b) * params.dy_words + word];
        sum += vec4<i32>(vec4<u32>(d) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
    }
    let at = now.model * ((params.outputs + 3u) / 4u) + word;
    if now.accumulate == 1u { g[at] += sum; } else { g[at] = sum; }
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

// For software adapters, which multiply floats fastest: one invocation makes a 16×16 tile. Products of 8-bit integers, and
// their sums up to 2²⁴, are exact in floats. After 1024 terms the sums are added to integers.
@compute @workgroup_size(16)
fn int_gradient_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                          @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let at = number(group, groups) * 16u + lane;
    let row4 = at / tiles_across * 4u;
    let col4 = at % tiles_across * 4u;
    if row4 * 4u >= params.outputs { return; }
    var sums = array<vec4<i32>, 64>();
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
        for (var i = 0u; i < 64u; i++) { sums[i] += vec4<i32>(tile[i / 4u][i % 4u]); }
    }
    for (var i = 0u; i < 64u; i++) {
        if col4 + i / 4u % 4u < params.inputs4 { store(now, params, row4 * 4u + i / 16u * 4u + i % 4u, col4 + i / 4u % 4u, sums[i]); }
    }
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

// For GPUs: a workgroup of 64 makes a 32×32 tile, 64 samples at a time.
@compute @workgroup_size(64)
fn int_gradient_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                      @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let top = number(group, groups) / tiles_across * 8u;
    let across = number(group, groups) % tiles_across * 8u;
    if top * 4u >= params.outputs { return; }
    var t = Tile();
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
    let row = top * 4u + lane / 8u * 4u;
    let col4 = across + lane % 8u;
    if col4 >= params.inputs4 { return; }
    store(now, params, row, col4, t.s0);
    store(now, params, row + 1u, col4, t.s1);
    store(now, params, row + 2u, col4, t.s2);
    store(now, params, row + 3u, col4, t.s3);
}
