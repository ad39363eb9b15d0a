//! Runs a plan as compute passes. Everything is created before the first step; a step only encodes and submits.

use super::device::{Gpu, NOW_SLOT};
use super::pipelines::Built;
use super::shared::{Held, SharedDevice};
use super::signal::Signal;
use super::submission::{SLOTS, Unsubmitted};
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::engine::{Engine, Memory, Pending};
use crate::plan::kernel::{MODELS, StepValues, fold};
use crate::plan::tensor::{Role, TensorId};
use crate::plan::{Plan, Work};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wgpu::{BufferDescriptor, BufferUsages};

/// Most submissions that are still running when another one is made.
const IN_FLIGHT: usize = 2;
/// Target duration of a submission. Windows resets a device after two seconds.
const SUBMISSION: Duration = Duration::from_millis(50);

/// Bytes of the array of step values that a shader sees.
const NOW_ARRAY: u64 = (MODELS * size_of::<StepValues>()) as u64;

/// Runs a plan on a GPU.
pub struct GpuEngine {
    pub(super) gpu: Arc<Gpu>,
    buffers: Held<Vec<wgpu::Buffer>>,
    pub(super) steps: Held<Vec<PreparedStep>>,
    pub(super) now: Held<ValueSlots>,
    memory: Memory,
    /// Number of models.
    models: usize,
    /// Whether all models share a tensor, by tensor.
    shared: Vec<bool>,
    params: Held<Params>,
    flights: VecDeque<Signal<()>>,
    /// Buffer for the step values of a submission.
    slots: Vec<u8>,
    spare: Spare,
    /// Most dispatches per submission; doubled or halved so that one takes about [`SUBMISSION`].
    budget: usize,
    /// Microseconds since `born` at which the GPU last finished a submission.
    finished: Arc<AtomicU64>,
    /// Duration of the submission that finished last, and its number of dispatches; taken when the budget is adjusted.
    took: Arc<Mutex<Option<(Duration, usize)>>>,
    born: Instant,
}

/// The step values of a submission, one slot per entry. A slot holds the values of all models of the entry.
pub(super) struct ValueSlots {
    pub buffer: wgpu::Buffer,
    pub group: wgpu::BindGroup,
    /// Bytes of a slot.
    pub slot: u64,
}

/// The uniform blocks of all steps, in one buffer. A slot holds the blocks of all models of a step.
struct Params {
    buffer: wgpu::Buffer,
    /// Bytes of a slot.
    slot: u64,
}

pub(super) struct PreparedStep {
    built: Arc<Built>,
    group: wgpu::BindGroup,
    grid: [u32; 2],
}

impl PreparedStep {
    pub(super) fn encode(&self, gpu: &Gpu, device: &wgpu::Device, pass: &mut wgpu::ComputePass<'_>, models: usize) {
        pass.set_pipeline(gpu.pipeline(&self.built, device));
        pass.set_bind_group(1, &self.group, &[]);
        pass.dispatch_workgroups(self.grid[0], self.grid[1], models as u32);
    }
}

impl GpuEngine {
    /// Allocates all tensors, compiles all pipelines (in a browser later), creates all bind groups.
    ///
    /// # Errors
    /// If a shader needs what the device lacks, if memory runs out, or if the device refuses or is lost.
    pub async fn new(gpu: &Arc<Gpu>, plan: &Plan, memory: Memory) -> Result<Self, Error> {
        Self::for_models(gpu, plan, memory, 1).await
    }

