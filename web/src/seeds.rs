//! Several seeds of the same run at once.

use crate::data::Data;
use crate::device::Device;
use crate::json;
use crate::position::{Position, Scored, advance};
use gpu_mlp::Error;
use gpu_mlp::config::Config;
use gpu_mlp::train::Trainer;
use gpu_mlp::train::fleet;
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// Copies of the lasting tensors on the host: the start of a replay.
const COPIES: u64 = 1;

/// Runs that differ in their seed only. On WebGPU they share dispatches; the CPU computes one after another. Each is
/// bit-identical to the same run on its own.
#[wasm_bindgen]
pub struct Seeds {
    /// Each inner list shares one group.
    waves: Vec<Vec<Trainer<'static>>>,
}

#[derive(Serialize)]
struct Tested {
    positions: Vec<Position>,
    tests: Vec<Option<Scored>>,
}

#[wasm_bindgen]
impl Seeds {
    /// Sets up `count` runs, with the seed of the settings and those that follow it.
    ///
    /// # Errors
    /// If a setting is unknown or does not suit the data, or if the device fails.
    pub async fn open(device: &Device, data: &Data, config: String, count: u32) -> Result<Seeds, JsError> {
        let config: Config = serde_json::from_str(&config)?;
        let seeded = |at: u32| Config { seed: config.seed.wrapping_add(at.into()), ..config.clone() };
        let configs: Vec<Config> = (0..count).map(seeded).collect();
        let machine = &device.machine;
        let mut waves = Vec::new();
        for wave in fleet::waves(&configs, data.set, machine)? {
            let group = fleet::group(machine, wave.len());
            let mut trainers = Vec::new();
            for run in wave {
                trainers.push(Trainer::open_in(&configs[run], data.set, machine, group.as_ref(), COPIES).await?);
            }
            waves.push(trainers);
        }
        Ok(Seeds { waves })
    }

    /// How many runs share each dispatch: 1 on the CPU.
    pub fn together(&self, device: &Device) -> usize {
        let most = self.waves.iter().map(Vec::len).max().unwrap_or(0);
        if device.machine.name() == "gpu" { most } else { most.min(1) }
    }

    /// Makes this many updates in every run, or fewer if it ends before, and then scores the test split. JSON: `positions`
    /// and `tests`, one per run, as [`crate::run::Run::advance`] and [`crate::run::Run::test`] return them.
    ///
    /// # Errors
    /// If the device fails, or if a loss or a parameter is not finite; the message names the cause.
    pub async fn advance(&mut self, updates: u32) -> Result<String, JsError> {
        let mut tested = Tested { positions: Vec::new(), tests: Vec::new() };
        for wave in &mut self.waves {
            // The runs of a group only queue work: their futures must be polled side by side.
            let runs = wave.iter_mut().map(|trainer| async move {
                let position = advance(trainer, updates).await?;
                let test = trainer.evaluate().await?.map(Scored::from);
                Ok::<_, Error>((position, test))
            });
            for run in fleet::side_by_side(runs).await {
                let (position, test) = run?;
                tested.positions.push(position);
                tested.tests.push(test);
            }
        }
        json(&tested)
    }
}
