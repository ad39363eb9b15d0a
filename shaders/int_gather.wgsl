// int_gather: x0[b] = samples[order[cursor + b]] ⊙ mask / keep in integers,  t[b] = targets[order[cursor + b]]
//   int_gather         samples (N, I) bytes; an input is (byte·scale + shift) >> 16
//   int_gather_fixed   samples (N, I) i8, which are inputs already
// targets (N), order (M), mask (B, I) bits -> x0 (B, I) i8, t (B)
// One invocation makes four neighbouring inputs of one sample, a word. Rows past the end of a partial batch become zeros.
// params.keep is the inverse of the keep probability, with 12 fractional bits. Twin: src/kernels/int_gather.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model,
                        // except samples and targets, which they share
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params {
    batch: u32, inputs: u32, words: u32, sample_words: u32, mask_stride: u32, scale: i32, shift: i32, keep: i32,
    order_words: u32, pad0: u32, pad1: u32, pad2: u32,
}
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> samples: array<u32>;          // (N, I) four per word
@group(1) @binding(2) var<storage, read> targets: array<u32>;          // (N)
@group(1) @binding(3) var<storage, read> order: array<u32>;            // (M)
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, I) bits
@group(1) @binding(5) var<storage, read_write> x0: array<u32>;         // (B, I) four per word
@group(1) @binding(6) var<storage, read_write> t: array<u32>;          // (B)

override MASKED: bool = false;

// v·m·2⁻¹², rounded half up.
fn times12(v: i32, m: i32) -> i32 { return (v >> 12u) * m + (((v & 4095) * m + 2048) >> 12u); }

// Word `word` of the sample of row `row`; 0 past the sample's end. Word 0 also stores the row's class.
fn source(now: StepValues, params: Params, row: u32, word: u32) -> u32 {
    let sample = order[now.model * params.order_words + now.cursor + row];
    if word == 0u { t[now.model * params.batch + row] = targets[sample]; }
    if word >= params.sample_words { return 0u; }
    return samples[sample * params.sample_words + word];
}

// Applies dropout to four inputs and stores them as word `word` of row `row`. Padding becomes zero.
fn put(now: StepValues, params: Params, row: u32, word: u32, values: vec4<i32>) {
    let col = word * 4u + vec4<u32>(0u, 1u, 2u, 3u);
    var v = select(vec4<i32>(0), values, col < vec4<u32>(params.inputs));
    if MASKED && word * 4u < params.inputs {
        let bits = mask[(now.model * params.batch + row) * params.mask_stride + word / 8u] >> (word % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        for (var i = 0u; i < 4u; i++) { v[i] = times12(v[i], params.keep) * i32(kept[i]); }
    }
    v = clamp(v, vec4<i32>(-127), vec4<i32>(127)) & vec4<i32>(255);
    x0[(now.model * params.batch + row) * params.words + word] = u32(v.x | (v.y << 8u) | (v.z << 16u) | (v.w << 24u));
}

// Row and word of an invocation.
fn place(params: Params, group: vec3<u32>, groups: vec3<u32>, lane: u32) -> vec2<u32> {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    return vec2<u32>(at / params.words, at % params.words);
}

// Whether a row is past the end of the tensor, or of a partial batch. Stores zeros for the latter.
fn skip(now: StepValues, params: Params, at: vec2<u32>) -> bool {
    if at.x >= params.batch { return true; }
    if at.x < now.rows { return false; }
    let row = now.model * params.batch + at.x;
    x0[row * params.words + at.y] = 0u;
    if at.y == 0u { t[row] = 0u; }
    return true;
}

@compute @workgroup_size(64)
fn int_gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = place(params, group, groups, lane);
    if skip(now, params, at) { return; }
    let bytes = (vec4<u32>(source(now, params, at.x, at.y)) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    put(now, params, at.x, at.y, (vec4<i32>(bytes) * params.scale + vec4<i32>(params.shift)) >> vec4<u32>(16u));
}

@compute @workgroup_size(64)
fn int_gather_fixed(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = place(params, group, groups, lane);
    if skip(now, params, at) { return; }
    let word = source(now, params, at.x, at.y);
    put(now, params, at.x, at.y, vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}
