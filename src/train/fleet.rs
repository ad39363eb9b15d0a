//! Several runs side by side on one machine.
//!
//! On a GPU, runs with equal plans share one [`Group`]: their dispatches are merged. On the CPU, each run is computed by one
//! thread. Every run is bit-identical to the same run on its own.

use super::session::COPIES;
use super::trainer::net;
use crate::base::error::Error;
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::gpu::{Group, signature};
use crate::engine::machine::Machine;
use crate::engine::memory;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// Divides runs on one data set into waves, which are trained one after another. The runs of a wave fit into one group:
/// their plans differ in values only. Returns the positions of the runs in `configs`.
///
/// # Errors
/// [`Error::Setting`] if settings cannot be used with this data.
pub fn waves(configs: &[Config], data: &DataSet, machine: &Machine) -> Result<Vec<Vec<usize>>, Error> {
    let mut waves: Vec<(String, Vec<usize>)> = Vec::new();
    for (run, config) in configs.iter().enumerate() {
        let net = net(config, data, machine)?;
        let state: u64 = net.lasting().iter().map(|id| id.bytes()).sum();
        // Streamed samples differ from run to run.
        let streams = net.training.as_ref().is_some_and(|training| training.source.window < training.source.count);
        let most = if streams { 1 } else { memory::models(&net.plan, machine.room(), COPIES * state) };
        let signature = signature(&net.plan);
        match waves.iter_mut().find(|(same, runs)| *same == signature && runs.len() < most) {
            Some((_, runs)) => runs.push(run),
            None => waves.push((signature, vec![run])),
        }
    }
    Ok(waves.into_iter().map(|(_, runs)| runs).collect())
}

/// A group for a wave of this many runs; `None` on the CPU, and for a single run.
pub fn group(machine: &Machine, runs: usize) -> Option<Group> {
    match machine {
        Machine::Gpu(gpu) if runs > 1 => Some(Group::new(gpu.clone(), runs)),
        _ => None,
    }
}

/// Polls futures side by side until all are ready. The runs of a group must be polled by one task.
pub async fn side_by_side<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<Result<T, Pin<Box<_>>>> = futures.into_iter().map(|future| Err(Box::pin(future))).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for run in &mut running {
            let Err(future) = run else { continue };
            match future.as_mut().poll(context) {
                Poll::Ready(result) => *run = Ok(result),
                Poll::Pending => waits = true,
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(Result::ok).collect()
}
