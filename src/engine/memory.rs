//! Checks that a plan fits a machine, before anything is allocated.

use crate::base::error::{Error, Oversize};
use crate::base::text::bytes;
use crate::plan::Plan;
use crate::plan::kernel::MODELS;
use crate::plan::tensor::{Role, Tensor};

/// How much a machine can hold.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Largest tensor that it can bind, in bytes.
    pub tensor: u64,
    /// Whether tensors are in the host's memory: true for the CPU engine and for software adapters.
    pub on_host: bool,
}

/// Checks that a plan fits. The machine must be able to bind each tensor plus `fence` bytes. The host's free memory, if known
/// (on Linux), must hold `beside` bytes, and also all tensors if they are in the host's memory.
///
/// # Errors
/// [`Error::TooLarge`] names the largest tensor and says what decides its size.
pub fn check(plan: &Plan, room: Room, fence: u64, beside: u64) -> Result<(), Error> {
    let Some(largest) = largest(plan) else { return Ok(()) };
    let shape = format!("{}{}", largest.name, largest.id.shape());
    let needed = largest.id.bytes() + fence;
    if needed > room.tensor {
        let cause = cause(largest, needed, room.tensor);
        return Err(Error::TooLarge { what: shape, needed, holder: "this adapter binds", limit: room.tensor, cause });
    }
    let tensors = if room.on_host { plan.bytes() + fence * plan.tensors.len() as u64 } else { 0 };
    let needed = tensors + beside;
    let Some(limit) = free().filter(|&free| needed > free) else { return Ok(()) };
    let (what, cause) = if tensors >= beside {
        let share = bytes(largest.id.bytes());
        (format!("the net ({share} of it for {shape})"), cause(largest, needed, limit))
    } else {
        let copies = bytes(beside);
        (format!("the net, with {copies} for copies of what training changes,"), Oversize::Width)
    };
    Err(Error::TooLarge { what, needed, holder: "the free memory allows", limit, cause })
}

/// How many models of a group fit, at least 1. Each needs all tensors of the plan but the samples, which exist once, and
/// `beside` bytes on the host.
pub fn models(plan: &Plan, room: Room, beside: u64) -> usize {
    let own = |tensor: &&Tensor| tensor.role != Role::Data;
    let largest = plan.tensors.iter().filter(own).map(|tensor| tensor.id.bytes()).max().unwrap_or(0);
    // Shaders count the words of all models in 32 bits.
    let bound = room.tensor.min(4 * u64::from(u32::MAX)) / largest.max(1);
    let bytes: u64 = plan.tensors.iter().filter(own).map(|tensor| tensor.id.bytes()).sum();
    let on_host = if room.on_host { [plan.bytes() - bytes, bytes] } else { [0, 0] };
    let held = free().map_or(u64::MAX, |free| free.saturating_sub(on_host[0]) / (on_host[1] + beside).max(1));
    bound.min(held).clamp(1, MODELS as u64) as usize
}

/// Checks that shaders, which count words in 32 bits, can address every tensor.
///
/// # Errors
/// [`Error::TooLarge`] names the largest tensor.
pub fn addressable(plan: &Plan) -> Result<(), Error> {
    let limit = 4 * (u64::from(u32::MAX) + 1);
    let Some(largest) = largest(plan).filter(|tensor| tensor.id.bytes() > limit) else { return Ok(()) };
    let needed = largest.id.bytes();
    let what = format!("{}{}", largest.name, largest.id.shape());
    Err(Error::TooLarge { what, needed, holder: "a shader counts", limit, cause: cause(largest, needed, limit) })
}

fn largest(plan: &Plan) -> Option<&Tensor> {
    plan.tensors.iter().max_by_key(|tensor| tensor.id.bytes())
}

/// What decides the size of a tensor that needs `needed` bytes of at most `limit`.
fn cause(tensor: &Tensor, needed: u64, limit: u64) -> Oversize {
    match tensor.role {
        Role::Data | Role::Order => Oversize::Data,
        Role::Activation { .. } | Role::ErrorSignal { .. } => {
            let rows = (tensor.id.rows as f64 * limit as f64 / needed as f64) as usize;
            // If not even one row fits, only narrower layers help.
            rows.checked_ilog2().map_or(Oversize::Width, |power| Oversize::MicroBatch { rows: 1 << power })
        }
        // The batch of an evaluation is chosen to fit, so only the widths can be at fault.
        _ => Oversize::Width,
    }
}

/// Bytes of memory available to a new program, if the system reports it.
#[cfg(target_os = "linux")]
fn free() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = 1024 * line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?;
    // A container may have less. Without a limit the file says `max`.
    let number = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    // The kernel can free cached files of a container.
    let cached = std::fs::read_to_string("/sys/fs/cgroup/memory.stat").ok();
    let cached = cached.as_deref().and_then(|stat| stat.lines().find_map(|line| line.strip_prefix("inactive_file ")));
    let cached: u64 = cached.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0);
    let group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, used)| most.saturating_sub(used.saturating_sub(cached)));
    Some(group.map_or(available, |group| group.min(available)))
}

#[cfg(not(target_os = "linux"))]
fn free() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_follows_from_the_role() {
        let of = |role, rows| {
            let mut plan = Plan::default();
            plan.f32("x", role, rows, 4);
            cause(&plan.tensors[0], 1 << 32, 128 << 20)
        };
        assert_eq!(of(Role::Data, 60_000), Oversize::Data);
        for role in [Role::Parameter { layer: 1 }, Role::Optimizer { layer: 2 }, Role::Evaluation, Role::Record] {
            assert_eq!(of(role, 4096), Oversize::Width);
        }
        for role in [Role::Activation { layer: 1 }, Role::ErrorSignal { layer: 1 }] {
            assert_eq!(of(role, 4096), Oversize::MicroBatch { rows: 128 });
            assert_eq!(of(role, 1), Oversize::Width);
        }
    }
}
