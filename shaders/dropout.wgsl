// dropout: mask[b, c] = 1 with probability `keep`, else 0.   -> mask (B, C) bits
// One invocation makes one word of 32 columns from 16 calls of Threefry-2x32-20, counter (step, row and column pair).
// The bits depend on the row's place in the whole batch, not on how the batch is split. Twin: src/kernels/dropout.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { words: u32, cols: u32, stride: u32, threshold: u32, key0: u32, key1: u32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read_write> mask: array<u32>;       // (B, C) bits

fn rotl(x: u32, by: u32) -> u32 { return (x << by) | (x >> (32u - by)); }

// Two random words for a counter; the same function as `threefry` in src/base/rng.rs.
fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    var keys = array<u32, 3>(key.x, key.y, 0x1BD11BDAu ^ key.x ^ key.y);
    var a = counter.x + keys[0];
    var b = counter.y + keys[1];
    for (var injection = 1u; injection <= 5u; injection++) {
        // Rotations alternate between two sets of four.
        let odd = injection % 2u == 1u;
        let by = select(vec4<u32>(17u, 29u, 16u, 24u), vec4<u32>(13u, 15u, 26u, 6u), odd);
        a += b; b = rotl(b, by.x) ^ a;
        a += b; b = rotl(b, by.y) ^ a;
        a += b; b = rotl(b, by.z) ^ a;
        a += b; b = rotl(b, by.w) ^ a;
        a += keys[injection % 3u];
        b += keys[(injection + 1u) % 3u] + injection;
    }
    return vec2<u32>(a, b);
}

@compute @workgroup_size(64)
fn dropout(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.words { return; }
    let row = now.first + at / params.stride;
    let col = at % params.stride * 32u;
    let pairs = (params.cols + 1u) / 2u;
    var bits = 0u;
    for (var pair = 0u; pair < 16u; pair++) {
        let words = threefry(vec2<u32>(params.key0, params.key1), vec2<u32>(now.step, row * pairs + col / 2u + pair));
        let c = col + 2u * pair;
        if c < params.cols && (words.x >> 8u) < params.threshold { bits |= 1u << (2u * pair); }
        if c + 1u < params.cols && (words.y >> 8u) < params.threshold { bits |= 2u << (2u * pair); }
    }
    mask[now.model * params.words + at] = bits;
}
