//! Settings as a TOML file: `config.toml` of a run folder, or a file of the user.
//!
//! Its keys are the options of the program with `_` for `-`. A missing key keeps its default.

use crate::base::error::Error;
use crate::base::file_kind::recognise;
use crate::base::text::{nearest, plain};
use crate::config::{Config, Settings, synonyms};
use crate::data::{Choice, DataSet, digits};
use crate::engine::machine::Machine;
use crate::kernels::forms::Forms;
use crate::run::folder::{SETTINGS, settings_in};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

/// Contents of a settings file; keys that the file leaves out are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFile {
    /// Settings of the net and its training, by the names of [`Config`]'s fields.
    pub settings: Settings,
    /// The data set.
    pub data: DataSettings,
    /// How the run that wrote the file was made, if a run wrote it.
    pub record: Option<Provenance>,
}

/// The data settings of a run; `None` if not given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataSettings {
    /// `mnist`, `digits`, `auto`, or a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Number of generated training digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits_train: Option<usize>,
    /// Number of generated test digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits_test: Option<usize>,
    /// Seed of the generated digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits_seed: Option<u64>,
    /// The model whose weights the run starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether the last layer of that model is replaced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_head: bool,
    /// The columns of a table.
    #[serde(flatten)]
    pub table: TableSettings,
}

/// Which column of a table is what, and where its test rows are; `None` if not given. The words are those of the options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSettings {
    /// The columns to predict, by name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Vec<String>>,
    /// What they hold: `classes`, `values` or `labels`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// A file, a number of rows, or a share of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// Columns of numbers that name categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categorical: Option<Vec<String>>,
    /// Columns that are not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<Vec<String>>,
    /// The column of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_column: Option<String>,
    /// The column that names the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_column: Option<String>,
    /// The character between fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Whether the first line holds the names of the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
}

impl DataSettings {
    /// Names of the keys.
    const KEYS: [&str; 15] = [
        "data",
        "digits_train",
        "digits_test",
        "digits_seed",
        "from",
        "new_head",
        "target",
        "task",
        "test",
        "categorical",
        "ignore",
        "weight_column",
        "id_column",
        "delimiter",
        "header",
    ];

    /// Returns all data settings: the data set, the options of the digits if they may be used, and the model, whose last layer
    /// stays. Paths are absolute, so that the file works from any folder of this machine.
    pub fn of(choice: &Choice, options: &digits::Options, table: TableSettings, from: Option<&Path>) -> DataSettings {
        let generated = choice.may_be_digits();
        DataSettings {
            data: Some(if let Choice::Dir(path) = choice { from_root(path) } else { choice.to_string() }),
            digits_train: generated.then_some(options.train),
            digits_test: generated.then_some(options.test),
            digits_seed: generated.then_some(options.seed),
            from: from.map(from_root),
            new_head: false,
            table,
        }
    }
}

/// Returns the absolute path as text.
pub fn from_root(path: &Path) -> String {
    std::path::absolute(path).unwrap_or(path.into()).display().to_string()
}

/// How a run was made: for readers, and to detect that a repeated run differs. Holds no settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// `gpu` or `cpu`.
    pub engine: String,
    /// Adapter and driver, or threads.
    pub device: String,
    /// Part of the adapter's name, if the run asked for an adapter. A run that begins again asks for it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Backends that the run asked for, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The folder of the TensorBoard files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensorboard: Option<String>,
    /// Hash of the data set; a repetition with other data is refused.
    pub data_sha256: String,
    /// The model that the run started with, if any; a repetition with another model is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Ancestor>,
}

/// The model whose weights a run started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Path of the model, as given.
    pub path: String,
    /// Hash of the file.
    pub sha256: String,
}

impl fmt::Display for Ancestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (sha256 {:.16})", self.path, self.sha256)
    }
}

impl Provenance {
    /// Returns the provenance of a run that starts now.
    pub fn now(data: &DataSet, machine: &Machine, from: Option<&Ancestor>) -> Provenance {
        Provenance {
            version: env!("CARGO_PKG_VERSION").into(),
            engine: machine.name().into(),
            device: machine.description(),
            adapter: None,
            backend: None,
            tensorboard: None,
            data_sha256: data.sha256.clone(),
            from: from.cloned(),
        }
    }
}

/// Maximum length of a file in bytes; a thousand layers need far less.
const LONGEST: usize = 1 << 18;

