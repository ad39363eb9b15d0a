// linear_wide: y = act(x·wᵀ + b) ⊙ mask.   x (B, I), w (O, I), b (O), mask (B, O) bits -> y (B, O)
// For GPUs and large products: a workgroup of 128 makes a 64×64 tile of y, each invocation 8×4 of it in registers. 16
// columns of x and w at a time lie in workgroup memory, transposed: a vec4 there holds four rows. Twin: src/kernels/linear.rs
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

// 16 vec4 a column, two more as spacing: what neighbours store at a time then lies in different memory banks. The columns
// stand in another order than in x and w (0, 4, 8, 12, 1, 5, …), the same for both, for that reason too.
const COL = 18u;
var<workgroup> xs: array<vec4<f32>, 288>;   // 16 columns of x, 64 rows each
var<workgroup> ws: array<vec4<f32>, 288>;   // 16 columns of w, 64 rows each

@compute @workgroup_size(128)
fn linear_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.outputs4 + 15u) / 16u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top = tile / tiles_across * 64u;
    let left = tile % tiles_across * 64u;
    if top >= params.batch { return; }
    // Half of the invocations stage x, the others w; each a block of 4×4, which takes its row and its vec4 of columns.
    let row4 = lane / 4u % 16u * 4u + vec4<u32>(0u, 1u, 2u, 3u);
    let rx = min(top + row4, vec4<u32>(params.batch - 1u)) * params.inputs4;
    let rw = min(left + row4, vec4<u32>(params.outputs - 1u)) * params.inputs4;
    let stage = lane % 4u * COL + lane / 4u % 16u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    var s4 = vec4<f32>(); var s5 = vec4<f32>(); var s6 = vec4<f32>(); var s7 = vec4<f32>();
    for (var k = 0u; k < params.inputs4; k += 4u) {
        let kk = min(k + lane % 4u, params.inputs4 - 1u);
        if lane < 64u {
            // Past the end of a row x counts as zero, so what w holds there does not matter.
            let inside = f32(k + lane % 4u < params.inputs4);
            let m = inside * transpose(mat4x4<f32>(x[rx.x + kk], x[rx.y + kk], x[rx.z + kk], x[rx.w + kk]));
            xs[stage] = m[0]; xs[stage + 4u * COL] = m[1]; xs[stage + 8u * COL] = m[2]; xs[stage + 12u * COL] = m[3];
        } else {
            let m = transpose(mat4x4<f32>(w[rw.x + kk], w[rw.y + kk], w[rw.z + kk], w[rw.w + kk]));
            ws[stage] = m[0]; ws[stage + 4u * COL] = m[1]; ws[stage + 8u * COL] = m[2]; ws[stage + 12u * COL] = m[3];
        }
        workgroupBarrier();
        for (var j = 0u; j < 16u * COL; j += COL) {
            let a = xs[j + 2u * ty];
            let b = xs[j + 2u * ty + 1u];
            let v = ws[j + tx];
            s0 += a.x * v; s1 += a.y * v; s2 += a.z * v; s3 += a.w * v;
            s4 += b.x * v; s5 += b.y * v; s6 += b.z * v; s7 += b.w * v;
        }
        workgroupBarrier();
    }
    let row = top + ty * 8u;
    let col4 = left / 4u + tx;
    if col4 >= params.outputs4 { return; }
    if row < params.batch { finish(row, col4, s0); }
    if row + 1u < params.batch { finish(row + 1u, col4, s1); }
    if row + 2u < params.batch { finish(row + 2u, col4, s2); }
    if row + 3u < params.batch { finish(row + 3u, col4, s3); }
    if row + 4u < params.batch { finish(row + 4u, col4, s4); }
    if row + 5u < params.batch { finish(row + 5u, col4, s5); }
    if row + 6u < params.batch { finish(row + 6u, col4, s6); }
    if row + 7u < params.batch { finish(row + 7u, col4, s7); }
}
