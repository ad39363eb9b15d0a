// half: the products of a layer in mixed precision: linear, linear_dx, linear_dw; see those for tensors and sizes.
// The tiles are those of the tiled forms, but the factors (dy times the loss scale) are rounded to half precision when
// they are staged. Products of two such values are exact in single precision; the sums are in single precision too.
// Twins: src/kernels/linear.rs, linear_dx.rs, linear_dw.rs
enable f16;
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

// The number of a workgroup. The grid may be folded into two dimensions; groups past the end have nothing to do.
fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// 32 rows of four vec4, plus one as spacing: neighbouring rows then start in different memory banks.
const ROW = 5u;
var<workgroup> left_rows: array<vec4<f16>, 160>;    // 32 rows of x or dy, 4 vec4 each
var<workgroup> w_rows: array<vec4<f16>, 160>;       // 32 rows of w, 4 vec4 each
var<workgroup> w_lines: array<vec4<f16>, 128>;      // 16 rows of w, 8 vec4 each
var<workgroup> ds: array<vec4<f16>, 128>;           // 16 samples of dy, 8 vec4 each
var<workgroup> xs: array<vec4<f16>, 128>;           // 16 samples of x, 8 vec4 each

// y = act(x·wᵀ + b) ⊙ mask
@compute @workgroup_size(64)
fn linear_half(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.outputs4 + 7u) / 8u;
    let top = number(group, groups) / tiles_across * 32u;
    let left = number(group, groups) % tiles_across * 32u;
    if top >= params.batch { return; }
    let tx = lane % 8u;
    let ty = lane / 8u;
    // Each invocation stages two vec4 of x and two of w: rows lane/4 and lane/4 + 16, vec4 lane%4.
    let stage = lane / 4u * ROW + lane % 4u;
    let x_a = (now.model * params.batch + min(top + lane / 4u, params.batch - 1u)) * params.inputs4;
    let x_b = (now.model * params.batch + min(top + lane / 4u + 16u, params.batch - 1u)) * params.inputs4;
    let w_a = (now.model * params.outputs + min(left + lane / 4u, params.outputs - 1u)) * params.inputs4;
    let w_b = (now.model * params.outputs + min(left + lane / 4u + 16u, params.outputs - 1u)) * params.inputs4;
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var k = 0u; k < params.inputs4; k += 4u) {
        // Past the end of a row x counts as zero, so what w holds there does not matter.
        let kk = min(k + lane % 4u, params.inputs4 - 1u);
        let inside = k + lane % 4u < params.inputs4;
        left_rows[stage] = select(vec4<f16>(0.0), half(x[x_a + kk]), inside);
        left_rows[stage + 16u * ROW] = select(vec4<f16>(0.0), half(x[x_b + kk]), inside);
        w_rows[stage] = half(w[w_a + kk]);
        w_rows[stage + 16u * ROW] = half(w[w_b + kk]);
        workgroupBarrier();
        for (var j = 0u; j < 4u; j++) {
            let wj = tx * 4u * ROW + j;
            let m = mat4x4<f32>(vec4<f32>(w_rows[wj]), vec4<f32>(w_rows[wj + ROW]), vec4<f32>(w_rows[wj + 2u * ROW]),
                                vec4<f32>(w_rows[wj + 3u * ROW]));
            let xj = ty * 4u * ROW + j;
            s0 += vec4<f32>(left_rows[xj]) * m;
            s1 += vec4<f32>(left_rows[xj + ROW]) * m;
            s2 += vec4<f32>(left_rows[xj + 2u * ROW]) * m;
            s3 += vec4<f32>(left_rows[xj + 3u * ROW]) * m;
        }
        workgroupBarrier();
    }
    let row = top + ty * 4u;
    let col4 = left / 4u + tx;
    finish_y(now, params, row, col4, s0);
    finish_y(now, params, row + 1u, col4, s1);
    finish_y(now, params, row + 2u, col4, s2);
    finish_y(now, params, row + 3u, col4, s3);
}

