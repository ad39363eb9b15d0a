// int_gradient: g = dyᵀ·x in integers.   dy (B, O) i8, x (B, I) i8 -> g (O, I) i32
// int_gradient_b: g = the sums of dy over the batch.   dy (B, O) i8 -> g (O) i32
// Added to g if `accumulate` is 1. words: u32 of a row of x. Twin: src/kernels/int_gradient.rs
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32,
}
struct Params { batch: u32, words: u32, inputs: u32, inputs4: u32, outputs: u32, dy_words: u32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: StepValues;
@group(1) @binding(0) var<uniform> params: Params;
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

// The word `word` of four rows of the batch, turned: each component holds four terms of a sum. Rows past the end are zero.
fn terms_of_dy(row: u32, word: u32) -> vec4<u32> {
    var m = vec4<u32>(0u);
    for (var i = 0u; i < 4u; i++) { if row + i < params.batch { m[i] = dy[(row + i) * params.dy_words + word]; } }
    return turn(m);
}
fn terms_of_x(row: u32, word: u32) -> vec4<u32> {
    var m = vec4<u32>(0u);
    for (var i = 0u; i < 4u; i++) { if row + i < params.batch { m[i] = x[(row + i) * params.words + word]; } }
    return turn(m);
}

fn products(d: u32, v: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(dot4I8Packed(d, v.x), dot4I8Packed(d, v.y), dot4I8Packed(d, v.z), dot4I8Packed(d, v.w));
}

fn store(row: u32, col4: u32, sum: vec4<i32>) {
    if row >= params.outputs { return; }
    let at = row * params.inputs4 + col4;
    if now.accumulate == 1u { g[at] += sum; } else { g[at] = sum; }
}

// One invocation makes 4×4 values. x is zero in its padding, and so is g.
@compute @workgroup_size(64)
fn int_gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let at = number(group, groups) * 64u + lane;
    let row4 = at / params.inputs4;
    let col4 = at % params.inputs4;
    if row4 * 4u >= params.outputs { return; }
    var s0 = vec4<i32>(0); var s1 = vec4<i32>(0); var s2 = vec4<i32>(0); var s3 = vec4<i32>(0);
    for (var b = 0u; b < params.batch; b += 4u) {
        let d = terms_of_dy(b, row4);
        let v = terms_of_x(b, col4);
        s0 += products(d.x, v); s1 += products(d.y, v); s2 += products(d.z, v); s3 += products(d.w, v);
    }
    store(row4 * 4u, col4, s0);
    store(row4 * 4u + 1u, col4, s1);
    store(row4 * 4u + 2u, col4, s2);
    store(row4 * 4u + 3u, col4, s3);
}

// One invocation makes four neighbouring sums.
@compute @workgroup_size(64)
fn int_gradient_b(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let word = number(group, groups) * 64u + lane;
    if word * 4u >= params.outputs { return; }
    var sum = vec4<i32>(0);
    for (var b = 0u; b < params.batch; b++) {
        sum += vec4<i32>(vec4<u32>(dy[b * params.dy_words + word]) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
    }
    if now.accumulate == 1u { g[word] += sum; } else { g[word] = sum; }
}

// For software adapters, whose fastest product is that of floats: one invocation makes a 16×16 tile. Floats hold the products of
// 8-bit integers, and their sums up to 2²⁴, exactly; after 1024 terms they are added to integers.
@compute @workgroup_size(16)
fn int_gradient_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                          @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let at = number(group, groups) * 16u + lane;
    let row4 = at / tiles_across * 4u;
    let col4 = at % tiles_across * 4u;
    if row4 * 4u >= params.outputs { return; }
    var sums = array<vec4<i32>, 64>();
    for (var begin = 0u; begin < params.batch; begin += 1024u) {
        var tile = array<vec4<f32>, 64>();
        let end = min(begin + 1024u, params.batch);
        for (var b = begin; b < end; b++) {
            // Rows of dy and of x are whole multiples of four words.
            let v0 = vec4<f32>(unpack4xI8(x[b * params.words + col4]));
            let v1 = vec4<f32>(unpack4xI8(x[b * params.words + col4 + 1u]));
            let v2 = vec4<f32>(unpack4xI8(x[b * params.words + col4 + 2u]));
            let v3 = vec4<f32>(unpack4xI8(x[b * params.words + col4 + 3u]));
            for (var i = 0u; i < 4u; i++) {
                let d = vec4<f32>(unpack4xI8(dy[b * params.dy_words + row4 + i]));
                let t = i * 16u;
                tile[t] += d.x * v0; tile[t + 1u] += d.x * v1; tile[t + 2u] += d.x * v2; tile[t + 3u] += d.x * v3;
                tile[t + 4u] += d.y * v0; tile[t + 5u] += d.y * v1; tile[t + 6u] += d.y * v2; tile[t + 7u] += d.y * v3;
                tile[t + 8u] += d.z * v0; tile[t + 9u] += d.z * v1; tile[t + 10u] += d.z * v2; tile[t + 11u] += d.z * v3;
                tile[t + 12u] += d.w * v0; tile[t + 13u] += d.w * v1; tile[t + 14u] += d.w * v2; tile[t + 15u] += d.w * v3;
            }
        }
        for (var i = 0u; i < 64u; i++) { sums[i] += vec4<i32>(tile[i]); }
    }
    for (var i = 0u; i < 64u; i++) {
        if col4 + i % 4u < params.inputs4 { store(row4 * 4u + i / 4u, col4 + i % 4u, sums[i]); }
    }
}
