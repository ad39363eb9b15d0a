// linear_split: y = act(x·wᵀ + b) ⊙ mask.   x (B, I), w (O, I), b (O), mask (B, O) bits -> y (B, O)
// For GPUs, small outputs and long sums: a workgroup of 256 makes a 16×16 tile of y. The inputs are cut into 16 shares, each
// summed by 16 invocations of 4×4 outputs; the shares are added up in workgroup memory. Twin: src/kernels/linear.rs
struct Params { batch: u32, inputs4: u32, outputs: u32, outputs4: u32, mask_stride: u32, scale: f32, pad0: u32, pad1: u32, }
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> x: array<vec4<f32>>;          // (B, I)
@group(1) @binding(2) var<storage, read> w: array<vec4<f32>>;          // (O, I)
@group(1) @binding(3) var<storage, read> b: array<vec4<f32>>;          // (O)
@group(1) @binding(4) var<storage, read> mask: array<u32>;             // (B, O) bits
@group(1) @binding(5) var<storage, read_write> y: array<vec4<f32>>;    // (B, O)

override ACT: u32 = 0u;         // 0 identity, 1 ReLU, 2 leaky ReLU, 3 sigmoid, 4 tanh
override ALPHA: f32 = 0.01;     // slope of leaky ReLU for z < 0
override MASKED: bool = false;

// exp(−|z|) cannot overflow; a NaN stays a NaN.
fn act(z: vec4<f32>) -> vec4<f32> {
    switch ACT {
        case 1u: { return select(z, vec4<f32>(0.0), z < vec4<f32>(0.0)); }
        case 2u: { return select(z, ALPHA * z, z < vec4<f32>(0.0)); }
        case 3u: {
            let e = exp(-abs(z));
            return select(vec4<f32>(1.0), e, z < vec4<f32>(0.0)) / (1.0 + e);
        }
        case 4u: {
            let e = exp(-2.0 * abs(z));
            return sign(z) * (1.0 - e) / (1.0 + e);
        }
        default: { return z; }
    }
}

// Bias, activation, dropout and zeros in the padding: y[row, 4·col4 ..] from the bare product.
fn finish(row: u32, col4: u32, product: vec4<f32>) {
    var v = act(product + b[col4]);
    if MASKED {
        let bits = mask[row * params.mask_stride + col4 / 8u] >> (col4 % 8u * 4u);
        let kept = (vec4<u32>(bits) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
        v *= vec4<f32>(kept) * params.scale;
    }
    let inside = col4 * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.outputs);
    y[row * params.outputs4 + col4] = select(vec4<f32>(0.0), v, inside);
}

var<workgroup> parts: array<vec4<f32>, 1024>;   // 16 shares of a tile of 16 rows, 4 vec4 each

@compute @workgroup_size(256)
fn linear_split(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.outputs4 + 3u) / 4u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top = tile / tiles_across * 16u;
    let left = tile % tiles_across * 16u;
    if top >= params.batch { return; }
    // Neighbours have neighbouring shares: together they read whole lines of memory.
    let share = lane % 16u;
    let tx = lane / 16u % 4u;
    let ty = lane / 64u;
    // Rows outside repeat the last one inside; what they give is not stored.
    let r = min(top + ty * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.batch - 1u)) * params.inputs4;
    let o = min(left + tx * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u)) * params.inputs4;
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    for (var k = share; k < params.inputs4; k += 16u) {
        let m = mat4x4<f32>(w[o.x + k], w[o.y + k], w[o.z + k], w[o.w + k]);
        s0 += x[r.x + k] * m; s1 += x[r.y + k] * m; s2 += x[r.z + k] * m; s3 += x[r.w + k] * m;
    }
    let part = share * 64u + ty * 16u + tx;
    parts[part] = s0; parts[part + 4u] = s1; parts[part + 8u] = s2; parts[part + 12u] = s3;
    workgroupBarrier();
    if lane >= 64u { return; }
    // One vec4 of the tile each, its shares always in the same order.
    var sum = parts[lane];
    for (var i = 1u; i < 16u; i++) { sum += parts[i * 64u + lane]; }
    let row = top + lane / 4u;
    let col4 = left / 4u + lane % 4u;
    if row < params.batch && col4 < params.outputs4 { finish(row, col4, sum); }
}
