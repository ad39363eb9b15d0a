//! Keeps the fault that a device reports until a caller reads it.

use super::shared::SharedDevice;
use crate::base::clock::{Instant, sleep};
use crate::base::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A fault of a device, with the message of wgpu or the driver.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The device is lost.
    Lost(String),
    /// Out of memory.
    NoMemory(String),
    /// A call was invalid.
    Refused(String),
}

impl From<wgpu::Error> for Fault {
    fn from(error: wgpu::Error) -> Fault {
        match &error {
            wgpu::Error::OutOfMemory { .. } => Fault::NoMemory(error.to_string()),
            wgpu::Error::Validation { .. } => Fault::Refused(error.to_string()),
            wgpu::Error::Internal { .. } => Fault::Lost(error.to_string()),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        match fault {
            Fault::Lost(reason) => Error::DeviceLost { reason },
            Fault::NoMemory(reason) => Error::OutOfMemory { reason },
            Fault::Refused(reason) => Error::DeviceRefused { reason },
        }
    }
}

/// The fault of a device, if any. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Option<Fault>>>);

impl Faults {
    /// Keeps the first fault. A lost device replaces a refused call, because the loss may be the cause.
    pub fn note(&self, fault: Fault) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() || matches!((&*kept, &fault), (Some(Fault::Refused(_)), Fault::Lost(_))) {
            *kept = Some(fault);
        }
    }

    fn kept(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The fault, if any.
    pub fn get(&self, shared: &SharedDevice) -> Option<Fault> {
        self.kept().map(|fault| self.explained(fault, shared))
    }

    /// Replaces a refused call by its cause, a lost device, if that is reported within ten seconds. From the moment of
    /// the loss wgpu refuses every call, but it reports the loss later: when the queue is empty and a thread polls.
    pub fn explained(&self, fault: Fault, shared: &SharedDevice) -> Fault {
        let begin = Instant::now();
        let mut idle = 0;
        while matches!(fault, Fault::Refused(_)) && idle < 20 && begin.elapsed() < Duration::from_secs(10) {
            if let Some(lost @ Fault::Lost(_)) = self.kept() {
                return lost;
            }
            let status = shared.enter().device.poll(wgpu::PollType::Poll);
            idle += u32::from(matches!(status, Ok(wgpu::PollStatus::QueueEmpty)));
            sleep(Duration::from_millis(1));
        }
        fault
    }
}
