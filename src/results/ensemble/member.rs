//! The members of an ensemble, and whether they fit each other.

use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::Column;
use crate::data::folder::few;
use crate::net::mlp::Mlp;
use crate::run::fits::same_shape;
use crate::run::model_file::Description;

/// A net of an ensemble.
#[derive(Clone, Debug)]
pub struct Member {
    /// Name in tables and messages, such as the path of its run.
    pub name: String,
    /// The net.
    pub model: Mlp,
    /// What it reads and predicts.
    pub description: Description,
}

/// Checks that the members read the same samples and predict the same: shape and type of a sample, columns of a table with
/// their categories, task, names of classes or targets, and whether images were transposed on loading. Each member scales its
/// inputs and targets in its own way.
///
/// # Errors
/// [`Error::Setting`] names two members and the difference; or there are no members.
pub fn check(members: &[Member]) -> Result<(), Error> {
    let [first, rest @ ..] = members else {
        return Err(Error::Setting("an ensemble has no members: name at least one model".into()));
    };
    for other in rest {
        if let Some((ours, theirs)) = difference(&first.description, &other.description) {
            return Err(Error::Setting(format!(
                "{} {ours}, but {} {theirs}: the members of an ensemble must read and predict the same, so leave one of them \
                 out",
                first.name, other.name
            )));
        }
    }
    Ok(())
}

/// What two members differ in, as the end of a sentence about each.
fn difference(one: &Description, two: &Description) -> Option<(String, String)> {
    let pair = |of: &dyn Fn(&Description) -> String| Some((of(one), of(two)));
    if one.features.is_some() != two.features.is_some() {
        let kind = |of: &Description| if of.features.is_some() { "takes numbers" } else { "takes bytes" }.to_string();
        return pair(&kind);
    }
    if !same_shape(&one.item, &two.item) {
        return pair(&|of| format!("takes samples of shape {:?}", of.item));
    }
    let columns = |of: &Description| of.header.as_ref().map(|header| header.columns.clone());
    let (ours, theirs) = (columns(one), columns(two));
    if ours.as_ref().map(Vec::len) != theirs.as_ref().map(Vec::len) {
        return pair(&|of| match columns(of) {
            Some(columns) => format!("takes a table of {}", counted(columns.len(), "column")),
            None => "takes arrays without names of columns".into(),
        });
    }
    let ours = ours.unwrap_or_default();
    if let Some(at) = ours.iter().zip(theirs.iter().flatten()).position(|(a, b)| a != b) {
        return pair(&|of| {
            let Column { name, categories } = columns(of).unwrap_or_default().swap_remove(at);
            let kind = categories.map_or("numbers".into(), |names| format!("the categories {}", few(&names)));
            format!("has column {at} `{name}` of {kind}")
        });
    }
    if let (Some(ours), Some(theirs)) = (one.was_transposed(), two.was_transposed())
        && ours != theirs
    {
        let done = |of: &Description| match of.was_transposed() {
            Some(true) => "was trained on images that were transposed on loading".to_string(),
            _ => "was trained on images as they are stored".to_string(),
        };
        return pair(&done);
    }
    let (ours, theirs) = (one.task(), two.task());
    if std::mem::discriminant(&ours) != std::mem::discriminant(&theirs) || ours.outputs() != theirs.outputs() {
        return pair(&|of| format!("predicts {}", of.task().counted()));
    }
    let at = ours.names().iter().zip(theirs.names()).position(|(a, b)| a != b)?;
    pair(&|of| format!("predicts as output {at} `{}`", of.task().names()[at]))
}
