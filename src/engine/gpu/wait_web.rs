//! Waits for the GPU in a browser. The browser calls back by itself, so no thread has to wait for it.

use super::fault::Faults;
use super::shared::SharedDevice;
use super::signal::Signal;

/// Takes the place of the thread that waits on other platforms.
pub(super) struct Poller;

impl Poller {
    pub fn new(_: SharedDevice, _: Faults) -> Self {
        Poller
    }

    /// Does nothing: the callback of the submission sets `signal`, also if the device is lost.
    pub fn watch<T: Send + 'static>(&self, _: wgpu::SubmissionIndex, _: &Signal<T>) {}
}
