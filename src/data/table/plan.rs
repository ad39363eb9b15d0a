//! The plan for a file: what each of its columns is used for.

use super::source::Columns;
use super::words::Lexicon;

/// What a column of the file is used for, and how its fields are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) role: Role,
    /// Place among the columns with this role.
    pub(super) slot: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Feature,
    Target,
    Weight,
    Id,
}

/// How a field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As a number. Other fields are counted as misfits.
    Number,
    /// As the name of a category or class.
    Word,
    /// As yes or no.
    Label,
}

/// The uses of all columns of a file.
#[derive(Debug)]
pub(super) struct Plan {
    /// The name of each column.
    pub(super) names: Vec<String>,
    /// The use of each column; `None` if it is ignored.
    pub(super) uses: Vec<Option<Use>>,
    /// The words of each column of words.
    pub(super) words: Vec<Option<Box<Lexicon>>>,
    /// Number of features, F.
    pub(super) features: usize,
    /// Number of targets, T.
    pub(super) targets: usize,
    pub(super) weighted: bool,
    pub(super) identified: bool,
    /// Whether the features are determined by the header of another file.
    pub(super) known: bool,
    /// See [`Header::spelled`](super::Header::spelled).
    pub(super) spelled: bool,
    /// Whether targets that are missing or unknown become NaN. Predictions do not need them.
    pub(super) lenient: bool,
}

impl Plan {
    /// All columns are ignored.
    pub(super) fn new(columns: &Columns) -> Plan {
        let width = columns.width();
        Plan {
            names: (0..width).map(|at| columns.name(at)).collect(),
            uses: vec![None; width],
            words: (0..width).map(|_| None).collect(),
            features: 0,
            targets: 0,
            weighted: false,
            identified: false,
            known: false,
            spelled: true,
            lenient: false,
        }
    }

    /// Uses the column `at`, which is below their number.
    pub(super) fn set(&mut self, at: usize, used: Use, words: Option<Lexicon>) {
        self.features += usize::from(used.role == Role::Feature);
        self.weighted |= used.role == Role::Weight;
        self.identified |= used.role == Role::Id;
        self.uses[at] = Some(used);
        self.words[at] = words.map(Box::new);
    }
}
