//! The net to measure: a named configuration, net options, or both.

use crate::cli::settings::NetOptions;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use gpu_mlp::config::Config;
use gpu_mlp::measure::workload::Workload;

/// `--config`, and the net options that override it.
pub struct NetChoice {
    /// The named configuration.
    pub workload: Option<Workload>,
    /// All settings.
    pub config: Config,
    /// Whether any of the options was given.
    pub given: bool,
}

impl FromArgMatches for NetChoice {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let workload = matches.get_one::<Workload>(CONFIG).copied();
        let options = NetOptions::from_arg_matches(matches)?;
        let config = workload.map_or_else(Config::default, Workload::config).with(options.settings());
        let config = config.map_err(|error| clap::Error::raw(clap::error::ErrorKind::InvalidValue, error))?;
        let given = workload.is_some() || !options.settings().is_empty();
        Ok(NetChoice { workload, config, given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

const CONFIG: &str = "config";

impl Args for NetChoice {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("S|K|W")
            .value_parser(value_parser!(Workload))
            .help("Benchmark configuration: S 784-128-10, K 784-512-512-10, W 784-2048-2048-10")
            .help_heading("Net");
        NetOptions::augment_args(command.arg(config))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
