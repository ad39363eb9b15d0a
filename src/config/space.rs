//! The search space of a sweep: for each setting that varies, its values.
//!
//! In words, choices are `0.5,0.8,1`, and alternatives of lists are `128|256,256`; a range is `0.01..1`, or `0.01..1:log` for a
//! logarithmic one. The values of trial t are a function of the seed, t and the name of the setting.

use super::{Config, Settings};
use crate::base::error::Error;
use crate::base::rng::{Stream, named};
use rand::Rng;
use std::fmt;
use toml::Value;

/// Most trials of a sweep.
pub const MOST_TRIALS: u64 = 100_000;

/// Settings whose values contain commas.
const LISTS: [&str; 3] = ["hidden", "normalize", "class_weight"];

/// What to write, for messages.
const EXPECTED: &str =
    "write choices such as 0.5,0.8,1 (or 128|256,256 for lists), or a range such as 0.01..1 or 0.01..1:log";

/// A value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// As an option has it.
    pub text: String,
    /// As a settings file has it.
    pub value: Value,
}

/// The values of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Dimension {
    /// One of these.
    Choices(Vec<Choice>),
    /// A number in a range, both ends included.
    Range {
        /// Lowest value.
        low: f64,
        /// Highest value.
        high: f64,
        /// Whether the logarithm is uniform, instead of the value.
        log: bool,
        /// Whether it is a whole number.
        whole: bool,
    },
}

/// How the values of trials are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Search {
    /// Every combination of the choices.
    Grid,
    /// Each value is drawn on its own.
    Random,
}

/// The settings that vary, each with its values, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space(Vec<(String, Dimension)>);

/// The values of one trial, by the names of [`Config`]'s fields.
pub type Values = Vec<(String, Choice)>;

impl Dimension {
    /// Reads the values of the setting `name`.
    ///
    /// # Errors
    /// [`Error::Setting`] names the setting, what was found and what to write.
    pub fn parse(name: &str, text: &str) -> Result<Dimension, Error> {
        let refuse =
            |problem: String| Err(Error::Setting(format!("{}: {problem}; {EXPECTED}", name.replace('_', "-"))));
        if let Some((low, rest)) = text.split_once("..") {
            let (high, log) = rest.split_once(':').map_or((rest, None), |(high, scale)| (high, Some(scale)));
            if log.is_some_and(|log| log != "log") {
                return refuse(format!(
                    "a range ends with nothing or with :log, not with :{}",
                    log.unwrap_or_default()
                ));
            }
            let ends: Vec<f64> = [low, high].iter().filter_map(|end| end.trim().parse().ok()).collect();
            let &[low, high] = &ends[..] else { return refuse(format!("{text:?} is not a range of numbers")) };
            if !(low < high && low.is_finite() && high.is_finite()) {
                return refuse(format!("the range {text:?} must begin below its end"));
            }
            if log.is_some() && low <= 0.0 {
                return refuse(format!("the logarithmic range {text:?} must begin above 0"));
            }
            let accepts = |value: Value| Config::default().with(&Settings::from_iter([(name.into(), value)])).is_ok();
            let whole = !accepts(Value::Float(low + 0.382 * (high - low)));
            let integers = || ends.iter().all(|end| end.fract() == 0.0 && value(name, &end.to_string()).is_ok());
            if whole && !integers() {
                return refuse(format!("the range {text:?} has ends that are no values of this setting"));
            }
            return Ok(Dimension::Range { low, high, log: log.is_some(), whole });
        }
        let separator = if text.contains('|') || LISTS.contains(&name) { '|' } else { ',' };
        let choices = text.split(separator).map(|word| value(name, word.trim()));
        match choices.collect::<Result<Vec<Choice>, Error>>() {
            Ok(choices) => {
                let twice = choices.iter().enumerate().find(|(at, choice)| choices[..*at].contains(choice));
                match twice {
                    Some((_, twice)) => refuse(format!("{} is given twice", twice.text)),
                    None => Ok(Dimension::Choices(choices)),
                }
            }
            Err(error) => refuse(error.to_string()),
        }
    }

    /// The number of values; `None` for a range.
    fn count(&self) -> Option<u64> {
        if let Dimension::Choices(choices) = self { Some(choices.len() as u64) } else { None }
    }

