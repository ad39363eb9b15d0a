// dead: units that are zero for every sample of a micro-batch: parts[first + group] = their number among 256 units
// h (B, O) -> parts (P). One invocation looks at four neighbouring units. Twin: src/kernels/dead.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, units: u32, units4: u32, first: u32, parts: u32, pad0: u32, pad1: u32, pad2: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> h: array<vec4<f32>>;           // (B, O)
@group(1) @binding(2) var<storage, read_write> parts: array<f32>;       // (P)

var<workgroup> sums: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn dead(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let now = now[id.z];
    let params = params[now.model];
    let group = id.x + id.y * groups.x;
    if group * 64u >= params.units4 { return; }
    let at = group * 64u + lane;
    // Units past the end repeat the last ones and are not counted.
    let col4 = min(at, params.units4 - 1u);
    var lives = vec4<bool>();
    for (var b = 0u; b < min(now.rows, params.batch); b++) {
        lives = lives | (h[(now.model * params.batch + b) * params.units4 + col4] != vec4<f32>(0.0));
    }
    let inside = at * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.units);
    sums[lane] = select(vec4<f32>(0.0), vec4<f32>(1.0), inside & !lives);
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { sums[lane] += sums[lane + half]; }
    }
    if lane == 0u { parts[now.model * params.parts + params.first + group] = sums[0].x + sums[0].y + sums[0].z + sums[0].w; }
}
