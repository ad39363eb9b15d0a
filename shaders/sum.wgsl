// sum: total[row] = the sum of part of a vector.   parts (P) -> total (R, 1)
// One workgroup; each invocation adds every 64th value, then the 64 sums are added pairwise: the order never changes.
// Twin: src/kernels/sum.rs
struct Params { first: u32, count: u32, row: u32, pad: u32, }
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> parts: array<f32>;                 // (P)
@group(1) @binding(2) var<storage, read_write> total: array<vec4<f32>>;     // (R, 1)

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn sum(@builtin(local_invocation_index) lane: u32) {
    var value = 0.0;
    for (var at = lane; at < params.count; at += 64u) { value += parts[params.first + at]; }
    sums[lane] = value;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { sums[lane] += sums[lane + half]; }
    }
    if lane == 0u { total[params.row] = vec4<f32>(sums[0], 0.0, 0.0, 0.0); }
}