    /// A value, from a uniformly distributed number of 64 bits.
    fn at(&self, name: &str, word: u64) -> Result<Choice, Error> {
        let share = (word >> 11) as f64 / (1u64 << 53) as f64;
        match self {
            Dimension::Choices(choices) => {
                let at = (u128::from(word) * choices.len() as u128) >> 64;
                Ok(choices[at as usize].clone())
            }
            &Dimension::Range { low, high, log, whole } => {
                // Each whole number has a range of its own, half a unit to either side.
                let (from, to) = if whole { (low - 0.5, high + 0.5) } else { (low, high) };
                let drawn = match log {
                    true => libm::exp(libm::log(from) + share * (libm::log(to) - libm::log(from))),
                    false => from + share * (to - from),
                };
                let drawn = if whole { drawn.round() } else { drawn }.clamp(low, high);
                // Settings are numbers of single precision.
                value(name, &if whole { drawn.to_string() } else { (drawn as f32).to_string() })
            }
        }
    }
}

/// Reads a value of the setting `name`.
///
/// # Errors
/// [`Error::Setting`] says why the setting cannot have it.
fn value(name: &str, text: &str) -> Result<Choice, Error> {
    let word = Value::String(text.into());
    let candidates = [
        text.parse().ok().map(Value::Boolean),
        text.parse().ok().map(Value::Integer),
        text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float),
        Some(word),
    ];
    let mut problem = String::new();
    for value in candidates.into_iter().flatten() {
        match Config::default().with(&Settings::from_iter([(name.into(), value.clone())])) {
            Ok(_) => return Ok(Choice { text: text.into(), value }),
            Err(error) => problem = error.to_string(),
        }
    }
    Err(Error::Setting(format!("{text:?} is not a value of it ({})", problem.lines().next().unwrap_or_default())))
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Choices(choices) => {
                let texts: Vec<&str> = choices.iter().map(|choice| choice.text.as_str()).collect();
                f.write_str(&texts.join(if texts.iter().any(|text| text.contains(',')) { "|" } else { "," }))
            }
            Dimension::Range { low, high, log, .. } => write!(f, "{low}..{high}{}", if *log { ":log" } else { "" }),
        }
    }
}

impl Space {
    /// The space of these settings. A setting with one value is refused: it does not vary.
    ///
    /// # Errors
    /// [`Error::Setting`] as for [`Dimension::parse`], and if nothing varies.
    pub fn new<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Space, Error> {
        let mut space = Vec::new();
        for (name, text) in settings {
            let dimension = Dimension::parse(name, text)?;
            if dimension.count() == Some(1) {
                let name = name.replace('_', "-");
                return Err(Error::Setting(format!("{name}: {text:?} is one value, so it does not vary; {EXPECTED}")));
            }
            space.push((name.to_string(), dimension));
        }
        space.sort_by(|a, b| a.0.cmp(&b.0));
        if space.is_empty() {
            return Err(Error::Setting(format!("no setting varies: {EXPECTED}, for example 0.01..1:log for lr")));
        }
        Ok(Space(space))
    }

    /// Whether this value of an option is one of a space: a range, or more than one value.
    pub fn varies(name: &str, text: &str) -> bool {
        text.contains("..") || text.contains(if LISTS.contains(&name) { &['|'][..] } else { &['|', ','] })
    }

    /// The settings that vary, sorted by name.
    pub fn dimensions(&self) -> &[(String, Dimension)] {
        &self.0
    }

    /// The number of combinations of the choices; `None` if a setting has a range.
    pub fn combinations(&self) -> Option<u64> {
        let counts = self.0.iter().map(|(_, dimension)| dimension.count());
        counts.reduce(|a, b| Some(a?.saturating_mul(b?))).flatten()
    }

    /// Checks the ends and choices, one setting at a time. A value is refused if it suits neither the other settings `base`
    /// nor the defaults; combinations are checked later, for each trial.
    ///
    /// # Errors
    /// [`Error::Setting`] of [`Config::check`].
    pub fn check(&self, base: &Config) -> Result<(), Error> {
        for (name, dimension) in &self.0 {
            let choices = match dimension {
                Dimension::Choices(choices) => choices.clone(),
                Dimension::Range { low, high, .. } => {
                    [low, high].into_iter().map(|end| value(name, &end.to_string())).collect::<Result<_, _>>()?
                }
            };
            for choice in choices {
                let settings = Settings::from_iter([(name.clone(), choice.value)]);
                let checked = |base: &Config| base.with(&settings)?.check(usize::MAX);
                checked(base).or_else(|error| checked(&Config::default()).map_err(|_| error))?;
            }
        }
        Ok(())
    }

    /// The values of a trial (from 0). In a grid the last setting varies fastest.
    ///
    /// # Errors
    /// [`Error::Setting`] if the setting cannot have a drawn value.
    ///
    /// # Panics
    /// If a grid has a range.
    pub fn trial(&self, search: Search, seed: u64, trial: u64) -> Result<Values, Error> {
        match search {
            Search::Random => {
                let draw = |(name, dimension): &(String, Dimension)| {
                    let word = named(seed, Stream::Sweep, name, trial).next_u64();
                    Ok::<_, Error>((name.clone(), dimension.at(name, word)?))
                };
                self.0.iter().map(draw).collect()
            }
            Search::Grid => {
                let mut rest = trial;
                let mut values = Vec::new();
                for (name, dimension) in self.0.iter().rev() {
                    let Dimension::Choices(choices) = dimension else { panic!("Space: a grid of the range {name}") };
                    let count = choices.len() as u64;
                    values.push((name.clone(), choices[(rest % count) as usize].clone()));
                    rest /= count;
                }
                values.reverse();
                Ok(values)
            }
        }
    }
}

