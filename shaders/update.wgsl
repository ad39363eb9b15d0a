// update: the gradient of a layer's weights, dw = dyᵀ·x, and the optimizers that use it.
// linear_dw: dy (B, O), x (B, I) -> dw (O, I), stored, or added to what is there.
// sgd, momentum, adam, rmsprop: g, w and the optimizer's state, all (O, I) or (O) -> w and the state.
// update_*: dy (B, O), x (B, I) -> w (O, I), b (O) and the optimizer's state of both. Each gradient is used as soon
// as it is computed and never stored; that of b is the column sums of dy. Only w is penalised.
// Names that end in 4 count vec4: rows are zero-padded to whole vec4.
// Twins: src/kernels/linear_dw.rs, sgd.rs, momentum.rs, adam.rs, rmsprop.rs, update.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
// memory: decay rate of the mean square, β₂ of Adam or ρ of RMSprop.
struct Params { batch: u32, inputs4: u32, outputs: u32, outputs4: u32, l2: f32, memory: f32, epsilon: f32, pad: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> x: array<vec4<f32>>;                  // (B, I)
@group(1) @binding(2) var<storage, read_write> w: array<vec4<f32>>;            // (O, I); of an optimizer alone also (O)
@group(1) @binding(3) var<storage, read_write> b: array<vec4<f32>>;            // (O)
@group(1) @binding(6) var<storage, read> dy: array<vec4<f32>>;                 // (B, O)
@group(1) @binding(8) var<storage, read_write> dw: array<vec4<f32>>;           // (O, I)
@group(1) @binding(9) var<storage, read> g: array<vec4<f32>>;                  // as w: a stored gradient
// Optimizer state. First: a velocity, or Adam's first moment. Second: Adam's second moment, or a mean square.
@group(1) @binding(10) var<storage, read_write> first_w: array<vec4<f32>>;     // as w
@group(1) @binding(11) var<storage, read_write> second_w: array<vec4<f32>>;    // as w
@group(1) @binding(12) var<storage, read_write> first_b: array<vec4<f32>>;     // (O)
@group(1) @binding(13) var<storage, read_write> second_b: array<vec4<f32>>;    // (O)

override NESTEROV: bool = false;
override DECOUPLED: bool = false;   // AdamW

// The optimizers: new weights and state from four weights, their state, their gradient and the penalty.

struct Next { w: vec4<f32>, first: vec4<f32>, second: vec4<f32>, }

// w ← w − lr·(g + l2·w)
fn sgd_step(now: StepValues, w: vec4<f32>, g: vec4<f32>, l2: f32) -> vec4<f32> {
    return w - now.lr * (g + l2 * w);
}

// g ← g + l2·w,  v ← μ·v + g,  w ← w − lr·v   (Nesterov: w ← w − lr·(g + μ·v))
fn momentum_step(now: StepValues, w: vec4<f32>, v: vec4<f32>, g: vec4<f32>, l2: f32) -> Next {
    let full = g + l2 * w;
    let velocity = now.momentum * v + full;
    let step = select(velocity, full + now.momentum * velocity, NESTEROV);
    return Next(w - now.lr * step, velocity, vec4<f32>());
}

// m ← β₁·m + (1−β₁)·g,  v ← β₂·v + (1−β₂)·g²,  w ← w − lr·(m/bias₁ / (√(v/bias₂) + ε) + decay·w)
// Adam: the penalty is added to g, no decay. AdamW: decay = l2.
fn adam_step(now: StepValues, params: Params, w: vec4<f32>, m: vec4<f32>, v: vec4<f32>, g: vec4<f32>, l2: f32) -> Next {
    let decay = l2 * w;
    let full = select(g + decay, g, DECOUPLED);
    let m1 = now.momentum * m + (1.0 - now.momentum) * full;
    let v1 = params.memory * v + (1.0 - params.memory) * full * full;
    let step = (m1 / now.bias1) / (sqrt(v1 / now.bias2) + params.epsilon);
    return Next(w - now.lr * select(step, step + decay, DECOUPLED), m1, v1);
}

// g ← g + l2·w,  s ← ρ·s + (1−ρ)·g²,  v ← μ·v + g / (√s + ε),  w ← w − lr·v
fn rmsprop_step(now: StepValues, params: Params, w: vec4<f32>, v: vec4<f32>, s: vec4<f32>, g: vec4<f32>, l2: f32) -> Next {
    let full = g + l2 * w;
    let square = params.memory * s + (1.0 - params.memory) * full * full;
    let velocity = now.momentum * v + full / (sqrt(square) + params.epsilon);
    return Next(w - now.lr * velocity, velocity, square);
}

// Use of a gradient: of weights [row, 4·col4 ..], stored or applied; of biases [4·at ..], applied.

// The vec4 in column col4 of four rows of dw from `row` on, and the gradients of these rows' biases.
struct Tile { row: u32, col4: u32, dw: mat4x4<f32>, db: vec4<f32>, }

fn store(now: StepValues, params: Params, row: u32, col4: u32, product: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = (now.model * params.outputs + row) * params.inputs4 + col4;
    if now.accumulate == 0u { dw[at] = product; } else { dw[at] += product; }
}
fn store_tile(now: StepValues, params: Params, t: Tile) {
    store(now, params, t.row, t.col4, t.dw[0]); store(now, params, t.row + 1u, t.col4, t.dw[1]);
    store(now, params, t.row + 2u, t.col4, t.dw[2]); store(now, params, t.row + 3u, t.col4, t.dw[3]);
}

fn sgd_w(now: StepValues, params: Params, row: u32, col4: u32, gradient: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = (now.model * params.outputs + row) * params.inputs4 + col4;
    w[at] = sgd_step(now, w[at], gradient, params.l2);
}
fn sgd_b(now: StepValues, params: Params, unit4: u32, gradient: vec4<f32>) {
    if unit4 >= params.outputs4 { return; }
    let at = now.model * params.outputs4 + unit4;
    b[at] = sgd_step(now, b[at], gradient, 0.0);
}
fn sgd_tile(now: StepValues, params: Params, t: Tile) {
    sgd_w(now, params, t.row, t.col4, t.dw[0]); sgd_w(now, params, t.row + 1u, t.col4, t.dw[1]);
    sgd_w(now, params, t.row + 2u, t.col4, t.dw[2]); sgd_w(now, params, t.row + 3u, t.col4, t.dw[3]);
    if t.col4 == 0u { sgd_b(now, params, t.row / 4u, t.db); }
}

fn momentum_w(now: StepValues, params: Params, row: u32, col4: u32, gradient: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = (now.model * params.outputs + row) * params.inputs4 + col4;
    let next = momentum_step(now, w[at], first_w[at], gradient, params.l2);
    w[at] = next.w; first_w[at] = next.first;
}
fn momentum_b(now: StepValues, params: Params, unit4: u32, gradient: vec4<f32>) {
    if unit4 >= params.outputs4 { return; }
    let at = now.model * params.outputs4 + unit4;
    let next = momentum_step(now, b[at], first_b[at], gradient, 0.0);
    b[at] = next.w; first_b[at] = next.first;
}
fn momentum_tile(now: StepValues, params: Params, t: Tile) {
    momentum_w(now, params, t.row, t.col4, t.dw[0]); momentum_w(now, params, t.row + 1u, t.col4, t.dw[1]);
    momentum_w(now, params, t.row + 2u, t.col4, t.dw[2]); momentum_w(now, params, t.row + 3u, t.col4, t.dw[3]);
    if t.col4 == 0u { momentum_b(now, params, t.row / 4u, t.db); }
}

fn adam_w(now: StepValues, params: Params, row: u32, col4: u32, gradient: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = (now.model * params.outputs + row) * params.inputs4 + col4;
    let next = adam_step(now, params, w[at], first_w[at], second_w[at], gradient, params.l2);
    w[at] = next.w; first_w[at] = next.first; second_w[at] = next.second;
}
fn adam_b(now: StepValues, params: Params, unit4: u32, gradient: vec4<f32>) {
    if unit4 >= params.outputs4 { return; }
    let at = now.model * params.outputs4 + unit4;
    let next = adam_step(now, params, b[at], first_b[at], second_b[at], gradient, 0.0);
    b[at] = next.w; first_b[at] = next.first; second_b[at] = next.second;
}
fn adam_tile(now: StepValues, params: Params, t: Tile) {
    adam_w(now, params, t.row, t.col4, t.dw[0]); adam_w(now, params, t.row + 1u, t.col4, t.dw[1]);
    adam_w(now, params, t.row + 2u, t.col4, t.dw[2]); adam_w(now, params, t.row + 3u, t.col4, t.dw[3]);
    if t.col4 == 0u { adam_b(now, params, t.row / 4u, t.db); }
}

fn rmsprop_w(now: StepValues, params: Params, row: u32, col4: u32, gradient: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = (now.model * params.outputs + row) * params.inputs4 + col4;
    let next = rmsprop_step(now, params, w[at], first_w[at], second_w[at], gradient, params.l2);
    w[at] = next.w; first_w[at] = next.first; second_w[at] = next.second;
}
fn rmsprop_b(now: StepValues, params: Params, unit4: u32, gradient: vec4<f32>) {
    if unit4 >= params.outputs4 { return; }
    let at = now.model * params.outputs4 + unit4;
    let next = rmsprop_step(now, params, b[at], first_b[at], second_b[at], gradient, 0.0);
    b[at] = next.w; first_b[at] = next.first; second_b[at] = next.second;
}
fn rmsprop_tile(now: StepValues, params: Params, t: Tile) {
    rmsprop_w(now, params, t.row, t.col4, t.dw[0]); rmsprop_w(now, params, t.row + 1u, t.col4, t.dw[1]);
    rmsprop_w(now, params, t.row + 2u, t.col4, t.dw[2]); rmsprop_w(now, params, t.row + 3u, t.col4, t.dw[3]);
    if t.col4 == 0u { rmsprop_b(now, params, t.row / 4u, t.db); }
}

// The products: each form computes the tiles of an invocation. Rows past the end of dw are neither stored nor applied.

var<workgroup> ds: array<vec4<f32>, 128>;        // 16 samples of dy, 8 vec4 each
var<workgroup> xs: array<vec4<f32>, 128>;        // 16 samples of x, 8 vec4 each
var<workgroup> ds_wide: array<vec4<f32>, 256>;   // 16 samples of dy, 16 vec4 each
var<workgroup> xs_wide: array<vec4<f32>, 256>;   // 16 samples of x, 16 vec4 each
var<workgroup> parts: array<vec4<f32>, 1024>;    // 16 shares of a tile of 16 rows, 4 vec4 each

// The number of a workgroup. The grid may be folded into two dimensions; groups past the end have nothing to do.
fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// For GPUs: a workgroup of 64 makes 32×32 values. 16 samples of dy and x at a time are staged in workgroup memory; each
// invocation keeps 4×4 values in registers.
fn tiled(now: StepValues, params: Params, number: u32, lane: u32) -> Tile {
    let tiles_across = (params.inputs4 + 7u) / 8u;
    let top4 = number / tiles_across * 8u;
    let left4 = number % tiles_across * 8u;
    let tx = lane % 8u;
    let ty = lane / 8u;
    var tile = Tile((top4 + ty) * 4u, left4 + tx, mat4x4<f32>(), vec4<f32>());
    if top4 >= params.outputs4 { return tile; }
    let d_col = min(top4 + tx, params.outputs4 - 1u);
    let x_col = min(left4 + tx, params.inputs4 - 1u);
    var bias = vec4<f32>();
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var b = 0u; b < params.batch; b += 16u) {
        // Past the last sample dy counts as zero, so what x holds there does not matter.
        let b_a = now.model * params.batch + min(b + ty, params.batch - 1u);
        let b_b = now.model * params.batch + min(b + ty + 8u, params.batch - 1u);
        ds[lane] = select(vec4<f32>(0.0), dy[b_a * params.outputs4 + d_col], b + ty < params.batch);
        ds[lane + 64u] = select(vec4<f32>(0.0), dy[b_b * params.outputs4 + d_col], b + ty + 8u < params.batch);
        xs[lane] = x[b_a * params.inputs4 + x_col];
        xs[lane + 64u] = x[b_b * params.inputs4 + x_col];
        workgroupBarrier();
        for (var j = 0u; j < 16u; j++) {
            let d = ds[j * 8u + ty];
            bias += d;
            let v = xs[j * 8u + tx];
            s0 += d.x * v; s1 += d.y * v; s2 += d.z * v; s3 += d.w * v;
        }
        workgroupBarrier();
    }
    tile.dw = mat4x4<f32>(s0, s1, s2, s3);
    tile.db = bias;
    return tile;
}

