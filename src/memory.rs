//! What a plan needs and what a machine has, compared before anything is allocated.

use crate::error::Error;
use crate::gpu::Class;
use crate::machine::Machine;
use crate::plan::Plan;

/// A number of bytes as people write it: `4.0 GiB`.
pub fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..units.len() - 1).take_while(|&power| count >> (10 * (power + 1)) > 0).count();
    let value = count as f64 / (1u64 << (10 * power)) as f64;
    match power {
        0 => format!("{count} B"),
        _ if value < 10.0 => format!("{value:.1} {}", units[power]),
        _ => format!("{value:.0} {}", units[power]),
    }
}

/// Checks that a plan fits: each tensor what the adapter can bind; and what the host holds, `beside` bytes and for the CPU
/// engine and adapters that are programs all tensors, what memory is free, where that is known (on Linux). `fence` bytes come
/// on top of each tensor.
///
/// # Errors
/// [`Error::TooLarge`] names the largest tensor and says what makes it smaller.
pub fn check(plan: &Plan, machine: &Machine, fence: u64, beside: u64) -> Result<(), Error> {
    let Some(largest) = plan.tensors.iter().max_by_key(|tensor| tensor.id.bytes()) else { return Ok(()) };
    let needed = largest.id.bytes() + fence;
    if needed > machine.limit() {
        let what = format!("{}{}", largest.name, largest.id.shape());
        let next = advice(&largest.name, largest.id.rows, needed, machine);
        return Err(Error::TooLarge { what, needed, holder: "this adapter binds", limit: machine.limit(), next });
    }
    let on_host = match machine {
        Machine::Cpu => true,
        Machine::Gpu(gpu) => gpu.class() == Class::Software,
    };
    let tensors = if on_host { plan.bytes() + fence * plan.tensors.len() as u64 } else { 0 };
    let needed = tensors + beside;
    match free().filter(|&free| needed > free) {
        Some(limit) => {
            let (what, next) = if tensors >= beside {
                let share = bytes(largest.id.bytes());
                let what = format!("the net ({share} of it for {}{})", largest.name, largest.id.shape());
                (what, smaller(&largest.name, largest.id.rows, needed, limit, true))
            } else {
                let what = format!("the net, with {} to save and restore what training changes,", bytes(beside));
                (what, "use narrower layers (--hidden)".into())
            };
            Err(Error::TooLarge { what, needed, holder: "the free memory allows", limit, next })
        }
        None => Ok(()),
    }
}

/// Checks that a shader can count the words of each tensor, which it does in 32 bits.
///
/// # Errors
/// [`Error::TooLarge`] names the largest tensor.
pub fn addressable(plan: &Plan) -> Result<(), Error> {
    let limit = 4 * (u64::from(u32::MAX) + 1);
    match plan.tensors.iter().max_by_key(|tensor| tensor.id.bytes()).filter(|tensor| tensor.id.bytes() > limit) {
        None => Ok(()),
        Some(largest) => {
            let (what, needed) = (format!("{}{}", largest.name, largest.id.shape()), largest.id.bytes());
            let next = smaller(&largest.name, largest.id.rows, needed, limit, true);
            Err(Error::TooLarge { what, needed, holder: "a shader counts", limit, next })
        }
    }
}

/// What makes a tensor smaller, that of a plan for a machine.
fn advice(name: &str, rows: usize, needed: u64, machine: &Machine) -> String {
    smaller(name, rows, needed, machine.limit(), matches!(machine, Machine::Cpu))
}

fn smaller(name: &str, rows: usize, needed: u64, limit: u64, on_host: bool) -> String {
    // What belongs to a parameter has its name behind its own: `v_w1`, `ema_w1`, and its gradient `dw1`.
    let of = name.rsplit('_').next().unwrap_or(name).trim_start_matches('d');
    if name.ends_with("pixels") || name.ends_with("labels") || name.ends_with("order") {
        return "leave out --upload resident, or use a smaller --batch-size".into();
    }
    // A tensor that belongs to no parameter has as many rows as samples are on the device at a time.
    let fits = (rows as f64 * limit as f64 / needed as f64) as usize;
    // An evaluation takes as many samples at a time as fit.
    let evaluated = name.starts_with("test_") || name.starts_with("validation_");
    if of.starts_with(['w', 'b']) || rows == 1 || fits == 0 || evaluated {
        let other = if on_host { "" } else { ", or --engine cpu" };
        return format!("use narrower layers (--hidden){other}");
    }
    format!("use a smaller --batch-size, or cut it with --physical-batch {}", 1 << fits.ilog2())
}

/// Bytes that can be had without harming other programs, if the system says.
#[cfg(target_os = "linux")]
fn free() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = 1024 * line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?;
    // A container may have less; where it has no limit, the file says `max`.
    let number = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    // Of what a container uses, files that were read once can go.
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
    fn bytes_are_written_with_a_unit() {
        let written = [0, 1023, 1024, 128 << 20, (4 << 30) - 1, 4 << 30, u64::MAX].map(bytes);
        assert_eq!(written, ["0 B", "1023 B", "1.0 KiB", "128 MiB", "4.0 GiB", "4.0 GiB", "16777216 TiB"]);
    }

    #[test]
    fn advice_follows_from_what_is_too_large() {
        assert!(smaller("test_pixels", 60000, 4, 1, false).contains("--upload resident"));
        for name in ["w1", "dw2", "v_w12", "old_w2", "s_w2", "ema_b1", "test_h1", "validation_x0"] {
            assert_eq!(smaller(name, 4, 4, 1, false), "use narrower layers (--hidden), or --engine cpu");
            assert_eq!(smaller(name, 4, 4, 1, true), "use narrower layers (--hidden)");
        }
        for name in ["h1", "dh1", "dlogits"] {
            assert!(smaller(name, 4096, 1 << 32, 128 << 20, true).ends_with("--physical-batch 128"), "{name}");
        }
    }
}
