// average: a ← d·a + (1−d)·w; on the first update, a ← w
// w (O, I) -> a (O, I). One invocation averages four neighbouring weights. Twin: src/kernels/average.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { count4: u32, decay: f32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> w: array<vec4<f32>>;          // (O, I)
@group(1) @binding(2) var<storage, read_write> a: array<vec4<f32>>;    // (O, I)

@compute @workgroup_size(64)
fn average(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.count4 { return; }
    let i = now.model * params.count4 + at;
    if now.step == 0u { a[i] = w[i]; } else { a[i] = params.decay * a[i] + (1.0 - params.decay) * w[i]; }
}
