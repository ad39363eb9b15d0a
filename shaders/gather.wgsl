// gather: x0[b] = normalise(pixels[order[cursor + b]]) ⊙ mask,  t[b] = labels[order[cursor + b]]
// pixels (N, I) bytes, labels (N), order (M), mask (B, I) bits -> x0 (B, I), t (B)
// One invocation makes four neighbouring inputs of one sample: one word of bytes becomes one vec4.
// Rows past the end of a partial batch become zeros. Twin: src/kernels/gather.rs
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32,
}
struct Params {
    batch: u32, inputs: u32, inputs4: u32, mask_stride: u32,
    scale: f32, shift: f32, keep_scale: f32, pad: u32,
}
@group(0) @binding(0) var<uniform> now: StepValues;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> pixels: array<u32>;           // (N, I) four bytes per word
@group(1) @binding(2) var<storage, read> labels: array<u32>;           // (N)
@group(1) @binding(3) var<storage, read> order: array<u32>;            // (M)
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, I) bits
@group(1) @binding(5) var<storage, read_write> x0: array<vec4<f32>>;   // (B, I)
@group(1) @binding(6) var<storage, read_write> t: array<u32>;          // (B)

override MASKED: bool = false;

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.batch * params.inputs4 { return; }
    let b = at / params.inputs4;
    let i4 = at % params.inputs4;
    var x = vec4<f32>(0.0);
    var label = 0u;
    if b < now.rows {
        let sample = order[now.cursor + b];
        label = labels[sample];
        let bytes = (vec4<u32>(pixels[sample * params.inputs4 + i4]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
        x = vec4<f32>(bytes) * params.scale + params.shift;
        if MASKED {
            let bits = mask[b * params.mask_stride + i4 / 8u] >> (i4 % 8u * 4u);
            let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
            x *= vec4<f32>(kept) * params.keep_scale;
        }
        let inside = i4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.inputs);
        x = select(vec4<f32>(0.0), x, inside);
    }
    x0[at] = x;
    if i4 == 0u { t[b] = label; }
}
