// sum: total[row] = the sum of part of a vector.   parts (P) -> total (R, 1)
// One workgroup; each invocation adds every 64th value, then the 64 sums are added pairwise: the order never changes.
// Twin: src/kernels/sum.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { first: u32, count: u32, row: u32, rows: u32, parts: u32, pad0: u32, pad1: u32, pad2: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> parts: array<f32>;                 // (P)
@group(1) @binding(2) var<storage, read_write> total: array<vec4<f32>>;     // (R, 1)

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    var value = 0.0;
    for (var at = lane; at < params.count; at += 64u) { value += parts[now.model * params.parts + params.first + at]; }
    sums[lane] = value;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { sums[lane] += sums[lane + half]; }
    }
    if lane == 0u { total[now.model * params.rows + params.row] = vec4<f32>(sums[0], 0.0, 0.0, 0.0); }
}
