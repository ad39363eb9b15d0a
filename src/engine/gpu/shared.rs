//! Access to a device: from any thread at any time, but on GL from one thread at a time.
//!
//! A GL context belongs to one thread at a time. wgpu locks it in almost every call, also in the drop of a buffer, and
//! panics in the thread that has waited six seconds for the lock (wgpu-hal 30.0.1, `gles/egl.rs` and `gles/wgl.rs`). A
//! submission can hold it for longer, because drivers compile a shader on its first dispatch. So threads queue here,
//! without a time limit, and the lock inside wgpu is always free. Each adapter that is listed has a context of its own.

use std::any::Any;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// A device and its queue. Clones share them.
#[derive(Clone)]
pub(super) struct SharedDevice {
    handles: Arc<Held<(wgpu::Device, wgpu::Queue)>>,
    gate: Gate,
}

impl SharedDevice {
    /// A device that was opened on this backend.
    pub fn new(device: wgpu::Device, queue: wgpu::Queue, backend: wgpu::Backend) -> Self {
        let gate = Gate((backend == wgpu::Backend::Gl).then(Arc::default));
        SharedDevice { handles: Arc::new(gate.hold((device, queue))), gate }
    }

    /// The device and its queue; on GL no other thread can enter meanwhile. Do not hold this across an `.await` or
    /// while waiting for other threads.
    pub fn enter(&self) -> Inside<'_> {
        let (device, queue) = &**self.handles;
        Inside { device, queue, _pass: self.gate.enter() }
    }

    /// Wraps something made by the device, so that its drop is safe as well.
    pub fn hold<T: Send + 'static>(&self, value: T) -> Held<T> {
        self.gate.hold(value)
    }

    /// The limits the device was opened with.
    pub fn limits(&self) -> wgpu::Limits {
        self.handles.0.limits()
    }

    /// The features the device was opened with.
    pub fn features(&self) -> wgpu::Features {
        self.handles.0.features()
    }

    /// Bytes of memory the device has allocated; `None` if the backend does not count them.
    pub fn allocated(&self) -> Option<u64> {
        self.handles.0.generate_allocator_report().map(|report| report.total_allocated_bytes)
    }
}

/// Access to the device; dropping this ends it.
pub(super) struct Inside<'a> {
    pub device: &'a wgpu::Device,
    pub queue: &'a wgpu::Queue,
    _pass: Pass<'a>,
}

/// A resource of the device, such as a buffer or a pipeline. Its drop never waits: see [`Gate::discard`].
pub(super) struct Held<T: Send + 'static> {
    /// Present until the drop.
    value: Option<T>,
    gate: Gate,
}

impl<T: Send + 'static> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("present until the drop")
    }
}

impl<T: Send + 'static> Drop for Held<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.gate.discard(value);
        }
    }
}

/// Lets in one thread at a time; `None` lets in all. Clones are the same gate.
#[derive(Clone)]
struct Gate(Option<Arc<Inner>>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread that is inside.
    inside: Option<ThreadId>,
    /// Values that this thread drops before it leaves.
    discarded: Vec<Box<dyn Any + Send>>,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    fn hold<T: Send + 'static>(&self, value: T) -> Held<T> {
        Held { value: Some(value), gate: self.clone() }
    }

    /// Waits until no other thread is inside. A thread may enter again while it is inside.
    fn enter(&self) -> Pass<'_> {
        let Some(inner) = &self.0 else { return Pass::of(None) };
        let this = thread::current().id();
        let mut state = inner.state();
        while let Some(inside) = state.inside {
            if inside == this {
                return Pass::of(None);
            }
            state = inner.free.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.inside = Some(this);
        Pass::of(Some(inner))
    }

    /// Drops a value now if no thread is inside. Otherwise the thread that is inside drops it before it leaves, so the
    /// memory is free when the next one enters.
    fn discard<T: Send + 'static>(&self, value: T) {
        let Some(inner) = &self.0 else { return };
        let mut state = inner.state();
        if state.inside.is_some() {
            state.discarded.push(Box::new(value));
            return;
        }
        state.inside = Some(thread::current().id());
        drop(state);
        let pass = Pass::of(Some(inner));
        drop(value);
        drop(pass);
    }
}

/// Proof that a thread is inside a gate. Dropping this leaves the gate.
struct Pass<'a> {
    inner: Option<&'a Inner>,
    /// Must stay in its thread, so not `Send`.
    _thread: PhantomData<*const ()>,
}

impl<'a> Pass<'a> {
    fn of(inner: Option<&'a Inner>) -> Self {
        Pass { inner, _thread: PhantomData }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let Some(inner) = self.inner else { return };
        loop {
            let mut state = inner.state();
            let discarded = std::mem::take(&mut state.discarded);
            if discarded.is_empty() {
                state.inside = None;
                break;
            }
            // Unlocked first: a drop may discard more values.
            drop(state);
            drop(discarded);
        }
        inner.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, Held};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};
    use std::thread;

    fn closed() -> Gate {
        Gate(Some(Arc::default()))
    }

    /// Logs its name when it is dropped.
    struct Logged(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Drop for Logged {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn one_thread_is_in_at_a_time_and_may_enter_again() {
        let gate = closed();
        let inside = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _pass = gate.enter();
                        let _again = gate.enter();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "another thread is in");
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn a_drop_does_not_wait_and_its_value_is_gone_before_the_next_thread_enters() {
        let gate = closed();
        let log = Arc::new(Mutex::new(Vec::new()));
        let nested = gate.hold(Logged("within", log.clone()));
        let held: Held<(Logged, Held<Logged>)> = gate.hold((Logged("held", log.clone()), nested));
        let (entered, is_entered) = channel();
        let (leave, may_leave) = channel::<()>();
        let (other, its_log) = (gate.clone(), log.clone());
        let other = thread::spawn(move || {
            let _pass = other.enter();
            entered.send(()).unwrap();
            may_leave.recv().unwrap();
            its_log.lock().unwrap().push("leaves");
        });
        is_entered.recv().unwrap();
        drop(held);
        assert!(log.lock().unwrap().is_empty(), "nothing is dropped while another thread is in");
        leave.send(()).unwrap();
        drop(gate.enter());
        log.lock().unwrap().push("next");
        other.join().unwrap();
        assert_eq!(*log.lock().unwrap(), ["leaves", "held", "within", "next"]);
        drop(gate.hold(Logged("at once", log.clone())));
        assert_eq!(log.lock().unwrap().last(), Some(&"at once"));
    }

    #[test]
    fn an_open_gate_lets_everybody_in() {
        let gate = Gate(None);
        let _pass = gate.enter();
        thread::scope(|scope| scope.spawn(|| drop(gate.enter())).join()).unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        drop(gate.hold(Logged("at once", log.clone())));
        assert_eq!(*log.lock().unwrap(), ["at once"]);
    }
}