// For GPUs and large products: a workgroup of 128 makes 64×64 values, two tiles in each invocation's registers.
struct Pair { a: Tile, b: Tile, }
fn wide(now: StepValues, params: Params, number: u32, lane: u32) -> Pair {
    let tiles_across = (params.inputs4 + 15u) / 16u;
    let top4 = number / tiles_across * 16u;
    let left4 = number % tiles_across * 16u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    let row = (top4 + 2u * ty) * 4u;
    var pair: Pair;
    pair.a.row = row; pair.a.col4 = left4 + tx;
    pair.b.row = row + 4u; pair.b.col4 = left4 + tx;
    if top4 >= params.outputs4 { return pair; }
    let d_col = min(top4 + tx, params.outputs4 - 1u);
    let x_col = min(left4 + tx, params.inputs4 - 1u);
    var bias_a = vec4<f32>(); var bias_b = vec4<f32>();
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    var s4 = vec4<f32>(); var s5 = vec4<f32>(); var s6 = vec4<f32>(); var s7 = vec4<f32>();
    for (var b = 0u; b < params.batch; b += 16u) {
        // Past the last sample dy counts as zero, so what x holds there does not matter.
        let b_a = now.model * params.batch + min(b + ty, params.batch - 1u);
        let b_b = now.model * params.batch + min(b + ty + 8u, params.batch - 1u);
        ds_wide[lane] = select(vec4<f32>(0.0), dy[b_a * params.outputs4 + d_col], b + ty < params.batch);
        ds_wide[lane + 128u] = select(vec4<f32>(0.0), dy[b_b * params.outputs4 + d_col], b + ty + 8u < params.batch);
        xs_wide[lane] = x[b_a * params.inputs4 + x_col];
        xs_wide[lane + 128u] = x[b_b * params.inputs4 + x_col];
        workgroupBarrier();
        for (var j = 0u; j < 256u; j += 16u) {
            let da = ds_wide[j + 2u * ty];
            let db = ds_wide[j + 2u * ty + 1u];
            bias_a += da; bias_b += db;
            let v = xs_wide[j + tx];
            s0 += da.x * v; s1 += da.y * v; s2 += da.z * v; s3 += da.w * v;
            s4 += db.x * v; s5 += db.y * v; s6 += db.z * v; s7 += db.w * v;
        }
        workgroupBarrier();
    }
    pair.a.dw = mat4x4<f32>(s0, s1, s2, s3);
    pair.a.db = bias_a;
    pair.b.dw = mat4x4<f32>(s4, s5, s6, s7);
    pair.b.db = bias_b;
    return pair;
}

