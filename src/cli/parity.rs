use clap::Args;
use std::process::ExitCode;
#[derive(Args)]
pub struct Parity {}
impl Parity {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        Ok(ExitCode::SUCCESS)
    }
}
