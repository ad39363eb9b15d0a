//! Several models in one plan: their dispatches are merged, so that a small net does not leave a GPU idle.
//!
//! The models of a group have plans with the same kernels and shapes. Each tensor of the plan is a row of tensors, one per
//! model. Only the samples of the splits exist once. Every model has an [`Engine`] of its own, a [`Member`], which only
//! queues work. When all members wait for values, their queues are merged: entries that run the same steps become one
//! dispatch per step, with the models as its third dimension. A model's values never depend on the other models, so it is
//! bit-identical to a run on its own.
//!
//! The futures of all members must be polled side by side, by one task.

use super::device::Gpu;
use super::engine::GpuEngine;
use crate::base::error::Error;
use crate::engine::timeout::{PATIENCE, TimeLimited};
use crate::engine::{Engine, Memory, Pending};
use crate::plan::kernel::{MODELS, StepValues};
use crate::plan::tensor::{Role, TensorId};
use crate::plan::{Plan, Work};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Words above which a read-back takes no further reads, so that it needs little memory.
const READ_BACK: usize = 1 << 22;

/// A group of models on a GPU. Clones are the same group.
#[derive(Clone)]
pub struct Group(Rc<RefCell<State>>);

struct State {
    gpu: Arc<Gpu>,
    /// Number of models there is room for.
    models: usize,
    /// `None` before the first member joins, and while `merge` has it.
    engine: Option<GpuEngine>,
    /// What the plans of all members must agree in.
    signature: String,
    /// Tensors that exist once.
    shared: Vec<bool>,
    members: Vec<Queue>,
    /// Runs the merged work.
    merge: Option<Pin<Box<dyn Future<Output = GpuEngine>>>>,
}

/// The queued work of a member.
#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Set while the member waits for values that it cannot have before the next merge.
    waits: Option<Waker>,
    ended: bool,
}

enum Item {
    Write(TensorId, usize, Vec<u32>),
    Run(Range<usize>, StepValues),
    Read(TensorId, Range<usize>, Answer),
}

/// The values for a read, as soon as the device has been asked for them: a part of a read-back.
type Answer = Rc<RefCell<Option<(Rc<RefCell<ReadBack>>, Range<usize>)>>>;

/// The values of several reads, which the device returns together.
enum ReadBack {
    /// The values, and the members that wait for them.
    Coming(Pending<'static, Vec<u32>>, Vec<Waker>),
    Here(Vec<u32>),
    /// The device failed.
    Failed(String),
}

impl ReadBack {
    /// A part of the values.
    fn poll(&mut self, part: &Range<usize>, context: &mut Context<'_>) -> Poll<Result<Vec<u32>, Error>> {
        if let ReadBack::Coming(values, members) = self {
            members.push(context.waker().clone());
            let Poll::Ready(result) = values.as_mut().poll(context) else { return Poll::Pending };
            members.drain(..).for_each(Waker::wake);
            *self = result.map_or_else(|error| ReadBack::Failed(reason(error)), ReadBack::Here);
        }
        Poll::Ready(match self {
            ReadBack::Here(values) => Ok(values[part.clone()].to_vec()),
            ReadBack::Failed(reason) => Err(Error::DeviceLost { reason: reason.clone() }),
            ReadBack::Coming(..) => return Poll::Pending,
        })
    }
}

/// Why a device failed.
fn reason(error: Error) -> String {
    match error {
        Error::DeviceLost { reason } => reason,
        error => error.to_string(),
    }
}

/// Merged work, in order.
enum Merged {
    Write(usize, TensorId, usize, Vec<u32>),
    Run(Range<usize>, Arc<[StepValues]>),
    Read(usize, TensorId, Range<usize>, Answer),
}

impl Group {
    /// A group with room for this many models, at most [`MODELS`].
    pub fn new(gpu: Arc<Gpu>, models: usize) -> Group {
        let models = models.clamp(1, MODELS);
        Group(Rc::new(RefCell::new(State {
            gpu,
            models,
            engine: None,
            signature: String::new(),
            shared: Vec::new(),
            members: Vec::new(),
            merge: None,
        })))
    }

