// rmsprop: g = dw + l2·w,  s ← ρ·s + (1−ρ)·g²,  v ← μ·v + g / (√s + ε),  w ← w − lr·v
// dw (O, I) -> w (O, I), v (O, I), s (O, I). One invocation updates four neighbouring weights. Twin: src/kernels/rmsprop.rs
struct Now {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, pad: u32,
}
struct Params { count4: u32, l2: f32, rho: f32, epsilon: f32, }
@group(0) @binding(0) var<uniform> now: Now;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> dw: array<vec4<f32>>;         // (O, I)
@group(1) @binding(2) var<storage, read_write> w: array<vec4<f32>>;    // (O, I)
@group(1) @binding(3) var<storage, read_write> v: array<vec4<f32>>;    // (O, I) velocity
@group(1) @binding(4) var<storage, read_write> s: array<vec4<f32>>;    // (O, I) mean square

@compute @workgroup_size(64)
fn rmsprop(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.count4 { return; }
    let g = dw[at] + params.l2 * w[at];
    let square = params.rho * s[at] + (1.0 - params.rho) * g * g;
    let velocity = now.momentum * v[at] + g / (sqrt(square) + params.epsilon);
    s[at] = square;
    v[at] = velocity;
    w[at] -= now.lr * velocity;
}
