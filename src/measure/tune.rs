//! Chooses the form of each matrix product by short timings on the device. The choices are cached on disk.

mod mixed;
mod store;
mod trial;

use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::base::text::counted;
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::gpu::Class;
use crate::engine::machine::Machine;
use crate::kernels::forms::{Chosen, MatmulShape};
use crate::kernels::{Form, InputMap, Precision};
use crate::net::{Net, Sizes};
use crate::plan::kernel::Kernel;
pub use mixed::{first_fault, still_sound};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// Whether to time the forms of products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Tune {
    /// Never; use the default form for the class of the adapter.
    Off,
    /// On GPUs, for products that are not in the cache. On software adapters only cached choices are used, because their
    /// default form was the fastest: `force` found no faster form for any product on lavapipe and on llvmpipe's GL
    /// (784-128-10, 784-512-512-10, 784-2048-2048-10; most other forms take 1.3 to 4 times as long).
    #[default]
    Auto,
    /// On any adapter, for all products, including those in the cache.
    Force,
}

/// The result of [`tune`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning {
    /// The value for [`Config::forms`]: the forms from the configuration and the chosen ones.
    pub forms: Chosen,
    /// Number of products timed in this run.
    pub tried: usize,
    /// Number of products whose form was in the cache.
    pub known: usize,
    /// Time that the tuning took, including files.
    pub took: Duration,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// Time limit of the tuning, on any adapter. After this time a timing in progress is completed, but no further product
/// is timed. The remaining products keep the default form.
pub const BUDGET: Duration = Duration::from_millis(500);

/// Chooses forms for a training run. Forms that the configuration already has, from the record of a run, are kept, unless
/// `mode` is [`Tune::Force`] or they fail the self-test on this adapter. `cache` is the cache folder; with the same cache the
/// choice is the same.
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
    let mixed = config.precision == Precision::F16Mixed;
    let sizes = Sizes::of(config, data, machine.form(), machine.limit())?;
    let products = || {
        let net = Net::for_training(config, sizes.clone(), &InputMap::RAW);
        let product = |kernel: &Arc<dyn Kernel>| Some((MatmulShape::of(kernel.as_ref())?, kernel.clone()));
        net.plan.steps.iter().filter_map(product).collect::<BTreeMap<_, _>>()
    };
    if !tuning.forms.is_empty() {
        let names: Vec<String> = products().keys().map(ToString::to_string).collect();
        let fits = |name: &String, form: &mut Form| form.is_half() == mixed && names.contains(name);
        tuning.drop_unless(fits, "they are of another net or another precision");
    }
    let Machine::Gpu(gpu) = machine else { return Ok(tuning) };
    let (forms, unsound) = if mixed { mixed::forms(machine).await } else { (machine.forms(), None) };
    tuning.notes.extend(unsound);
    let runs = |_: &String, form: &mut Form| *form != Form::Coop || forms.contains(&Form::Coop);
    tuning.drop_unless(runs, "this adapter has no usable cooperative matrices");
    if forms.len() == 1 || mode == Tune::Off && !mixed {
        return Ok(tuning);
    }
    if mode == Tune::Force {
        tuning.forms.clear();
    }
    // The time of the self-test of cooperative matrices does not count.
    let begin = Instant::now();
    let wanted = products();
    let adapter = if mixed { format!("{} in mixed precision", gpu.line()) } else { gpu.line().to_string() };
    let mut store = cache.map(|folder| Store::open(folder, &adapter));
    let mut known = store.as_mut().map(|store| std::mem::take(&mut store.forms)).unwrap_or_default();

    let mut fresh = Chosen::new();
    for (product, kernel) in &wanted {
        // The first of the machine's forms that exists for this product.
        let general = forms.iter().copied().find(|form| product.forms().contains(form)).unwrap_or(product.forms()[0]);
        let name = product.to_string();
        if tuning.forms.contains_key(&name) {
            continue;
        }
        if mode == Tune::Auto
            && let Some(&form) = known.get(&name).filter(|form| product.forms().contains(form))
        {
            tuning.forms.insert(name, form);
            tuning.known += 1;
            continue;
        }
        if mode == Tune::Auto && gpu.class() == Class::Software {
            continue;
        }
        if mode == Tune::Off {
            // The form must be recorded with the run: the default would be the form for machines without cooperative matrices.
            tuning.forms.insert(name, general);
            continue;
        }
        let left = BUDGET.saturating_sub(begin.elapsed());
        // A product that was not timed is recorded with the run too, so that the record is complete. It is not cached.
        let form = match left {
            Duration::ZERO => general,
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
        && !(fresh.is_empty() && store.damage.is_none())
    {
        known.extend(fresh);
        store.forms = known;
        tuning.notes.extend(store.save());
    }
    tuning.took = begin.elapsed();
    Ok(tuning)
}

impl Tuning {
    /// Drops the forms that do not fit, with a note that names them.
    fn drop_unless(&mut self, fits: impl Fn(&String, &mut Form) -> bool, because: &str) {
        let dropped = self.forms.extract_if(.., |name, form| !fits(name, form));
        let dropped: Vec<String> = dropped.map(|(name, form)| format!("{name} {}", form.name())).collect();
        if let [first, ..] = dropped.as_slice() {
            let count = counted(dropped.len(), "form");
            self.notes.push(format!("{count} of the settings are not used ({first} …): {because}"));
        }
    }

    /// A line for the user; `None` if no product was timed or found in the cache.
    pub fn line(&self) -> Option<String> {
        let count = |form| self.forms.values().filter(|&&other| other == form).count();
        let forms = Form::all().filter(|&form| count(form) > 0);
        let forms: Vec<String> = forms.map(|form| format!("{} {}", count(form), form.name())).collect();
        let mut how = Vec::new();
        if self.known > 0 {
            how.push(format!("; {} known from earlier runs", self.known));
        }
        if self.tried > 0 {
            how.push(format!("; {} timed in {:.2} s", self.tried, self.took.as_secs_f64()));
        }
        (!how.is_empty()).then(|| format!("forms: {}{}", forms.join(", "), how.concat()))
    }
}
