//! A chunk: some rows of a table. Every reader fills it field by field, and these rules apply to all of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use super::field::{is_missing, label, labelled, number, plain, shown, single, word_of};
use super::plan::{Kind, Plan, Role, Use};
use super::words::Fresh;
use super::{Ids, MOST_CATEGORIES};
use crate::base::error::Error;
use crate::data::bad;

/// Why a field cannot be read, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The column of the file; `None` if the whole row is at fault.
    pub(super) column: Option<usize>,
    pub(super) problem: String,
    pub(super) next: String,
    /// Whether the whole column is at fault, not a field of it.
    pub(super) everywhere: bool,
}

impl Fault {
    pub(super) fn new(column: usize, problem: impl Into<String>, next: impl Into<String>) -> Fault {
        Fault { column: Some(column), problem: problem.into(), next: next.into(), everywhere: false }
    }

    /// The error; `place` is the line or row.
    pub(super) fn error(self, path: &Path, plan: &Plan, place: &str) -> Error {
        let column = self.column.and_then(|column| plan.names.get(column));
        let column = column.map(|name| labelled(name));
        let place = (!self.everywhere).then(|| place.to_owned());
        let at: Vec<String> = place.into_iter().chain(column).collect();
        bad(path, format!("{}: {}", at.join(", "), self.problem), self.next)
    }
}

/// Fields of a column of numbers that are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfits {
    pub(super) count: usize,
    /// Where the first one is: an offset in a piece of text, later a line; or a row.
    pub(super) at: usize,
    /// The first one.
    pub(super) text: String,
}

/// Some rows.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) rows: usize,
    /// Features (rows, F).
    pub(super) values: Vec<f32>,
    /// Targets (rows, T): numbers, codes of classes, or 1 and 0. NaN for a misfit.
    pub(super) targets: Vec<f64>,
    /// Whether a target that was read as a number is not [`plain`], so that its text may be more than the number.
    pub(super) coded: bool,
    pub(super) weights: Vec<f32>,
    pub(super) ids: Ids,
    /// Per column of the file.
    pub(super) misfits: BTreeMap<usize, Misfits>,
    /// Words that the plan lacks, per column of the file.
    pub(super) fresh: BTreeMap<usize, Fresh>,
}

impl Chunk {
    /// Adds a row of missing values. Features that are there already stay.
    pub(super) fn start_row(&mut self, plan: &Plan) {
        self.rows += 1;
        let features = self.rows * plan.features;
        if self.values.len() < features {
            self.values.resize(features, f32::NAN);
        }
        self.targets.resize(self.rows * plan.targets, f64::NAN);
    }

    /// Adds the rows of another chunk, whose words are settled.
    pub(super) fn append(&mut self, other: Chunk) {
        self.rows += other.rows;
        self.values.extend(other.values);
        self.targets.extend(other.targets);
        self.coded |= other.coded;
        self.weights.extend(other.weights);
        self.ids.append(&other.ids);
        merge(&mut self.misfits, other.misfits);
    }

    /// Puts a field of text into the last row; `at` is where its row is.
    pub(super) fn put(&mut self, plan: &Plan, column: usize, field: &[u8], at: usize) -> Result<(), Fault> {
        let Some(Some(used)) = plan.uses.get(column) else { return Ok(()) };
        let field = field.trim_ascii();
        if used.role == Role::Feature && used.kind == Kind::Number {
            return self.feature(plan, *used, column, field, at);
        }
        match (used.role, used.kind) {
            (Role::Id, _) => {
                let text = std::str::from_utf8(field).map_err(|_| not_utf8(column, field))?;
                self.ids.push(text);
                Ok(())
            }
            _ if is_missing(field) => miss(plan, *used, column),
            (_, Kind::Word) => self.word(plan, *used, column, field),
            (_, Kind::Label) => {
                match label(field) {
                    Some(label) => self.store(plan, *used, label),
                    None if plan.lenient => {}
                    None => {
                        let next = "write 1 or 0, yes or no, true or false";
                        return Err(Fault::new(column, format!("{:?} is neither yes nor no", shown(field)), next));
                    }
                }
                Ok(())
            }
            (_, Kind::Number) => match number::<f64>(field) {
                Some(value) if used.role == Role::Target && !(value as f32).is_finite() => Err(infinite(column, field)),
                Some(value) => {
                    self.coded = self.coded || used.role == Role::Target && plain(field).is_none();
                    self.number(plan, *used, column, value)
                }
                None if used.role == Role::Weight => Err(bad_weight(column, &shown(field))),
                None if plan.lenient => Ok(()),
                None => {
                    self.misfit(column, field, at);
                    Ok(())
                }
            },
        }
    }

    fn feature(&mut self, plan: &Plan, used: Use, column: usize, field: &[u8], at: usize) -> Result<(), Fault> {
        match single(field) {
            Some(value) if value.is_finite() => self.values[(self.rows - 1) * plan.features + used.slot] = value,
            _ if is_missing(field) => {}
            Some(_) => return Err(infinite(column, field)),
            None => self.misfit(column, field, at),
        }
        Ok(())
    }

    /// Puts a number into the last row. NaN is a missing value.
    pub(super) fn put_number(&mut self, plan: &Plan, column: usize, value: f64) -> Result<(), Fault> {
        let Some(Some(used)) = plan.uses.get(column) else { return Ok(()) };
        match (used.role, used.kind) {
            (Role::Id, _) => {
                self.ids.push(&value.to_string());
                Ok(())
            }
            _ if value.is_nan() => miss(plan, *used, column),
            (_, Kind::Number) => self.number(plan, *used, column, value),
            (_, Kind::Word) => self.word(plan, *used, column, word_of(value).as_bytes()),
            (_, Kind::Label) if value == 0.0 || value == 1.0 => {
                self.store(plan, *used, value);
                Ok(())
            }
            (_, Kind::Label) if plan.lenient => Ok(()),
            (_, Kind::Label) => Err(Fault::new(column, format!("{value} is neither yes nor no"), "write 1 or 0")),
        }
    }

