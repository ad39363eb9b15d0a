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

@compute @workgroup_size(16)
fn update_rmsprop_regs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 1u) / 2u;
    let at = (group.x + group.y * groups.x) * 16u + lane;
    let row4 = at / tiles_across * 2u;
    let col4 = at % tiles_across * 2u;
    if row4 >= params.outputs4 { return; }
    // Rows and columns outside repeat the last one inside; what they give is not stored.
    let row4b = min(row4 + 1u, params.outputs4 - 1u);
    let col4b = min(col4 + 1u, params.inputs4 - 1u);
    var bias_a = vec4<f32>(); var bias_b = vec4<f32>();
    var l0 = vec4<f32>(); var l1 = vec4<f32>(); var l2 = vec4<f32>(); var l3 = vec4<f32>();
    var l4 = vec4<f32>(); var l5 = vec4<f32>(); var l6 = vec4<f32>(); var l7 = vec4<f32>();
    var r0 = vec4<f32>(); var r1 = vec4<f32>(); var r2 = vec4<f32>(); var r3 = vec4<f32>();
    var r4 = vec4<f32>(); var r5 = vec4<f32>(); var r6 = vec4<f32>(); var r7 = vec4<f32>();
    for (var b = 0u; b < params.batch; b++) {
        let da = dy[b * params.outputs4 + row4];
        let db = dy[b * params.outputs4 + row4b];
        bias_a += da; bias_b += db;
        let l = x[b * params.inputs4 + col4];
        l0 += da.x * l; l1 += da.y * l; l2 += da.z * l; l3 += da.w * l;
        l4 += db.x * l; l5 += db.y * l; l6 += db.z * l; l7 += db.w * l;
        let r = x[b * params.inputs4 + col4b];
        r0 += da.x * r; r1 += da.y * r; r2 += da.z * r; r3 += da.w * r;
        r4 += db.x * r; r5 += db.y * r; r6 += db.z * r; r7 += db.w * r;
    }
    let row = row4 * 4u;
    finish(row + 0u, col4, l0); finish(row + 0u, col4 + 1u, r0);
    finish(row + 1u, col4, l1); finish(row + 1u, col4 + 1u, r1);
    finish(row + 2u, col4, l2); finish(row + 2u, col4 + 1u, r2);
    finish(row + 3u, col4, l3); finish(row + 3u, col4 + 1u, r3);
    finish(row + 4u, col4, l4); finish(row + 4u, col4 + 1u, r4);
    finish(row + 5u, col4, l5); finish(row + 5u, col4 + 1u, r5);
    finish(row + 6u, col4, l6); finish(row + 6u, col4 + 1u, r6);
    finish(row + 7u, col4, l7); finish(row + 7u, col4 + 1u, r7);
    if col4 == 0u { finish_bias(row4, bias_a); finish_bias(row4 + 1u, bias_b); }
}
