//! Words: the names of categories and classes, and their codes.

use std::collections::{BTreeMap, HashMap};

use super::field::{number, plain, word_of};

/// Which fields name the same word, besides equal texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alike {
    /// Categories: texts are what they are. Only if a new file lacks a text of the training file, a whole number is found
    /// with or without zeros after its point: a column with missing values is often written with them.
    Categories,
    /// Classes: equal numbers, if all words are [`plain`] numbers: `1` and `1.0`. One `01` makes all of them texts.
    Classes,
    /// Words of a model of an earlier version: equal numbers, however they are written.
    Values,
}

/// The words of a column. The code of a word is its index.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    codes: HashMap<Vec<u8>, u32>,
    words: Vec<String>,
    /// For new files, the codes of words by the bits of their number; `None` if several words have it.
    values: HashMap<u64, Option<u32>>,
    /// How a field becomes a number to look up; `None` while words can be added.
    alike: Option<Alike>,
}

impl Lexicon {
    /// An empty list that words are added to.
    pub(super) fn open() -> Lexicon {
        Lexicon::default()
    }

    /// The words of a training file.
    pub(super) fn closed(words: &[String], alike: Alike) -> Lexicon {
        let codes = (0..).zip(words).map(|(code, word)| (word.as_bytes().to_vec(), code)).collect();
        let mut values = HashMap::new();
        if alike != Alike::Classes || words.iter().all(|word| plain(word.as_bytes()).is_some()) {
            for (code, word) in (0..).zip(words) {
                if let Some(bits) = bits(word.as_bytes(), alike) {
                    values.entry(bits).and_modify(|code| *code = None).or_insert(Some(code));
                }
            }
        }
        Lexicon { codes, words: words.to_vec(), values, alike: Some(alike) }
    }

    pub(super) fn is_open(&self) -> bool {
        self.alike.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn find(&self, field: &[u8]) -> Option<usize> {
        let same = self.codes.get(field).copied();
        let equal = || self.values.get(&bits(field, self.alike?)?).copied().flatten();
        same.or_else(equal).map(|code| code as usize)
    }

    /// Adds the words of a chunk. Returns the code of each.
    pub(super) fn add(&mut self, fresh: &Fresh) -> Vec<usize> {
        let add = |word: &String| {
            let next = self.words.len();
            let code = *self.codes.entry(word.as_bytes().to_vec()).or_insert(next as u32) as usize;
            if code == next {
                self.words.push(word.clone());
            }
            code
        };
        fresh.words.iter().map(add).collect()
    }

    /// The words in order, and for each code the place of its word: by value if all are numbers, otherwise by text.
    pub(super) fn sorted(&self, alike: Alike) -> (Vec<String>, Vec<usize>) {
        let value = |word: &String| number::<f64>(word.as_bytes()).filter(|value| value.is_finite());
        let numbers: Option<Vec<f64>> = self.words.iter().map(value).collect();
        let merged = alike == Alike::Classes && self.words.iter().all(|word| plain(word.as_bytes()).is_some());
        let names: Vec<String> = match &numbers {
            Some(numbers) if merged => numbers.iter().map(|&value| word_of(value)).collect(),
            _ => self.words.clone(),
        };
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| {
            let by_text = || names[a].cmp(&names[b]);
            let by_value = |numbers: &Vec<f64>| {
                let order = (numbers[a] + 0.0).total_cmp(&(numbers[b] + 0.0));
                order.then(names[a].len().cmp(&names[b].len())).then_with(by_text)
            };
            numbers.as_ref().map_or_else(by_text, by_value)
        });
        let (mut sorted, mut places): (Vec<String>, _) = (Vec::new(), vec![0; names.len()]);
        for at in order {
            if sorted.last() != Some(&names[at]) {
                sorted.push(names[at].clone());
            }
            places[at] = sorted.len() - 1;
        }
        (sorted, places)
    }
}

/// The number of a field, if it may be found by its number.
fn bits(field: &[u8], alike: Alike) -> Option<u64> {
    let value = match alike {
        Alike::Values => number(field),
        Alike::Classes => plain(field),
        Alike::Categories => plain(field).filter(|value| value.fract() == 0.0),
    };
    // Minus zero is zero.
    value.map(|value: f64| (value + 0.0).to_bits())
}

/// Words of a chunk that the lexicon lacked when the chunk was read. Their codes follow those of the lexicon.
#[derive(Debug)]
pub(super) struct Fresh {
    /// Words of the lexicon at that time.
    known: usize,
    codes: HashMap<String, usize>,
    words: Vec<String>,
}

impl Fresh {
    /// No words yet; the lexicon has `known`.
    pub(super) fn new(known: usize) -> Fresh {
        Fresh { known, codes: HashMap::new(), words: Vec::new() }
    }

    /// The code of a word.
    pub(super) fn code(&mut self, word: &str) -> usize {
        if let Some(&at) = self.codes.get(word) {
            return self.known + at;
        }
        let at = self.words.len();
        self.codes.insert(word.to_owned(), at);
        self.words.push(word.to_owned());
        self.known + at
    }

    /// The place of the word with this code, if it is one of these.
    pub(super) fn place(&self, code: usize) -> Option<usize> {
        code.checked_sub(self.known)
    }
}

/// The different numbers of a column, sorted, if there are at most `most`.
pub(super) fn distinct(values: impl Iterator<Item = f64>, most: usize) -> Option<Vec<f64>> {
    // The bits of f64, mapped so that they sort as the numbers do.
    let key = |value: f64| {
        let bits = (value + 0.0).to_bits();
        if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
    };
    let mut found = BTreeMap::new();
    for value in values {
        found.insert(key(value), value + 0.0);
        if found.len() > most {
            return None;
        }
    }
    Some(found.into_values().collect())
}
