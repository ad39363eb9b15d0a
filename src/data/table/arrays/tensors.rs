//! The arrays of a safetensors file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata};

use super::matrix::{Body, Matrix};
use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::{AGAIN, broken};
use crate::data::npz::npy::Head;
use crate::data::number::{Kind, Order};

/// Longest header in bytes; that of the crate `safetensors`.
const LONGEST: u64 = 100_000_000;

/// The samples, the targets and the weights.
pub(super) fn open(path: &Path) -> Result<[Option<Matrix>; 3], Error> {
    let unreadable = |error: io::Error| bad(path, format!("cannot be read: {error}"), "check that you may read it");
    let damaged = |problem: String| bad(path, format!("is not a safetensors file: {problem}"), AGAIN);
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|error| broken(path, &error, "inside its header"))?;
    let size = u64::from_le_bytes(size);
    let Some(content) = length.checked_sub(8).and_then(|rest| rest.checked_sub(size)).filter(|_| size <= LONGEST)
    else {
        return Err(damaged(format!("its header declares {size} bytes, and the file has {length}")));
    };
    let mut header = Vec::new();
    file.take(size).read_to_end(&mut header).map_err(unreadable)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
    if metadata.data_len() as u64 != content {
        return Err(super::wrong_length(path));
    }
    let names = metadata.offset_keys();
    let open = |at: usize| {
        let name = names.get(at).map_or("", String::as_str);
        let file = File::open(path);
        let path = &super::inside(path, name);
        let info = metadata.info(name).ok_or_else(|| super::wrong_length(path))?;
        let kind = kind(info.dtype).ok_or_else(|| {
            let problem = format!("holds values of the type {:?}, which is not read", info.dtype);
            bad(path, problem, "store it as F32")
        })?;
        let values = info.shape.iter().try_fold(1_u64, |values, &size| values.checked_mul(size as u64));
        let Some(values) = values.filter(|&values| values > 0 && !info.shape.is_empty()) else {
            let problem = format!("has the shape {:?}", info.shape);
            return Err(bad(path, problem, "give it one row per sample, and at least one"));
        };
        let mut file = file.map_err(unreadable)?;
        let (start, end) = info.data_offsets;
        file.seek(SeekFrom::Start(8 + size + start as u64)).map_err(unreadable)?;
        let bytes = (end - start) as u64;
        let head = Head { kind, order: Order::Little, shape: info.shape.clone(), values, by_columns: false };
        Matrix::new(path, &head, Body::Stream(Box::new(file.take(bytes))), bytes)
    };
    let [samples, targets, weights] = super::find(path, &names)?.map(|at| at.map(open).transpose());
    Ok([samples?, targets?, weights?])
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::BOOL | Dtype::U8 => Kind::U8,
        Dtype::I8 => Kind::I8,
        Dtype::U16 => Kind::U16,
        Dtype::I16 => Kind::I16,
        Dtype::U32 => Kind::U32,
        Dtype::I32 => Kind::I32,
        Dtype::U64 => Kind::U64,
        Dtype::I64 => Kind::I64,
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::BF16,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        _ => return None,
    })
}
