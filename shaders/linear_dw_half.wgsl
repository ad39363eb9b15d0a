// linear_dw_half: dw = dyᵀ·x.   dy (B, O), x (B, I) -> dw (O, I)
// Mixed precision: the tiles of linear_dw_tiled, but dy and x are rounded to half precision where they are staged, dy times
// the loss scale; see linear_half. Twin: src/kernels/linear_dw.rs
enable f16;
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

var<workgroup> ds: array<vec4<f16>, 128>;   // 16 samples of dy, 8 vec4 each
var<workgroup> xs: array<vec4<f16>, 128>;   // 16 samples of x, 8 vec4 each

@compute @workgroup_size(64)
fn linear_dw_half(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top4 = tile / tiles_across * 8u;
    let left4 = tile % tiles_across * 8u;
    if top4 >= params.outputs4 { return; }
    let scale = loss_scale();
    let tx = lane % 8u;
    let ty = lane / 8u;
    let d_col = min(top4 + tx, params.outputs4 - 1u);
    let x_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var b = 0u; b < params.batch; b += 16u) {
        // Past the last sample dy counts as zero, so what x holds there does not matter.
        let b_a = min(b + ty, params.batch - 1u);
        let b_b = min(b + ty + 8u, params.batch - 1u);
        let d_a = half(scale.x * dy[b_a * params.outputs4 + d_col]);
        let d_b = half(scale.x * dy[b_b * params.outputs4 + d_col]);
        ds[lane] = select(vec4<f16>(0.0), d_a, b + ty < params.batch);
        ds[lane + 64u] = select(vec4<f16>(0.0), d_b, b + ty + 8u < params.batch);
        xs[lane] = half(x[b_a * params.inputs4 + x_col]);
        xs[lane + 64u] = half(x[b_b * params.inputs4 + x_col]);
        workgroupBarrier();
        for (var j = 0u; j < 16u; j++) {
            let d = vec4<f32>(ds[j * 8u + ty]);
            let v = vec4<f32>(xs[j * 8u + tx]);
            s0 += d.x * v; s1 += d.y * v; s2 += d.z * v; s3 += d.w * v;
        }
        workgroupBarrier();
    }
    let row = (top4 + ty) * 4u;
    finish(row, left4 + tx, s0 * scale.y);
    finish(row + 1u, left4 + tx, s1 * scale.y);
    finish(row + 2u, left4 + tx, s2 * scale.y);
    finish(row + 3u, left4 + tx, s3 * scale.y);
}