// For software adapters: 16×16 values in an invocation's registers, as matrices c numbered by row block and column
// block, directly from memory; see linear_registers.
struct Block { row4: u32, col4: u32, dw: array<mat4x4<f32>, 16>, db: mat4x4<f32>, }

// Transposes values of dy from columns of samples to columns of outputs; samples that do not count become zero.
fn turn(d: mat4x4<f32>, counts: vec4<f32>) -> mat4x4<f32> {
    let t = transpose(d);
    return mat4x4<f32>(t[0] * counts, t[1] * counts, t[2] * counts, t[3] * counts);
}

fn registers(now: StepValues, params: Params, number: u32, lane: u32, block: ptr<function, Block>) {
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let at = number * 16u + lane;
    let row4 = at / tiles_across * 4u;
    let col4 = at % tiles_across * 4u;
    (*block).row4 = row4;
    (*block).col4 = col4;
    if row4 >= params.outputs4 { return; }
    // Rows and columns past the end repeat the last one; their results are not stored.
    let rows = min(vec4<u32>(row4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs4 - 1u));
    let cols = min(vec4<u32>(col4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.inputs4 - 1u));
    var bias = mat4x4<f32>();
    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
    var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
    for (var b = 0u; b < params.batch; b += 4u) {
        // Four samples at a time; those past the last one do not count.
        let sample = b + vec4<u32>(0u, 1u, 2u, 3u);
        let counts = select(vec4<f32>(0.0), vec4<f32>(1.0), sample < vec4<u32>(params.batch));
        let s = now.model * params.batch + min(sample, vec4<u32>(params.batch - 1u));
        let r = s * params.outputs4;
        let c = s * params.inputs4;
        let d0 = mat4x4<f32>(dy[r.x + rows.x], dy[r.y + rows.x], dy[r.z + rows.x], dy[r.w + rows.x]);
        let d1 = mat4x4<f32>(dy[r.x + rows.y], dy[r.y + rows.y], dy[r.z + rows.y], dy[r.w + rows.y]);
        let d2 = mat4x4<f32>(dy[r.x + rows.z], dy[r.y + rows.z], dy[r.z + rows.z], dy[r.w + rows.z]);
        let d3 = mat4x4<f32>(dy[r.x + rows.w], dy[r.y + rows.w], dy[r.z + rows.w], dy[r.w + rows.w]);
        bias += mat4x4<f32>(d0 * counts, d1 * counts, d2 * counts, d3 * counts);
        let t0 = turn(d0, counts); let t1 = turn(d1, counts); let t2 = turn(d2, counts); let t3 = turn(d3, counts);
        let x0 = mat4x4<f32>(x[c.x + cols.x], x[c.y + cols.x], x[c.z + cols.x], x[c.w + cols.x]);
        c00 += x0 * t0; c10 += x0 * t1; c20 += x0 * t2; c30 += x0 * t3;
        let x1 = mat4x4<f32>(x[c.x + cols.y], x[c.y + cols.y], x[c.z + cols.y], x[c.w + cols.y]);
        c01 += x1 * t0; c11 += x1 * t1; c21 += x1 * t2; c31 += x1 * t3;
        let x2 = mat4x4<f32>(x[c.x + cols.z], x[c.y + cols.z], x[c.z + cols.z], x[c.w + cols.z]);
        c02 += x2 * t0; c12 += x2 * t1; c22 += x2 * t2; c32 += x2 * t3;
        let x3 = mat4x4<f32>(x[c.x + cols.w], x[c.y + cols.w], x[c.z + cols.w], x[c.w + cols.w]);
        c03 += x3 * t0; c13 += x3 * t1; c23 += x3 * t2; c33 += x3 * t3;
    }
    (*block).dw = array<mat4x4<f32>, 16>(
        c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
    (*block).db = bias;
}
// Row and vec4 column in dw of the i-th row of a block.
fn row_of(i: u32, row4: u32) -> u32 { return row4 * 4u + i / 16u * 4u + i % 4u; }
fn col4_of(i: u32, col4: u32) -> u32 { return col4 + i / 4u % 4u; }

@compute @workgroup_size(64)
fn linear_dw_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    store_tile(now, params, tiled(now, params, number(group, groups), lane));
}
@compute @workgroup_size(64)
fn update_sgd_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    sgd_tile(now, params, tiled(now, params, number(group, groups), lane));
}
@compute @workgroup_size(64)
fn update_momentum_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                         @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    momentum_tile(now, params, tiled(now, params, number(group, groups), lane));
}
@compute @workgroup_size(64)
fn update_adam_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    adam_tile(now, params, tiled(now, params, number(group, groups), lane));
}
@compute @workgroup_size(64)
fn update_rmsprop_tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    rmsprop_tile(now, params, tiled(now, params, number(group, groups), lane));
}

