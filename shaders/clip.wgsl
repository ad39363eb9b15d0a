// clip: g ← clamp(g·min(1, norm / (√total + 1e-6)), −value, value)
// g (O, I), total (1, 1) the sum of the squares of all gradients -> g. One invocation clips four neighbouring values.
// A limit of 0 is not applied; a NaN stays a NaN. Twin: src/kernels/clip.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { count4: u32, norm: f32, value: f32, pad: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> total: array<f32>;             // (1, 1)
@group(1) @binding(2) var<storage, read_write> g: array<vec4<f32>>;     // (O, I)

@compute @workgroup_size(64)
fn clip(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.count4 { return; }
    let i = now.model * params.count4 + at;
    var v = g[i];
    if params.norm > 0.0 {
        let scale = params.norm / (sqrt(total[now.model * 4u]) + 1e-6);
        v *= select(scale, 1.0, scale > 1.0);
    }
    if params.value > 0.0 {
        let limit = vec4<f32>(params.value);
        v = select(select(v, -limit, v < -limit), limit, v > limit);
    }
    g[i] = v;
}
