// linear_dx: dx = (dy·w) ⊙ act'(x) ⊙ mask.   dy (B, O), w (O, I), x (B, I), mask (B, I) bits -> dx (B, I)
// x is the output of the layer below, so dx is that layer's error signal δ. The forms are those of linear.
// Twin: src/kernels/linear_dx.rs
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
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, I) bits
@group(1) @binding(6) var<storage, read> dy: array<vec4<f32>>;         // (B, O)
@group(1) @binding(7) var<storage, read_write> dx: array<vec4<f32>>;   // (B, I)

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

// Activation's slope and dropout: dx[row, 4·col4 ..] from the bare product, if that place exists. x is the output of
// dropout, act(z)/keep.
fn finish(now: StepValues, params: Params, row: u32, col4: u32, product: vec4<f32>) {
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

// `finish` for four rows from `row` on.
fn finish4(now: StepValues, params: Params, row: u32, col4: u32, s0: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, s3: vec4<f32>) {
    finish(now, params, row, col4, s0);
    finish(now, params, row + 1u, col4, s1);
    finish(now, params, row + 2u, col4, s2);
    finish(now, params, row + 3u, col4, s3);
}

// The number of a workgroup. The grid may be folded into two dimensions; groups past the end have nothing to do.
fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// Offsets of four rows of w from `row` on. Rows past the end repeat the last one: dy is zero there, or their results are
// not stored.
fn w_rows(now: StepValues, params: Params, row: u32) -> vec4<u32> {
    let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u));
    return (now.model * params.outputs + rows) * params.inputs4;
}
// The same of dy.
fn dy_rows(now: StepValues, params: Params, row: u32) -> vec4<u32> {
    let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u));
    return (now.model * params.batch + rows) * params.outputs4;
}

// The plain form: one invocation makes four neighbouring values of one sample.
@compute @workgroup_size(64)
fn linear_dx(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    if at >= params.batch * params.inputs4 { return; }
    let row = at / params.inputs4;
    let col4 = at % params.inputs4;
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < params.outputs4; k++) {
        let o = w_rows(now, params, k * 4u) + col4;
        sum += mat4x4<f32>(w[o.x], w[o.y], w[o.z], w[o.w]) * dy[(now.model * params.batch + row) * params.outputs4 + k];
    }
    finish(now, params, row, col4, sum);
}

// 32 rows of four vec4, plus one as spacing: neighbouring rows then start in different memory banks.
const ROW = 5u;
var<workgroup> ds: array<vec4<f32>, 160>;   // 32 rows of dy, 4 vec4 each
var<workgroup> ws: array<vec4<f32>, 128>;   // 16 rows of w, 8 vec4 each

// A workgroup of 64 makes a 32×32 tile of dx, staging 16 columns of dy and 16 rows of w at a time.
@compute @workgroup_size(64)
fn linear_dx_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let top = number(group, groups) / tiles_across * 32u;
    let left4 = number(group, groups) % tiles_across * 8u;
    if top >= params.batch { return; }
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
        ds[stage] = select(vec4<f32>(0.0), dy[d_a + kk], inside);
        ds[stage + 16u * ROW] = select(vec4<f32>(0.0), dy[d_b + kk], inside);
        ws[lane] = w[(w_top + min(k * 4u + ty, params.outputs - 1u)) * params.inputs4 + w_col];
        ws[lane + 64u] = w[(w_top + min(k * 4u + ty + 8u, params.outputs - 1u)) * params.inputs4 + w_col];
        workgroupBarrier();
        for (var j = 0u; j < 4u; j++) {
            let wj = j * 32u + tx;
            let m = mat4x4<f32>(ws[wj], ws[wj + 8u], ws[wj + 16u], ws[wj + 24u]);
            let dj = ty * 4u * ROW + j;
            s0 += m * ds[dj];
            s1 += m * ds[dj + ROW];
            s2 += m * ds[dj + 2u * ROW];
            s3 += m * ds[dj + 3u * ROW];
        }
        workgroupBarrier();
    }
    let row = top + ty * 4u;
    let col4 = left4 + tx;
    finish4(now, params, row, col4, s0, s1, s2, s3);
}

// 16 vec4 per row, plus two as spacing: neighbours then store to different memory banks. For the same reason the rows
// of both are reordered: 0, 4, 8, 12, 1, 5, …
const WIDE_ROW = 18u;
var<workgroup> ds_wide: array<vec4<f32>, 288>;   // 16 columns of dy, 64 rows each
var<workgroup> ws_wide: array<vec4<f32>, 288>;   // 16 rows of w, 16 vec4 each

