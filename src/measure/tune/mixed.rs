//! The forms for mixed precision on a machine. Cooperative matrices are used only if they pass a self-test.

use crate::base::error::Error;
use crate::engine::machine::Machine;
use crate::engine::parity::compare_case;
use crate::engine::{Engine, Memory};
use crate::kernels::forms::Chosen;
use crate::kernels::{Form, cases};
use crate::plan::Plan;
use crate::plan::kernel::Needs;

/// The available forms, the preferred one first, and a note for the user.
pub(super) async fn forms(machine: &Machine) -> (&'static [Form], Option<String>) {
    if machine.offers() < Needs::Coop {
        return (&[Form::Half], None);
    }
    // An error from the driver counts as a failed self-test.
    let fault = first_fault(async |plan, memory| machine.engine_with(plan, memory).await).await;
    match fault.unwrap_or_else(|error| Some(error.to_string())) {
        None => (&[Form::Coop, Form::Half], None),
        Some(fault) => {
            let note = format!("cooperative matrices fail their self-test on this adapter and are not used: {fault}");
            (&[Form::Half], Some(note))
        }
    }
}

/// Runs the self-test for a resumed run that uses cooperative matrices.
///
/// # Errors
/// [`Error::DeviceRefused`] with the fault if the self-test fails.
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

/// The self-test of cooperative matrices on an engine: runs every second parity case and returns the first fault. It
/// covers two known risks: real adapters have computed wrong sums when a sum was carried from one product to the next,
/// and matrices at an edge may read values outside their tensor.
///
/// # Errors
/// If the engine cannot be created or does not answer.
pub async fn first_fault<F>(factory: F) -> Result<Option<String>, Error>
where
    F: AsyncFn(&Plan, Memory) -> Result<Box<dyn Engine>, Error>,
{
    let cases = cases().into_iter().filter(|case| case.plan.steps[0].shader().needs() == Needs::Coop);
    for case in cases.step_by(2) {
        let verdict = compare_case(&case, &factory).await?;
        if let Some(fault) = verdict.fault {
            return Ok(Some(format!("{} {}: {fault}", verdict.kernel, verdict.case)));
        }
    }
    Ok(None)
}
