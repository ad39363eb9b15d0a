//! Reads all rows of a file into one table, or hands them out in batches.

use std::path::{Path, PathBuf};

use super::chunk::Chunk;
use super::plan::Plan;
use super::source::{self, Source};
use super::{Header, Ids, Options, RawTargets, Table, TargetKind, kinds, roles};
use crate::base::error::Error;
use crate::data::bad;
use crate::data::folder::few;

/// See [`read`](super::read), and [`read_anew`](super::read_anew) for features that `header` determines.
pub(super) fn read(path: &Path, header: Option<&Header>, options: &Options) -> Result<Table, Error> {
    let mut words = Vec::new();
    // A column whose first rows are numbers may turn out to hold texts, or classes that are written like codes; then the file
    // is read once more.
    for _ in 0..2 {
        let mut source = source::open(path, options)?;
        let columns = source.columns().clone();
        let (mut plan, mut notes) = roles::training(path, &columns, header, options, &words)?;
        let all = collect(path, source.as_mut(), &mut plan)?;
        words = kinds::texts(path, &columns, &plan, &all, options)?;
        words.extend(kinds::coded_classes(&plan, &all, options));
        if words.is_empty() {
            let table = kinds::table(path, &columns, &plan, all, options)?;
            notes.extend_from_slice(&table.notes);
            return Ok(Table { notes, ..table });
        }
        if !path.is_file() {
            let names: Vec<String> = words.iter().map(|&at| columns.name(at)).collect();
            let problem = format!("has texts after numbers, or codes such as 01, in {}", few(&names));
            let next = "it must be read twice, and a pipe is read once: save it as a file, or say that they are texts: \
                        declare features categorical, or take the target as classes";
            return Err(bad(path, problem, next));
        }
    }
    Err(bad(path, "changed while it was read", "read it when it is complete"))
}

/// See [`read_like`](super::read_like).
pub(super) fn read_like(path: &Path, header: &Header, options: &Options) -> Result<Table, Error> {
    let mut rows = Rows::new(path, header, options, true)?;
    let Rows { source, plan, notes, .. } = &mut rows;
    let all = collect(path, source.as_mut(), plan)?;
    kinds::refuse_misfits(path, source.columns(), plan, &all)?;
    let targets = match header.target.as_ref().map(|target| &target.kind) {
        None => RawTargets::None,
        Some(TargetKind::Classes { .. }) => RawTargets::Classes(all.targets.iter().map(|&code| code as u32).collect()),
        Some(TargetKind::Values) => RawTargets::Values(kinds::singles(&all.targets)),
        Some(TargetKind::Labels) => RawTargets::Labels(kinds::singles(&all.targets)),
    };
    let (weights, ids) = kinds::attached(path, plan, all.weights, all.ids)?;
    Ok(Table { header: header.clone(), values: all.values, targets, weights, ids, notes: std::mem::take(notes) })
}

/// All rows of a file.
fn collect(path: &Path, source: &mut dyn Source, plan: &mut Plan) -> Result<Chunk, Error> {
    let mut all = Chunk::default();
    while let Some(chunk) = source.next(plan)? {
        let rows = all.rows + chunk.rows;
        if rows * plan.features > all.values.capacity() {
            // If the guess was too low, an eighth more at a time: doubling would take twice the memory.
            let likely = source.likely_rows().and_then(|rows| usize::try_from(rows).ok()).unwrap_or(0);
            let goal = rows.max(likely).max(all.rows + all.rows / 8);
            reserve(&mut all, plan, goal).ok_or_else(|| {
                let next = "use a machine with more memory, or fewer rows or columns";
                bad(path, format!("has {} columns of values, more rows than fit in memory", plan.features), next)
            })?;
        }
        all.append(chunk);
    }
    if all.rows == 0 {
        return Err(bad(path, "holds no rows", "put at least one row into it, below the header if there is one"));
    }
    // Pages that were never written take no memory, so a little room too much costs nothing.
    if all.values.capacity() > all.values.len() / 8 * 9 {
        all.values.shrink_to_fit();
    }
    Ok(all)
}

/// Makes room for this many rows in all.
fn reserve(all: &mut Chunk, plan: &Plan, rows: usize) -> Option<()> {
    let more = |columns: usize, there: usize| Some(rows.checked_mul(columns)?.saturating_sub(there));
    all.values.try_reserve_exact(more(plan.features, all.values.len())?).ok()?;
    all.targets.try_reserve_exact(more(plan.targets, all.targets.len())?).ok()?;
    all.weights.try_reserve_exact(more(usize::from(plan.weighted), all.weights.len())?).ok()
}

/// A file that is read batch by batch, with the columns of a training file, at a memory that does not grow with the file.
pub struct Rows {
    path: PathBuf,
    source: Box<dyn Source>,
    plan: Plan,
    notes: Vec<String>,
}

/// Some rows of a file, n of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The number of rows, n; at least 1.
    pub rows: usize,
    /// Values of the features (n, F), as [`Table::values`].
    pub values: Vec<f32>,
    /// Targets (n, T), row-major: a class as its index in [`TargetKind::Classes`], a value, or 1 and 0 for a label. NaN if the
    /// target of a row is missing or unknown. `None` if the file has no columns of targets.
    pub targets: Option<Vec<f64>>,
    /// Weights (n).
    pub weights: Option<Vec<f32>>,
    /// Identifiers (n).
    pub ids: Option<Ids>,
}

impl Rows {
    /// Opens a file. Columns are matched as by [`read_like`](super::read_like), but targets and weights may be absent.
    ///
    /// # Errors
    /// As [`read_like`](super::read_like).
    pub fn open(path: &Path, header: &Header, options: &Options) -> Result<Rows, Error> {
        Rows::new(path, header, options, false)
    }

    fn new(path: &Path, header: &Header, options: &Options, demanded: bool) -> Result<Rows, Error> {
        let source = source::open(path, options)?;
        let (plan, notes) = roles::like(path, source.columns(), header, options, demanded)?;
        Ok(Rows { path: path.to_owned(), source, plan, notes })
    }

    /// What a user should know, as [`Table::notes`].
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The next rows, in the order of the file; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Data`] with the line and column of a field that does not fit.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let Rows { path, source, plan, .. } = self;
        loop {
            let Some(chunk) = source.next(plan)? else { return Ok(None) };
            kinds::refuse_misfits(path, source.columns(), plan, &chunk)?;
            if chunk.rows == 0 {
                continue;
            }
            let name = kinds::id_name(plan);
            return Ok(Some(Batch {
                rows: chunk.rows,
                values: chunk.values,
                targets: (plan.targets > 0).then_some(chunk.targets),
                weights: plan.weighted.then_some(chunk.weights),
                ids: name.map(|name| Ids { name, ..chunk.ids }),
            }));
        }
    }
}
