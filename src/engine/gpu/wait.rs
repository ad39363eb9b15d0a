//! Waits for the GPU without blocking the caller: one thread blocks in the driver and wakes the tasks that wait.

use super::fault::{Fault, Faults};
use super::shared::SharedDevice;
use super::signal::Signal;
use crate::base::clock::{Instant, sleep};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A submission that a task waits for.
struct Request {
    index: wgpu::SubmissionIndex,
    arrived: Box<dyn Fn() -> bool + Send>,
    give_up: Box<dyn Fn(Fault) + Send>,
}

/// If the thread ends early, its dropped requests set an error. A value that was set before stays.
impl Drop for Request {
    fn drop(&mut self) {
        (self.give_up)(Fault::Lost("the thread that waits for the GPU has ended".into()));
    }
}

/// The thread that blocks in the driver. Dropping the `Poller` ends the thread and waits for it: a driver can crash if
/// the program exits while a thread is still in the driver.
pub(super) struct Poller {
    /// `None` only during the drop.
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<()>>,
    closing: Arc<AtomicBool>,
}

/// Longest wait for the callback of a finished submission, which another thread may be about to call. Also the longest
/// wait for the thread to end.
const GRACE: Duration = Duration::from_secs(10);

impl Poller {
    pub fn new(shared: SharedDevice, faults: Faults) -> Self {
        let (requests, inbox) = channel::<Request>();
        let closing = Arc::new(AtomicBool::new(false));
        let closed = closing.clone();
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            let _end = end;
            while let Ok(request) = inbox.recv() {
                if let Err(fault) = wait(&shared, &faults, &closed, &request) {
                    (request.give_up)(fault);
                }
            }
        });
        Poller { requests: Some(requests), thread: Some(thread), ended: Mutex::new(ended), closing }
    }

    /// Waits for a submission, whose callback sets `signal`.
    pub fn watch<T: Send + 'static>(&self, index: wgpu::SubmissionIndex, signal: &Signal<T>) {
        let (asked, told) = (signal.clone(), signal.clone());
        let arrived = Box::new(move || asked.is_set());
        let give_up = Box::new(move |fault: Fault| told.set(Err(fault.into())));
        let request = Request { index, arrived, give_up };
        if let Some(requests) = &self.requests {
            // If the thread has ended, the request is dropped, and its drop sets an error.
            let _ = requests.send(request);
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.requests = None;
        // A driver that never answers would block the thread for ever. The program must still end.
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Disconnected) {
            // If the thread panicked, the panic has been printed.
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

fn wait(shared: &SharedDevice, faults: &Faults, closing: &AtomicBool, request: &Request) -> Result<(), Fault> {
    let mut finished: Option<Instant> = None;
    while !(request.arrived)() {
        if closing.load(Ordering::Relaxed) {
            return Err(Fault::Lost("it was closed while work was in flight".into()));
        }
        if let Some(fault) = faults.get(shared) {
            return Err(fault);
        }
        if let Some(since) = finished {
            if since.elapsed() > GRACE {
                return Err(Fault::Lost("it finished the work but never reported it".into()));
            }
            sleep(Duration::from_micros(100));
            continue;
        }
        // No timeout: in wgpu up to 30.0.1 a wait that times out while another thread submits can panic
        // (gfx-rs/wgpu#9958). A driver ends the wait if it loses the device.
        let timeout = None;
        let submission_index = Some(request.index.clone());
        let waited = shared.enter().device.poll(wgpu::PollType::Wait { submission_index, timeout });
        match waited {
            Ok(_) => finished = Some(Instant::now()),
            Err(wgpu::PollError::Timeout) => {}
            Err(error) => return Err(Fault::Lost(error.to_string())),
        }
    }
    Ok(())
}
