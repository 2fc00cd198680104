//! The Python names that a pickle may contain. Each becomes an inert value; none is ever called.

use crate::extracted::Estimator;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// A name from the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// One of LightGBM's estimators, or its booster.
    Estimator(Estimator),
    /// scikit-learn's `LabelEncoder`, which contains a classifier's labels.
    LabelEncoder,
    /// `numpy.ndarray`.
    Array,
    /// Creates an empty array, which a state then fills.
    ArrayReconstruct,
    /// Creates an array from bytes, type, shape and order.
    ArrayFromBuffer,
    /// Creates a NumPy scalar from type and bytes.
    ArrayScalar,
    /// `numpy.dtype`.
    ElementType,
    /// Creates bytes from a Latin-1 string, in protocols that have no bytes.
    EncodeLatin1,
    /// Creates an object of a class, in protocols without an instruction for that.
    Reconstruct,
    /// Containers and values that a model may contain but predictions do not need.
    Ignored,
}

impl Global {
    /// Finds a name; `UnsupportedModel` if it is not in the list.
    pub(super) fn find(module: &str, name: &str) -> Result<Self> {
        if let Some(estimator) = Estimator::from_class(module, name) {
            return Ok(Self::Estimator(estimator));
        }
        Ok(match (module, name) {
            ("sklearn.preprocessing._label" | "sklearn.preprocessing.label", "LabelEncoder")
            | ("lightgbm.compat", "_LGBMLabelEncoder" | "LGBMLabelEncoder") => Self::LabelEncoder,
            ("numpy", "ndarray") => Self::Array,
            ("numpy", "dtype") => Self::ElementType,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Self::ArrayReconstruct,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::ArrayScalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Self::ArrayFromBuffer,
            ("_codecs", "encode") => Self::EncodeLatin1,
            ("copyreg" | "copy_reg", "_reconstructor") => Self::Reconstruct,
            ("collections", "OrderedDict" | "defaultdict")
            | (
                "builtins" | "__builtin__",
                "object" | "list" | "tuple" | "dict" | "set" | "frozenset" | "int" | "float" | "complex"
                | "bool" | "str" | "bytes" | "bytearray",
            )
            // A seeded generator as `random_state`.
            | (
                "numpy.random._pickle",
                "__randomstate_ctor" | "__generator_ctor" | "__bit_generator_ctor",
            )
            | ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence" | "SeedSequence")
            | ("numpy.random._mt19937", "MT19937")
            | ("numpy.random._pcg64", "PCG64" | "PCG64DXSM") => Self::Ignored,
            ("joblib.numpy_pickle", _) => {
                return Err(Error::new(ErrorKind::UnsupportedModel, "the model file is a joblib file, not a plain pickle")
                    .with_hint("log the model with `mlflow.lightgbm`, which writes plain files"));
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::UnsupportedModel,
                    "the pickle refers to a Python name that is not part of a LightGBM model",
                )
                .with_context("name", format!("{}.{}", excerpt(module, QUOTED_CHARS), excerpt(name, QUOTED_CHARS)))
                .with_hint(
                    "if you trust the model, log its native booster instead (no code was run): \
                     `mlflow.lightgbm.log_model(model.booster_)`",
                ));
            }
        })
    }
}