// dx = (dy·w) ⊙ act'(x) ⊙ mask
@compute @workgroup_size(64)
fn linear_dx_half(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let top = number(group, groups) / tiles_across * 32u;
    let left4 = number(group, groups) % tiles_across * 8u;
    if top >= params.batch { return; }
    let scale = loss_scale(now);
    let tx = lane % 8u;
    let ty = lane / 8u;
    let stage = lane / 4u * ROW + lane % 4u;
    let d_a = (now.model * params.batch + min(top + lane / 4u, params.batch - 1u)) * params.outputs4;
    let d_b = (now.model * params.batch + min(top + lane / 4u + 16u, params.batch - 1u)) * params.outputs4;
    let w_top = now.model * params.outputs;   // first row of the model
    let w_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var k = 0u; k < params.outputs4; k += 4u) {
        // Past the end of a row dy counts as zero, so what w holds there does not matter.
        let kk = min(k + lane % 4u, params.outputs4 - 1u);
        let inside = k + lane % 4u < params.outputs4;
        left_rows[stage] = select(vec4<f16>(0.0), half(scale.x * dy[d_a + kk]), inside);
        left_rows[stage + 16u * ROW] = select(vec4<f16>(0.0), half(scale.x * dy[d_b + kk]), inside);
        w_lines[lane] = half(w[(w_top + min(k * 4u + ty, params.outputs - 1u)) * params.inputs4 + w_col]);
        w_lines[lane + 64u] = half(w[(w_top + min(k * 4u + ty + 8u, params.outputs - 1u)) * params.inputs4 + w_col]);
        workgroupBarrier();
        for (var j = 0u; j < 4u; j++) {
            let wj = j * 32u + tx;
            let m = mat4x4<f32>(vec4<f32>(w_lines[wj]), vec4<f32>(w_lines[wj + 8u]), vec4<f32>(w_lines[wj + 16u]),
                                vec4<f32>(w_lines[wj + 24u]));
            let dj = ty * 4u * ROW + j;
            s0 += m * vec4<f32>(left_rows[dj]);
            s1 += m * vec4<f32>(left_rows[dj + ROW]);
            s2 += m * vec4<f32>(left_rows[dj + 2u * ROW]);
            s3 += m * vec4<f32>(left_rows[dj + 3u * ROW]);
        }
        workgroupBarrier();
    }
    let row = top + ty * 4u;
    let col4 = left4 + tx;
    finish_dx(now, params, row, col4, s0 * scale.y);
    finish_dx(now, params, row + 1u, col4, s1 * scale.y);
    finish_dx(now, params, row + 2u, col4, s2 * scale.y);
    finish_dx(now, params, row + 3u, col4, s3 * scale.y);
}

// dw = dyᵀ·x
@compute @workgroup_size(64)
fn linear_dw_half(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let top4 = number(group, groups) / tiles_across * 8u;
    let left4 = number(group, groups) % tiles_across * 8u;
    if top4 >= params.outputs4 { return; }
    let scale = loss_scale(now);
    let tx = lane % 8u;
    let ty = lane / 8u;
    let d_col = min(top4 + tx, params.outputs4 - 1u);
    let x_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var b = 0u; b < params.batch; b += 16u) {
        // Past the last sample dy counts as zero, so what x holds there does not matter.
        let b_a = now.model * params.batch + min(b + ty, params.batch - 1u);
        let b_b = now.model * params.batch + min(b + ty + 8u, params.batch - 1u);
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
    store(now, params, row, left4 + tx, s0 * scale.y);
    store(now, params, row + 1u, left4 + tx, s1 * scale.y);
    store(now, params, row + 2u, left4 + tx, s2 * scale.y);
    store(now, params, row + 3u, left4 + tx, s3 * scale.y);
}
