// adam: m ← β₁·m + (1−β₁)·g,  v ← β₂·v + (1−β₂)·g²,  w ← w − lr·(m/bias₁ / (√(v/bias₂) + ε) + decay·w)
// Adam: g = dw + l2·w, no decay. AdamW: g = dw, decay = l2.
// dw (O, I) -> w (O, I), m (O, I), v (O, I). One invocation updates four neighbouring weights. Twin: src/kernels/adam.rs
struct Now {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, pad: u32,
}
struct Params { count4: u32, l2: f32, beta2: f32, epsilon: f32, }
@group(0) @binding(0) var<uniform> now: Now;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> dw: array<vec4<f32>>;         // (O, I)
@group(1) @binding(2) var<storage, read_write> w: array<vec4<f32>>;    // (O, I)
@group(1) @binding(3) var<storage, read_write> m: array<vec4<f32>>;    // (O, I) first moment
@group(1) @binding(4) var<storage, read_write> v: array<vec4<f32>>;    // (O, I) second moment

override DECOUPLED: bool = false;   // AdamW

@compute @workgroup_size(64)
fn adam(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.count4 { return; }
    let decay = params.l2 * w[at];
    let g = select(dw[at] + decay, dw[at], DECOUPLED);
    let m1 = now.momentum * m[at] + (1.0 - now.momentum) * g;
    let v1 = params.beta2 * v[at] + (1.0 - params.beta2) * g * g;
    m[at] = m1;
    v[at] = v1;
    let update = (m1 / now.bias1) / (sqrt(v1 / now.bias2) + params.epsilon);
    w[at] -= now.lr * select(update, update + decay, DECOUPLED);
}
