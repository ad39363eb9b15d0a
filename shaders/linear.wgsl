// linear: y = act(x·wᵀ + b) ⊙ mask.   x (B, I), w (O, I), b (O), mask (B, O) bits -> y (B, O)
// Names that end in 4 count vec4: rows are zero-padded to whole vec4. mask_stride: words of a mask row. scale: 1/keep.
// Twin: src/kernels/linear.rs
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

// Bias, activation, dropout and zeros in the padding: y[row, 4·col4 ..] from the bare product, if that place exists.
fn finish(now: StepValues, params: Params, row: u32, col4: u32, product: vec4<f32>) {
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

// `finish` for four rows from `row` on.
fn finish4(now: StepValues, params: Params, row: u32, col4: u32, s0: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, s3: vec4<f32>) {
    finish(now, params, row, col4, s0);
    finish(now, params, row + 1u, col4, s1);
    finish(now, params, row + 2u, col4, s2);
    finish(now, params, row + 3u, col4, s3);
}

// The number of a workgroup. The grid may be folded into two dimensions; groups past the end have nothing to do.
fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// Offsets of four rows of x or of w from `row` on. Rows past the end repeat the last one; their results are not stored.
fn rows_at(now: StepValues, params: Params, row: u32, rows: u32) -> vec4<u32> {
    return (now.model * rows + min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(rows - 1u))) * params.inputs4;
}

// The plain form: one invocation makes four neighbouring outputs of one sample, directly from memory.
@compute @workgroup_size(64)
fn linear(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    if at >= params.batch * params.outputs4 { return; }
    let row = at / params.outputs4;
    let col4 = at % params.outputs4;
    let o = rows_at(now, params, col4 * 4u, params.outputs);
    let r = (now.model * params.batch + row) * params.inputs4;
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < params.inputs4; k++) {
        sum += x[r + k] * mat4x4<f32>(w[o.x + k], w[o.y + k], w[o.z + k], w[o.w + k]);
    }
    finish(now, params, row, col4, sum);
}

// 32 rows of four vec4, plus one as spacing: neighbouring rows then start in different memory banks.
const ROW = 5u;
var<workgroup> xs: array<vec4<f32>, 160>;
var<workgroup> ws: array<vec4<f32>, 160>;

// For GPUs: a workgroup of 64 makes a 32×32 tile of y. 16 columns of x and w at a time are staged in workgroup memory;
// each invocation keeps 4×4 outputs in registers.
@compute @workgroup_size(64)
fn linear_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
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
        xs[stage] = select(vec4<f32>(0.0), x[x_a + kk], inside);
        xs[stage + 16u * ROW] = select(vec4<f32>(0.0), x[x_b + kk], inside);
        ws[stage] = w[w_a + kk];
        ws[stage + 16u * ROW] = w[w_b + kk];
        workgroupBarrier();
        for (var j = 0u; j < 4u; j++) {
            let wj = tx * 4u * ROW + j;
            let m = mat4x4<f32>(ws[wj], ws[wj + ROW], ws[wj + 2u * ROW], ws[wj + 3u * ROW]);
            let xj = ty * 4u * ROW + j;
            s0 += xs[xj] * m;
            s1 += xs[xj + ROW] * m;
            s2 += xs[xj + 2u * ROW] * m;
            s3 += xs[xj + 3u * ROW] * m;
        }
        workgroupBarrier();
    }
    let row = top + ty * 4u;
    let col4 = left / 4u + tx;
    finish4(now, params, row, col4, s0, s1, s2, s3);
}

// 16 vec4 per column, plus two as spacing: neighbours then store to different memory banks. For the same reason the
// columns of both are reordered: 0, 4, 8, 12, 1, 5, …
const COL = 18u;
var<workgroup> xs_wide: array<vec4<f32>, 288>;   // 16 columns of x, 64 rows each
var<workgroup> ws_wide: array<vec4<f32>, 288>;   // 16 columns of w, 64 rows each

// For GPUs and large products: a workgroup of 128 makes a 64×64 tile of y, each invocation 8×4 of it in registers. 16
// columns of x and w at a time lie in workgroup memory, transposed: a vec4 there holds four rows.
@compute @workgroup_size(128)
fn linear_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.outputs4 + 15u) / 16u;
    let top = number(group, groups) / tiles_across * 64u;
    let left = number(group, groups) % tiles_across * 64u;
    if top >= params.batch { return; }
    // Half of the invocations stage x, the others w; each one a 4×4 block: four rows of one vec4 of columns.
    let rx = rows_at(now, params, top + lane / 4u % 16u * 4u, params.batch);
    let rw = rows_at(now, params, left + lane / 4u % 16u * 4u, params.outputs);
    let stage = lane % 4u * COL + lane / 4u % 16u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    var s4 = vec4<f32>(); var s5 = vec4<f32>(); var s6 = vec4<f32>(); var s7 = vec4<f32>();
    for (var k = 0u; k < params.inputs4; k += 4u) {
        let kk = min(k + lane % 4u, params.inputs4 - 1u);
        if lane < 64u {
            // Past the end of a row x counts as zero, so what w holds there does not matter.
            let inside = f32(k + lane % 4u < params.inputs4);
            let m = inside * transpose(mat4x4<f32>(x[rx.x + kk], x[rx.y + kk], x[rx.z + kk], x[rx.w + kk]));
            xs_wide[stage] = m[0]; xs_wide[stage + 4u * COL] = m[1];
            xs_wide[stage + 8u * COL] = m[2]; xs_wide[stage + 12u * COL] = m[3];
        } else {
            let m = transpose(mat4x4<f32>(w[rw.x + kk], w[rw.y + kk], w[rw.z + kk], w[rw.w + kk]));
            ws_wide[stage] = m[0]; ws_wide[stage + 4u * COL] = m[1];
            ws_wide[stage + 8u * COL] = m[2]; ws_wide[stage + 12u * COL] = m[3];
        }
        workgroupBarrier();
        for (var j = 0u; j < 16u * COL; j += COL) {
            let a = xs_wide[j + 2u * ty];
            let b = xs_wide[j + 2u * ty + 1u];
            let v = ws_wide[j + tx];
            s0 += a.x * v; s1 += a.y * v; s2 += a.z * v; s3 += a.w * v;
            s4 += b.x * v; s5 += b.y * v; s6 += b.z * v; s7 += b.w * v;
        }
        workgroupBarrier();
    }
    let row = top + ty * 8u;
    let col4 = left / 4u + tx;
    finish4(now, params, row, col4, s0, s1, s2, s3);
    finish4(now, params, row + 4u, col4, s4, s5, s6, s7);
}

