// coop: the products of a layer in mixed precision on cooperative matrices: linear, linear_dx, linear_dw; see half.
// A subgroup of 32 makes a 32×32 tile as four products of 16×16 matrices, half precision in, single precision out.
// Values past the edges are staged as zeros.
// Twins: src/kernels/linear.rs, linear_dx.rs, linear_dw.rs
enable f16;
enable wgpu_cooperative_matrix;
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params {
    batch: u32, inputs4: u32, outputs: u32, outputs4: u32,
    mask_stride: u32, scale: f32, keep: f32, pad: u32,
}
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> x: array<vec4<f32>>;          // (B, I)
@group(1) @binding(2) var<storage, read> w: array<vec4<f32>>;          // (O, I)
@group(1) @binding(3) var<storage, read> b: array<vec4<f32>>;          // (O)
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, O) bits, or (B, I)
@group(1) @binding(5) var<storage, read_write> y: array<vec4<f32>>;    // (B, O)
@group(1) @binding(6) var<storage, read> dy: array<vec4<f32>>;         // (B, O)
@group(1) @binding(7) var<storage, read_write> dx: array<vec4<f32>>;   // (B, I)
@group(1) @binding(8) var<storage, read_write> dw: array<vec4<f32>>;   // (O, I)

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

// Bias, activation, dropout and zeros in the padding: y[row, 4·col4 ..] from the bare product, if that place exists.
fn finish_y(now: StepValues, params: Params, row: u32, col4: u32, product: vec4<f32>) {
    if row >= params.batch || col4 >= params.outputs4 { return; }
    var v = act(product + b[now.model * params.outputs4 + col4]);
    if MASKED {
        let bits = mask[(now.model * params.batch + row) * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v *= vec4<f32>(kept) * params.scale;
    }
    let inside = col4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.outputs);
    y[(now.model * params.batch + row) * params.outputs4 + col4] = select(vec4<f32>(0.0), v, inside);
}

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

// Activation's slope and dropout: dx[row, 4·col4 ..] from the bare product, if that place exists. x is the output of
// dropout, act(z)/keep.
fn finish_dx(now: StepValues, params: Params, row: u32, col4: u32, product: vec4<f32>) {
    if row >= params.batch || col4 >= params.inputs4 { return; }
    let at = (now.model * params.batch + row) * params.inputs4 + col4;
    var v = product * act_grad(x[at] * params.keep);
    if MASKED {
        let bits = mask[(now.model * params.batch + row) * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v *= vec4<f32>(kept) * params.scale;
    }
    dx[at] = v;
}

// dw[row, 4·col4 ..] from the bare product. From the second micro-batch on, gradients are added.
fn store(now: StepValues, params: Params, row: u32, col4: u32, product: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = (now.model * params.outputs + row) * params.inputs4 + col4;
    if now.accumulate == 0u { dw[at] = product; } else { dw[at] += product; }
}

// Rounds to half precision, ties to even. Values beyond the largest finite one become that one, values below the
// smallest normal one zero. Written out, because WGSL leaves the direction of rounding and subnormals to the device.
fn half(v: vec4<f32>) -> vec4<f16> {
    let bits = bitcast<vec4<u32>>(v);
    let even = (bits >> vec4<u32>(13u)) & vec4<u32>(1u);
    let near = bitcast<vec4<f32>>((bits + vec4<u32>(0xFFFu) + even) & vec4<u32>(0xFFFFE000u));
    let within = clamp(near, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    let normal = select(within, vec4<f32>(0.0), abs(v) < vec4<f32>(0x1p-14));
    // Infinities and NaNs pass unchanged.
    let exponent = bits & vec4<u32>(0x7F800000u);
    return vec4<f16>(select(normal, v, exponent == vec4<u32>(0x7F800000u)));
}

// The loss scale 2¹⁰·B, B rounded up to a power of two, and its reciprocal. Error signals are multiplied by it before
// they are rounded, so that they do not underflow; the reciprocal undoes this exactly.
fn loss_scale(now: StepValues) -> vec2<f32> {
    let exponent = 169u - countLeadingZeros(max(now.batch, 1u) - 1u);
    return bitcast<vec2<f32>>(vec2<u32>(exponent, 254u - exponent) << vec2<u32>(23u));
}

var<workgroup> ls: array<f16, 512>;      // left factor: 32 rows of x or dy by 16 columns, or 16 samples of dy by 32
var<workgroup> rs: array<f16, 512>;      // right factor: 32 rows of w by 16 columns, or 16 rows of w or x by 32
var<workgroup> tile: array<f32, 1024>;   // 32×32 of the product

// y = act(x·wᵀ + b) ⊙ mask
@compute @workgroup_size(32)
fn linear_coop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.outputs4 + 7u) / 8u;
    // Written out, so that the compiler sees that it is the same in the whole subgroup.
    let number = group.x + group.y * groups.x;
    let top = number / tiles_across * 32u;
    let left = number % tiles_across * 32u;
    if top >= params.batch { return; }
    // First rows of the model.
    let x_top = now.model * params.batch;
    let w_top = now.model * params.outputs;
    var c00: coop_mat16x16<f32, C>; var c01: coop_mat16x16<f32, C>;
    var c10: coop_mat16x16<f32, C>; var c11: coop_mat16x16<f32, C>;
    for (var k = 0u; k < params.inputs4; k += 4u) {
        // Past the end of a row x counts as zero, so what w holds there does not matter.
        let kk = min(k + lane % 4u, params.inputs4 - 1u);
        let inside = k + lane % 4u < params.inputs4;
        for (var i = lane / 4u; i < 32u; i += 8u) {
            let v = select(vec4<f16>(0.0), half(x[(x_top + min(top + i, params.batch - 1u)) * params.inputs4 + kk]), inside);
            let u = half(w[(w_top + min(left + i, params.outputs - 1u)) * params.inputs4 + kk]);
            let at = i * 16u + lane % 4u * 4u;
            ls[at] = v.x; ls[at + 1u] = v.y; ls[at + 2u] = v.z; ls[at + 3u] = v.w;
            rs[at] = u.x; rs[at + 1u] = u.y; rs[at + 2u] = u.z; rs[at + 3u] = u.w;
        }
        workgroupBarrier();
        let a0 = coopLoadT<coop_mat16x16<f16, A>>(&ls[0], 16u);
        let a1 = coopLoadT<coop_mat16x16<f16, A>>(&ls[256], 16u);
        let b0 = coopLoad<coop_mat16x16<f16, B>>(&rs[0], 16u);
        let b1 = coopLoad<coop_mat16x16<f16, B>>(&rs[256], 16u);
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
        finish_y(now, params, top + at / 8u, left / 4u + at % 8u, sum);
    }
}

