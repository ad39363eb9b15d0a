//! `gpu-mlp devices`

use super::advice::INSTALL;
use super::engine::AdapterOptions;
use super::out::out;
use clap::Args;
use gpu_mlp::engine::gpu::{FoundAdapter, list, real_gpu};
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp devices
  gpu-mlp devices --backend gl
  gpu-mlp devices --adapter nvidia           whether this adapter would be chosen")]
pub struct Devices {
    #[command(flatten)]
    adapter: AdapterOptions,
}

impl Devices {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let wanted = self.adapter.wanted();
        let found = list(&wanted).await?;
        let mut out = out();
        for one in &found {
            out.write_all(describe(one).as_bytes())?;
        }
        match real_gpu(&wanted).await? {
            Ok(taken) => writeln!(out, "--engine auto uses the GPU: {}", taken.line())?,
            Err(why) => writeln!(out, "--engine auto uses the CPU: {why}")?,
        }
        if found.is_empty() {
            writeln!(out, "no adapter was found: {INSTALL}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(one: &FoundAdapter) -> String {
    let (limits, features) = (one.adapter.limits(), one.adapter.features());
    let interesting = [
        ("f16", wgpu::Features::SHADER_F16),
        ("subgroups", wgpu::Features::SUBGROUP),
        ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
        ("pipeline cache", wgpu::Features::PIPELINE_CACHE),
        ("cooperative matrices", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
    ];
    let has = |(name, feature): &(&'static str, wgpu::Features)| features.contains(*feature).then_some(*name);
    let features: Vec<&str> = interesting.iter().filter_map(has).collect();
    format!(
        "{}\n  binds {} MiB of {} MiB buffers, {} storage buffers per shader, {} KiB workgroup memory, {} invocations\n  features: {}\n",
        one.line(),
        limits.max_storage_buffer_binding_size >> 20,
        limits.max_buffer_size >> 20,
        limits.max_storage_buffers_per_shader_stage,
        limits.max_compute_workgroup_storage_size >> 10,
        limits.max_compute_invocations_per_workgroup,
        if features.is_empty() { "none that this program uses".into() } else { features.join(", ") },
    )
}