@compute @workgroup_size(128)
fn linear_dw_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let t = wide(now, params, number(group, groups), lane);
    store_tile(now, params, t.a); store_tile(now, params, t.b);
}
@compute @workgroup_size(128)
fn update_sgd_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let t = wide(now, params, number(group, groups), lane);
    sgd_tile(now, params, t.a); sgd_tile(now, params, t.b);
}
@compute @workgroup_size(128)
fn update_momentum_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let t = wide(now, params, number(group, groups), lane);
    momentum_tile(now, params, t.a); momentum_tile(now, params, t.b);
}
@compute @workgroup_size(128)
fn update_adam_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let t = wide(now, params, number(group, groups), lane);
    adam_tile(now, params, t.a); adam_tile(now, params, t.b);
}
@compute @workgroup_size(128)
fn update_rmsprop_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let t = wide(now, params, number(group, groups), lane);
    rmsprop_tile(now, params, t.a); rmsprop_tile(now, params, t.b);
}

@compute @workgroup_size(16)
fn linear_dw_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    var c: Block;
    registers(now, params, number(group, groups), lane, &c);
    for (var i = 0u; i < 64u; i++) { store(now, params, row_of(i, c.row4), col4_of(i, c.col4), c.dw[i / 4u][i % 4u]); }
}
@compute @workgroup_size(16)
fn update_sgd_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    var c: Block;
    registers(now, params, number(group, groups), lane, &c);
    for (var i = 0u; i < 64u; i++) { sgd_w(now, params, row_of(i, c.row4), col4_of(i, c.col4), c.dw[i / 4u][i % 4u]); }
    for (var i = 0u; i < 4u && c.col4 == 0u; i++) { sgd_b(now, params, c.row4 + i, c.db[i]); }
}
@compute @workgroup_size(16)
fn update_momentum_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                        @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    var c: Block;
    registers(now, params, number(group, groups), lane, &c);
    for (var i = 0u; i < 64u; i++) { momentum_w(now, params, row_of(i, c.row4), col4_of(i, c.col4), c.dw[i / 4u][i % 4u]); }
    for (var i = 0u; i < 4u && c.col4 == 0u; i++) { momentum_b(now, params, c.row4 + i, c.db[i]); }
}
@compute @workgroup_size(16)
fn update_adam_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    var c: Block;
    registers(now, params, number(group, groups), lane, &c);
    for (var i = 0u; i < 64u; i++) { adam_w(now, params, row_of(i, c.row4), col4_of(i, c.col4), c.dw[i / 4u][i % 4u]); }
    for (var i = 0u; i < 4u && c.col4 == 0u; i++) { adam_b(now, params, c.row4 + i, c.db[i]); }
}
@compute @workgroup_size(16)
fn update_rmsprop_registers(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    var c: Block;
    registers(now, params, number(group, groups), lane, &c);
    for (var i = 0u; i < 64u; i++) { rmsprop_w(now, params, row_of(i, c.row4), col4_of(i, c.col4), c.dw[i / 4u][i % 4u]); }
    for (var i = 0u; i < 4u && c.col4 == 0u; i++) { rmsprop_b(now, params, c.row4 + i, c.db[i]); }
}

