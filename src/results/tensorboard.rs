//! TensorBoard event files: scalars and pictures, written during a run.
//!
//! A file is a sequence of TensorFlow records (`tensorflow/core/lib/io/record_writer.h`): length (u64), its checksum,
//! payload, its checksum. A payload is an `Event` in protobuf (`tensorboard/compat/proto/event.proto`). No maintained crate
//! writes such files, so the record format and the five messages are implemented here. Protobuf, checksum and PNG come from
//! crates.

mod board;

use crate::base::clock::{SystemTime, UNIX_EPOCH};
use crate::base::error::Error;
use crate::results::picture::Picture;
pub use board::Board;
use crc::{CRC_32_ISCSI, Crc};
use prost::Message;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `tensorboard.Event`.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// Number of updates made.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// `brain.Event:2` in the first event, absent in all others.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// The measured values.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
    /// Marks the start of a run or its continuation.
    #[prost(message, optional, tag = "7")]
    pub session_log: Option<SessionLog>,
}

/// `tensorboard.SessionLog`.
#[derive(Clone, PartialEq, Message)]
pub struct SessionLog {
    /// 1 is START: readers discard earlier events of this event's step and later steps.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// `tensorboard.Summary`.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// The values and their tags.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// `tensorboard.Summary.Value`: a scalar or an image.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// Name of the curve or picture. The part before a slash is its group.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// A scalar.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
    /// An image.
    #[prost(message, optional, tag = "4")]
    pub image: Option<Image>,
}

/// `tensorboard.Summary.Image`.
#[derive(Clone, PartialEq, Message)]
pub struct Image {
    /// Rows.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// Pixels in a row.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// 3 is RGB.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// A PNG file.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}

/// The masked CRC-32C of TensorFlow's record format. The mask (a rotation and an added constant) avoids problems when data
/// that contain CRCs are themselves checked by CRC.
fn checksum(bytes: &[u8]) -> u32 {
    const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// One record of an event file.
fn framed(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let length_sum = checksum(&length).to_le_bytes();
    let payload_sum = checksum(payload).to_le_bytes();
    [&length[..], &length_sum, payload, &payload_sum].concat()
}

/// An open event file.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Creates a new event file in a folder, which is created if it does not exist.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be created.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let now = now();
        let process = std::process::id();
        // TensorBoard reads the files of a folder in the order of their names, and only those with `tfevents` in the name.
        let time = format!("{:010}.{:06}", now.as_secs(), now.subsec_micros());
        let name = |count: u32| folder.join(format!("events.out.tfevents.{time}.gpu-mlp.{process}.{count}"));
        for path in (0..).map(name) {
            match File::create_new(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                result => {
                    let mut events = EventFile { file: result.map_err(Error::file(&path))?, path };
                    events.push(0, Event { file_version: Some("brain.Event:2".into()), ..Event::default() })?;
                    return Ok(events);
                }
            }
        }
        unreachable!("a free number exists")
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes readers discard everything that was written before, in any file of the folder, for `step` and later steps. A run
    /// that is resumed from a checkpoint repeats those steps.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn restart(&mut self, step: u64) -> Result<(), Error> {
        self.push(step, Event { session_log: Some(SessionLog { status: 1 }), ..Event::default() })
    }

    /// Appends scalars with their tags; `step` is the number of updates made.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn scalars(&mut self, step: u64, scalars: &[(String, f64)]) -> Result<(), Error> {
        let value = |(tag, number): &(String, f64)| Value {
            tag: tag.clone(),
            simple_value: Some(*number as f32),
            ..Value::default()
        };
        let summary = Summary { value: scalars.iter().map(value).collect() };
        self.push(step, Event { summary: Some(summary), ..Event::default() })
    }

    /// Appends a picture.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn picture(&mut self, step: u64, tag: &str, picture: &Picture) -> Result<(), Error> {
        let encoded_image_string = picture.png();
        let (height, width) = (picture.height as i32, picture.width as i32);
        let image = Image { height, width, colorspace: 3, encoded_image_string };
        let value = Value { tag: tag.into(), image: Some(image), ..Value::default() };
        self.push(step, Event { summary: Some(Summary { value: vec![value] }), ..Event::default() })
    }

    /// Appends a record with a single write. A concurrent reader sees complete records; it reads an incomplete one at
    /// the end later.
    fn push(&mut self, step: u64, event: Event) -> Result<(), Error> {
        let event = Event { wall_time: now().as_secs_f64(), step: step as i64, ..event };
        self.file.write_all(&framed(&event.encode_to_vec())).map_err(Error::file(&self.path))
    }
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
