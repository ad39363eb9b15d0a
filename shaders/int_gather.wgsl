// int_gather: x0[b] = samples[order[cursor + b]] ⊙ mask / keep in integers,  t[b] = targets[order[cursor + b]]
//   int_gather         samples (N, I) bytes; an input is (byte·scale + shift) >> 16
//   int_gather_fixed   samples (N, I) i8, which are inputs already
// targets (N), order (M), mask (B, I) bits -> x0 (B, I) i8, t (B)
// One invocation makes four neighbouring inputs of one sample, a word. Rows past the end of a partial batch become zeros.
// params.keep is the inverse of the keep probability, with 12 fractional bits. Twin: src/kernels/int_gather.rs
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32,
}
struct Params {
    batch: u32, inputs: u32, words: u32, sample_words: u32, mask_stride: u32, scale: i32, shift: i32, keep: i32,
}
@group(0) @binding(0) var<uniform> now: StepValues;
@group(1) @binding(0) var<uniform> params: Params;
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
fn source(row: u32, word: u32) -> u32 {
    let sample = order[now.cursor + row];
    if word == 0u { t[row] = targets[sample]; }
    if word >= params.sample_words { return 0u; }
    return samples[sample * params.sample_words + word];
}

// Applies dropout to four inputs and stores them as word `word` of row `row`. Padding becomes zero.
fn put(row: u32, word: u32, values: vec4<i32>) {
    let col = word * 4u + vec4<u32>(0u, 1u, 2u, 3u);
    var v = select(vec4<i32>(0), values, col < vec4<u32>(params.inputs));
    if MASKED && word * 4u < params.inputs {
        let bits = mask[row * params.mask_stride + word / 8u] >> (word % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        for (var i = 0u; i < 4u; i++) { v[i] = times12(v[i], params.keep) * i32(kept[i]); }
    }
    v = clamp(v, vec4<i32>(-127), vec4<i32>(127)) & vec4<i32>(255);
    x0[row * params.words + word] = u32(v.x | (v.y << 8u) | (v.z << 16u) | (v.w << 24u));
}

// Row and word of an invocation.
fn place(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> vec2<u32> {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    return vec2<u32>(at / params.words, at % params.words);
}

// Whether a row is past the end of the tensor, or of a partial batch. Stores zeros for the latter.
fn skip(at: vec2<u32>) -> bool {
    if at.x >= params.batch { return true; }
    if at.x < now.rows { return false; }
    x0[at.x * params.words + at.y] = 0u;
    if at.y == 0u { t[at.x] = 0u; }
    return true;
}

@compute @workgroup_size(64)
fn int_gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
    let at = place(group, groups, lane);
    if skip(at) { return; }
    let bytes = (vec4<u32>(source(at.x, at.y)) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    put(at.x, at.y, (vec4<i32>(bytes) * params.scale + vec4<i32>(params.shift)) >> vec4<u32>(16u));
}

@compute @workgroup_size(64)
fn int_gather_fixed(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
    let at = place(group, groups, lane);
    if skip(at) { return; }
    put(at.x, at.y, vec4<i32>(vec4<u32>(source(at.x, at.y)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}
