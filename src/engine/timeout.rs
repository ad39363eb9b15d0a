//! An engine with a time limit: a device that never answers becomes an error; without it the program would hang.

use crate::base::error::Error;
use crate::engine::{Engine, Pending};
use crate::plan::Work;
use crate::plan::tensor::TensorId;
use futures_timer::Delay;
use std::future::Future;
use std::ops::Range;
use std::task::Poll;
use std::time::Duration;

/// Longest wait for an answer. Work is divided so that a GPU answers within a second; a software adapter may need minutes for
/// one step of a large net.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Forwards all calls to an engine, and limits the wait for each answer.
pub struct TimeLimited {
    engine: Box<dyn Engine>,
    patience: Duration,
}

impl TimeLimited {
    /// Adds a time limit to an engine.
    pub fn new(engine: Box<dyn Engine>, patience: Duration) -> Self {
        TimeLimited { engine, patience }
    }
}

impl Engine for TimeLimited {
    fn write(&mut self, id: TensorId, first: usize, words: &[u32]) {
        self.engine.write(id, first, words);
    }

    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        within(self.patience, self.engine.run(work))
    }

    fn read(&mut self, id: TensorId, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        within(self.patience, self.engine.read(id, words))
    }

    fn profile(&mut self, work: &Work) -> Pending<'static, Option<Vec<f64>>> {
        within(self.patience, self.engine.profile(work))
    }

    fn allocated(&self) -> Option<u64> {
        self.engine.allocated()
    }

    fn fences(&mut self, id: TensorId) -> Pending<'static, Vec<u32>> {
        within(self.patience, self.engine.fences(id))
    }
}

/// Waits for an answer; returns [`Error::NoAnswer`] if it does not come in time. The time counts from the first poll.
fn within<T: 'static>(patience: Duration, mut answer: Pending<'_, T>) -> Pending<'_, T> {
    let mut delay: Option<Delay> = None;
    Box::pin(std::future::poll_fn(move |context| {
        if let Poll::Ready(answer) = answer.as_mut().poll(context) {
            return Poll::Ready(answer);
        }
        let delay = delay.get_or_insert_with(|| Delay::new(patience));
        std::pin::Pin::new(delay).poll(context).map(|()| Err(Error::NoAnswer { waited: patience }))
    }))
}
