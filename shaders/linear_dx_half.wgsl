// linear_dx_half: dx = (dy·w) ⊙ act'(x) ⊙ mask.   dy (B, O), w (O, I), x (B, I), mask (B, I) bits -> dx (B, I)
// Mixed precision: the tiles of linear_dx_tiled, but dy and w are rounded to half precision where they are staged, dy times
// the loss scale; see linear_half. Twin: src/kernels/linear_dx.rs
enable f16;
struct Now {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, pad: u32,
}
struct Params {
    batch: u32, inputs4: u32, outputs: u32, outputs4: u32,
    mask_stride: u32, scale: f32, keep: f32, pad: u32,
}
@group(0) @binding(0) var<uniform> now: Now;
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

// What error signals are multiplied by before they are rounded, lest they vanish: 2¹⁰·B, B rounded up to a power of two. And
// the reciprocal, which undoes it exactly.
fn loss_scale() -> vec2<f32> {
    let exponent = 169u - countLeadingZeros(max(now.batch, 1u) - 1u);
    return bitcast<vec2<f32>>(vec2<u32>(exponent, 254u - exponent) << vec2<u32>(23u));
}

// 32 rows of four vec4, a fifth as spacing: neighbouring rows then start in different memory banks.
const ROW = 5u;
var<workgroup> ds: array<vec4<f16>, 160>;   // 32 rows of dy, 4 vec4 each
var<workgroup> ws: array<vec4<f16>, 128>;   // 16 rows of w, 8 vec4 each

@compute @workgroup_size(64)
fn linear_dx_half(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top = tile / tiles_across * 32u;
    let left4 = tile % tiles_across * 8u;
    if top >= params.batch { return; }
    let scale = loss_scale();
    let tx = lane % 8u;
    let ty = lane / 8u;
    let stage = lane / 4u * ROW + lane % 4u;
    let d_a = min(top + lane / 4u, params.batch - 1u) * params.outputs4;
    let d_b = min(top + lane / 4u + 16u, params.batch - 1u) * params.outputs4;
    let w_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var k = 0u; k < params.outputs4; k += 4u) {
        // Past the end of a row dy counts as zero, so what w holds there does not matter.
        let kk = min(k + lane % 4u, params.outputs4 - 1u);
        let inside = k + lane % 4u < params.outputs4;
        ds[stage] = select(vec4<f16>(0.0), half(scale.x * dy[d_a + kk]), inside);
        ds[stage + 16u * ROW] = select(vec4<f16>(0.0), half(scale.x * dy[d_b + kk]), inside);
        ws[lane] = half(w[min(k * 4u + ty, params.outputs - 1u) * params.inputs4 + w_col]);
        ws[lane + 64u] = half(w[min(k * 4u + ty + 8u, params.outputs - 1u) * params.inputs4 + w_col]);
        workgroupBarrier();
        for (var j = 0u; j < 4u; j++) {
            let wj = j * 32u + tx;
            let m = mat4x4<f32>(vec4<f32>(ws[wj]), vec4<f32>(ws[wj + 8u]), vec4<f32>(ws[wj + 16u]), vec4<f32>(ws[wj + 24u]));
            let dj = ty * 4u * ROW + j;
            s0 += m * vec4<f32>(ds[dj]);
            s1 += m * vec4<f32>(ds[dj + ROW]);
            s2 += m * vec4<f32>(ds[dj + 2u * ROW]);
            s3 += m * vec4<f32>(ds[dj + 3u * ROW]);
        }
        workgroupBarrier();
    }
    let row = top + ty * 4u;
    let col4 = left4 + tx;
    if col4 >= params.inputs4 { return; }
    if row < params.batch { finish(row, col4, s0 * scale.y); }
    if row + 1u < params.batch { finish(row + 1u, col4, s1 * scale.y); }
    if row + 2u < params.batch { finish(row + 2u, col4, s2 * scale.y); }
    if row + 3u < params.batch { finish(row + 3u, col4, s3 * scale.y); }
}