// A workgroup of 128 makes a 64×64 tile of dx. 16 columns of dy (transposed) and 16 rows of w at a time lie in
// workgroup memory.
@compute @workgroup_size(128)
fn linear_dx_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 15u) / 16u;
    let top = number(group, groups) / tiles_across * 64u;
    let left4 = number(group, groups) % tiles_across * 16u;
    if top >= params.batch { return; }
    // Half of the invocations stage dy, each a block of 4×4 that it transposes; the others stage w, each four vec4.
    let rd = dy_rows(now, params, top + lane / 4u % 16u * 4u);
    let stage = lane % 4u * WIDE_ROW + lane / 4u % 16u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    let w_top = now.model * params.outputs;   // first row of the model
    let w_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    var s4 = vec4<f32>(); var s5 = vec4<f32>(); var s6 = vec4<f32>(); var s7 = vec4<f32>();
    for (var k = 0u; k < params.outputs4; k += 4u) {
        if lane < 64u {
            // Past the end of a row dy counts as zero, so what w holds there does not matter.
            let kk = min(k + lane % 4u, params.outputs4 - 1u);
            let inside = f32(k + lane % 4u < params.outputs4);
            let m = inside * transpose(mat4x4<f32>(dy[rd.x + kk], dy[rd.y + kk], dy[rd.z + kk], dy[rd.w + kk]));
            ds_wide[stage] = m[0]; ds_wide[stage + 4u * WIDE_ROW] = m[1];
            ds_wide[stage + 8u * WIDE_ROW] = m[2]; ds_wide[stage + 12u * WIDE_ROW] = m[3];
        } else {
            for (var i = 0u; i < 4u; i++) {
                let o = min((k + ty - 4u) * 4u + i, params.outputs - 1u);
                ws_wide[(i * 4u + ty - 4u) * WIDE_ROW + tx] = w[(w_top + o) * params.inputs4 + w_col];
            }
        }
        workgroupBarrier();
        for (var j = 0u; j < 16u * WIDE_ROW; j += WIDE_ROW) {
            let a = ds_wide[j + 2u * ty];
            let b = ds_wide[j + 2u * ty + 1u];
            let v = ws_wide[j + tx];
            s0 += a.x * v; s1 += a.y * v; s2 += a.z * v; s3 += a.w * v;
            s4 += b.x * v; s5 += b.y * v; s6 += b.z * v; s7 += b.w * v;
        }
        workgroupBarrier();
    }
    let row = top + ty * 8u;
    let col4 = left4 + tx;
    finish4(now, params, row, col4, s0, s1, s2, s3);
    finish4(now, params, row + 4u, col4, s4, s5, s6, s7);
}

// One invocation makes a 16×16 tile of dx in registers.
@compute @workgroup_size(16)
fn linear_dx_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let at = number(group, groups) * 16u + lane;
    let row = at / tiles_across * 16u;
    let col4 = at % tiles_across * 4u;
    if row >= params.batch { return; }
    // Rows and columns past the end repeat the last one; their results are not stored.
    let r0 = dy_rows(now, params, row + 0u);
    let r1 = dy_rows(now, params, row + 4u);
    let r2 = dy_rows(now, params, row + 8u);
    let r3 = dy_rows(now, params, row + 12u);
    let col = min(vec4<u32>(col4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.inputs4 - 1u));
    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
    var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
    for (var k = 0u; k < params.outputs4; k++) {
        let d0 = mat4x4<f32>(dy[r0.x + k], dy[r0.y + k], dy[r0.z + k], dy[r0.w + k]);
        let d1 = mat4x4<f32>(dy[r1.x + k], dy[r1.y + k], dy[r1.z + k], dy[r1.w + k]);
        let d2 = mat4x4<f32>(dy[r2.x + k], dy[r2.y + k], dy[r2.z + k], dy[r2.w + k]);
        let d3 = mat4x4<f32>(dy[r3.x + k], dy[r3.y + k], dy[r3.z + k], dy[r3.w + k]);
        let o = w_rows(now, params, k * 4u);
        let w0 = mat4x4<f32>(w[o.x + col.x], w[o.y + col.x], w[o.z + col.x], w[o.w + col.x]);
        c00 += w0 * d0; c10 += w0 * d1; c20 += w0 * d2; c30 += w0 * d3;
        let w1 = mat4x4<f32>(w[o.x + col.y], w[o.y + col.y], w[o.z + col.y], w[o.w + col.y]);
        c01 += w1 * d0; c11 += w1 * d1; c21 += w1 * d2; c31 += w1 * d3;
        let w2 = mat4x4<f32>(w[o.x + col.z], w[o.y + col.z], w[o.z + col.z], w[o.w + col.z]);
        c02 += w2 * d0; c12 += w2 * d1; c22 += w2 * d2; c32 += w2 * d3;
        let w3 = mat4x4<f32>(w[o.x + col.w], w[o.y + col.w], w[o.z + col.w], w[o.w + col.w]);
        c03 += w3 * d0; c13 += w3 * d1; c23 += w3 * d2; c33 += w3 * d3;
    }
    var tile = array<mat4x4<f32>, 16>(
        c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
    for (var i = 0u; i < 64u; i++) {
        finish(now, params, row + i / 16u * 4u + i % 4u, col4 + i / 4u % 4u, tile[i / 4u][i % 4u]);
    }
}

var<workgroup> parts: array<vec4<f32>, 1024>;   // 16 shares of a tile of 16 rows, 4 vec4 each

// A workgroup of 256 makes a 16×16 tile of dx, in 16 shares of the sum.
@compute @workgroup_size(256)
fn linear_dx_split(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let top = number(group, groups) / tiles_across * 16u;
    let left4 = number(group, groups) % tiles_across * 4u;
    if top >= params.batch { return; }
    let tx = lane % 4u;
    let ty = lane / 4u % 4u;
    let share = lane / 16u;
    // Rows and columns past the end repeat the last one; their results are not stored.
    let r = dy_rows(now, params, top + ty * 4u);
    let w_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var k = share; k < params.outputs4; k += 16u) {
        let o = w_rows(now, params, k * 4u) + w_col;
        let m = mat4x4<f32>(w[o.x], w[o.y], w[o.z], w[o.w]);
        s0 += m * dy[r.x + k]; s1 += m * dy[r.y + k]; s2 += m * dy[r.z + k]; s3 += m * dy[r.w + k];
    }
    let part = share * 64u + ty * 16u + tx;
    parts[part] = s0; parts[part + 4u] = s1; parts[part + 8u] = s2; parts[part + 12u] = s3;
    workgroupBarrier();
    if lane >= 64u { return; }
    // Each invocation adds the shares of one vec4 of the tile, always in the same order.
    var sum = parts[lane];
    for (var i = 1u; i < 16u; i++) { sum += parts[i * 64u + lane]; }
    finish(now, params, top + lane / 4u, left4 + lane % 4u, sum);
}
