// linear_coop: y = act(x·wᵀ + b) ⊙ mask.   x (B, I), w (O, I), b (O), mask (B, O) bits -> y (B, O)
// Mixed precision on cooperative matrices: a subgroup of 32 makes a 32×32 tile of y as four products of 16×16 matrices, half
// precision in, single precision out. Edges are staged as zeros. Twin: src/kernels/linear.rs
enable f16;
enable wgpu_cooperative_matrix;
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

// The nearest value of half precision, ties to even; the largest finite one for those beyond it, zero for those below the
// smallest normal one. Written out, because WGSL leaves the direction of rounding and subnormals to the device.
fn half(v: vec4<f32>) -> vec4<f16> {
    let bits = bitcast<vec4<u32>>(v);
    let even = (bits >> vec4<u32>(13u)) & vec4<u32>(1u);
    let near = bitcast<vec4<f32>>((bits + vec4<u32>(0xFFFu) + even) & vec4<u32>(0xFFFFE000u));
    let within = clamp(near, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    let normal = select(within, vec4<f32>(0.0), abs(v) < vec4<f32>(0x1p-14));
    // What is not finite stays so.
    let exponent = bits & vec4<u32>(0x7F800000u);
    return vec4<f16>(select(normal, v, exponent == vec4<u32>(0x7F800000u)));
}

var<workgroup> xs: array<f16, 512>;     // 32 rows of x, 16 columns each
var<workgroup> ws: array<f16, 512>;     // 32 rows of w, 16 columns each
var<workgroup> tile: array<f32, 1024>;   // 32×32 of y

@compute @workgroup_size(32)
fn linear_coop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.outputs4 + 7u) / 8u;
    let tile_at = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top = tile_at / tiles_across * 32u;
    let left = tile_at % tiles_across * 32u;
    if top >= params.batch { return; }
    var c00: coop_mat16x16<f32, C>; var c01: coop_mat16x16<f32, C>;
    var c10: coop_mat16x16<f32, C>; var c11: coop_mat16x16<f32, C>;
    for (var k = 0u; k < params.inputs4; k += 4u) {
        // Past the end of a row x counts as zero, so what w holds there does not matter.
        let kk = min(k + lane % 4u, params.inputs4 - 1u);
        let inside = k + lane % 4u < params.inputs4;
        for (var i = lane / 4u; i < 32u; i += 8u) {
            let v = select(vec4<f16>(0.0), half(x[min(top + i, params.batch - 1u) * params.inputs4 + kk]), inside);
            let u = half(w[min(left + i, params.outputs - 1u) * params.inputs4 + kk]);
            let at = i * 16u + lane % 4u * 4u;
            xs[at] = v.x; xs[at + 1u] = v.y; xs[at + 2u] = v.z; xs[at + 3u] = v.w;
            ws[at] = u.x; ws[at + 1u] = u.y; ws[at + 2u] = u.z; ws[at + 3u] = u.w;
        }
        workgroupBarrier();
        let a0 = coopLoadT<coop_mat16x16<f16, A>>(&xs[0], 16u);
        let a1 = coopLoadT<coop_mat16x16<f16, A>>(&xs[256], 16u);
        let b0 = coopLoad<coop_mat16x16<f16, B>>(&ws[0], 16u);
        let b1 = coopLoad<coop_mat16x16<f16, B>>(&ws[256], 16u);
        c00 = coopMultiplyAdd(a0, b0, c00);
        c01 = coopMultiplyAdd(a0, b1, c01);
        c10 = coopMultiplyAdd(a1, b0, c10);
        c11 = coopMultiplyAdd(a1, b1, c11);
        workgroupBarrier();
    }
    coopStoreT(c00, &tile[0], 32u);
    coopStoreT(c01, &tile[16], 32u);
    coopStoreT(c10, &tile[512], 32u);
    coopStoreT(c11, &tile[528], 32u);
    workgroupBarrier();
    for (var at = lane; at < 256u; at += 32u) {
        let sum = vec4<f32>(tile[4u * at], tile[4u * at + 1u], tile[4u * at + 2u], tile[4u * at + 3u]);
        let row = top + at / 8u;
        let col4 = left / 4u + at % 8u;
        if row < params.batch && col4 < params.outputs4 { finish(row, col4, sum); }
    }
}
