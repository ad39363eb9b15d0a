//! Choosing the form of each matrix product by trying: a moment of timing on the open device, kept on disk.

mod mixed;
mod store;
mod trial;

use crate::base::error::Error;
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::gpu::Class;
use crate::engine::machine::Machine;
use crate::kernels::forms::{Chosen, MatmulShape};
use crate::kernels::{Form, Precision};
use crate::net::{Net, Sizes};
use crate::plan::kernel::Kernel;
pub use mixed::{first_fault, still_sound};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;

/// Whether to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Tune {
    /// Never: the form that suits the class of the adapter.
    Off,
    /// On GPUs, for products that were not tried before. On software adapters only what is remembered is taken: on
    /// lavapipe and on llvmpipe's GL `force` has found no product for which another form than theirs was faster
    /// (784-128-10, 784-512-512-10, 784-2048-2048-10; most others take 1.3 to 4 times as long).
    #[default]
    Auto,
    /// On any adapter, and all products anew.
    Force,
}

/// What was chosen, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning {
    /// To be put into [`Config::forms`]: what the configuration came with, and what was chosen.
    pub forms: Chosen,
    /// Products that were tried in this run.
    pub tried: usize,
    /// Products whose form was known from earlier runs.
    pub known: usize,
    /// Time it took, files included.
    pub took: Duration,
    /// Something the user should know.
    pub note: Option<String>,
}

/// After this time no product's trial begins, whatever the adapter; one that has begun is finished. What has not been tried
/// by then keeps the default.
pub const BUDGET: Duration = Duration::from_millis(500);

/// Chooses forms for a training run. Those that the configuration came with, from the record of a run, stay, unless all are
/// to be tried or the adapter cannot be trusted with them. `cache` is the folder that remembers; the same memory gives the
/// same choice.
///
/// # Errors
/// If the device fails. A file that cannot be read or written is a note.
pub async fn tune(
    config: &Config,
    data: &DataSet,
    machine: &Machine,
    mode: Tune,
    cache: Option<&Path>,
) -> Result<Tuning, Error> {
    let mut tuning = Tuning { forms: config.forms.clone(), ..Tuning::default() };
    let Machine::Gpu(gpu) = machine else { return Ok(tuning) };
    let mixed = config.precision == Precision::F16Mixed;
    let (forms, unsound) = if mixed { mixed::forms(machine).await } else { (machine.forms(), None) };
    tuning.forms.retain(|_, form| *form != Form::Coop || forms.contains(&Form::Coop));
    if forms.len() == 1 || mode == Tune::Off && !mixed {
        tuning.note = unsound;
        return Ok(tuning);
    }
    if mode == Tune::Force {
        tuning.forms.clear();
    }
    // The self-test of cooperative matrices is not a trial.
    let begin = Instant::now();
    let net = Net::for_training(config, Sizes::of(data, machine.form(), machine.limit()), 1.0, 0.0);
    let wanted: BTreeMap<MatmulShape, &Arc<dyn Kernel>> =
        net.plan.steps.iter().filter_map(|kernel| Some((MatmulShape::of(kernel.as_ref())?, kernel))).collect();
    let adapter = if mixed { format!("{} in mixed precision", gpu.line()) } else { gpu.line().to_string() };
    let mut store = cache.map(|folder| Store::open(folder, &adapter));
    let mut known = store.as_mut().map(|store| std::mem::take(&mut store.forms)).unwrap_or_default();
    let mut note = store.as_mut().and_then(|store| store.note.take());

    let mut fresh = Chosen::new();
    for (product, kernel) in &wanted {
        let name = product.to_string();
        if tuning.forms.contains_key(&name) {
            continue;
        }
        if mode == Tune::Auto
            && let Some(&form) = known.get(&name)
        {
            tuning.forms.insert(name, form);
            tuning.known += 1;
            continue;
        }
        if mode == Tune::Auto && gpu.class() == Class::Software {
            continue;
        }
        if mode == Tune::Off {
            // What a run does not write down would be the form for machines without cooperative matrices.
            tuning.forms.insert(name, forms[0]);
            continue;
        }
        let left = BUDGET.saturating_sub(begin.elapsed());
        // What was not tried is written down all the same, so that the record of the run is whole; but not remembered.
        let form = match left {
            Duration::ZERO => forms[0],
            left => {
                let form = trial::fastest(machine, forms, kernel, *product, left / 2).await?;
                tuning.tried += 1;
                fresh.insert(name.clone(), form);
                form
            }
        };
        tuning.forms.insert(name, form);
    }
    if let Some(store) = &mut store
        && !fresh.is_empty()
    {
        known.extend(fresh);
        store.forms = known;
        if let Err(error) = store.save() {
            note.get_or_insert(format!("the choice of forms was not kept: {error}"));
        }
    }
    tuning.note = note;
    tuning.took = begin.elapsed();
    Ok(tuning)
}

impl Tuning {
    /// One line for people, or nothing if nothing was tried or remembered.
    pub fn line(&self) -> Option<String> {
        let count = |form| self.forms.values().filter(|&&other| other == form).count();
        let forms = Form::all().filter(|&form| count(form) > 0);
        let forms: Vec<String> = forms.map(|form| format!("{} {}", count(form), form.name())).collect();
        let mut how = Vec::new();
        if self.known > 0 {
            how.push(format!("; {} known from earlier runs", self.known));
        }
        if self.tried > 0 {
            how.push(format!("; {} tried in {:.2} s", self.tried, self.took.as_secs_f64()));
        }
        (!how.is_empty()).then(|| format!("forms: {}{}", forms.join(", "), how.concat()))
    }
}
