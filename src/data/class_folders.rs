//! Folders of PNG and JPEG pictures, one folder per class: `train/7/1.png`, `test/7/2.png`, the layout of torchvision's
//! `ImageFolder`.
//!
//! Folders named by whole numbers below 256 have these labels; other names are numbered in their sorted order.

use std::io;
use std::path::{Path, PathBuf};

use super::folder::entries;
use super::source::{Arrays, ends};
use super::{Event, bad};
use crate::base::error::Error;

/// Names of the folder of the training and of the test split, the first choice first.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

fn is_picture(name: &str) -> bool {
    ends(name, &["png", "jpg", "jpeg"])
}

/// Whether one of these folders holds pictures.
pub(super) fn any_pictures(folders: &[(String, PathBuf)]) -> bool {
    let holds = |(_, folder): &(String, PathBuf)| {
        entries(folder).is_ok_and(|(files, _)| files.iter().any(|(name, _)| is_picture(name)))
    };
    folders.iter().any(holds)
}

/// The folders of the training and of the test split in `folder`, or in the only folder in it.
pub(super) fn find(folder: &Path) -> io::Result<Option<[PathBuf; 2]>> {
    let (files, folders) = entries(folder)?;
    let named = |names: &[&str]| {
        let one = |name: &&str| folders.iter().find(|(folder, _)| folder.eq_ignore_ascii_case(name));
        names.iter().find_map(one).map(|(_, path)| path.clone())
    };
    if let (Some(train), Some(test)) = (named(&TRAIN), named(&TEST)) {
        let pictures = [&train, &test].map(|split| entries(split).map(|(_, classes)| any_pictures(&classes)));
        let [train_has, test_has] = pictures;
        return Ok((train_has? && test_has?).then_some([train, test]));
    }
    match &folders[..] {
        [(_, only)] if files.is_empty() => find(only),
        _ => Ok(None),
    }
}

#[cfg(not(feature = "images"))]
pub(super) fn read(splits: &[PathBuf; 2], _watch: &mut dyn FnMut(Event)) -> Result<Arrays, Error> {
    let problem = "holds pictures, and this program was built without the feature `images`";
    Err(bad(&splits[0], problem, "build it with that feature, or convert the pictures to IDX files"))
}

#[cfg(feature = "images")]
pub use reader::grey;
#[cfg(feature = "images")]
pub(super) use reader::read;

#[cfg(feature = "images")]
mod reader {
    use super::*;
    use crate::data::folder::{few, name_of};
    use crate::data::idx::Idx;
    use crate::data::images::decode::{LONGEST_FILE, decode};
    use rayon::prelude::*;
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Longest side of a sample in pixels. The decoder scales down from 1024 on.
    const LONGEST_SIDE: u32 = 512;