// dx = (dy·w) ⊙ act'(x) ⊙ mask
@compute @workgroup_size(32)
fn linear_dx_coop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 7u) / 8u;
    // Written out, so that the compiler sees that it is the same in the whole subgroup.
    let number = group.x + group.y * groups.x;
    let top = number / tiles_across * 32u;
    let left4 = number % tiles_across * 8u;
    if top >= params.batch { return; }
    let scale = loss_scale(now);
    let dy_top = now.model * params.batch;
    let w_top = now.model * params.outputs;
    var c00: coop_mat16x16<f32, C>; var c01: coop_mat16x16<f32, C>;
    var c10: coop_mat16x16<f32, C>; var c11: coop_mat16x16<f32, C>;
    for (var k = 0u; k < params.outputs4; k += 4u) {
        // Past the end of a row dy counts as zero, so what w holds there does not matter.
        let kk = min(k + lane % 4u, params.outputs4 - 1u);
        let inside = k + lane % 4u < params.outputs4;
        for (var i = lane / 4u; i < 32u; i += 8u) {
            let d = half(scale.x * dy[(dy_top + min(top + i, params.batch - 1u)) * params.outputs4 + kk]);
            let v = select(vec4<f16>(0.0), d, inside);
            let at = i * 16u + lane % 4u * 4u;
            ls[at] = v.x; ls[at + 1u] = v.y; ls[at + 2u] = v.z; ls[at + 3u] = v.w;
        }
        for (var i = lane / 8u; i < 16u; i += 4u) {
            let col4 = min(left4 + lane % 8u, params.inputs4 - 1u);
            let u = half(w[(w_top + min(4u * k + i, params.outputs - 1u)) * params.inputs4 + col4]);
            let at = i * 32u + lane % 8u * 4u;
            rs[at] = u.x; rs[at + 1u] = u.y; rs[at + 2u] = u.z; rs[at + 3u] = u.w;
        }
        workgroupBarrier();
        let a0 = coopLoadT<coop_mat16x16<f16, A>>(&ls[0], 16u);
        let a1 = coopLoadT<coop_mat16x16<f16, A>>(&ls[256], 16u);
        let b0 = coopLoadT<coop_mat16x16<f16, B>>(&rs[0], 32u);
        let b1 = coopLoadT<coop_mat16x16<f16, B>>(&rs[16], 32u);
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
        finish_dx(now, params, top + at / 8u, left4 + at % 8u, sum * scale.y);
    }
}

// dw = dyᵀ·x
@compute @workgroup_size(32)
fn linear_dw_coop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 7u) / 8u;
    // Written out, so that the compiler sees that it is the same in the whole subgroup.
    let number = group.x + group.y * groups.x;
    let top4 = number / tiles_across * 8u;
    let left4 = number % tiles_across * 8u;
    if top4 >= params.outputs4 { return; }
    let scale = loss_scale(now);
    let d_col = min(top4 + lane % 8u, params.outputs4 - 1u);
    let x_col = min(left4 + lane % 8u, params.inputs4 - 1u);
    var c00: coop_mat16x16<f32, C>; var c01: coop_mat16x16<f32, C>;
    var c10: coop_mat16x16<f32, C>; var c11: coop_mat16x16<f32, C>;
    for (var b = 0u; b < params.batch; b += 16u) {
        for (var i = lane / 8u; i < 16u; i += 4u) {
            // Past the last sample dy counts as zero, so what x holds there does not matter.
            let sample = now.model * params.batch + min(b + i, params.batch - 1u);
            let d = half(scale.x * dy[sample * params.outputs4 + d_col]);
            let v = select(vec4<f16>(0.0), d, b + i < params.batch);
            let u = half(x[sample * params.inputs4 + x_col]);
            let at = i * 32u + lane % 8u * 4u;
            ls[at] = v.x; ls[at + 1u] = v.y; ls[at + 2u] = v.z; ls[at + 3u] = v.w;
            rs[at] = u.x; rs[at + 1u] = u.y; rs[at + 2u] = u.z; rs[at + 3u] = u.w;
        }
        workgroupBarrier();
        let a0 = coopLoad<coop_mat16x16<f16, A>>(&ls[0], 32u);
        let a1 = coopLoad<coop_mat16x16<f16, A>>(&ls[16], 32u);
        let b0 = coopLoadT<coop_mat16x16<f16, B>>(&rs[0], 32u);
        let b1 = coopLoadT<coop_mat16x16<f16, B>>(&rs[16], 32u);
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
        store(now, params, top4 * 4u + at / 8u, left4 + at % 8u, sum * scale.y);
    }
}
