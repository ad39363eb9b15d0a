// linear_dw_regs: dw = dyᵀ·x.   dy (B, O), x (B, I) -> dw (O, I)
// For software adapters: an 8×8 tile of dw in registers, see linear_regs. Twin: src/kernels/linear_dw.rs
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

@compute @workgroup_size(16)
fn linear_dw_regs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 1u) / 2u;
    let at = (group.x + group.y * groups.x) * 16u + lane;
    let row4 = at / tiles_across * 2u;
    let col4 = at % tiles_across * 2u;
    if row4 >= params.outputs4 { return; }
    // Rows and columns outside repeat the last one inside; what they give is not stored.
    let row4b = min(row4 + 1u, params.outputs4 - 1u);
    let col4b = min(col4 + 1u, params.inputs4 - 1u);
    var l0 = vec4<f32>(); var l1 = vec4<f32>(); var l2 = vec4<f32>(); var l3 = vec4<f32>();
    var l4 = vec4<f32>(); var l5 = vec4<f32>(); var l6 = vec4<f32>(); var l7 = vec4<f32>();
    var r0 = vec4<f32>(); var r1 = vec4<f32>(); var r2 = vec4<f32>(); var r3 = vec4<f32>();
    var r4 = vec4<f32>(); var r5 = vec4<f32>(); var r6 = vec4<f32>(); var r7 = vec4<f32>();
    for (var b = 0u; b < params.batch; b++) {
        let da = dy[b * params.outputs4 + row4];
        let db = dy[b * params.outputs4 + row4b];
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
}
