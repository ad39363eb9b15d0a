// linear_db: db = column sums of dy.   dy (B, O) -> db (O)
// One invocation makes four neighbouring sums, adding the samples in order. Twin: src/kernels/linear_db.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, outputs4: u32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> dy: array<vec4<f32>>;         // (B, O)
@group(1) @binding(2) var<storage, read_write> db: array<vec4<f32>>;   // (O)

@compute @workgroup_size(64)
fn linear_db(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.outputs4 { return; }
    var sum = vec4<f32>(0.0);
    for (var b = 0u; b < params.batch; b++) { sum += dy[(now.model * params.batch + b) * params.outputs4 + at]; }
    let i = now.model * params.outputs4 + at;
    if now.accumulate == 0u { db[i] = sum; } else { db[i] += sum; }
}
