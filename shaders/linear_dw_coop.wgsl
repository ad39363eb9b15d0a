// linear_dw_coop: dw = dyᵀ·x.   dy (B, O), x (B, I) -> dw (O, I)
// Mixed precision on cooperative matrices: dy times the loss scale, and x, in half precision; see linear_coop.
// Twin: src/kernels/linear_dw.rs
enable f16;
enable wgpu_cooperative_matrix;
struct Now {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, pad: u32,
}
struct Params { batch: u32, inputs4: u32, outputs: u32, outputs4: u32, }
@group(0) @binding(0) var<uniform> now: Now;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> dy: array<vec4<f32>>;         // (B, O)
@group(1) @binding(2) var<storage, read> x: array<vec4<f32>>;          // (B, I)
@group(1) @binding(3) var<storage, read_write> dw: array<vec4<f32>>;   // (O, I)

// dw[row, 4·col4 ..] from the bare product: the gradient of this micro-batch, added to those before it if there are any.
fn finish(row: u32, col4: u32, product: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = row * params.inputs4 + col4;
    if now.accumulate == 0u { dw[at] = product; } else { dw[at] += product; }
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

var<workgroup> ds: array<f16, 512>;     // 16 samples of dy, 32 columns each
var<workgroup> xs: array<f16, 512>;     // 16 samples of x, 32 columns each
var<workgroup> tile: array<f32, 1024>;   // 32×32 of dw

@compute @workgroup_size(32)
fn linear_dw_coop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let tile_at = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top4 = tile_at / tiles_across * 8u;
    let left4 = tile_at % tiles_across * 8u;
    if top4 >= params.outputs4 { return; }
    let scale = loss_scale();
    let d_col = min(top4 + lane % 8u, params.outputs4 - 1u);
    let x_col = min(left4 + lane % 8u, params.inputs4 - 1u);
    var c00: coop_mat16x16<f32, C>; var c01: coop_mat16x16<f32, C>;
    var c10: coop_mat16x16<f32, C>; var c11: coop_mat16x16<f32, C>;
    for (var b = 0u; b < params.batch; b += 16u) {
        for (var i = lane / 8u; i < 16u; i += 4u) {
            // Past the last sample dy counts as zero, so what x holds there does not matter.
            let sample = min(b + i, params.batch - 1u);
            let d = half(scale.x * dy[sample * params.outputs4 + d_col]);
            let v = select(vec4<f16>(0.0), d, b + i < params.batch);
            let u = half(x[sample * params.inputs4 + x_col]);
            let at = i * 32u + lane % 8u * 4u;
            ds[at] = v.x; ds[at + 1u] = v.y; ds[at + 2u] = v.z; ds[at + 3u] = v.w;
            xs[at] = u.x; xs[at + 1u] = u.y; xs[at + 2u] = u.z; xs[at + 3u] = u.w;
        }
        workgroupBarrier();
        let a0 = coopLoad<coop_mat16x16<f16, A>>(&ds[0], 32u);
        let a1 = coopLoad<coop_mat16x16<f16, A>>(&ds[16], 32u);
        let b0 = coopLoadT<coop_mat16x16<f16, B>>(&xs[0], 32u);
        let b1 = coopLoadT<coop_mat16x16<f16, B>>(&xs[16], 32u);
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
        finish(top4 * 4u + at / 8u, left4 + at % 8u, sum * scale.y);
    }
}
