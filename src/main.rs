//! The `gpu-mlp` program: parse, run, exit code. The only place that prints an error.

/// Replaces the standard macro, which panics if stderr is a closed pipe.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod cli;

use gpu_mlp::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut processes = None;
    match run(&mut processes) {
        Ok(code) => code,
        Err(error) => {
            let known = error.downcast_ref::<Error>();
            let print = || {
                eprintln!("error: {error:#}");
                known.iter().for_each(|known| eprintln!("next: {}", cli::next(known)));
            };
            match &processes {
                // All processes have the same values, so all have met this error.
                Some(processes) => processes.fail(known.map_or(1, exit_code), known.is_some_and(of_values), print),
                None => print(),
            }
            match known {
                Some(known) => {
                    if matches!(known, Error::NoAnswer { .. }) {
                        // A thread still waits in the driver. Exit at once: a normal exit could crash the driver.
                        signal_hook::low_level::exit(exit_code(known).into());
                    }
                    ExitCode::from(exit_code(known))
                }
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn run(processes: &mut Option<cli::Processes>) -> anyhow::Result<ExitCode> {
    let cli = cli::Cli::read()?;
    cli.log();
    *processes = Some(cli.connect()?);
    // The errors of files have paths; those of stdout reach this place bare.
    pollster::block_on(cli.run()).map_err(|error| match error.downcast::<std::io::Error>() {
        Ok(error) => Error::file("stdout")(error).into(),
        Err(error) => error,
    })
}

/// Whether the error is about a value that is not finite.
fn of_values(error: &Error) -> bool {
    matches!(error, Error::Diverged { .. } | Error::NotFinite { .. })
}

/// Exit code of an error: 1 run-time failure, 2 usage, 4 no usable adapter, 5 bad or missing data, 6 diverged or not
/// finite. Commands return 3 for a failed check.
fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Setting(_)
        | Error::Config { .. }
        | Error::TooLarge { .. }
        | Error::Taken { .. }
        | Error::Busy { .. } => 2,
        Error::NoAdapter { .. } => 4,
        Error::Data { .. }
        | Error::NoMnist { .. }
        | Error::Model { .. }
        | Error::Altered { .. }
        | Error::IsCheckpoint { .. }
        | Error::Checkpoint { .. } => 5,
        error if of_values(error) => 6,
        _ => 1,
    }
}
