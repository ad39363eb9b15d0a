// tally: one row of the epoch's record: the sums of the losses and of the metrics (hits, for classes) of one micro-batch.
// score (B, 2) -> record (S, 2), row `slot`
// tally_int does the same with integers.
// One workgroup; each invocation adds every 64th sample, then the 64 sums are added pairwise: the order never changes.
// Twin: src/kernels/tally.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, record_len: u32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> score: array<vec4<f32>>;          // (B, 2)
@group(1) @binding(2) var<storage, read_write> record: array<vec4<f32>>;    // (S, 2)
@group(1) @binding(3) var<storage, read> score_int: array<vec4<i32>>;           // (B, 2)
@group(1) @binding(4) var<storage, read_write> record_int: array<vec4<i32>>;    // (S, 2)

var<workgroup> sums: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn tally(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    var sum = vec4<f32>(0.0);
    for (var b = lane; b < params.batch; b += 64u) { sum += score[now.model * params.batch + b]; }
    sums[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { sums[lane] += sums[lane + half]; }
    }
    if lane == 0u { record[now.model * params.record_len + now.slot] = sums[0]; }
}

var<workgroup> sums_int: array<vec4<i32>, 64>;

@compute @workgroup_size(64)
fn tally_int(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    var sum = vec4<i32>(0);
    for (var b = lane; b < params.batch; b += 64u) { sum += score_int[now.model * params.batch + b]; }
    sums_int[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { sums_int[lane] += sums_int[lane + half]; }
    }
    if lane == 0u { record_int[now.model * params.record_len + now.slot] = sums_int[0]; }
}
