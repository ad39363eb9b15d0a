// update_rmsprop_wide: g = dyᵀ·x and the column sums of dy, each used where it is made:  RMSprop, see rmsprop
// dy (B, O), x (B, I) -> w (O, I), b (O), and the optimizer state. Only w is penalised.
// The tiles are those of linear_dw_wide; the leftmost ones also make the biases. Twin: src/kernels/update.rs
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

var<workgroup> ds: array<vec4<f32>, 256>;   // 16 samples of dy, 16 vec4 each
var<workgroup> xs: array<vec4<f32>, 256>;   // 16 samples of x, 16 vec4 each

@compute @workgroup_size(128)
fn update_rmsprop_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                       @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 15u) / 16u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top4 = tile / tiles_across * 16u;
    let left4 = tile % tiles_across * 16u;
    if top4 >= params.outputs4 { return; }
    let tx = lane % 16u;
    let ty = lane / 16u;
    let d_col = min(top4 + tx, params.outputs4 - 1u);
    let x_col = min(left4 + tx, params.inputs4 - 1u);
    var bias_a = vec4<f32>(); var bias_b = vec4<f32>();
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    var s4 = vec4<f32>(); var s5 = vec4<f32>(); var s6 = vec4<f32>(); var s7 = vec4<f32>();
    for (var b = 0u; b < params.batch; b += 16u) {
        // Past the last sample dy counts as zero, so what x holds there does not matter.
        let b_a = min(b + ty, params.batch - 1u);
        let b_b = min(b + ty + 8u, params.batch - 1u);
        ds[lane] = select(vec4<f32>(0.0), dy[b_a * params.outputs4 + d_col], b + ty < params.batch);
        ds[lane + 128u] = select(vec4<f32>(0.0), dy[b_b * params.outputs4 + d_col], b + ty + 8u < params.batch);
        xs[lane] = x[b_a * params.inputs4 + x_col];
        xs[lane + 128u] = x[b_b * params.inputs4 + x_col];
        workgroupBarrier();
        for (var j = 0u; j < 256u; j += 16u) {
            let da = ds[j + 2u * ty];
            let db = ds[j + 2u * ty + 1u];
            bias_a += da; bias_b += db;
            let v = xs[j + tx];
            s0 += da.x * v; s1 += da.y * v; s2 += da.z * v; s3 += da.w * v;
            s4 += db.x * v; s5 += db.y * v; s6 += db.z * v; s7 += db.w * v;
        }
        workgroupBarrier();
    }
    let row = (top4 + 2u * ty) * 4u;
    finish(row, left4 + tx, s0);
    finish(row + 1u, left4 + tx, s1);
    finish(row + 2u, left4 + tx, s2);
    finish(row + 3u, left4 + tx, s3);
    finish(row + 4u, left4 + tx, s4);
    finish(row + 5u, left4 + tx, s5);
    finish(row + 6u, left4 + tx, s6);
    finish(row + 7u, left4 + tx, s7);
    if left4 + tx == 0u { finish_bias(top4 + 2u * ty, bias_a); finish_bias(top4 + 2u * ty + 1u, bias_b); }
}
