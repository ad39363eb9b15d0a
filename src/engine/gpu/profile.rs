//! Times steps by the device's clock. Each step runs in a pass of its own, with a timestamp before and after.

use super::device::NOW_SLOT;
use super::engine::GpuEngine;
use crate::base::error::Error;
use crate::engine::Pending;
use crate::plan::Work;
use wgpu::{BufferUsages, Features, QUERY_SIZE};

/// The feature that timestamps need.
pub(super) const FEATURE: Features = Features::TIMESTAMP_QUERY;
/// Most steps at a time, with two timestamps each: WebGPU allows 4096 queries per set.
const MOST: usize = 2048;

impl GpuEngine {
    /// See [`crate::engine::Engine::profile`].
    pub(super) fn timestamps(&mut self, (range, now): &Work) -> Pending<'static, Option<Vec<f64>>> {
        let steps = range.len();
        if !self.gpu.shared.features().contains(FEATURE) || steps == 0 || steps > MOST {
            return Box::pin(std::future::ready(Ok(None)));
        }
        let count = 2 * steps as u32;
        // Held until the end, because the drops of the query set and the buffer call the device too.
        let inside = self.gpu.shared.enter();
        let queries = inside.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("timestamps"),
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let size = u64::from(count) * u64::from(QUERY_SIZE);
        let resolved = inside.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size,
            usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let mut slot = [0; NOW_SLOT as usize];
        slot[..size_of_val(now)].copy_from_slice(bytemuck::bytes_of(now));
        inside.queue.write_buffer(&self.now.buffer, 0, &slot);
        let mut encoder = inside.device.create_command_encoder(&Default::default());
        for (at, step) in (0..).zip(&self.steps[range.clone()]) {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(2 * at),
                    end_of_pass_write_index: Some(2 * at + 1),
                }),
            });
            pass.set_bind_group(0, &self.now.group, &[0]);
            step.encode(&self.gpu, inside.device, &mut pass, 1);
        }
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        inside.queue.submit([encoder.finish()]);
        let period = f64::from(inside.queue.get_timestamp_period()) * 1e-9;
        let words = self.copy_out(&[(&resolved, 0, size)]);
        Box::pin(async move {
            let words = words.await?;
            let ticks: Vec<u64> =
                words.chunks_exact(2).map(|word| u64::from(word[0]) | u64::from(word[1]) << 32).collect();
            let seconds = ticks.chunks_exact(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 * period);
            Ok::<_, Error>(Some(seconds.collect()))
        })
    }
}