    /// As [`GpuEngine::new`], with the tensors of this many models, at most [`MODELS`], one after another in each buffer.
    /// Tensors of role [`Role::Data`] exist once. All models have the `Params` of this plan; see `set_params`.
    ///
    /// # Errors
    /// As [`GpuEngine::new`].
    pub async fn for_models(gpu: &Arc<Gpu>, plan: &Plan, memory: Memory, models: usize) -> Result<Self, Error> {
        let models = models.clamp(1, MODELS);
        let shared: Vec<bool> = plan.tensors.iter().map(|tensor| tensor.role == Role::Data).collect();
        let copies = |tensor: TensorId| if shared[tensor.index] { 1 } else { models as u64 };
        gpu.check()?;
        let limits = gpu.limits();
        let kernels = plan.steps.iter().map(|kernel| kernel.shader());
        if let Some(shader) = kernels.into_iter().find(|shader| shader.needs() > gpu.offers()) {
            return Err(Error::lacks(gpu.line(), shader.needs(), shader.name));
        }
        let pipelines = gpu.pipelines(&plan.steps).await?;
        let inside = gpu.shared.enter();
        let (device, queue) = (inside.device, inside.queue);
        let invalid = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let no_memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let fence = 4 * memory.fence as u64;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let make = |tensor: &crate::plan::tensor::Tensor| {
            let size = (copies(tensor.id) * tensor.id.bytes() + 2 * fence).max(16);
            device.create_buffer(&BufferDescriptor {
                label: Some(&tensor.name),
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let buffers: Vec<wgpu::Buffer> = plan.tensors.iter().map(make).collect();
        // Shaders see an array of MODELS blocks. The arrays overlap if there are fewer models; behind the last one there is
        // room for a whole array.
        let blocks: Vec<Vec<u8>> = plan.steps.iter().map(|kernel| kernel.params()).collect();
        let align = u64::from(limits.min_uniform_buffer_offset_alignment).max(16);
        let longest = blocks.iter().map(Vec::len).max().unwrap_or(0);
        let slot = ((models * longest) as u64).next_multiple_of(align).max(align);
        let uniforms = device.create_buffer(&BufferDescriptor {
            label: Some("params"),
            size: (slot * blocks.len() as u64 + (MODELS * longest) as u64).max(16),
            usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut steps = Vec::with_capacity(plan.steps.len());
        for (((number, kernel), block), built) in (0..).zip(&plan.steps).zip(&blocks).zip(pipelines) {
            queue.write_buffer(&uniforms, number * slot, &block.repeat(models));
            let mut entries = vec![binding(0, &uniforms, number * slot, (MODELS * block.len()) as u64)];
            for (arg, id) in kernel.shader().args.iter().zip(kernel.tensors()) {
                // The guard words behind a tensor are bound too, so that a write past its end is found.
                let size = (copies(id) * id.bytes() + fence).max(16);
                entries.push(binding(arg.binding, &buffers[id.index], fence, size));
            }
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(kernel.shader().name),
                layout: &built.layout,
                entries: &entries,
            });
            steps.push(PreparedStep { built, group, grid: fold(kernel.groups(), memory.max_groups) });
        }
        let now_slot = ((models * size_of::<StepValues>()) as u64).next_multiple_of(NOW_SLOT);
        let buffer = device.create_buffer(&BufferDescriptor {
            label: Some("now"),
            size: now_slot * SLOTS as u64 + NOW_ARRAY,
            usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("now"),
            layout: &gpu.now_layout,
            entries: &[binding(0, &buffer, 0, NOW_ARRAY)],
        });
        if memory.fence > 0 {
            for buffer in &buffers {
                let words = vec![memory.fresh; (buffer.size() / 4) as usize];
                queue.write_buffer(buffer, 0, bytemuck::cast_slice(&words));
            }
        }
        let buffers = gpu.shared.hold(buffers);
        let steps = gpu.shared.hold(steps);
        let now = gpu.shared.hold(ValueSlots { buffer, group, slot: now_slot });
        let params = gpu.shared.hold(Params { buffer: uniforms, slot });
        let no_memory = no_memory.pop();
        let invalid = invalid.pop();
        drop(inside);
        if let Some(error) = no_memory.await.or(invalid.await) {
            return Err(gpu.caught(error));
        }
        Ok(GpuEngine {
            gpu: gpu.clone(),
            buffers,
            steps,
            now,
            memory,
            models,
            shared,
            params,
            flights: VecDeque::new(),
            slots: Vec::with_capacity(now_slot as usize * SLOTS),
            spare: Spare::default(),
            budget: 1,
            finished: Arc::new(AtomicU64::new(0)),
            took: Arc::default(),
            born: Instant::now(),
        })
    }

    /// Sets the `Params` of a model to those of its plan, which has the kernels and shapes of the engine's plan.
    pub(super) fn set_params(&mut self, model: usize, plan: &Plan) {
        let inside = self.gpu.shared.enter();
        for (number, kernel) in (0..).zip(&plan.steps) {
            let block = kernel.params();
            let offset = number * self.params.slot + (model * block.len()) as u64;
            inside.queue.write_buffer(&self.params.buffer, offset, &block);
        }
    }

    /// First byte of a model's tensor in its buffer.
    fn offset(&self, model: usize, id: TensorId) -> u64 {
        let before = if self.shared[id.index] { 0 } else { model as u64 };
        4 * self.memory.fence as u64 + before * id.bytes()
    }

    /// Writes words to a tensor of a model, as [`Engine::write`].
    pub(super) fn write_of(&mut self, model: usize, id: TensorId, first: usize, words: &[u32]) {
        let offset = self.offset(model, id) + 4 * first as u64;
        self.gpu.shared.enter().queue.write_buffer(&self.buffers[id.index], offset, bytemuck::cast_slice(words));
    }

    /// Reads words of tensors of several models, one after another; otherwise as [`Engine::read`].
    pub(super) fn read_of(&self, reads: &[(usize, TensorId, Range<usize>)]) -> Pending<'static, Vec<u32>> {
        let place = |(model, id, words): &(usize, TensorId, Range<usize>)| {
            let first = self.offset(*model, *id) + 4 * words.start as u64;
            (&self.buffers[id.index], first, 4 * words.len() as u64)
        };
        self.copy_out(&reads.iter().map(place).collect::<Vec<_>>())
    }

    /// Runs parts of the plan, as [`Engine::run`], each for several models: one entry of step values per model.
    pub(super) async fn run_models<V: AsRef<[StepValues]> + Clone>(
        &mut self,
        work: &[(Range<usize>, V)],
    ) -> Result<(), Error> {
        let mut unsubmitted = Unsubmitted::of(work);
        let mut part = Vec::new();
        loop {
            unsubmitted.take(self.budget, &mut part);
            if part.is_empty() {
                return Ok(());
            }
            self.submit(&part).await?;
        }
    }

    async fn submit<V: AsRef<[StepValues]>>(&mut self, work: &[(Range<usize>, V)]) -> Result<(), Error> {
        while self.flights.len() > IN_FLIGHT {
            if let Some(oldest) = self.flights.pop_front() {
                oldest.await?;
            }
        }
        self.gpu.check()?;
        let slot_bytes = self.now.slot as usize;
        self.slots.resize(slot_bytes * work.len(), 0);
        for (slot, (_, now)) in self.slots.chunks_exact_mut(slot_bytes).zip(work) {
            let values: &[u8] = bytemuck::cast_slice(now.as_ref());
            slot[..values.len()].copy_from_slice(values);
        }
        let inside = self.gpu.shared.enter();
        inside.queue.write_buffer(&self.now.buffer, 0, &self.slots);
        let mut encoder = inside.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for (slot, (range, now)) in work.iter().enumerate() {
                pass.set_bind_group(0, &self.now.group, &[(slot * slot_bytes) as u32]);
                for step in &self.steps[range.clone()] {
                    step.encode(&self.gpu, inside.device, &mut pass, now.as_ref().len());
                }
            }
        }
        let flight = Signal::new();
        let (signal, finished, took, born) = (flight.clone(), self.finished.clone(), self.took.clone(), self.born);
        let submitted = born.elapsed().as_micros() as u64;
        let dispatches: usize = work.iter().map(|(range, _)| range.len()).sum();
        encoder.on_submitted_work_done(move || {
            // The GPU starts a submission after the one before it has finished.
            let end = born.elapsed().as_micros() as u64;
            let begin = finished.swap(end, Ordering::Relaxed).max(submitted);
            let duration = Duration::from_micros(end.saturating_sub(begin));
            *took.lock().unwrap_or_else(PoisonError::into_inner) = Some((duration, dispatches));
            signal.set(Ok(()));
        });
        let index = inside.queue.submit([encoder.finish()]);
        drop(inside);
        self.gpu.poller.watch(index, &flight);
        self.flights.push_back(flight);
        let took = self.took.lock().unwrap_or_else(PoisonError::into_inner).take();
        match took {
            Some((took, dispatches)) if took > 2 * SUBMISSION => self.budget = (self.budget.min(dispatches) / 2).max(1),
            Some((took, dispatches)) if took < SUBMISSION / 2 && dispatches >= self.budget => self.budget *= 2,
            _ => {}
        }
        Ok(())
    }

    /// Reads bytes of buffers, one after another: the first byte and the number of bytes of each. The values are those after
    /// all work that was submitted before.
    pub(super) fn copy_out(&self, parts: &[(&wgpu::Buffer, u64, u64)]) -> Pending<'static, Vec<u32>> {
        if let Err(error) = self.gpu.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let size = parts.iter().map(|(_, _, size)| size).sum();
        if size == 0 {
            return Box::pin(std::future::ready(Ok(Vec::new())));
        }
        let inside = self.gpu.shared.enter();
        let staging = self.spare.take(size, &self.gpu.shared);
        let mut encoder = inside.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for (buffer, first, size) in parts {
            encoder.copy_buffer_to_buffer(buffer, *first, &staging, at, *size);
            at += size;
        }
        let index = inside.queue.submit([encoder.finish()]);
        let signal = Signal::new();
        let set = Signal::clone(&signal);
        staging.map_async(wgpu::MapMode::Read, ..size, move |result| {
            set.set(result.map_err(|error| Error::DeviceLost { reason: error.to_string() }));
        });
        drop(inside);
        self.gpu.poller.watch(index, &signal);
        let (shared, spare) = (self.gpu.shared.clone(), self.spare.clone());
        Box::pin(async move {
            signal.await?;
            let _inside = shared.enter();
            let view =
                staging.get_mapped_range(..size).map_err(|error| Error::DeviceLost { reason: error.to_string() })?;
            let words = bytemuck::pod_collect_to_vec(&view[..]);
            drop(view);
            staging.unmap();
            spare.give(staging);
            Ok(words)
        })
    }
}

