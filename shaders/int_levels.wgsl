// int_levels: the weights as factors, and the levels, in training with integers.
//   int_quantise   q = w·2⁻ᵈʳᵒᵖ, the factors of a product.   w (O, I) i32 -> q (O, I) i8; counts those that do not fit
//   int_levels     the shift of each layer's error signal for the next update -> levels (L, 8) i32
// count: words of q, or layers. words, stride: words per row of q, vec4 per row of w. Formats: src/kernels/fixed.rs
// Twins: src/kernels/int_levels.rs, int_quantise.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { count: u32, words: u32, stride: u32, layer: u32, layers: u32, drop: u32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> w: array<vec4<i32>>;               // (O, I)
@group(1) @binding(2) var<storage, read_write> q: array<u32>;               // (O, I) four per word
@group(1) @binding(3) var<storage, read_write> counts: array<atomic<i32>>;  // (L, 8)

fn number(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.x + group.y * groups.x; }

// `fixed::shift`, four values at a time.
fn shift(a: vec4<i32>, k: u32) -> vec4<i32> {
    if k == 0u { return a; }
    return (a >> vec4<u32>(k)) + ((a >> vec4<u32>(k - 1u)) & vec4<i32>(1));
}

// One invocation makes a word of q. Only the first micro-batch of an update counts.
@compute @workgroup_size(64)
fn int_quantise(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = number(group, groups) * 64u + lane;
    if at >= params.count { return; }
    let word = at % params.words;
    let place = now.model * params.count + at;
    // Rows of q are padded to more words than rows of w have vec4.
    if word >= params.stride { q[place] = 0u; return; }
    let value = shift(w[place / params.words * params.stride + word], params.drop);
    let narrow = clamp(value, vec4<i32>(-127), vec4<i32>(127));
    let bytes = bitcast<vec4<u32>>(narrow) & vec4<u32>(255u);
    q[place] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
    if any(narrow != value) && now.first == 0u {
        let limited = select(vec4<i32>(0), vec4<i32>(1), narrow != value);
        atomicAdd(&counts[(now.model * params.layers + params.layer) * 8u + 3u], limited.x + limited.y + limited.z + limited.w);
    }
}

// A single invocation sets all levels, from the last layer to the first.
@compute @workgroup_size(1)
fn int_levels(@builtin(workgroup_id) group: vec3<u32>) {
    let now = now[group.z];
    let params = params[now.model];
    var sum = 0;
    for (var i = params.count; i > 0u; i--) {
        let row = (now.model * params.count + i - 1u) * 8u;
        let peak = u32(atomicLoad(&counts[row + 1u]));
        let need = max(25 - i32(countLeadingZeros(peak)), 0);
        var level = atomicLoad(&counts[row]);
        if need >= level { level = need; } else if now.step % 8u == 7u { level -= 1; }
        sum += level;
        atomicStore(&counts[row], level);
        atomicStore(&counts[row + 1u], 0);
        atomicStore(&counts[row + 2u], sum);
        for (var at = row + 3u; at < row + 6u; at++) {
            atomicStore(&counts[at], min(atomicLoad(&counts[at]), 1 << 30u));
        }
    }
}
