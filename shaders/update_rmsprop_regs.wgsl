// update_rmsprop_regs: g = dyᵀ·x and the column sums of dy, each used where it is made:  RMSprop, see rmsprop
// dy (B, O), x (B, I) -> w (O, I), b (O), and the optimizer state. Only w is penalised.
// The tiles are those of linear_dw_regs; the leftmost ones also make the biases. Twin: src/kernels/update.rs
struct Now {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, pad: u32,
}
struct Params { batch: u32, inputs4: u32, outputs: u32, outputs4: u32, l2: f32, rho: f32, epsilon: f32, pad: u32, }
@group(0) @binding(0) var<uniform> now: Now;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> dy: array<vec4<f32>>;         // (B, O)
@group(1) @binding(2) var<storage, read> x: array<vec4<f32>>;          // (B, I)
@group(1) @binding(3) var<storage, read_write> w: array<vec4<f32>>;    // (O, I)
@group(1) @binding(4) var<storage, read_write> b: array<vec4<f32>>;    // (O)
@group(1) @binding(5) var<storage, read_write> v_w: array<vec4<f32>>;  // (O, I)
@group(1) @binding(6) var<storage, read_write> s_w: array<vec4<f32>>;  // (O, I)
@group(1) @binding(7) var<storage, read_write> v_b: array<vec4<f32>>;  // (O)
@group(1) @binding(8) var<storage, read_write> s_b: array<vec4<f32>>;  // (O)

fn square(s: vec4<f32>, g: vec4<f32>) -> vec4<f32> { return params.rho * s + (1.0 - params.rho) * g * g; }
fn velocity(v: vec4<f32>, s: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    return now.momentum * v + g / (sqrt(s) + params.epsilon);
}

// Updates weights [row, 4·col4 ..] by their gradient.
fn finish(row: u32, col4: u32, g: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = row * params.inputs4 + col4;
    let full = g + params.l2 * w[at];
    let s = square(s_w[at], full);
    let v = velocity(v_w[at], s, full);
    s_w[at] = s;
    v_w[at] = v;
    w[at] -= now.lr * v;
}

// Updates biases [4·at ..] by their gradient.
fn finish_bias(at: u32, g: vec4<f32>) {
    if at >= params.outputs4 { return; }
    let s = square(s_b[at], g);
    let v = velocity(v_b[at], s, g);
    s_b[at] = s;
    v_b[at] = v;
    b[at] -= now.lr * v;
}

// Values of dy of four samples (columns) as those of four outputs, and zero where a sample does not count.
fn turn(d: mat4x4<f32>, counts: vec4<f32>) -> mat4x4<f32> {
    let t = transpose(d);
    return mat4x4<f32>(t[0] * counts, t[1] * counts, t[2] * counts, t[3] * counts);
}

@compute @workgroup_size(16)
fn update_rmsprop_regs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let at = (group.x + group.y * groups.x) * 16u + lane;
    let row4 = at / tiles_across * 4u;
    let col4 = at % tiles_across * 4u;
    if row4 >= params.outputs4 { return; }
    // Rows and columns outside repeat the last one inside; what they give is not stored.
    let rows = min(vec4<u32>(row4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs4 - 1u));
    let cols = min(vec4<u32>(col4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.inputs4 - 1u));
    var bias = mat4x4<f32>();
    var c00 = mat4x4<f32>(); var c01 = mat4x4<f32>(); var c02 = mat4x4<f32>(); var c03 = mat4x4<f32>();
    var c10 = mat4x4<f32>(); var c11 = mat4x4<f32>(); var c12 = mat4x4<f32>(); var c13 = mat4x4<f32>();
    var c20 = mat4x4<f32>(); var c21 = mat4x4<f32>(); var c22 = mat4x4<f32>(); var c23 = mat4x4<f32>();
    var c30 = mat4x4<f32>(); var c31 = mat4x4<f32>(); var c32 = mat4x4<f32>(); var c33 = mat4x4<f32>();
    for (var b = 0u; b < params.batch; b += 4u) {
        // Four samples at a time; behind the last one they count nothing.
        let sample = b + vec4<u32>(0u, 1u, 2u, 3u);
        let counts = select(vec4<f32>(0.0), vec4<f32>(1.0), sample < vec4<u32>(params.batch));
        let r = min(sample, vec4<u32>(params.batch - 1u)) * params.outputs4;
        let c = min(sample, vec4<u32>(params.batch - 1u)) * params.inputs4;
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
    var tile = array<mat4x4<f32>, 16>(
        c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
    for (var i = 0u; i < 64u; i++) {
        finish(row4 * 4u + i / 16u * 4u + i % 4u, col4 + i / 4u % 4u, tile[i / 4u][i % 4u]);
    }
    for (var i = 0u; i < 4u && col4 == 0u; i++) { finish_bias(row4 + i, bias[i]); }
}
