//! A process that trains but writes nothing: all but the first under `mpirun`.

use crate::cli::signals::Signals;
use gpu_mlp::Error;
use gpu_mlp::train::session::{EpochReport, Observer, Progress, Reason, Session, Wish};
use std::process::ExitCode;

struct Follower(Signals);

impl Follower {
    fn wish(&self) -> Wish {
        self.0.code().map_or(Wish::Continue, |_| Wish::Stop(Reason::Interrupted))
    }
}

impl Observer for Follower {
    fn progress(&mut self, _: &Progress) -> Wish {
        self.wish()
    }

    fn epoch(&mut self, _: &EpochReport) -> Result<Wish, Error> {
        Ok(self.wish())
    }
}

/// Trains, and makes the same calls of the session as the process that writes.
pub async fn follow(mut session: Session<'_>) -> anyhow::Result<ExitCode> {
    let mut follower = Follower(Signals::listen()?);
    let reason = session.run(&mut follower).await?;
    session.snapshot().await?;
    session.finish().await?;
    Ok(follower.0.code().filter(|_| reason == Reason::Interrupted).unwrap_or(ExitCode::SUCCESS))
}
