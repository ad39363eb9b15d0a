// linear_dx_regs: dx = (dy·w) ⊙ act'(x) ⊙ mask.   dy (B, O), w (O, I), x (B, I), mask (B, I) bits -> dx (B, I)
// For software adapters: an 8×8 tile of dx in registers, see linear_regs. Twin: src/kernels/linear_dx.rs
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

// Stores the part of a tile's row that lies inside dx.
fn finish_row(row: u32, col4: u32, left: vec4<f32>, right: vec4<f32>) {
    if row >= params.batch { return; }
    finish(row, col4, left);
    if col4 + 1u < params.inputs4 { finish(row, col4 + 1u, right); }
}

@compute @workgroup_size(16)
fn linear_dx_regs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 1u) / 2u;
    let at = (group.x + group.y * groups.x) * 16u + lane;
    let row = at / tiles_across * 8u;
    let col4 = at % tiles_across * 2u;
    if row >= params.batch { return; }
    // Rows and columns outside repeat the last one inside; what they give is not stored.
    let ra = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u)) * params.outputs4;
    let rb = min(vec4<u32>(row) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.batch - 1u)) * params.outputs4;
    let next4 = min(col4 + 1u, params.inputs4 - 1u);
    var l0 = vec4<f32>(); var l1 = vec4<f32>(); var l2 = vec4<f32>(); var l3 = vec4<f32>();
    var l4 = vec4<f32>(); var l5 = vec4<f32>(); var l6 = vec4<f32>(); var l7 = vec4<f32>();
    var r0 = vec4<f32>(); var r1 = vec4<f32>(); var r2 = vec4<f32>(); var r3 = vec4<f32>();
    var r4 = vec4<f32>(); var r5 = vec4<f32>(); var r6 = vec4<f32>(); var r7 = vec4<f32>();
    for (var k = 0u; k < params.outputs4; k++) {
        let d0 = dy[ra.x + k]; let d1 = dy[ra.y + k]; let d2 = dy[ra.z + k]; let d3 = dy[ra.w + k];
        let d4 = dy[rb.x + k]; let d5 = dy[rb.y + k]; let d6 = dy[rb.z + k]; let d7 = dy[rb.w + k];
        // dy is zero in its padding; the rows of w that would meet it repeat the last one.
        let o = min(k * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u)) * params.inputs4;
        let l = mat4x4<f32>(w[o.x + col4], w[o.y + col4], w[o.z + col4], w[o.w + col4]);
        l0 += l * d0; l1 += l * d1; l2 += l * d2; l3 += l * d3;
        l4 += l * d4; l5 += l * d5; l6 += l * d6; l7 += l * d7;
        let r = mat4x4<f32>(w[o.x + next4], w[o.y + next4], w[o.z + next4], w[o.w + next4]);
        r0 += r * d0; r1 += r * d1; r2 += r * d2; r3 += r * d3;
        r4 += r * d4; r5 += r * d5; r6 += r * d6; r7 += r * d7;
    }
    finish_row(row, col4, l0, r0);
    finish_row(row + 1u, col4, l1, r1);
    finish_row(row + 2u, col4, l2, r2);
    finish_row(row + 3u, col4, l3, r3);
    finish_row(row + 4u, col4, l4, r4);
    finish_row(row + 5u, col4, l5, r5);
    finish_row(row + 6u, col4, l6, r6);
    finish_row(row + 7u, col4, l7, r7);
}
