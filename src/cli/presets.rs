//! `gpu-mlp presets`

use super::out::out;
use clap::Args;
use gpu_mlp::config::preset::Preset;
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp presets
  gpu-mlp presets | grep measured
  gpu-mlp presets | grep -A 5 nielsen

`gpu-mlp train --preset nielsen --print-config > my.toml` writes a settings file to edit.")]
pub struct Presets {}

impl Presets {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut text =
            String::from("Recipes for MNIST: `gpu-mlp train --preset NAME`. Accuracies are on the test split.\n");
        for preset in Preset::ALL {
            text += &format!("\n{:<9} {}\n", preset.name, preset.recipe);
            let facts = [
                ("source", preset.source),
                ("stated", preset.stated),
                ("measured", preset.measured),
                ("differs", preset.differs),
            ];
            facts.iter().for_each(|(name, fact)| text += &format!("  {name:<9} {fact}\n"));
        }
        out().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
