// squares: partial sums of squares: parts[first + group] = Σ a², or Σ (a − b)², over 4096 values
// a, b (R, C) -> parts (P)
// Each invocation adds every 64th vec4 of its group, then the 64 sums are added pairwise: the order never changes.
// Twin: src/kernels/squares.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { count4: u32, first: u32, parts: u32, pad: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> a: array<vec4<f32>>;           // (R, C)
@group(1) @binding(2) var<storage, read> b: array<vec4<f32>>;           // (R, C)
@group(1) @binding(3) var<storage, read_write> parts: array<f32>;       // (P)

override DIFFERENCE: bool = false;

var<workgroup> sums: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn squares(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    let now = now[id.z];
    let params = params[now.model];
    let group = id.x + id.y * groups.x;
    let begin = group * 1024u;
    if begin >= params.count4 { return; }
    var sum = vec4<f32>(0.0);
    for (var at = begin + lane; at < min(begin + 1024u, params.count4); at += 64u) {
        let i = now.model * params.count4 + at;
        var v = a[i];
        if DIFFERENCE { v -= b[i]; }
        sum += v * v;
    }
    sums[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { sums[lane] += sums[lane + half]; }
    }
    if lane == 0u { parts[now.model * params.parts + params.first + group] = sums[0].x + sums[0].y + sums[0].z + sums[0].w; }
}
