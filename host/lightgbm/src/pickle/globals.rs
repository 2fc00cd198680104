//! The Python names that a pickle may contain. Each becomes an inert value; none is ever called.

use crate::extracted::Estimator;
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};
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
    /// Finds a name; `None` if it is not in the list, `UnsupportedModel` for that of another format.
    pub(super) fn find(module: &str, name: &str) -> Result<Option<Self>> {
        if let Some(estimator) = Estimator::from_class(module, name) {
            return Ok(Some(Self::Estimator(estimator)));
        }
        Ok(Some(match (module, name) {
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
            | ("numpy.random._pcg64", "PCG64" | "PCG64DXSM")
            // What people attach to estimators, and scikit-learn's routing of metadata.
            | ("datetime", "datetime" | "date" | "time" | "timedelta" | "timezone")
            | ("decimal", "Decimal")
            | ("uuid", "UUID" | "SafeUUID")
            | ("pathlib" | "pathlib._local", "Path" | "PosixPath" | "PurePosixPath" | "WindowsPath")
            | ("sklearn.utils._metadata_requests", "MetadataRequest" | "MethodMetadataRequest") => Self::Ignored,
            ("joblib.numpy_pickle", _) => {
                return Err(Error::new(ErrorKind::UnsupportedModel, "the model file is a joblib file, not a plain pickle")
                    .with_hint("log the model with `mlflow.lightgbm`, which writes plain files"));
            }
            _ => return Ok(None),
        }))
    }
}

/// The names outside the list that a pickle has, each once, and the estimators beside them.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    names: Vec<String>,
    /// The names of classes in the order in which they came, foreign ones and estimators.
    all: Vec<String>,
    /// Where the first one is.
    offset: usize,
}

/// How many foreign names are remembered.
const MOST_NAMES: usize = 32;

impl Foreign {
    /// Notes a name, and returns what it is for the machine.
    pub(super) fn known_or_noted(&mut self, module: &str, name: &str, offset: usize) -> Result<Global> {
        let found = Global::find(module, name)?;
        let qualified = || format!("{}.{}", excerpt(module, QUOTED_CHARS), excerpt(name, QUOTED_CHARS));
        if matches!(found, None | Some(Global::Estimator(_))) && self.all.len() < MOST_NAMES {
            let name = qualified();
            if !self.all.contains(&name) {
                self.all.push(name);
            }
        }
        if found.is_none() && self.names.len() < MOST_NAMES {
            if self.names.is_empty() {
                self.offset = offset;
            }
            let name = qualified();
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        // It becomes as inert as what predictions do not need; the pickle is refused at its end.
        Ok(found.unwrap_or(Global::Ignored))
    }

    /// The refusal, if there are such names. An object of scikit-learn that is not a model of LightGBM is named with what it holds.
    pub(super) fn refusal(&self) -> Option<Error> {
        let first = self.names.first()?;
        let error = |message: &str| Error::new(ErrorKind::UnsupportedModel, message.to_owned());
        // The class of an object comes before its contents.
        let is_whole = self.all.first() == Some(first) && first.starts_with("sklearn.");
        let refused = if is_whole {
            let held: Vec<&String> = self.all.iter().skip(1).collect();
            let what = "the pickle is an object of scikit-learn, not a model of LightGBM alone";
            let refused = error(what).with_context("class", first);
            let refused =
                if held.is_empty() { refused } else { refused.with_context("holds", listed(&held)) };
            refused.with_hint(
                "log the estimator of LightGBM alone with `mlflow.lightgbm.log_model`, and transform rows before they are scored",
            )
        } else {
            error("the pickle refers to a Python name that is not part of a LightGBM model")
                .with_context("name", listed(&self.names))
                .with_hint(
                    "if you trust the model, log its native booster instead (no code was run): \
                     `mlflow.lightgbm.log_model(model.booster_)`",
                )
        };
        Some(refused.with_context("offset", self.offset))
    }
}
