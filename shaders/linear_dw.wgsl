// linear_dw: dw = dyᵀ·x.   dy (B, O), x (B, I) -> dw (O, I)
// The plain form: one invocation makes a 4×4 tile, summing over the batch in order. Twin: src/kernels/linear_dw.rs
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

@compute @workgroup_size(64)
fn linear_dw(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    let row4 = at / params.inputs4;
    let col4 = at % params.inputs4;
    if row4 >= params.outputs4 { return; }
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var b = 0u; b < params.batch; b++) {
        let d = dy[b * params.outputs4 + row4];
        let v = x[b * params.inputs4 + col4];
        s0 += d.x * v; s1 += d.y * v; s2 += d.z * v; s3 += d.w * v;
    }
    finish(row4 * 4u, col4, s0);
    finish(row4 * 4u + 1u, col4, s1);
    finish(row4 * 4u + 2u, col4, s2);
    finish(row4 * 4u + 3u, col4, s3);
}
