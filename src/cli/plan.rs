use clap::Args;
use std::process::ExitCode;
#[derive(Args)]
pub struct PlanCommand {}
impl PlanCommand {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        Ok(ExitCode::SUCCESS)
    }
}