// The plain form: one invocation makes a tile, summing over the batch in order.
@compute @workgroup_size(64)
fn linear_dw(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    let row4 = at / params.inputs4;
    let col4 = at % params.inputs4;
    if row4 >= params.outputs4 { return; }
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var b = 0u; b < params.batch; b++) {
        let d = dy[(now.model * params.batch + b) * params.outputs4 + row4];
        let v = x[(now.model * params.batch + b) * params.inputs4 + col4];
        s0 += d.x * v; s1 += d.y * v; s2 += d.z * v; s3 += d.w * v;
    }
    store_tile(now, params, Tile(row4 * 4u, col4, mat4x4<f32>(s0, s1, s2, s3), vec4<f32>()));
}

// For GPUs, small outputs and long sums (see linear_split): a workgroup of 256 makes 16×16 values, in 16 batch shares.
@compute @workgroup_size(256)
fn linear_dw_split(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let top4 = number(group, groups) / tiles_across * 4u;
    let left4 = number(group, groups) % tiles_across * 4u;
    if top4 >= params.outputs4 { return; }
    let tx = lane % 4u;
    let ty = lane / 4u % 4u;
    let share = lane / 16u;
    // Rows and columns past the end repeat the last one; their results are not stored.
    let d_col = min(top4 + ty, params.outputs4 - 1u);
    let x_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var b = share; b < params.batch; b += 16u) {
        let d = dy[(now.model * params.batch + b) * params.outputs4 + d_col];
        let v = x[(now.model * params.batch + b) * params.inputs4 + x_col];
        s0 += d.x * v; s1 += d.y * v; s2 += d.z * v; s3 += d.w * v;
    }
    let part = share * 64u + ty * 16u + tx;
    parts[part] = s0; parts[part + 4u] = s1; parts[part + 8u] = s2; parts[part + 12u] = s3;
    workgroupBarrier();
    if lane >= 64u { return; }
    // Each invocation adds the shares of one vec4 of the tile, always in the same order.
    var sum = parts[lane];
    for (var i = 1u; i < 16u; i++) { sum += parts[i * 64u + lane]; }
    store(now, params, top4 * 4u + lane / 4u, left4 + lane % 4u, sum);
}

