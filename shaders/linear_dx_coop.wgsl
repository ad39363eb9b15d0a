// linear_dx_coop: dx = (dy·w) ⊙ act'(x) ⊙ mask.   dy (B, O), w (O, I), x (B, I), mask (B, I) bits -> dx (B, I)
// Mixed precision on cooperative matrices: dy times the loss scale, and w, in half precision; see linear_coop.
// Twin: src/kernels/linear_dx.rs
enable f16;
enable wgpu_cooperative_matrix;
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

var<workgroup> ds: array<f16, 512>;     // 32 rows of dy, 16 columns each
var<workgroup> ws: array<f16, 512>;     // 16 rows of w, 32 columns each
var<workgroup> tile: array<f32, 1024>;   // 32×32 of dx

@compute @workgroup_size(32)
fn linear_dx_coop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let tile_at = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top = tile_at / tiles_across * 32u;
    let left4 = tile_at % tiles_across * 8u;
    if top >= params.batch { return; }
    let scale = loss_scale();
    var c00: coop_mat16x16<f32, C>; var c01: coop_mat16x16<f32, C>;
    var c10: coop_mat16x16<f32, C>; var c11: coop_mat16x16<f32, C>;
    for (var k = 0u; k < params.outputs4; k += 4u) {
        // Past the end of a row dy counts as zero, so what w holds there does not matter.
        let kk = min(k + lane % 4u, params.outputs4 - 1u);
        let inside = k + lane % 4u < params.outputs4;
        for (var i = lane / 4u; i < 32u; i += 8u) {
            let d = half(scale.x * dy[min(top + i, params.batch - 1u) * params.outputs4 + kk]);
            let v = select(vec4<f16>(0.0), d, inside);
            let at = i * 16u + lane % 4u * 4u;
            ds[at] = v.x; ds[at + 1u] = v.y; ds[at + 2u] = v.z; ds[at + 3u] = v.w;
        }
        for (var i = lane / 8u; i < 16u; i += 4u) {
            let col4 = min(left4 + lane % 8u, params.inputs4 - 1u);
            let u = half(w[min(4u * k + i, params.outputs - 1u) * params.inputs4 + col4]);
            let at = i * 32u + lane % 8u * 4u;
            ws[at] = u.x; ws[at + 1u] = u.y; ws[at + 2u] = u.z; ws[at + 3u] = u.w;
        }
        workgroupBarrier();
        let a0 = coopLoadT<coop_mat16x16<f16, A>>(&ds[0], 16u);
        let a1 = coopLoadT<coop_mat16x16<f16, A>>(&ds[256], 16u);
        let b0 = coopLoadT<coop_mat16x16<f16, B>>(&ws[0], 32u);
        let b1 = coopLoadT<coop_mat16x16<f16, B>>(&ws[16], 32u);
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
        let col4 = left4 + at % 8u;
        if row < params.batch && col4 < params.inputs4 { finish(row, col4, sum * scale.y); }
    }
}