    /// The GPU.
    pub fn gpu(&self) -> Arc<Gpu> {
        self.0.borrow().gpu.clone()
    }

    /// Number of models there is room for.
    pub fn models(&self) -> usize {
        self.0.borrow().models
    }

    /// Adds a model. All must join before the first one reads.
    ///
    /// # Errors
    /// [`Error::Setting`] if the group is full, or if the plan differs from that of the other models in more than values;
    /// those of [`GpuEngine::for_models`].
    pub async fn join(&self, plan: &Plan) -> Result<Box<dyn Engine>, Error> {
        let (gpu, models, first) = {
            let state = self.0.borrow();
            (state.gpu.clone(), state.models, state.members.is_empty())
        };
        let signature = signature(plan);
        if first {
            let engine = GpuEngine::for_models(&gpu, plan, Memory::default(), models).await?;
            let mut state = self.0.borrow_mut();
            state.engine = Some(engine);
            state.shared = plan.tensors.iter().map(|tensor| tensor.role == Role::Data).collect();
            state.signature = signature.clone();
        }
        let mut state = self.0.borrow_mut();
        let model = state.members.len();
        if model == models {
            return Err(Error::Setting(format!("the group is full: it has room for {models} models")));
        }
        if state.signature != signature {
            return Err(Error::Setting("the model's plan has other kernels or shapes than that of its group".into()));
        }
        state.engine.as_mut().expect("no member has begun").set_params(model, plan);
        state.members.push(Queue::default());
        drop(state);
        let member = Member { group: self.clone(), model };
        Ok(Box::new(TimeLimited::new(Box::new(member), PATIENCE)))
    }
}

/// What the plans of a group agree in: kernels with their constants, and tensors with their shapes. Plans with equal
/// signatures differ in values only.
pub fn signature(plan: &Plan) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for kernel in &plan.steps {
        let ids: Vec<usize> = kernel.tensors().iter().map(|id| id.index).collect();
        let _ = writeln!(text, "{} {:?} {ids:?} {}", kernel.shader().name, kernel.overrides(), kernel.groups());
    }
    for tensor in &plan.tensors {
        let _ = writeln!(text, "{:?}", tensor.id);
    }
    text
}

impl State {
    fn push(&mut self, model: usize, item: Item) {
        self.members[model].items.push_back(item);
    }

    /// Wakes the members that wait.
    fn wake(&mut self) {
        self.members.iter_mut().filter_map(|member| member.waits.take()).for_each(Waker::wake);
    }

    /// Whether nobody can queue more before the next merge.
    fn all_wait(&self) -> bool {
        self.members.iter().all(|member| member.ended || member.waits.is_some())
    }

    /// Takes queued work of all members, merged. It ends where a member has no more work, since its next entries can be
    /// merged with what the others have left.
    fn take(&mut self) -> Vec<Merged> {
        let mut merged = Vec::new();
        loop {
            let mut idle = false;
            for (model, member) in self.members.iter_mut().enumerate().filter(|(_, member)| !member.ended) {
                while let Some(item) = member.items.pop_front() {
                    merged.push(match item {
                        Item::Write(id, first, words) => Merged::Write(model, id, first, words),
                        Item::Read(id, words, answer) => Merged::Read(model, id, words, answer),
                        Item::Run(..) => {
                            member.items.push_front(item);
                            break;
                        }
                    });
                }
                idle |= member.items.is_empty();
            }
            if idle {
                return merged;
            }
            let mut round: Vec<(Range<usize>, Vec<StepValues>)> = Vec::new();
            for (model, member) in self.members.iter_mut().enumerate().filter(|(_, member)| !member.ended) {
                let Some(Item::Run(range, now)) = member.items.pop_front() else { continue };
                let now = StepValues { model: model as u32, ..now };
                match round.iter_mut().find(|(same, _)| *same == range) {
                    Some((_, models)) => models.push(now),
                    None => round.push((range, vec![now])),
                }
            }
            merged.extend(round.into_iter().map(|(range, models)| Merged::Run(range, models.into())));
        }
    }