    fn number(&mut self, plan: &Plan, used: Use, column: usize, value: f64) -> Result<(), Fault> {
        if used.role == Role::Weight && !(value >= 0.0 && (value as f32).is_finite()) {
            return Err(bad_weight(column, &value.to_string()));
        }
        if !(value as f32).is_finite() {
            return Err(infinite(column, value.to_string().as_bytes()));
        }
        // From here on, a double does not tell whole numbers apart.
        self.coded |= used.role == Role::Target && value.abs() >= (1_u64 << f64::MANTISSA_DIGITS) as f64;
        self.store(plan, used, value);
        Ok(())
    }

    /// The indices are in bounds: [`Chunk::start_row`] has added the row, and slots are below their number.
    fn store(&mut self, plan: &Plan, used: Use, value: f64) {
        let row = self.rows - 1;
        match used.role {
            Role::Feature => self.values[row * plan.features + used.slot] = value as f32,
            Role::Target => self.targets[row * plan.targets + used.slot] = value,
            Role::Weight => self.weights.push(value as f32),
            Role::Id => {}
        }
    }

    fn word(&mut self, plan: &Plan, used: Use, column: usize, field: &[u8]) -> Result<(), Fault> {
        let Some(Some(lexicon)) = plan.words.get(column) else { return Ok(()) };
        let known = lexicon.find(field);
        let code = match known {
            Some(code) => code,
            None if !lexicon.is_open() => match used.role {
                Role::Feature => lexicon.len(),
                _ if plan.lenient => return Ok(()),
                _ => {
                    let problem = format!("{:?} is not one of the classes of the training file", shown(field));
                    return Err(Fault::new(column, problem, "correct it, or remove the row"));
                }
            },
            None => {
                let text = std::str::from_utf8(field).map_err(|_| not_utf8(column, field))?;
                let code = self.fresh.entry(column).or_insert_with(|| Fresh::new(lexicon.len())).code(text);
                if used.role == Role::Feature && code >= MOST_CATEGORIES {
                    return Err(too_many_words(column));
                }
                code
            }
        };
        self.store(plan, used, code as f64);
        Ok(())
    }

    /// Adds the words that the plan lacks to it, and gives them their codes.
    pub(super) fn settle(&mut self, plan: &mut Plan) -> Result<(), Fault> {
        for (column, fresh) in std::mem::take(&mut self.fresh) {
            let (Some(Some(used)), Some(Some(lexicon))) = (plan.uses.get(column), plan.words.get_mut(column)) else {
                continue;
            };
            let codes = lexicon.add(&fresh);
            if used.role == Role::Feature && lexicon.len() > MOST_CATEGORIES {
                return Err(too_many_words(column));
            }
            let settled = |code: usize| fresh.place(code).and_then(|place| codes.get(place)).copied().unwrap_or(code);
            if used.role == Role::Feature {
                for value in self.values.iter_mut().skip(used.slot).step_by(plan.features) {
                    // NaN, a missing value, stays.
                    if *value >= 0.0 {
                        *value = settled(*value as usize) as f32;
                    }
                }
            } else {
                for value in self.targets.iter_mut().skip(used.slot).step_by(plan.targets) {
                    *value = settled(*value as usize) as f64;
                }
            }
        }
        Ok(())
    }

    fn misfit(&mut self, column: usize, field: &[u8], at: usize) {
        let new = || Misfits { count: 0, at, text: shown(field) };
        self.misfits.entry(column).or_insert_with(new).count += 1;
    }
}

/// A missing value. The row starts with those, so there is nothing to store.
fn miss(plan: &Plan, used: Use, column: usize) -> Result<(), Fault> {
    match used.role {
        Role::Target if !plan.lenient => {
            Err(Fault::new(column, "the target is missing", "remove the row, or fill it in"))
        }
        Role::Feature | Role::Id | Role::Target => Ok(()),
        Role::Weight => Err(bad_weight(column, "missing")),
    }
}

/// Adds misfits that come later in the file.
fn merge(misfits: &mut BTreeMap<usize, Misfits>, later: BTreeMap<usize, Misfits>) {
    for (column, later) in later {
        match misfits.entry(column) {
            Entry::Vacant(entry) => _ = entry.insert(later),
            Entry::Occupied(mut entry) => entry.get_mut().count += later.count,
        }
    }
}

pub(super) fn infinite(column: usize, field: &[u8]) -> Fault {
    let problem = format!("{} is infinite or too large for single precision", shown(field));
    Fault::new(column, problem, "remove the row, or leave the field empty if the value is missing")
}

fn bad_weight(column: usize, value: &str) -> Fault {
    let problem = format!("the weight is {value}, not a finite number from 0");
    Fault::new(column, problem, "correct it; a weight of 0 leaves the row out")
}

fn not_utf8(column: usize, field: &[u8]) -> Fault {
    Fault::new(column, format!("{:?} is not UTF-8 text", shown(field)), "save the file as UTF-8 text")
}

fn too_many_words(column: usize) -> Fault {
    let problem = format!("it has more than {MOST_CATEGORIES} different texts, so it looks like an id");
    let next = "ignore the column, make it the id, or replace rare texts by a common one";
    Fault { everywhere: true, ..Fault::new(column, problem, next) }
}
