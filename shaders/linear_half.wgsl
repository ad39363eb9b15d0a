// linear_half: y = act(x·wᵀ + b) ⊙ mask.   x (B, I), w (O, I), b (O), mask (B, O) bits -> y (B, O)
// Mixed precision: the tiles of linear_tiled, but x and w are rounded to half precision where they are staged. Products of
// two such values are exact in single precision, in which they are summed. Twin: src/kernels/linear.rs
enable f16;
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

// 32 rows of four vec4, a fifth as spacing: neighbouring rows then start in different memory banks.
const ROW = 5u;
var<workgroup> xs: array<vec4<f16>, 160>;
var<workgroup> ws: array<vec4<f16>, 160>;

@compute @workgroup_size(64)
fn linear_half(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.outputs4 + 7u) / 8u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top = tile / tiles_across * 32u;
    let left = tile % tiles_across * 32u;
    if top >= params.batch { return; }
    let tx = lane % 8u;
    let ty = lane / 8u;
    // Each invocation stages two vec4 of x and two of w: rows lane/4 and lane/4 + 16, vec4 lane%4.
    let stage = lane / 4u * ROW + lane % 4u;
    let x_a = min(top + lane / 4u, params.batch - 1u) * params.inputs4;
    let x_b = min(top + lane / 4u + 16u, params.batch - 1u) * params.inputs4;
    let w_a = min(left + lane / 4u, params.outputs - 1u) * params.inputs4;
    let w_b = min(left + lane / 4u + 16u, params.outputs - 1u) * params.inputs4;
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var k = 0u; k < params.inputs4; k += 4u) {
        // Past the end of a row x counts as zero, so what w holds there does not matter.
        let kk = min(k + lane % 4u, params.inputs4 - 1u);
        let inside = k + lane % 4u < params.inputs4;
        xs[stage] = select(vec4<f16>(0.0), half(x[x_a + kk]), inside);
        xs[stage + 16u * ROW] = select(vec4<f16>(0.0), half(x[x_b + kk]), inside);
        ws[stage] = half(w[w_a + kk]);
        ws[stage + 16u * ROW] = half(w[w_b + kk]);
        workgroupBarrier();
        for (var j = 0u; j < 4u; j++) {
            let wj = tx * 4u * ROW + j;
            let m = mat4x4<f32>(vec4<f32>(ws[wj]), vec4<f32>(ws[wj + ROW]), vec4<f32>(ws[wj + 2u * ROW]),
                                vec4<f32>(ws[wj + 3u * ROW]));
            let xj = ty * 4u * ROW + j;
            s0 += vec4<f32>(xs[xj]) * m;
            s1 += vec4<f32>(xs[xj + ROW]) * m;
            s2 += vec4<f32>(xs[xj + 2u * ROW]) * m;
            s3 += vec4<f32>(xs[xj + 3u * ROW]) * m;
        }
        workgroupBarrier();
    }
    let row = top + ty * 4u;
    let col4 = left / 4u + tx;
    if col4 >= params.outputs4 { return; }
    if row < params.batch { finish(row, col4, s0); }
    if row + 1u < params.batch { finish(row + 1u, col4, s1); }
    if row + 2u < params.batch { finish(row + 2u, col4, s2); }
    if row + 3u < params.batch { finish(row + 3u, col4, s3); }
}
