//! Which forms mixed precision may take on a machine: cooperative matrices only where they have just proved right.

use crate::base::error::Error;
use crate::engine::machine::Machine;
use crate::engine::parity::judge;
use crate::engine::{Engine, Memory};
use crate::kernels::forms::Chosen;
use crate::kernels::{Form, cases};
use crate::plan::Plan;
use crate::plan::kernel::Needs;

/// The forms, the one that suits the machine first; and what the user should know.
pub(super) async fn forms(machine: &Machine) -> (&'static [Form], Option<String>) {
    if machine.offers() < Needs::Coop {
        return (&[Form::Half], None);
    }
    // A driver that refuses the shaders has failed the test, too.
    let fault = first_fault(async |plan, memory| machine.engine_with(plan, memory).await).await;
    match fault.unwrap_or_else(|error| Some(error.to_string())) {
        None => (&[Form::Coop, Form::Half], None),
        Some(fault) => {
            let note = format!("cooperative matrices fail their self-test on this adapter and are not used: {fault}");
            (&[Form::Half], Some(note))
        }
    }
}

/// Refuses a run that goes on with cooperative matrices where they fail their self-test.
///
/// # Errors
/// [`Error::DeviceRefused`] says how they fail.
pub async fn still_sound(forms: &Chosen, machine: &Machine) -> Result<(), Error> {
    if !forms.values().any(|&form| form == Form::Coop) || matches!(machine, Machine::Cpu) {
        return Ok(());
    }
    match first_fault(async |plan, memory| machine.engine_with(plan, memory).await).await? {
        None => Ok(()),
        Some(fault) => {
            Err(Error::DeviceRefused { reason: format!("cooperative matrices fail their self-test: {fault}") })
        }
    }
}

/// What is wrong with cooperative matrices on an engine, asked of every second case: wrong sums were seen on real adapters
/// where they are carried from one product to the next, and edges are where matrices read what is not theirs.
///
/// # Errors
/// If the engine cannot be made or does not answer.
pub async fn first_fault<F>(factory: F) -> Result<Option<String>, Error>
where
    F: AsyncFn(&Plan, Memory) -> Result<Box<dyn Engine>, Error>,
{
    let cases = cases().into_iter().filter(|case| case.plan.steps[0].shader().needs() == Needs::Coop);
    for case in cases.step_by(2) {
        let verdict = judge(&case, &factory).await?;
        if let Some(fault) = verdict.fault {
            return Ok(Some(format!("{} {}: {fault}", verdict.kernel, verdict.case)));
        }
    }
    Ok(None)
}
