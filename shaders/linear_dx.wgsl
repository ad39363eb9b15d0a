// linear_dx: dx = (dy·w) ⊙ act'(x) ⊙ mask.   dy (B, O), w (O, I), x (B, I), mask (B, I) bits -> dx (B, I)
// x is the output of the layer below, so dx is that layer's error signal δ.
// The plain form: one invocation makes four neighbouring values of one sample. Twin: src/kernels/linear_dx.rs
struct Params {
    batch: u32, inputs4: u32, outputs: u32, outputs4: u32,
    mask_stride: u32, scale: f32, keep: f32, pad: u32,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> dy: array<vec4<f32>>;         // (B, O)
@group(1) @binding(2) var<storage, read> w: array<vec4<f32>>;          // (O, I)
@group(1) @binding(3) var<storage, read> x: array<vec4<f32>>;          // (B, I)
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, I) bits
@group(1) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;   // (B, I)

override ACT: u32 = 0u;         // 0 identity, 1 ReLU, 2 leaky ReLU, 3 sigmoid, 4 tanh
override ALPHA: f32 = 0.01;     // slope of leaky ReLU for z < 0
override MASKED: bool = false;

// act'(z), from a = act(z).
fn act_grad(a: vec4<f32>) -> vec4<f32> {
    switch ACT {
        case 1u: { return select(vec4<f32>(0.0), vec4<f32>(1.0), a > vec4<f32>(0.0)); }
        case 2u: { return select(vec4<f32>(ALPHA), vec4<f32>(1.0), a > vec4<f32>(0.0)); }
        case 3u: { return a * (1.0 - a); }
        case 4u: { return 1.0 - a * a; }
        default: { return vec4<f32>(1.0); }
    }
}

// Activation's slope and dropout: dx[row, 4·col4 ..] from the bare product. x is what dropout left, act(z)/keep.
fn finish(row: u32, col4: u32, product: vec4<f32>) {
    let at = row * params.inputs4 + col4;
    var v = product * act_grad(x[at] * params.keep);
    if MASKED {
        let bits = mask[row * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v *= vec4<f32>(kept) * params.scale;
    }
    dx[at] = v;
}

@compute @workgroup_size(64)
fn linear_dx(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.batch * params.inputs4 { return; }
    let row = at / params.inputs4;
    let col4 = at % params.inputs4;
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < params.outputs4; k++) {
        // dy is zero in its padding; the rows of w that would meet it repeat the last one.
        let o = min(k * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u)) * params.inputs4 + col4;
        sum += mat4x4<f32>(w[o.x], w[o.y], w[o.z], w[o.w]) * dy[row * params.outputs4 + k];
    }
    finish(row, col4, sum);
}
