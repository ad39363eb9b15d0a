//! What a run was started with besides its [`Config`](crate::config::Config): data, engine, folders.

use crate::data::Choice;
use crate::engine::machine::EngineName;
use crate::run::settings::DataSettings;
use serde::{Deserialize, Serialize};

/// The settings of a run that are not part of its configuration; a resumed run starts from them. Paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setup {
    /// The data set, and the model whose weights the run started with.
    pub data: DataSettings,
    /// The engine.
    pub engine: EngineSettings,
    /// The folder of the TensorBoard files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensorboard: Option<String>,
}

/// Which engine and which adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineSettings {
    /// `gpu` or `cpu`: `auto` is resolved before a checkpoint is written.
    pub engine: EngineName,
    /// Part of the adapter's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Backends, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
}

impl Setup {
    /// Reads the setup of a checkpoint of layout 1: pairs of an option and its value. If an option is repeated, the
    /// last one counts.
    ///
    /// # Errors
    /// Names the option that a run never saves, or the value that cannot be read. The words are not trusted: the folder
    /// may come from someone else.
    pub(super) fn from_words(words: &[String]) -> Result<Setup, String> {
        let mut setup = Setup::default();
        for pair in words.chunks(2) {
            let name = pair[0].as_str();
            let unknown = || format!("it contains the option {name:?}, which no run saves");
            let [_, value] = pair else { return Err(unknown()) };
            let text = || Some(value.clone());
            let refuse = |problem: String| format!("its option {name} is {value:?}: {problem}");
            let count = || value.parse::<usize>().map_err(|error| refuse(error.to_string()));
            match name.strip_prefix("--").ok_or_else(unknown)? {
                "data" => setup.data.data = text(),
                "digits-train" => setup.data.digits_train = Some(count()?),
                "digits-test" => setup.data.digits_test = Some(count()?),
                "digits-seed" => {
                    let seed = value.parse::<u64>().map_err(|error| refuse(error.to_string()))?;
                    setup.data.digits_seed = Some(seed);
                }
                "from" => setup.data.from = text(),
                "engine" => {
                    let name = EngineName::deserialize(serde_json::Value::from(value.as_str()));
                    setup.engine.engine = name.map_err(|error| refuse(error.to_string()))?;
                }
                "adapter" => setup.engine.adapter = text(),
                "backend" => setup.engine.backend = text(),
                "tensorboard" => setup.tensorboard = text(),
                _ => return Err(unknown()),
            }
        }
        // Early versions saved the options of the digits for every data set.
        let choice = setup.data.data.as_deref().map(str::parse::<Choice>).transpose()?;
        if choice.is_some_and(|choice| !choice.may_be_digits()) {
            let DataSettings { data, from, .. } = setup.data;
            setup.data = DataSettings { data, from, ..DataSettings::default() };
        }
        Ok(setup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(words: &str) -> Result<Setup, String> {
        Setup::from_words(&words.split_whitespace().map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn the_words_of_an_old_checkpoint_become_a_setup() {
        let words = "--data digits --digits-train 2000 --digits-test 100 --digits-seed 7 --engine gpu --adapter RTX \
                     --backend vulkan --from /a/model.safetensors --tensorboard /board";
        let data = DataSettings {
            data: Some("digits".into()),
            digits_train: Some(2000),
            digits_test: Some(100),
            digits_seed: Some(7),
            table: Default::default(),
            from: Some("/a/model.safetensors".into()),
            new_head: false,
        };
        let engine =
            EngineSettings { engine: EngineName::Gpu, adapter: Some("RTX".into()), backend: Some("vulkan".into()) };
        assert_eq!(setup(words), Ok(Setup { data, engine, tensorboard: Some("/board".into()) }));
        assert_eq!(setup(""), Ok(Setup::default()));
        assert_eq!(setup("--data digits --data mnist").map(|setup| setup.data.data), Ok(Some("mnist".into())));
        let folder = setup("--data /digits --digits-train 2000 --digits-test 100 --digits-seed 7");
        assert_eq!(folder.map(|setup| setup.data.digits_train), Ok(None));
    }

    #[test]
    fn words_that_no_run_saves_are_refused() {
        let cases = [
            ("--out elsewhere", "--out"),
            ("--force --json", "--force"),
            ("--help", "--help"),
            ("runs", "runs"),
            ("--data", "--data"),
            ("data mnist", "\"data\""),
            ("--digits-train many", "many"),
            ("--digits-seed -1", "-1"),
            ("--engine abacus", "abacus"),
        ];
        for (words, named) in cases {
            let problem = setup(words).expect_err(words);
            assert!(problem.contains(named), "{words}: {problem}");
        }
    }
}
