// update_adam_regs: g = dyᵀ·x and the column sums of dy, each used where it is made:  Adam or AdamW, see adam
// dy (B, O), x (B, I) -> w (O, I), b (O), and the optimizer state. Only w is penalised.
// The tiles are those of linear_dw_regs; the leftmost ones also make the biases. Twin: src/kernels/update.rs
struct Now {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, pad: u32,
}
struct Params { batch: u32, inputs4: u32, outputs: u32, outputs4: u32, l2: f32, beta2: f32, epsilon: f32, pad: u32, }
@group(0) @binding(0) var<uniform> now: Now;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> dy: array<vec4<f32>>;         // (B, O)
@group(1) @binding(2) var<storage, read> x: array<vec4<f32>>;          // (B, I)
@group(1) @binding(3) var<storage, read_write> w: array<vec4<f32>>;    // (O, I)
@group(1) @binding(4) var<storage, read_write> b: array<vec4<f32>>;    // (O)
@group(1) @binding(5) var<storage, read_write> m_w: array<vec4<f32>>;  // (O, I)
@group(1) @binding(6) var<storage, read_write> v_w: array<vec4<f32>>;  // (O, I)
@group(1) @binding(7) var<storage, read_write> m_b: array<vec4<f32>>;  // (O)
@group(1) @binding(8) var<storage, read_write> v_b: array<vec4<f32>>;  // (O)

override DECOUPLED: bool = false;   // AdamW

fn first(m: vec4<f32>, g: vec4<f32>) -> vec4<f32> { return now.momentum * m + (1.0 - now.momentum) * g; }
fn second(v: vec4<f32>, g: vec4<f32>) -> vec4<f32> { return params.beta2 * v + (1.0 - params.beta2) * g * g; }
fn step(m: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    return (m / now.bias1) / (sqrt(v / now.bias2) + params.epsilon);
}

// Updates weights [row, 4·col4 ..] by their gradient.
fn finish(row: u32, col4: u32, g: vec4<f32>) {
    if row >= params.outputs || col4 >= params.inputs4 { return; }
    let at = row * params.inputs4 + col4;
    let decay = params.l2 * w[at];
    let full = select(g + decay, g, DECOUPLED);
    let m = first(m_w[at], full);
    let v = second(v_w[at], full);
    m_w[at] = m;
    v_w[at] = v;
    w[at] -= now.lr * select(step(m, v), step(m, v) + decay, DECOUPLED);
}

// Updates biases [4·at ..] by their gradient.
fn finish_bias(at: u32, g: vec4<f32>) {
    if at >= params.outputs4 { return; }
    let m = first(m_b[at], g);
    let v = second(v_b[at], g);
    m_b[at] = m;
    v_b[at] = v;
    b[at] -= now.lr * step(m, v);
}

// The products of four values of dy with four of x, a row of the tile in each column.
fn outer(d: vec4<f32>, x: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(d.x * x, d.y * x, d.z * x, d.w * x);
}

@compute @workgroup_size(16)
fn update_adam_regs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
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
    for (var b = 0u; b < params.batch; b++) {
        let r = b * params.outputs4 + rows;
        let c = b * params.inputs4 + cols;
        let d0 = dy[r.x]; let d1 = dy[r.y]; let d2 = dy[r.z]; let d3 = dy[r.w];
        bias += mat4x4<f32>(d0, d1, d2, d3);
        let x0 = x[c.x];
        c00 += outer(d0, x0); c10 += outer(d1, x0); c20 += outer(d2, x0); c30 += outer(d3, x0);
        let x1 = x[c.y];
        c01 += outer(d0, x1); c11 += outer(d1, x1); c21 += outer(d2, x1); c31 += outer(d3, x1);
        let x2 = x[c.z];
        c02 += outer(d0, x2); c12 += outer(d1, x2); c22 += outer(d2, x2); c32 += outer(d3, x2);
        let x3 = x[c.w];
        c03 += outer(d0, x3); c13 += outer(d1, x3); c23 += outer(d2, x3); c33 += outer(d3, x3);
    }
    var tile = array<mat4x4<f32>, 16>(
        c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33);
    for (var i = 0u; i < 64u; i++) {
        finish(row4 * 4u + i / 16u * 4u + i % 4u, col4 + i / 4u % 4u, tile[i / 4u][i % 4u]);
    }
    for (var i = 0u; i < 4u && col4 == 0u; i++) { finish_bias(row4 + i, bias[i]); }
}