impl RunFile {
    /// Reads a file, or `config.toml` of a run folder.
    ///
    /// # Errors
    /// [`Error::Config`] if it cannot be read, and those of [`RunFile::parse`].
    pub fn read(path: &Path) -> Result<RunFile, Error> {
        let path = settings_in(path);
        let refuse = |problem: String| Error::Config { path: path.clone(), problem };
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound if path.file_name().is_some_and(|name| name == SETTINGS) => {
                refuse("does not exist, so this folder holds no run".into())
            }
            _ => refuse(error.to_string()),
        })?;
        if let Some((what, advice)) = recognise(&bytes).filter(|_| !bytes.is_empty()) {
            return Err(refuse(format!("{what}, not a settings file; {advice}")));
        }
        let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text".into()))?;
        RunFile::parse(&text, &path)
    }

    /// Reads a text; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Config`] if the text is too long or not TOML, for an unknown key (with the nearest known one), or for a
    /// value of the wrong type.
    pub fn parse(text: &str, path: &Path) -> Result<RunFile, Error> {
        let refuse = |problem: String| Error::Config { path: path.into(), problem };
        if text.len() > LONGEST {
            return Err(refuse(format!("is longer than {LONGEST} bytes")));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let escape = ["escape", "unicode"]
                .iter()
                .any(|word| error.message().contains(word))
                .then(|| escaped("a quoted text"));
            refuse([Some(error.to_string()), escape].into_iter().flatten().collect::<Vec<_>>().join("\n"))
        })?;
        let record = table.remove("record").map(toml::Value::try_into).transpose();
        let record = record.map_err(|error: toml::de::Error| refuse(format!("record: {}", error.message())))?;
        let known: Vec<&str> = fields().iter().copied().chain(DataSettings::KEYS).collect();
        let mut file = RunFile { record, ..RunFile::default() };
        let mut data = toml::Table::new();
        for (key, value) in table {
            let name = key.replace('-', "_");
            if !known.contains(&name.as_str()) {
                return Err(refuse(format!("unknown setting `{key}`{}", meant(&name, &value, &known))));
            }
            if DataSettings::KEYS.contains(&name.as_str()) {
                data.insert(name, value);
                continue;
            }
            // One at a time, so that the message can name the key.
            let one = Settings::from_iter([(name.clone(), value.clone())]);
            let first = |error: Error| error.to_string().lines().next().unwrap_or_default().to_string();
            let synonym = value.as_str().and_then(|value| synonyms::value(&name, value));
            let near = synonym
                .filter(|(ours, _)| !ours.is_empty())
                .map_or(String::new(), |(ours, note)| format!("; did you mean `{ours}`?{}", in_brackets(note)));
            let read = Config::default().with(&one);
            let config = read.map_err(|error| refuse(format!("{key}: {}{near}", first(error))))?;
            Forms::check(&config.forms).map_err(refuse)?;
            file.settings.insert(name, value);
        }
        file.data = data.try_into().map_err(|error: toml::de::Error| refuse(error.message().to_string()))?;
        for (key, path) in [("data", &file.data.data), ("from", &file.data.from)] {
            if path.as_ref().is_some_and(|path| path.contains(char::is_control)) {
                return Err(refuse(format!("{key} has a control character; {}", escaped("it"))));
            }
        }
        Ok(file)
    }
}

/// How to write a path of Windows in TOML.
fn escaped(what: &str) -> String {
    format!("a backslash in {what} begins an escape sequence: put paths in single quotes, such as 'C:\\data'")
}

/// The key that an unknown one probably means, as the end of a sentence.
fn meant(name: &str, value: &toml::Value, known: &[&str]) -> String {
    let no_key = |option: &str| format!("; a file has no key for the option `{option}`");
    if let Some(option) = synonyms::options().find(|option| plain(option) == plain(name))
        && !known.contains(&option.replace('-', "_").as_str())
    {
        return no_key(option);
    }
    let same = known.iter().find(|known| plain(known) == plain(name)).copied();
    if let (None, Some(synonym)) = (same, synonyms::name(name)) {
        let note = in_brackets(synonym.note);
        let ours = synonym.option.replace('-', "_");
        if !known.contains(&ours.as_str()) {
            return no_key(synonym.option) + &note;
        }
        let given = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = synonym.value(Some(&given)).map_or(String::new(), |value| match value.parse::<f64>() {
            Ok(_) => format!(" = {value}"),
            Err(_) => format!(" = \"{value}\""),
        });
        return format!("; did you mean `{ours}{value}`?{note}");
    }
    same.or_else(|| nearest(name, known)).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

fn in_brackets(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(" ({note})") }
}

/// Names of [`Config`]'s fields in serde.
pub fn fields() -> &'static [&'static str] {
    struct Names<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Names<'_> {
        type Error = serde::de::value::Error;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("only names are wanted"))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut names: &'static [&'static str] = &[];
    _ = Config::deserialize(Names(&mut names));
    names
}

/// Returns the text of a file with all settings of a run. `comment` gives the comment of a key, if any.
pub fn to_text(
    config: &Config,
    data: &DataSettings,
    record: Option<&Provenance>,
    comment: impl Fn(&str) -> Option<String>,
) -> Result<String, Error> {
    #[derive(Serialize)]
    struct RecordTable<'a> {
        record: Option<&'a Provenance>,
    }
    // Through text: a `toml` value would print a single-precision number with the digits of a double.
    let refuse = |error: toml::ser::Error| Error::Setting(format!("the settings cannot be written as TOML: {error}"));
    let parts = [toml::to_string(config), toml::to_string(data), toml::to_string(&RecordTable { record })];
    let (mut lines, mut tables) = (String::new(), String::new());
    for part in parts {
        let part = part.map_err(refuse)?;
        let (head, tail) =
            part.split_at(if part.starts_with('[') { 0 } else { part.find("\n[").map_or(part.len(), |at| at + 1) });
        for line in head.lines().filter(|line| !line.is_empty()) {
            let comment = line.split_once(" = ").and_then(|(key, _)| comment(key));
            lines += &comment.map_or(line.to_string(), |comment| format!("{line:<28} # {comment}"));
            lines.push('\n');
        }
        if !tail.is_empty() {
            tables += &format!("\n{}\n", tail.trim());
        }
    }
    Ok(lines + &tables)
}
