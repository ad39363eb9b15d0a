use clap::Args;
use std::process::ExitCode;
#[derive(Args)]
pub struct Eval {}
impl Eval {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        Ok(ExitCode::SUCCESS)
    }
}