    /// A picture as a grey sample.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Grey {
        /// Rows and columns.
        pub shape: [usize; 2],
        /// Pixels, row by row.
        pub pixels: Vec<u8>,
        /// Whether the picture has colours, so that its grey is a weighted mean.
        pub coloured: bool,
    }

    /// The pictures of a split and their classes.
    struct Listed {
        files: Vec<PathBuf>,
        labels: Vec<u8>,
    }

    /// Reads all pictures.
    pub(in crate::data) fn read(splits: &[PathBuf; 2], watch: &mut dyn FnMut(Event)) -> Result<Arrays, Error> {
        let listed =
            |error: io::Error| bad(&splits[0], format!("cannot be listed: {error}"), "check that you may read it");
        let [train, test] = splits.each_ref().map(|split| entries(split).map(|(_, folders)| folders).map_err(listed));
        let (train, test) = (train?, test?);
        if let Some((name, path)) = test.iter().find(|(name, _)| !train.iter().any(|(known, _)| known == name)) {
            let problem = format!("is the folder of a class, {name}, that {} does not have", splits[0].display());
            return Err(bad(path, problem, "give it training samples too, or remove it"));
        }
        let numbers: Option<Vec<u8>> = train.iter().map(|(name, _)| name.parse().ok()).collect();
        if numbers.is_none() && train.len() > 256 {
            let problem = format!("holds {} classes, more than 256", train.len());
            return Err(bad(&splits[0], problem, "use fewer classes"));
        }
        let label = |name: &str| {
            let at = train.iter().position(|(known, _)| known == name).unwrap_or(0);
            numbers.as_ref().map_or(at as u8, |numbers| numbers[at])
        };
        if numbers.is_none() {
            let named: Vec<_> = train.iter().map(|(name, _)| format!("{} {name}", label(name))).collect();
            watch(Event::Note(format!("the classes are numbered by their folders: {}", few(&named))));
        }
        let coloured = AtomicBool::new(false);
        let first = list(&train, label)?;
        let second = list(&test, label)?;
        let shape = match first.files.first() {
            Some(file) => picture(file)?.shape,
            None => return Err(bad(&splits[0], "holds no pictures", "put PNG or JPEG files into its folders")),
        };
        let images = |listed: &Listed| samples(&listed.files, (&first.files[0], shape), &coloured);
        let (images, test_images) = (images(&first)?, images(&second)?);
        if coloured.into_inner() {
            watch(Event::Note("pictures with colours were converted to grey".into()));
        }
        let idx = |labels: Vec<u8>| Idx { shape: vec![labels.len()], bytes: labels };
        Ok(Arrays {
            name: name_of(splits[0].parent().unwrap_or(Path::new("."))),
            origin: format!("pictures in {} and {}", splits[0].display(), splits[1].display()),
            paths: [&splits[0], &splits[0], &splits[1], &splits[1]].map(PathBuf::clone),
            idx: [images, idx(first.labels), test_images, idx(second.labels)],
        })
    }

    /// The pictures in the folders of the classes.
    fn list(classes: &[(String, PathBuf)], label: impl Fn(&str) -> u8) -> Result<Listed, Error> {
        let (mut files, mut labels) = (Vec::new(), Vec::new());
        for (name, folder) in classes {
            let found = entries(folder);
            let found = found
                .map_err(|error| bad(folder, format!("cannot be listed: {error}"), "check that you may read it"))?;
            let (pictures, others): (Vec<_>, Vec<_>) = found.0.into_iter().partition(|(name, _)| is_picture(name));
            if let (true, Some((other, _))) = (pictures.is_empty(), others.first()) {
                return Err(bad(folder, format!("holds {other}, but no PNG or JPEG files"), "convert them to PNG"));
            }
            labels.resize(labels.len() + pictures.len(), label(name));
            files.extend(pictures.into_iter().map(|(_, path)| path));
        }
        Ok(Listed { files, labels })
    }

    /// The samples of a split. All must have the shape of the first.
    fn samples(files: &[PathBuf], first: (&Path, [usize; 2]), coloured: &AtomicBool) -> Result<Idx, Error> {
        let (first, shape) = first;
        let inputs = shape[0] * shape[1];
        let mut pixels = Vec::new();
        let too_large = |_| {
            let problem = format!("begins {} pictures of {shape:?}, more than fit in memory", files.len());
            bad(first, problem, "scale the pictures down")
        };
        pixels.try_reserve_exact(files.len() * inputs).map_err(too_large)?;
        pixels.resize(files.len() * inputs, 0);
        pixels.par_chunks_exact_mut(inputs).zip(files).try_for_each(|(sample, file)| {
            let grey = picture(file)?;
            if grey.shape != shape {
                let problem = format!("has the shape {:?}, but {} has {shape:?}", grey.shape, first.display());
                return Err(bad(file, problem, "scale all pictures to one size"));
            }
            coloured.fetch_or(grey.coloured, Ordering::Relaxed);
            sample.copy_from_slice(&grey.pixels);
            Ok(())
        })?;
        Ok(Idx { shape: vec![files.len(), shape[0], shape[1]], bytes: pixels })
    }

    fn picture(path: &Path) -> Result<Grey, Error> {
        let unreadable = |error: io::Error| bad(path, format!("cannot be read: {error}"), "check that you may read it");
        let length = fs::metadata(path).map_err(unreadable)?.len();
        if length > LONGEST_FILE {
            return Err(bad(path, format!("has {length} bytes, more than a sample needs"), "scale the picture down"));
        }
        grey(&fs::read(path).map_err(unreadable)?, path)
    }

    /// Converts the bytes of a PNG or JPEG file into a grey sample; `path` is used in messages. Grey pixels of 8 bits keep
    /// their values.
    ///
    /// # Errors
    /// [`Error::Data`] if the file cannot be decoded, is too large for a sample, or is transparent.
    pub fn grey(bytes: &[u8], path: &Path) -> Result<Grey, Error> {
        let picture = decode(bytes, path)?;
        if picture.width().max(picture.height()) > LONGEST_SIDE {
            let problem = format!("has more than {LONGEST_SIDE} rows or columns, too many for a sample");
            return Err(bad(path, problem, "scale all pictures down, to 28×28 for example"));
        }
        if picture.pixels().any(|pixel| pixel[3] != 255) {
            return Err(bad(path, "is transparent", "save it without an alpha channel, on a background of one colour"));
        }
        let coloured = picture.pixels().any(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2]);
        let shape = [picture.height() as usize, picture.width() as usize];
        // Rec. 709, in whole numbers: three equal values give that value.
        let luma = |[r, g, b, _]: [u8; 4]| {
            ((2126 * u32::from(r) + 7152 * u32::from(g) + 722 * u32::from(b) + 5000) / 10_000) as u8
        };
        Ok(Grey { shape, pixels: picture.pixels().map(|pixel| luma(pixel.0)).collect(), coloured })
    }
}
