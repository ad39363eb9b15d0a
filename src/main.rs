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
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<Error>() {
                Some(known) => {
                    eprintln!("next: {}", cli::next(known));
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

fn run() -> anyhow::Result<ExitCode> {
    let cli = cli::Cli::read()?;
    cli.log();
    // The errors of files have paths; those of stdout reach this place bare.
    pollster::block_on(cli.run()).map_err(|error| match error.downcast::<std::io::Error>() {
        Ok(error) => Error::file("stdout")(error).into(),
        Err(error) => error,
    })
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
        Error::Diverged { .. } | Error::NotFinite { .. } => 6,
        _ => 1,
    }
}