    /// Merges what is queued if all members wait, and lets the device run it.
    fn advance(&mut self, context: &mut Context<'_>) {
        if self.merge.is_none() && self.all_wait() {
            let merged = self.take();
            if let Some(engine) = self.engine.take() {
                self.merge = Some(Box::pin(run(engine, merged)));
            }
        }
        if let Some(Poll::Ready(engine)) = self.merge.as_mut().map(|merge| merge.as_mut().poll(context)) {
            self.merge = None;
            self.engine = Some(engine);
            self.wake();
        }
    }
}

/// Hands merged work to the device: at once what can be submitted at once. After an error, the reads that follow report it.
async fn run(mut engine: GpuEngine, merged: Vec<Merged>) -> GpuEngine {
    let mut merged = VecDeque::from(merged);
    let mut failed = None;
    while let Some(item) = merged.pop_front() {
        match item {
            Merged::Write(model, id, first, words) => engine.write_of(model, id, first, &words),
            Merged::Run(range, models) => {
                let mut work = vec![(range, models)];
                while let Some(Merged::Run(range, models)) = merged.pop_front_if(|item| matches!(item, Merged::Run(..)))
                {
                    work.push((range, models));
                }
                if failed.is_none() {
                    failed = engine.run_models(&work).await.err().map(reason);
                }
            }
            Merged::Read(model, id, words, answer) => {
                let mut total = words.len();
                let mut reads = vec![(model, id, words)];
                let mut answers = vec![answer];
                while total < READ_BACK
                    && let Some(Merged::Read(model, id, words, answer)) =
                        merged.pop_front_if(|item| matches!(item, Merged::Read(..)))
                {
                    total += words.len();
                    reads.push((model, id, words));
                    answers.push(answer);
                }
                let values = match &failed {
                    None => ReadBack::Coming(engine.read_of(&reads), Vec::new()),
                    Some(reason) => ReadBack::Failed(reason.clone()),
                };
                let values = Rc::new(RefCell::new(values));
                let mut end = 0;
                for (answer, (_, _, words)) in answers.into_iter().zip(reads) {
                    let part = end..end + words.len();
                    end = part.end;
                    *answer.borrow_mut() = Some((values.clone(), part));
                }
            }
        }
    }
    engine
}

/// The engine of one model of a group.
struct Member {
    group: Group,
    model: usize,
}

impl Engine for Member {
    fn write(&mut self, id: TensorId, first: usize, words: &[u32]) {
        let mut state = self.group.0.borrow_mut();
        if !state.shared[id.index] {
            state.push(self.model, Item::Write(id, first, words.to_vec()));
        } else if let (0, Some(engine)) = (self.model, &mut state.engine) {
            // All members have the same samples. The first one writes them at once, before anything runs.
            engine.write_of(0, id, first, words);
        }
    }

    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        let mut state = self.group.0.borrow_mut();
        for (range, now) in work {
            state.push(self.model, Item::Run(range.clone(), *now));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn read(&mut self, id: TensorId, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        let answer = Answer::default();
        self.group.0.borrow_mut().push(self.model, Item::Read(id, words, answer.clone()));
        let (group, model) = (self.group.clone(), self.model);
        Box::pin(std::future::poll_fn(move |context| {
            if answer.borrow().is_none() {
                let mut state = group.0.borrow_mut();
                state.members[model].waits = Some(context.waker().clone());
                state.advance(context);
            }
            let Some((values, part)) = &*answer.borrow() else { return Poll::Pending };
            group.0.borrow_mut().members[model].waits = None;
            values.borrow_mut().poll(part, context)
        }))
    }

    fn allocated(&self) -> Option<u64> {
        self.group.0.borrow().gpu.shared.allocated()
    }

    fn fences(&mut self, _: TensorId) -> Pending<'static, Vec<u32>> {
        // A group has no guard words.
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.group.0.borrow_mut();
        let member = &mut state.members[self.model];
        member.ended = true;
        member.items.clear();
        // Those who wait may have waited for this member.
        state.wake();
    }
}
