// clip: g ← clamp(g·min(1, norm / (√total + 1e-6)), −value, value)
// g (O, I), total (1, 1) the sum of the squares of all gradients -> g. One invocation clips four neighbouring values.
// A limit of 0 is not applied; a NaN stays a NaN. Twin: src/kernels/clip.rs
struct Params { count4: u32, norm: f32, value: f32, pad: u32, }
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> total: array<f32>;             // (1, 1)
@group(1) @binding(2) var<storage, read_write> g: array<vec4<f32>>;     // (O, I)

@compute @workgroup_size(64)
fn clip(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.count4 { return; }
    var v = g[at];
    if params.norm > 0.0 {
        let scale = params.norm / (sqrt(total[0]) + 1e-6);
        v *= select(scale, 1.0, scale > 1.0);
    }
    if params.value > 0.0 {
        let limit = vec4<f32>(params.value);
        v = select(select(v, -limit, v < -limit), limit, v > limit);
    }
    g[at] = v;
}
