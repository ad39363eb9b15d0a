// pick: picked[b] = values[order[cursor + b]]: a value per sample, such as its weight, for the micro-batch
// values (N), order (M) -> picked (B). Entries past the end of a partial batch become zeros. Twin: src/kernels/pick.rs
const MODELS = 64u;     // most models of a dispatch; each of their tensors has a leading dimension, the model,
                        // except values, which they share
struct StepValues {
    cursor: u32, rows: u32, batch: u32, first: u32, step: u32, slot: u32, accumulate: u32,
    lr: f32, momentum: f32, bias1: f32, bias2: f32, total: f32, model: u32, pad0: u32, pad1: u32, pad2: u32,
}
struct Params { batch: u32, words: u32, order_words: u32, pad: u32, }
@group(0) @binding(0) var<uniform> now: array<StepValues, MODELS>;     // of the models of this dispatch, by group.z
@group(1) @binding(0) var<uniform> params: array<Params, MODELS>;      // by model
@group(1) @binding(1) var<storage, read> values: array<f32>;           // (N)
@group(1) @binding(2) var<storage, read> order: array<u32>;            // (M)
@group(1) @binding(3) var<storage, read_write> picked: array<f32>;     // (B)

@compute @workgroup_size(64)
fn pick(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let now = now[group.z];
    let params = params[now.model];
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.words { return; }
    var value = 0.0;
    if at < min(now.rows, params.batch) { value = values[order[now.model * params.order_words + now.cursor + at]]; }
    picked[now.model * params.words + at] = value;
}
