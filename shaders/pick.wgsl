// pick: picked[b] = values[order[cursor + b]]: a value per sample, such as its weight, for the micro-batch
// values (N), order (M) -> picked (B). Entries past the end of a partial batch become zeros. Twin: src/kernels/pick.rs
struct StepValues { cursor: u32, rows: u32, }
struct Params { batch: u32, words: u32, pad0: u32, pad1: u32, }
@group(0) @binding(0) var<uniform> now: StepValues;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(1) var<storage, read> values: array<f32>;           // (N)
@group(1) @binding(2) var<storage, read> order: array<u32>;            // (M)
@group(1) @binding(3) var<storage, read_write> picked: array<f32>;     // (B)

@compute @workgroup_size(64)
fn pick(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let at = (group.x + group.y * groups.x) * 64u + lane;
    if at >= params.words { return; }
    var value = 0.0;
    if at < min(now.rows, params.batch) { value = values[order[now.cursor + at]]; }
    picked[at] = value;
}
