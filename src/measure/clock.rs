//! Times dispatches. A sample repeats its dispatches until the overhead around them is small.

use super::spread::Spread;
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::engine::Engine;
use crate::plan::Work;
use crate::plan::tensor::TensorId;
use std::time::Duration;

/// What a sample of [`time`] includes. Nothing is subtracted.
pub const TIME_INCLUDES: &str =
    "encoding, submission, the dispatches one after another, one read-back of four bytes per sample";

/// Maximum number of repetitions of the work in a sample.
const MOST_ENTRIES: usize = 8192;

/// Work that takes more than this many times the budget is timed only once.
const SLOW: u32 = 4;

/// Time and samples of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// A sample repeats its work until it takes about this long.
    pub sample: Duration,
    /// After this time the measurement ends, but not before `least` samples.
    pub budget: Duration,
    /// Minimum number of samples.
    pub least: usize,
    /// Maximum number of samples.
    pub most: usize,
}

impl Effort {
    /// About a quarter of a second per measurement.
    pub const USUAL: Effort =
        Effort { sample: Duration::from_millis(10), budget: Duration::from_millis(250), least: 3, most: 25 };
    /// Short; only to choose between candidates.
    pub const GLANCE: Effort =
        Effort { sample: Duration::from_millis(2), budget: Duration::from_millis(20), least: 1, most: 3 };
}

/// The result of [`time`].
#[derive(Clone, Debug)]
pub struct Timing {
    /// Seconds per repetition.
    pub seconds: Spread,
    /// Repetitions per sample.
    pub repetitions: usize,
    /// Repetitions in total, including warm-up.
    pub total: usize,
}

/// Times a piece of work. `written` is a tensor that the work writes. Each sample ends by reading one word of that
/// tensor, to wait for the device.
///
/// The first samples determine the number of repetitions. They are the warm-up and are not returned.
///
/// # Errors
/// If the device fails.
pub async fn time(engine: &mut dyn Engine, work: &Work, written: TensorId, effort: &Effort) -> Result<Timing, Error> {
    let mut total = 0;
    let mut entries = vec![work.clone()];
    // An extra sample first: it may include compilation or the first access to memory.
    sample(engine, &entries, written, &mut total).await?;
    let mut took;
    loop {
        took = sample(engine, &entries, written, &mut total).await?;
        if 2 * took >= effort.sample || entries.len() >= MOST_ENTRIES {
            break;
        }
        let wanted = effort.sample.as_secs_f64() / took.as_secs_f64().max(1e-9);
        let factor = (wanted.ceil() as usize).clamp(2, 16);
        entries.resize((entries.len() * factor).min(MOST_ENTRIES), work.clone());
    }
    let begin = Instant::now();
    let mut seconds = Vec::new();
    if took > SLOW * effort.budget {
        // Repeating such slow work would take minutes and add little information.
        seconds.push(took.as_secs_f64() / entries.len() as f64);
        return Ok(Timing { seconds: Spread::of(seconds), repetitions: entries.len(), total });
    }
    while seconds.len() < effort.least.max(1) || seconds.len() < effort.most && begin.elapsed() < effort.budget {
        let took = sample(engine, &entries, written, &mut total).await?;
        seconds.push(took.as_secs_f64() / entries.len() as f64);
    }
    Ok(Timing { seconds: Spread::of(seconds), repetitions: entries.len(), total })
}

async fn sample(
    engine: &mut dyn Engine,
    entries: &[Work],
    written: TensorId,
    total: &mut usize,
) -> Result<Duration, Error> {
    *total += entries.len();
    let begin = Instant::now();
    engine.run(entries).await?;
    engine.read(written, 0..1).await?;
    Ok(begin.elapsed())
}
