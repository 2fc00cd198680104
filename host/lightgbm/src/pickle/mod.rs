//! Reads pickled estimators as data: opcodes in, inert values out. Nothing is imported or called.
//!
//! A pickle is a program for a small stack machine, and two of its instructions import and call Python objects. Here
//! they create values that record the call and its arguments, and only for names on a short list. The model's text and
//! the class labels are then extracted from those values. Anything else is an error.
//!
//! The machine is described in <https://docs.python.org/3/library/pickletools.html>; the values that LightGBM,
//! scikit-learn and NumPy write are known from files of LightGBM 3 and 4.

mod extract;
mod globals;
mod machine;
mod opcode;
mod source;
mod stack;
mod value;

use crate::extracted::{ExtractLimits, ExtractedModel};
use hydra_base::{Error, ErrorKind, Result};

/// Reads a model from a pickle of protocol 0 to 5, as `pickle` and `cloudpickle` write it.
///
/// The model's text is borrowed from `bytes` if the pickle's encoding allows it. [`ErrorKind::UnsupportedModel`] for
/// compressed pickles, joblib files and pickles with names that are not in the list; the message contains the name.
/// [`ErrorKind::InvalidModel`] for damage and for exceeded limits.
pub fn read_pickle<'a>(bytes: &'a [u8], limits: &ExtractLimits) -> Result<ExtractedModel<'a>> {
    refuse_containers(bytes)?;
    let (values, root) = machine::run(bytes, limits)?;
    extract::model(&values, root, limits)
}

/// Rejects compressed pickles by name. Attackers have used such wrappers to bypass checks of pickles.
fn refuse_containers(bytes: &[u8]) -> Result<()> {
    const CONTAINERS: [(&[u8], &str); 13] = [
        (b"\x1f\x8b", "gzip"),
        (b"\x78\x01", "zlib"),
        (b"\x78\x5e", "zlib"),
        (b"\x78\x9c", "zlib"),
        (b"\x78\xda", "zlib"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x5d\x00\x00", "lzma"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"PK\x03\x04", "zip"),
        (b"7z\xbc\xaf", "7z"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF", "torch"),
    ];
    match CONTAINERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        None => Ok(()),
        Some((_, name)) => Err(Error::new(
            ErrorKind::UnsupportedModel,
            format!("the model file is {name}, not a plain pickle"),
        )
        .with_hint("log the model with `mlflow.lightgbm`, which writes plain files")),
    }
}

#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod bombs;
#[cfg(test)]
mod tests;