/// The values as settings.
pub fn settings(values: &[(String, Choice)]) -> Settings {
    values.iter().map(|(name, choice)| (name.clone(), choice.value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[(String, Choice)]) -> Vec<&str> {
        values.iter().map(|(_, choice)| choice.text.as_str()).collect()
    }

    #[test]
    fn words_become_choices_and_ranges() {
        let parsed = |name: &str, text: &str| Dimension::parse(name, text).map(|dimension| dimension.to_string());
        let same = [
            ("keep_prob", "0.5,0.8,1"),
            ("lr", "0.01..1:log"),
            ("momentum", "0..0.99"),
            ("epochs", "1..9"),
            ("hidden", "128|256,256|none"),
            ("hidden", "16..256:log"),
            ("optimizer", "sgd,adam"),
            ("batch_size", "32,full"),
            ("validation", "1000..5000"),
            ("restore_best", "true,false"),
            ("normalize", "standard|0.13,0.3"),
        ];
        for (name, text) in same {
            assert_eq!(parsed(name, text).expect(text), text, "{name}");
        }
        let whole = |name, text| matches!(Dimension::parse(name, text), Ok(Dimension::Range { whole: true, .. }));
        assert!(whole("epochs", "1..9") && whole("validation", "10..50") && !whole("validation", "0.1..0.5"));
        let wrong = ["1..0", "0..1:log", "0.1..1:ln", "fast", "a..b", "0.1,,0.2", "0.1,0.1", "1..inf"];
        for text in wrong {
            let error = parsed("lr", text).expect_err(text).to_string();
            assert!(error.starts_with("lr: ") && error.contains("0.01..1:log"), "{error}");
        }
        assert!(parsed("activation", "relu,step").is_err() && parsed("epochs", "1.5..3").is_err());
        assert!(parsed("nothing", "1,2").is_err());
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let space = Space::new([("seed", "1,2"), ("lr", "0.1,0.2,0.4")]).expect("a space");
        assert_eq!(space.combinations(), Some(6));
        let all: Vec<_> = (0..6).map(|trial| space.trial(Search::Grid, 1, trial).expect("values")).collect();
        let all: Vec<_> = all.iter().map(|values| texts(values)).collect();
        assert_eq!(all[..3], [["0.1", "1"], ["0.1", "2"], ["0.2", "1"]]);
        assert!((0..6).all(|at| !all[..at].contains(&all[at])));
    }

    #[test]
    fn values_are_a_function_of_seed_trial_and_setting() {
        let space = Space::new([("lr", "0.01..1:log"), ("epochs", "1..3"), ("keep_prob", "0.5,1")]).expect("a space");
        let at = |seed, trial| space.trial(Search::Random, seed, trial).expect("values");
        assert_eq!(at(1, 7), at(1, 7));
        assert!(at(1, 7) != at(1, 8) && at(1, 7) != at(2, 7));
        // Another setting changes nothing.
        let alone = Space::new([("lr", "0.01..1:log")]).expect("a space");
        assert_eq!(alone.trial(Search::Random, 1, 7).expect("values")[0], at(1, 7)[2]);
        let (mut low, mut ends) = (0, [0; 3]);
        for trial in 0..600 {
            let values = at(3, trial);
            let lr: f32 = values[2].1.text.parse().expect("a number");
            assert!((0.01..=1.0).contains(&lr));
            low += u32::from(lr < 0.1);
            ends[values[0].1.text.parse::<usize>().expect("a number") - 1] += 1;
            Config::default().with(&settings(&values)).expect("settings");
        }
        assert!((250..350).contains(&low), "{low}");
        assert!(ends.iter().all(|count| (150..250).contains(count)), "{ends:?}");
    }

    #[test]
    fn values_that_suit_nothing_are_refused() {
        let check = |name, text, base: &Config| Space::new([(name, text)]).expect("a space").check(base);
        let base = Config { epochs: 20, ..Config::default() };
        assert!(check("keep_prob", "0.5,1.5", &base).is_err());
        assert!(check("warmup", "1..6", &base).is_ok());
        assert!(check("lr", "0..1", &base).is_err());
        assert!(Space::new([("lr", "0.1")]).is_err() && Space::new([]).is_err());
    }
}
