// linear_dx_split: dx = (dy·w) ⊙ act'(x) ⊙ mask.   dy (B, O), w (O, I), x (B, I), mask (B, I) bits -> dx (B, I)
// For GPUs, small outputs and long sums: a 16×16 tile of dx by a workgroup of 256, in 16 shares of the sum, see
// linear_split. Twin: src/kernels/linear_dx.rs
struct Params {
    batch: u32, inputs4: u32, outputs: u32, outputs4: u32,
    mask_stride: u32, scale: f32, keep: f32, pad: u32,
}
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> dy: array<vec4<f32>>;         // (B, O)
@group(1) @binding(2) var<storage, read> w: array<vec4<f32>>;          // (O, I)
@group(1) @binding(3) var<storage, read> x: array<vec4<f32>>;          // (B, I)
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, I) bits
@group(1) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;   // (B, I)

override ACT: u32 = 0u;         // 0 identity, 1 ReLU, 2 leaky ReLU, 3 sigmoid, 4 tanh
override ALPHA: f32 = 0.01;     // slope of leaky ReLU for z < 0
override MASKED: bool = false;

// act'(z), from a = act(z).
fn act_grad(a: vec4<f32>) -> vec4<f32> {
    switch ACT {
        case 1u: { return select(vec4<f32>(0.0), vec4<f32>(1.0), a > vec4<f32>(0.0)); }
        case 2u: { return select(vec4<f32>(ALPHA), vec4<f32>(1.0), a > vec4<f32>(0.0)); }
        case 3u: { return a * (1.0 - a); }
        case 4u: { return 1.0 - a * a; }
        default: { return vec4<f32>(1.0); }
    }
}

// Activation's slope and dropout: dx[row, 4·col4 ..] from the bare product. x is what dropout left, act(z)/keep.
fn finish(row: u32, col4: u32, product: vec4<f32>) {
    let at = row * params.inputs4 + col4;
    var v = product * act_grad(x[at] * params.keep);
    if MASKED {
        let bits = mask[row * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v *= vec4<f32>(kept) * params.scale;
    }
    dx[at] = v;
}

var<workgroup> parts: array<vec4<f32>, 1024>;   // 16 shares of a tile of 16 rows, 4 vec4 each

@compute @workgroup_size(256)
fn linear_dx_split(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                   @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 3u) / 4u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top = tile / tiles_across * 16u;
    let left4 = tile % tiles_across * 4u;
    if top >= params.batch { return; }
    let tx = lane % 4u;
    let ty = lane / 4u % 4u;
    let share = lane / 16u;
    // Rows and columns outside repeat the last one inside; what they give is not stored.
    let r = min(top + ty * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u)) * params.outputs4;
    let w_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var k = share; k < params.outputs4; k += 16u) {
        // dy is zero in its padding; the rows of w that would meet it repeat the last one.
        let o = min(k * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u)) * params.inputs4 + w_col;
        let m = mat4x4<f32>(w[o.x], w[o.y], w[o.z], w[o.w]);
        s0 += m * dy[r.x + k]; s1 += m * dy[r.y + k]; s2 += m * dy[r.z + k]; s3 += m * dy[r.w + k];
    }
    let part = share * 64u + ty * 16u + tx;
    parts[part] = s0; parts[part + 4u] = s1; parts[part + 8u] = s2; parts[part + 12u] = s3;
    workgroupBarrier();
    if lane >= 64u { return; }
    // One vec4 of the tile each, its shares always in the same order.
    var sum = parts[lane];
    for (var i = 1u; i < 16u; i++) { sum += parts[i * 64u + lane]; }
    let row = top + lane / 4u;
    let col4 = left4 + lane % 4u;
    if row < params.batch && col4 < params.inputs4 { finish(row, col4, sum); }
}