// The optimizers alone: one invocation updates four neighbouring weights.
@compute @workgroup_size(64)
fn sgd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
       @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let i = number(group, groups) * 64u + lane;
    if i >= params.outputs * params.inputs4 { return; }
    let at = now.model * params.outputs * params.inputs4 + i;
    w[at] = sgd_step(now, w[at], g[at], params.l2);
}
@compute @workgroup_size(64)
fn momentum(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let i = number(group, groups) * 64u + lane;
    if i >= params.outputs * params.inputs4 { return; }
    let at = now.model * params.outputs * params.inputs4 + i;
    let next = momentum_step(now, w[at], first_w[at], g[at], params.l2);
    w[at] = next.w; first_w[at] = next.first;
}
@compute @workgroup_size(64)
fn adam(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let i = number(group, groups) * 64u + lane;
    if i >= params.outputs * params.inputs4 { return; }
    let at = now.model * params.outputs * params.inputs4 + i;
    let next = adam_step(now, params, w[at], first_w[at], second_w[at], g[at], params.l2);
    w[at] = next.w; first_w[at] = next.first; second_w[at] = next.second;
}
@compute @workgroup_size(64)
fn rmsprop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z]; let params = params[now.model];
    let i = number(group, groups) * 64u + lane;
    if i >= params.outputs * params.inputs4 { return; }
    let at = now.model * params.outputs * params.inputs4 + i;
    let next = rmsprop_step(now, params, w[at], first_w[at], second_w[at], g[at], params.l2);
    w[at] = next.w; first_w[at] = next.first; second_w[at] = next.second;
}
