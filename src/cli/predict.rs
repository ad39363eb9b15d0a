use clap::Args;
use std::process::ExitCode;
#[derive(Args)]
pub struct Predict {}
impl Predict {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        Ok(ExitCode::SUCCESS)
    }
}
