//! `gpu-mlp completions` and `gpu-mlp man`, generated from the definitions of `--help`.

use super::out::out;
use clap::Args;
use clap_complete::Shell;
use gpu_mlp::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp completions bash > ~/.local/share/bash-completion/completions/gpu-mlp
  gpu-mlp completions zsh > ~/.zfunc/_gpu-mlp   with ~/.zfunc in fpath
  gpu-mlp completions fish > ~/.config/fish/completions/gpu-mlp.fish")]
pub struct Completions {
    /// Name of the shell
    shell: Shell,
}

impl Completions {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        // Into memory first: the generator panics if writing fails, and a closed pipe is not an error.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "gpu-mlp", &mut script);
        out().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp man > gpu-mlp.1                    only the overview
  gpu-mlp man ~/.local/share/man/man1        a page for each command; then `man gpu-mlp-train`
  gpu-mlp man . && ls gpu-mlp*.1")]
pub struct Man {
    /// Folder for one page per command [default: print the overview on stdout]
    dir: Option<PathBuf>,
}

impl Man {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let command = super::command();
        let Some(dir) = self.dir else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            out().write_all(&page)?;
            return Ok(ExitCode::SUCCESS);
        };
        std::fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
        clap_mangen::generate_to(command.disable_help_subcommand(true), &dir).map_err(Error::file(&dir))?;
        Ok(ExitCode::SUCCESS)
    }
}
