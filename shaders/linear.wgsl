// linear: y = act(x·wᵀ + b) ⊙ mask.   x (B, I), w (O, I), b (O), mask (B, O) bits -> y (B, O)
// The plain form: one invocation makes four neighbouring outputs of one sample, straight from memory.
// Names in 4 count vec4: a row is padded with zeros to whole ones. mask_stride: words of a row of bits. scale: 1/keep.
// Twin: src/kernels/linear.rs
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

@compute @workgroup_size(64)
fn linear(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.batch * params.outputs4 { return; }
    let row = at / params.outputs4;
    let col4 = at % params.outputs4;
    // Columns of the padding read the last row of w again; `finish` drops what they give.
    let o = min(col4 * 4u + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u)) * params.inputs4;
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < params.inputs4; k++) {
        sum += x[row * params.inputs4 + k] * mat4x4<f32>(w[o.x + k], w[o.y + k], w[o.z + k], w[o.w + k]);
    }
    finish(row, col4, sum);
}
