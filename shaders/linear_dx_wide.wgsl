// linear_dx_wide: dx = (dy·w) ⊙ act'(x) ⊙ mask.   dy (B, O), w (O, I), x (B, I), mask (B, I) bits -> dx (B, I)
// For GPUs and large products: a 64×64 tile of dx by a workgroup of 128, see linear_wide. Of dy and w, 16 columns and rows
// at a time lie in workgroup memory, dy transposed. Twin: src/kernels/linear_dx.rs
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

// 16 vec4 a row, two more as spacing: what neighbours store at a time then lies in different memory banks. The rows stand
// in another order than in w (0, 4, 8, 12, 1, 5, …), the same for both, for that reason too.
const ROW = 18u;
var<workgroup> ds: array<vec4<f32>, 288>;   // 16 columns of dy, 64 rows each
var<workgroup> ws: array<vec4<f32>, 288>;   // 16 rows of w, 16 vec4 each

@compute @workgroup_size(128)
fn linear_dx_wide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                  @builtin(local_invocation_index) lane: u32) {
    let tiles_across = (params.inputs4 + 15u) / 16u;
    let tile = group.x + group.y * groups.x;
    // The grid may be folded into two dimensions, so its last row can hold tiles that do not exist.
    let top = tile / tiles_across * 64u;
    let left4 = tile % tiles_across * 16u;
    if top >= params.batch { return; }
    // Half of the invocations stage dy, each a block of 4×4 that it transposes; the others stage w, each four vec4.
    let row4 = lane / 4u % 16u * 4u + vec4<u32>(0u, 1u, 2u, 3u);
    let rd = min(top + row4, vec4<u32>(params.batch - 1u)) * params.outputs4;
    let stage = lane % 4u * ROW + lane / 4u % 16u;
    let tx = lane % 16u;
    let ty = lane / 16u;
    let w_col = min(left4 + tx, params.inputs4 - 1u);
    var s0 = vec4<f32>(); var s1 = vec4<f32>(); var s2 = vec4<f32>(); var s3 = vec4<f32>();
    var s4 = vec4<f32>(); var s5 = vec4<f32>(); var s6 = vec4<f32>(); var s7 = vec4<f32>();
    for (var k = 0u; k < params.outputs4; k += 4u) {
        if lane < 64u {
            // Past the end of a row dy counts as zero, so what w holds there does not matter.
            let kk = min(k + lane % 4u, params.outputs4 - 1u);
            let inside = f32(k + lane % 4u < params.outputs4);
            let m = inside * transpose(mat4x4<f32>(dy[rd.x + kk], dy[rd.y + kk], dy[rd.z + kk], dy[rd.w + kk]));
            ds[stage] = m[0]; ds[stage + 4u * ROW] = m[1]; ds[stage + 8u * ROW] = m[2]; ds[stage + 12u * ROW] = m[3];
        } else {
            for (var i = 0u; i < 4u; i++) {
                let o = min((k + ty - 4u) * 4u + i, params.outputs - 1u);
                ws[(i * 4u + ty - 4u) * ROW + tx] = w[o * params.inputs4 + w_col];
            }
        }
        workgroupBarrier();
        for (var j = 0u; j < 16u * ROW; j += ROW) {
            let a = ds[j + 2u * ty];
            let b = ds[j + 2u * ty + 1u];
            let v = ws[j + tx];
            s0 += a.x * v; s1 += a.y * v; s2 += a.z * v; s3 += a.w * v;
            s4 += b.x * v; s5 += b.y * v; s6 += b.z * v; s7 += b.w * v;
        }
        workgroupBarrier();
    }
    let row = top + ty * 8u;
    let col4 = left4 + tx;
    if col4 >= params.inputs4 { return; }
    if row < params.batch { finish(row, col4, s0); }
    if row + 1u < params.batch { finish(row + 1u, col4, s1); }
    if row + 2u < params.batch { finish(row + 2u, col4, s2); }
    if row + 3u < params.batch { finish(row + 3u, col4, s3); }
    if row + 4u < params.batch { finish(row + 4u, col4, s4); }
    if row + 5u < params.batch { finish(row + 5u, col4, s5); }
    if row + 6u < params.batch { finish(row + 6u, col4, s6); }
    if row + 7u < params.batch { finish(row + 7u, col4, s7); }
}
