//! The samples that `--index` selects.

use gpu_mlp::Error;
use std::str::FromStr;

/// A part of `--index`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    All,
    /// First and last sample; equal for one sample.
    Range(usize, usize),
}

impl FromStr for Index {
    type Err = String;

    fn from_str(text: &str) -> Result<Index, String> {
        if text == "all" {
            return Ok(Index::All);
        }
        let number = |text: &str| {
            text.trim().parse::<usize>().map_err(|_| "expected numbers from 0, ranges such as 0-99, or all".to_string())
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("the range ends before it begins; did you mean {last}-{first}?"));
        }
        Ok(Index::Range(first, last))
    }
}

/// Returns the selected samples, in the order given.
///
/// # Errors
/// [`Error::Setting`] for a sample that the split, named `word`, does not have.
pub fn samples(index: &[Index], samples: usize, word: &str) -> Result<Vec<usize>, Error> {
    let mut found = Vec::new();
    for part in index {
        match *part {
            Index::All => found.extend(0..samples),
            Index::Range(first, last) if last < samples => found.extend(first..=last),
            Index::Range(_, last) => {
                let problem = format!("index is {last}, but the {word} split has {samples} samples, numbered from 0");
                return Err(Error::Setting(problem));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Index, samples};

    #[test]
    fn numbers_ranges_and_all_are_read() {
        let read = |text: &str| text.split(',').map(str::parse).collect::<Result<Vec<Index>, String>>();
        let index = read("1,5,10-12").expect("numbers and a range");
        assert_eq!(samples(&index, 13, "test").expect("all exist"), [1, 5, 10, 11, 12]);
        assert_eq!(samples(&[Index::All], 3, "test").expect("all exist"), [0, 1, 2]);
        assert!(samples(&index, 12, "test").is_err_and(|error| error.to_string().contains("index is 12")));
        for wrong in ["", "-1", "5-", "9-2", "a-b", "1..3", "-", "all-3", "18446744073709551616"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(samples(&[Index::Range(0, usize::MAX)], 5, "test").is_err());
    }
}
