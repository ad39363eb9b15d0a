// linear_regs: y = act(x·wᵀ + b) ⊙ mask.   x (B, I), w (O, I), b (O), mask (B, O) bits -> y (B, O)
// For software adapters: one invocation keeps an 8×8 tile of y in registers and reads x and w straight from memory,
// eight vec4 each for 256 multiply-adds. No workgroup memory: barriers and small loads are what costs there.
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

// Stores the part of a tile's row that lies inside y.
fn finish_row(row: u32, col4: u32, left: vec4<f32>, right: vec4<f32>) {
    if row >= params.batch { return; }
    finish(row, col4, left);
    if col4 + 1u < params.outputs4 { finish(row, col4 + 1u, right); }
}

@compute @workgroup_size(16)
fn linear_regs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.outputs4 + 1u) / 2u;
    let at = (group.x + group.y * groups.x) * 16u + lane;
    let row = at / tiles_across * 8u;
    let col4 = at % tiles_across * 2u;
    if row >= params.batch { return; }
    // Rows outside repeat the last one inside; what they give is not stored.
    let last_row = params.batch - 1u;
    let ra = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last_row)) * params.inputs4;
    let rb = min(vec4<u32>(row) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(last_row)) * params.inputs4;
    let last_col = params.outputs - 1u;
    let oa = min(vec4<u32>(col4 * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last_col)) * params.inputs4;
    let ob = min(vec4<u32>(col4 * 4u) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(last_col)) * params.inputs4;
    var l0 = vec4<f32>(); var l1 = vec4<f32>(); var l2 = vec4<f32>(); var l3 = vec4<f32>();
    var l4 = vec4<f32>(); var l5 = vec4<f32>(); var l6 = vec4<f32>(); var l7 = vec4<f32>();
    var r0 = vec4<f32>(); var r1 = vec4<f32>(); var r2 = vec4<f32>(); var r3 = vec4<f32>();
    var r4 = vec4<f32>(); var r5 = vec4<f32>(); var r6 = vec4<f32>(); var r7 = vec4<f32>();
    for (var k = 0u; k < params.inputs4; k++) {
        let x0 = x[ra.x + k]; let x1 = x[ra.y + k]; let x2 = x[ra.z + k]; let x3 = x[ra.w + k];
        let x4 = x[rb.x + k]; let x5 = x[rb.y + k]; let x6 = x[rb.z + k]; let x7 = x[rb.w + k];
        let l = mat4x4<f32>(w[oa.x + k], w[oa.y + k], w[oa.z + k], w[oa.w + k]);
        l0 += x0 * l; l1 += x1 * l; l2 += x2 * l; l3 += x3 * l;
        l4 += x4 * l; l5 += x5 * l; l6 += x6 * l; l7 += x7 * l;
        let r = mat4x4<f32>(w[ob.x + k], w[ob.y + k], w[ob.z + k], w[ob.w + k]);
        r0 += x0 * r; r1 += x1 * r; r2 += x2 * r; r3 += x3 * r;
        r4 += x4 * r; r5 += x5 * r; r6 += x6 * r; r7 += x7 * r;
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
