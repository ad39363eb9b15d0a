// average: a ← d·a + (1−d)·w; on the first update, a ← w
// w (O, I) -> a (O, I). One invocation averages four neighbouring weights. Twin: src/kernels/average.rs
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32,
}
struct Params { count4: u32, decay: f32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: StepValues;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> w: array<vec4<f32>>;          // (O, I)
@group(1) @binding(2) var<storage, read_write> a: array<vec4<f32>>;    // (O, I)

@compute @workgroup_size(64)
fn average(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.count4 { return; }
    if now.step == 0u { a[at] = w[at]; } else { a[at] = params.decay * a[at] + (1.0 - params.decay) * w[at]; }
}
