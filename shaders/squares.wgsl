// squares: partial sums of squares: parts[first + group] = Σ a², or Σ (a − b)², over 4096 values
// a, b (R, C) -> parts (P)
// Each invocation adds every 64th vec4 of its group, then the 64 sums are added pairwise: the order never changes.
// Twin: src/kernels/squares.rs
struct Params { count4: u32, first: u32, pad0: u32, pad1: u32, }
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> a: array<vec4<f32>>;           // (R, C)
@group(1) @binding(2) var<storage, read> b: array<vec4<f32>>;           // (R, C)
@group(1) @binding(3) var<storage, read_write> parts: array<f32>;       // (P)

override DIFFERENCE: bool = false;

var<workgroup> sums: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn squares(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let group = id.x + id.y * groups.x;
    let begin = group * 1024u;
    if begin >= params.count4 { return; }
    var sum = vec4<f32>(0.0);
    for (var at = begin + lane; at < min(begin + 1024u, params.count4); at += 64u) {
        var v = a[at];
        if DIFFERENCE { v -= b[at]; }
        sum += v * v;
    }
    sums[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { sums[lane] += sums[lane + half]; }
    }
    if lane == 0u { parts[params.first + group] = sums[0].x + sums[0].y + sums[0].z + sums[0].w; }
}