/// Read-back buffers for reuse. Clones share them.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Held<wgpu::Buffer>>>>);

impl Spare {
    /// Two: one read-back is consumed while the next is in flight.
    const MOST: usize = 2;

    fn take(&self, size: u64, shared: &SharedDevice) -> Held<wgpu::Buffer> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = spare.iter().position(|buffer| buffer.size() >= size);
        fits.map(|at| spare.swap_remove(at)).unwrap_or_else(|| {
            shared.hold(shared.enter().device.create_buffer(&BufferDescriptor {
                label: Some("read"),
                // Read-backs vary in length. With few sizes, buffers can be reused.
                size: size.next_power_of_two().min(shared.limits().max_buffer_size),
                usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
                mapped_at_creation: false,
            }))
        })
    }

    fn give(&self, buffer: Held<wgpu::Buffer>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(buffer);
        // Keep the largest: they fit most requests.
        spare.sort_by_key(|buffer| std::cmp::Reverse(buffer.size()));
        spare.truncate(Self::MOST);
    }
}

fn binding(binding: u32, buffer: &wgpu::Buffer, offset: u64, size: u64) -> wgpu::BindGroupEntry<'_> {
    let size = wgpu::BufferSize::new(size);
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size }),
    }
}

impl Engine for GpuEngine {
    fn write(&mut self, id: TensorId, first: usize, words: &[u32]) {
        self.write_of(0, id, first, words);
    }

    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        Box::pin(self.run_models(work))
    }

    fn read(&mut self, id: TensorId, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        self.read_of(&[(0, id, words)])
    }

    fn fences(&mut self, id: TensorId) -> Pending<'static, Vec<u32>> {
        let fence = 4 * self.memory.fence as u64;
        let buffer = &self.buffers[id.index];
        let copies = if self.shared[id.index] { 1 } else { self.models as u64 };
        self.copy_out(&[(buffer, 0, fence), (buffer, fence + copies * id.bytes(), fence)])
    }

    fn allocated(&self) -> Option<u64> {
        self.gpu.shared.allocated()
    }

    fn profile(&mut self, work: &Work) -> Pending<'static, Option<Vec<f64>>> {
        self.timestamps(work)
    }
}