// For software adapters: one invocation keeps a 16×16 tile of y, as matrices c numbered by row block and column block,
// and reads x and w directly from memory, 16 vec4 each for 1024 multiply-adds. No workgroup memory: barriers and loads
// cost most there.
@compute @workgroup_size(16)
fn linear_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.outputs4 + 3u) / 4u;
    let at = number(group, groups) * 16u + lane;
    let row = at / tiles_across * 16u;
    let col4 = at % tiles_across * 4u;
    if row >= params.batch { return; }
    let r0 = rows_at(now, params, row + 0u, params.batch);
    let r1 = rows_at(now, params, row + 4u, params.batch);
    let r2 = rows_at(now, params, row + 8u, params.batch);
    let r3 = rows_at(now, params, row + 12u, params.batch);
    let o0 = rows_at(now, params, col4 * 4u + 0u, params.outputs);
    let o1 = rows_at(now, params, col4 * 4u + 4u, params.outputs);
    let o2 = rows_at(now, params, col4 * 4u + 8u, params.outputs);
    let o3 = rows_at(now, params, col4 * 4u + 12u, params.outputs);
    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
    var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
    for (var k = 0u; k < params.inputs4; k++) {
        let x0 = mat4x4<f32>(x[r0.x + k], x[r0.y + k], x[r0.z + k], x[r0.w + k]);
        let x1 = mat4x4<f32>(x[r1.x + k], x[r1.y + k], x[r1.z + k], x[r1.w + k]);
        let x2 = mat4x4<f32>(x[r2.x + k], x[r2.y + k], x[r2.z + k], x[r2.w + k]);
        let x3 = mat4x4<f32>(x[r3.x + k], x[r3.y + k], x[r3.z + k], x[r3.w + k]);
        let w0 = transpose(mat4x4<f32>(w[o0.x + k], w[o0.y + k], w[o0.z + k], w[o0.w + k]));
        c00 += w0 * x0; c10 += w0 * x1; c20 += w0 * x2; c30 += w0 * x3;
        let w1 = transpose(mat4x4<f32>(w[o1.x + k], w[o1.y + k], w[o1.z + k], w[o1.w + k]));
        c01 += w1 * x0; c11 += w1 * x1; c21 += w1 * x2; c31 += w1 * x3;
        let w2 = transpose(mat4x4<f32>(w[o2.x + k], w[o2.y + k], w[o2.z + k], w[o2.w + k]));
        c02 += w2 * x0; c12 += w2 * x1; c22 += w2 * x2; c32 += w2 * x3;
        let w3 = transpose(mat4x4<f32>(w[o3.x + k], w[o3.y + k], w[o3.z + k], w[o3.w + k]));
        c03 += w3 * x0; c13 += w3 * x1; c23 += w3 * x2; c33 += w3 * x3;
    }
    var tile = array<mat4x4<f32>, 16>(
        c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
    for (var i = 0u; i < 64u; i++) {
        finish(now, params, row + i / 16u * 4u + i % 4u, col4 + i / 4u % 4u, tile[i / 4u][i % 4u]);
    }
}

var<workgroup> parts: array<vec4<f32>, 1024>;   // 16 shares of a tile of 16 rows, 4 vec4 each

// For GPUs, small outputs and long sums: a workgroup of 256 makes a 16×16 tile of y. The inputs are cut into 16 shares,
// each summed by 16 invocations of 4×4 outputs; the shares are added up in workgroup memory.
@compute @workgroup_size(256)
fn linear_split(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let tiles_across = (params.outputs4 + 3u) / 4u;
    let top = number(group, groups) / tiles_across * 16u;
    let left = number(group, groups) % tiles_across * 16u;
    if top >= params.batch { return; }
    // Neighbours have neighbouring shares: together they read whole lines of memory.
    let share = lane % 16u;
    let tx = lane / 16u % 4u;
    let ty = lane / 64u;
    let r = rows_at(now, params, top + ty * 4u, params.batch);
    let o = rows_at(now, params, left + tx * 4u, params.outputs);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var k = share; k < params.inputs4; k += 16u) {
        let m = mat4x4<f32>(w[o.x + k], w[o.y + k], w[o.z + k], w[o.w + k]);
        s0 += x[r.x + k] * m; s1 += x[r.y + k] * m; s2 += x[r.z + k] * m; s3 += x[r.w + k] * m;
    }
    let part = share * 64u + ty * 16u + tx;
    parts[part] = s0; parts[part + 4u] = s1; parts[part + 8u] = s2; parts[part + 12u] = s3;
    workgroupBarrier();
    if lane >= 64u { return; }
    // Each invocation adds the shares of one vec4 of the tile, always in the same order.
    var sum = parts[lane];
    for (var i = 1u; i < 16u; i++) { sum += parts[i * 64u + lane]; }
    finish(now, params, top + lane / 4u, left / 4u + lane % 4u, sum);
}
