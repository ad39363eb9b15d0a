// gather: x0[b] = normalise(samples[order[cursor + b]]) ⊙ mask,  t[b] = targets[order[cursor + b]]
//   gather          samples (N, I) bytes; normalise(p) = p·scale + shift
//   gather_floats   floats (N, I), which are normalised already
// Targets are classes (N), or values or labels (N, T): both are copied as words, target_words per sample -> t (B) or (B, T)
// order (M), mask (B, I) bits -> x0 (B, I)
// One invocation makes four neighbouring inputs of one sample: one word of bytes, or one vec4, becomes one vec4.
// Rows past the end of a partial batch become zeros. Twin: src/kernels/gather.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model,
                        // except samples and targets, which they share
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params {
    batch: u32, inputs: u32, inputs4: u32, mask_stride: u32,
    scale: f32, shift: f32, keep_scale: f32, target_words: u32,
    order_words: u32, pad0: u32, pad1: u32, pad2: u32,
}
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> samples: array<u32>;          // (N, I) four bytes per word
@group(1) @binding(2) var<storage, read> targets: array<u32>;          // (N) or (N, T)
@group(1) @binding(3) var<storage, read> order: array<u32>;            // (M)
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, I) bits
@group(1) @binding(5) var<storage, read_write> x0: array<vec4<f32>>;   // (B, I)
@group(1) @binding(6) var<storage, read_write> t: array<u32>;          // (B) or (B, T)
@group(1) @binding(7) var<storage, read> floats: array<vec4<f32>>;     // (N, I)

override MASKED: bool = false;

// Place of the first of this invocation's four inputs, in vec4 from the start of x0.
fn place(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 {
    return (group.x + group.y * groups.x) * 64u + lane;
}

// Number of the sample of row b of the batch, which must exist.
fn sample(now: StepValues, params: Params, b: u32) -> u32 { return order[now.model * params.order_words + now.cursor + b]; }

// Applies dropout to four inputs; past the last input there is padding, which is zero.
fn finish(now: StepValues, params: Params, b: u32, i4: u32, x: vec4<f32>) -> vec4<f32> {
    var kept_x = x;
    if MASKED {
        let bits = mask[(now.model * params.batch + b) * params.mask_stride + i4 / 8u] >> (i4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        kept_x *= vec4<f32>(kept) * params.keep_scale;
    }
    let inside = i4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.inputs);
    return select(vec4<f32>(0.0), kept_x, inside);
}

// Copies the target of a row. The row's invocations share the words.
fn copy_target(now: StepValues, params: Params, b: u32, i4: u32) {
    for (var word = i4; word < params.target_words; word += params.inputs4) {
        var target_word = 0u;
        if b < now.rows { target_word = targets[sample(now, params, b) * params.target_words + word]; }
        t[(now.model * params.batch + b) * params.target_words + word] = target_word;
    }
}

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = place(group, groups, lane);
    if at >= params.batch * params.inputs4 { return; }
    let b = at / params.inputs4;
    let i4 = at % params.inputs4;
    var x = vec4<f32>(0.0);
    if b < now.rows {
        let word = samples[sample(now, params, b) * params.inputs4 + i4];
        let bytes = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
        x = finish(now, params, b, i4, vec4<f32>(bytes) * params.scale + params.shift);
    }
    x0[now.model * params.batch * params.inputs4 + at] = x;
    copy_target(now, params, b, i4);
}

@compute @workgroup_size(64)
fn gather_floats(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = place(group, groups, lane);
    if at >= params.batch * params.inputs4 { return; }
    let b = at / params.inputs4;
    let i4 = at % params.inputs4;
    var x = vec4<f32>(0.0);
    if b < now.rows { x = finish(now, params, b, i4, floats[sample(now, params, b) * params.inputs4 + i4]); }
    x0[now.model * params.batch * params.inputs4 + at] = x;
    copy_target(now, params, b, i4);
}
