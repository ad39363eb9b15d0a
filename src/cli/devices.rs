use clap::Args;
use std::process::ExitCode;
#[derive(Args)]
pub struct Devices {}
impl Devices {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        Ok(ExitCode::SUCCESS)
    }
}
