// linear_dx_regs: dx = (dy·w) ⊙ act'(x) ⊙ mask.   dy (B, O), w (O, I), x (B, I), mask (B, I) bits -> dx (B, I)
// For software adapters: a 16×16 tile of dx in registers, see linear_regs. Twin: src/kernels/linear_dx.rs
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

@compute @workgroup_size(16)
fn linear_dx_regs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let at = (group.x + group.y * groups.x) * 16u + lane;
    let row = at / tiles_across * 16u;
    let col4 = at % tiles_across * 4u;
    if row >= params.batch { return; }
    // Rows and columns outside repeat the last one inside; what they give is not stored.
    let r0 = min(vec4<u32>(row + 0u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u)) * params.outputs4;
    let r1 = min(vec4<u32>(row + 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u)) * params.outputs4;
    let r2 = min(vec4<u32>(row + 8u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u)) * params.outputs4;
    let r3 = min(vec4<u32>(row + 12u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u)) * params.outputs4;
    let col = min(vec4<u32>(col4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.inputs4 - 1u));
    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
    var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
    for (var k = 0u; k < params.outputs4; k++) {
        let d0 = mat4x4<f32>(dy[r0.x + k], dy[r0.y + k], dy[r0.z + k], dy[r0.w + k]);
        let d1 = mat4x4<f32>(dy[r1.x + k], dy[r1.y + k], dy[r1.z + k], dy[r1.w + k]);
        let d2 = mat4x4<f32>(dy[r2.x + k], dy[r2.y + k], dy[r2.z + k], dy[r2.w + k]);
        let d3 = mat4x4<f32>(dy[r3.x + k], dy[r3.y + k], dy[r3.z + k], dy[r3.w + k]);
        // dy is zero in its padding; the rows of w that would meet it repeat the last one.
        let o = min(k * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u)) * params.inputs4;
        let w0 = mat4x4<f32>(w[o.x + col.x], w[o.y + col.x], w[o.z + col.x], w[o.w + col.x]);
        c00 += w0 * d0; c10 += w0 * d1; c20 += w0 * d2; c30 += w0 * d3;
        let w1 = mat4x4<f32>(w[o.x + col.y], w[o.y + col.y], w[o.z + col.y], w[o.w + col.y]);
        c01 += w1 * d0; c11 += w1 * d1; c21 += w1 * d2; c31 += w1 * d3;
        let w2 = mat4x4<f32>(w[o.x + col.z], w[o.y + col.z], w[o.z + col.z], w[o.w + col.z]);
        c02 += w2 * d0; c12 += w2 * d1; c22 += w2 * d2; c32 += w2 * d3;
        let w3 = mat4x4<f32>(w[o.x + col.w], w[o.y + col.w], w[o.z + col.w], w[o.w + col.w]);
        c03 += w3 * d0; c13 += w3 * d1; c23 += w3 * d2; c33 += w3 * d3;
    }
    var tile = array<mat4x4<f32>, 16>(
        c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
    for (var i = 0u; i < 64u; i++) {
        let at_row = row + i / 16u * 4u + i % 4u;
        let at_col4 = col4 + i / 4u % 4u;
        if at_row < params.batch && at_col4 < params.inputs4 { finish(at_row, at_col4, tile[i / 4u][i % 4u]); }
    }
}
