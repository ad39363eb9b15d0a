//! A net by the name of a configuration, by net options, or by both.

use crate::cli::options::NetOptions;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use gpu_mlp::bench::preset::Preset;
use gpu_mlp::config::Config;

/// `--config`, and the net options that are put over it.
pub struct NetChoice {
    /// The configuration that was named.
    pub preset: Option<Preset>,
    /// All settings.
    pub config: Config,
    /// Whether anything was said.
    pub given: bool,
}

impl FromArgMatches for NetChoice {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let preset = matches.get_one::<Preset>(CONFIG).copied();
        let options = NetOptions::from_arg_matches(matches)?.config();
        // An option has the name of its field in `Config`.
        let said = |name: &str| {
            matches.try_contains_id(name).is_ok() && matches.value_source(name) == Some(ValueSource::CommandLine)
        };
        let invalid = |error| clap::Error::raw(clap::error::ErrorKind::InvalidValue, error);
        let base = preset.map_or_else(|| options.clone(), Preset::config);
        let mut fields = fields(&base).map_err(invalid)?;
        let mut given = preset.is_some();
        for (name, value) in self::fields(&options).map_err(invalid)? {
            // Another optimizer has another customary rate and momentum.
            let follows = ["lr", "momentum"].contains(&name.as_str()) && said("optimizer");
            if said(&name) || follows {
                given = true;
                fields.insert(name, value);
            }
        }
        let config = serde_json::from_value(fields.into()).map_err(invalid)?;
        Ok(NetChoice { preset, config, given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

const CONFIG: &str = "config";

fn fields(config: &Config) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
    serde_json::from_str(&serde_json::to_string(config)?)
}

impl Args for NetChoice {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("S|K|W")
            .value_parser(value_parser!(Preset))
            .help("A configuration that peers train too: S 784-128-10, K 784-512-512-10, W 784-2048-2048-10")
            .help_heading("Net and training");
        NetOptions::augment_args(command.arg(config))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
