//! A value that arrives later.

use crate::base::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A future value that a callback or another thread sets. Clones share it.
pub(super) struct Signal<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    value: Option<Result<T, Error>>,
    /// Whether the value was ever set: awaiting takes it out.
    set: bool,
    waker: Option<Waker>,
}

impl<T> Clone for Signal<T> {
    fn clone(&self) -> Self {
        Signal(self.0.clone())
    }
}

impl<T> Signal<T> {
    pub fn new() -> Self {
        Signal(Arc::new(Mutex::new(State { value: None, set: false, waker: None })))
    }

    /// Sets the value, unless one was set before, and wakes the task that waits.
    pub fn set(&self, value: Result<T, Error>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut state.set, true) {
            state.value = Some(value);
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Whether the value was ever set.
    #[cfg(not(target_family = "wasm"))]
    pub fn is_set(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).set
    }
}

impl<T> Future for Signal<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
