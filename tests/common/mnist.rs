//! The real MNIST, if GPU_MLP_DATA_DIR names its folder.

use super::not_run;
use gpu_mlp::data::{self, Choice, DataSet, Request};

/// The real MNIST, or `None` with a message; the caller then returns or uses the digits.
pub fn mnist() -> Option<DataSet> {
    if std::env::var_os("GPU_MLP_DATA_DIR").is_none() {
        not_run("on MNIST: set GPU_MLP_DATA_DIR to a folder that holds it");
        return None;
    }
    let request = Request { choice: Choice::Mnist, offline: true, ..Request::default() };
    Some(data::open(&request, &mut |_| {}).expect("GPU_MLP_DATA_DIR holds MNIST"))
}
