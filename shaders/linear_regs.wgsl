// linear_regs: y = act(x·wᵀ + b) ⊙ mask.   x (B, I), w (O, I), b (O), mask (B, O) bits -> y (B, O)
// For software adapters: one invocation keeps a 16×16 tile of y, as matrices c of row block and column block, and reads x
// and w straight from memory, 16 vec4 each for 1024 multiply-adds. No workgroup memory: barriers and loads cost most there.
// Twin: src/kernels/linear.rs
struct Params { batch: u32, inputs4: u32, outputs: u32, outputs4: u32, mask_stride: u32, scale: f32, pad0: u32, pad1: u32, }
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> x: array<vec4<f32>>;          // (B, I)
@group(1) @binding(2) var<storage, read> w: array<vec4<f32>>;          // (O, I)
@group(1) @binding(3) var<storage, read> b: array<vec4<f32>>;          // (O)
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, O) bits
@group(1) @binding(5) var<storage, read_write> y: array<vec4<f32>>;    // (B, O)

override ACT: u32 = 0u;         // 0 identity, 1 ReLU, 2 leaky ReLU, 3 sigmoid, 4 tanh
override ALPHA: f32 = 0.01;     // slope of leaky ReLU for z < 0
override MASKED: bool = false;

// exp(−|z|) cannot overflow; a NaN stays a NaN.
fn act(z: vec4<f32>) -> vec4<f32> {
    switch ACT {
        case 1u: { return select(z, vec4<f32>(0.0), z < vec4<f32>(0.0)); }
        case 2u: { return select(z, ALPHA * z, z < vec4<f32>(0.0)); }
        case 3u: {
            let e = exp(-abs(z));
            return select(vec4<f32>(1.0), e, z < vec4<f32>(0.0)) / (1.0 + e);
        }
        case 4u: {
            let e = exp(-2.0 * abs(z));
            return sign(z) * (1.0 - e) / (1.0 + e);
        }
        default: { return z; }
    }
}

// Bias, activation, dropout and zeros in the padding: y[row, 4·col4 ..] from the bare product.
fn finish(row: u32, col4: u32, product: vec4<f32>) {
    var v = act(product + b[col4]);
    if MASKED {
        let bits = mask[row * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v *= vec4<f32>(kept) * params.scale;
    }
    let inside = col4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.outputs);
    y[row * params.outputs4 + col4] = select(vec4<f32>(0.0), v, inside);
}

// Where four rows of x or of w begin.
fn rows_at(row: u32, rows: u32) -> vec4<u32> {
    return min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(rows - 1u)) * params.inputs4;
}

@compute @workgroup_size(16)
fn linear_regs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.outputs4 + 3u) / 4u;
    let at = (group.x + group.y * groups.x) * 16u + lane;
    let row = at / tiles_across * 16u;
    let col4 = at % tiles_across * 4u;
    if row >= params.batch { return; }
    // Rows outside repeat the last one inside; what they give is not stored.
    let r0 = rows_at(row + 0u, params.batch);
    let r1 = rows_at(row + 4u, params.batch);
    let r2 = rows_at(row + 8u, params.batch);
    let r3 = rows_at(row + 12u, params.batch);
    let o0 = rows_at(col4 * 4u + 0u, params.outputs);
    let o1 = rows_at(col4 * 4u + 4u, params.outputs);
    let o2 = rows_at(col4 * 4u + 8u, params.outputs);
    let o3 = rows_at(col4 * 4u + 12u, params.outputs);
    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
    var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
    for (var k = 0u; k < params.inputs4; k++) {
        let x0 = mat4x4<f32>(x[r0.x + k], x[r0.y + k], x[r0.z + k], x[r0.w + k]);
        let x1 = mat4x4<f32>(x[r1.x + k], x[r1.y + k], x[r1.z + k], x[r1.w + k]);
        let x2 = mat4x4<f32>(x[r2.x + k], x[r2.y + k], x[r2.z + k], x[r2.w + k]);
        let x3 = mat4x4<f32>(x[r3.x + k], x[r3.y + k], x[r3.z + k], x[r3.w + k]);
        let w0 = transpose(mat4x4<f32>(w[o0.x + k], w[o0.y + k], w[o0.z + k], w[o0.w + k]));
        c00 += w0 * x0; c10 += w0 * x1; c20 += w0 * x2; c30 += w0 * x3;
        let w1 = transpose(mat4x4<f32>(w[o1.x + k], w[o1.y + k], w[o1.z + k], w[o1.w + k]));
        c01 += w1 * x0; c11 += w1 * x1; c21 += w1 * x2; c31 += w1 * x3;
        let w2 = transpose(mat4x4<f32>(w[o2.x + k], w[o2.y + k], w[o2.z + k], w[o2.w + k]));
        c02 += w2 * x0; c12 += w2 * x1; c22 += w2 * x2; c32 += w2 * x3;
        let w3 = transpose(mat4x4<f32>(w[o3.x + k], w[o3.y + k], w[o3.z + k], w[o3.w + k]));
        c03 += w3 * x0; c13 += w3 * x1; c23 += w3 * x2; c33 += w3 * x3;
    }
    var tile = array<mat4x4<f32>, 16>(
        c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
    for (var i = 0u; i < 64u; i++) {
        let at_row = row + i / 16u * 4u + i % 4u;
        let at_col4 = col4 + i / 4u % 4u;
        if at_row < params.batch && at_col4 < params.outputs4 { finish(at_row, at_col4, tile[i / 4u][i % 4u]); }
    }
}
