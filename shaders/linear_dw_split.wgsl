// linear_dw_split: dw = dyᵀ·x.   dy (B, O), x (B, I) -> dw (O, I)
// For GPUs, small outputs and long sums: a 16×16 tile of dw by a workgroup of 256, in 16 shares of the batch, see
// linear_split. Twin: src/kernels/linear_dw.rs
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

var<workgroup> parts: array<vec4<f32>, 1024>;   // 16 shares of a tile of 16 rows, 4 vec4 each

@compute @workgroup_size(256)
fn linear_dw_split(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top4 = tile / tiles_across * 4u;
    let left4 = tile % tiles_across * 4u;
    if top4 >= params.outputs4 { return; }
    let tx = lane % 4u;
    let ty = lane / 4u % 4u;
    let share = lane / 16u;
    // Rows and columns outside repeat the last one inside; what they give is not stored.
    let d_col = min(top4 + ty, params.outputs4 - 1u);
    let x_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var b = share; b < params.batch; b += 16u) {
        let d = dy[b * params.outputs4 + d_col];
        let v = x[b * params.inputs4 + x_col];
        s0 += d.x * v; s1 += d.y * v; s2 += d.z * v; s3 += d.w * v;
    }
    let part = share * 64u + ty * 16u + tx;
    parts[part] = s0; parts[part + 4u] = s1; parts[part + 8u] = s2; parts[part + 12u] = s3;
    workgroupBarrier();
    if lane >= 64u { return; }
    // One vec4 of the tile each, its shares always in the same order.
    var sum = parts[lane];
    for (var i = 1u; i < 16u; i++) { sum += parts[i * 64u + lane]; }
    finish(top4 * 4u + lane / 4u, left4 + lane % 4u, sum);
}
