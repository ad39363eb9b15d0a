//! Words: the names of categories and classes, and their codes.

use std::collections::{BTreeMap, HashMap};

use super::field::{number, word_of};

/// The words of a column. The code of a word is its index.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    codes: HashMap<Vec<u8>, u32>,
    words: Vec<String>,
    /// Whether words can be added. If not, numbers are compared by value: `1.0` is the word `1`.
    open: bool,
}

impl Lexicon {
    /// An empty list that words are added to.
    pub(super) fn open() -> Lexicon {
        Lexicon { open: true, ..Lexicon::default() }
    }

    /// The words of a training file.
    pub(super) fn closed(words: &[String]) -> Lexicon {
        let codes = (0..).zip(words).map(|(code, word)| (word.as_bytes().to_vec(), code)).collect();
        Lexicon { codes, words: words.to_vec(), open: false }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn find(&self, field: &[u8]) -> Option<usize> {
        let code = self.codes.get(field).map(|&code| code as usize);
        if code.is_some() || self.open {
            return code;
        }
        let value = number::<f64>(field)?;
        self.codes.get(word_of(value).as_bytes()).map(|&code| code as usize)
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

    /// The words in order, and for each code the place of its word: by value if all are numbers, with equal numbers as one
    /// word; otherwise by text.
    pub(super) fn sorted(&self) -> (Vec<String>, Vec<usize>) {
        let value = |word: &String| number::<f64>(word.as_bytes()).filter(|value| value.is_finite());
        let numbers: Option<Vec<f64>> = self.words.iter().map(value).collect();
        let names: Vec<String> = match &numbers {
            Some(numbers) => numbers.iter().map(|&value| word_of(value)).collect(),
            None => self.words.clone(),
        };
        let mut order: Vec<usize> = (0..names.len()).collect();
        match &numbers {
            Some(numbers) => order.sort_by(|&a, &b| (numbers[a] + 0.0).total_cmp(&(numbers[b] + 0.0))),
            None => order.sort_by(|&a, &b| names[a].cmp(&names[b])),
        }
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
