//! Hand-made malicious and damaged pickles; `loaded::tests` reads real ones.

use super::bombs::{BOMBS, global, pickle, text};
use super::*;
use crate::extracted::Estimator;
use crate::labels::ClassLabels;

fn read(bytes: &[u8]) -> Result<ExtractedModel<'_>> {
    read_pickle(bytes, &ExtractLimits::default())
}

fn kind(bytes: &[u8]) -> ErrorKind {
    read(bytes).unwrap_err().kind()
}

/// An object of a class without arguments; `attributes` are key and value opcodes.
fn object(module: &str, name: &str, attributes: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut pickle = [global(module, name), b")\x81}(".to_vec()].concat();
    for (key, value) in attributes {
        pickle.extend(text(key));
        pickle.extend(value);
    }
    pickle.extend(b"ub");
    pickle
}

fn booster() -> Vec<u8> {
    object("lightgbm.basic", "Booster", &[("_handle", text("tree\n")), ("best_iteration", b"K\x03".to_vec())])
}

#[test]
fn a_booster_is_its_text() {
    let bytes = pickle(&booster());
    let model = read(&bytes).unwrap();
    assert_eq!(model.booster_text, "tree\n");
    assert_eq!(model.estimator, Estimator::Booster);
    assert_eq!(model.best_iteration, Some(3));
    assert_eq!(model.classes, None);
}

/// A booster whose best iteration is the value of this instruction.
fn with_best(best: &[u8]) -> Vec<u8> {
    pickle(&object(
        "lightgbm.basic",
        "Booster",
        &[("_handle", text("tree\n")), ("best_iteration", best.to_vec())],
    ))
}

#[test]
fn the_best_iteration_may_be_numpys() {
    let scalar = [
        global("numpy._core.multiarray", "scalar"),
        global("numpy", "dtype"),
        text("i8"),
        b"\x89\x88\x87R(K\x03".to_vec(),
        text("<"),
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb".to_vec(),
        b"C\x08\x05\0\0\0\0\0\0\0\x86R".to_vec(),
    ]
    .concat();
    assert_eq!(read(&with_best(&scalar)).unwrap().best_iteration, Some(5));
    for (all, best) in [b"N".as_slice(), b"K\x00", b"J\xff\xff\xff\xff"].map(|best| (best, with_best(best))) {
        assert_eq!(read(&best).unwrap().best_iteration, None, "{all:?}");
    }
    for unreadable in [b"G\x40\x14\0\0\0\0\0\0".as_slice(), b"]", b"\x8c\x015"] {
        assert_eq!(kind(&with_best(unreadable)), ErrorKind::InvalidModel, "{unreadable:?}");
    }
}

#[test]
fn early_stopped_predictions_are_refused() {
    let regressor = |flag: &[u8]| {
        let attributes = [("_Booster", booster()), ("pred_early_stop", flag.to_vec())];
        pickle(&object("lightgbm.sklearn", "LGBMRegressor", &attributes))
    };
    for flag in [b"\x88".as_slice(), b"K\x01", b"\x8c\x04true"] {
        assert_eq!(kind(&regressor(flag)), ErrorKind::UnsupportedModel, "{flag:?}");
    }
    for flag in [b"\x89".as_slice(), b"K\x00", b"N"] {
        assert!(read(&regressor(flag)).is_ok(), "{flag:?}");
    }
}

#[test]
fn labels_come_from_the_encoder_where_the_classifier_has_none() {
    let dtype = [
        global("numpy", "dtype"),
        text("i2"),
        b"\x89\x88\x87R(K\x03".to_vec(),
        text(">"),
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb".to_vec(),
    ]
    .concat();
    let array = [
        global("numpy.core.multiarray", "_reconstruct"),
        global("numpy", "ndarray"),
        b"K\x00\x85C\x01b\x87R(K\x01K\x02\x85".to_vec(),
        dtype,
        b"\x89C\x04\xff\xfe\x01\x00tb".to_vec(),
    ]
    .concat();
    let encoder = object("sklearn.preprocessing._label", "LabelEncoder", &[("classes_", array)]);
    let bytes = pickle(&object(
        "lightgbm.sklearn",
        "LGBMClassifier",
        &[("_Booster", booster()), ("_classes", b"N".to_vec()), ("_le", encoder)],
    ));
    assert_eq!(read(&bytes).unwrap().classes, Some(ClassLabels::Ints(vec![-2, 256])));
}

#[test]
fn code_is_refused_by_name_and_not_run() {
    let marker = std::env::temp_dir().join(format!("hydra-pickle-{}", std::process::id()));
    let command = format!("touch {}", marker.display());
    let attacks = [
        pickle(&[global("os", "system"), text(&command), b"\x85R".to_vec()].concat()),
        pickle(&[global("posix", "system"), text(&command), b"\x85R".to_vec()].concat()),
        pickle(&[global("builtins", "eval"), text("1"), b"\x85R".to_vec()].concat()),
        pickle(&[global("builtins", "getattr"), text("1"), b"\x85R".to_vec()].concat()),
        format!("cos\nsystem\n(V{command}\ntR.").into_bytes(),
        [b"\x80\x02csubprocess\nPopen\nU\x01x\x85R".as_slice(), b"."].concat(),
        pickle(&[object("os", "_wrap_close", &[]), b"0".to_vec(), booster()].concat()),
        pickle(&object("lightgbm.basic", "Booster", &[("_handle", global("os", "system"))])),
        pickle(&global("lightgbm.sklearn", "LGBMClassifier.fit")),
        pickle(&global("torch._utils", "_rebuild_tensor_v2")),
        pickle(&[global("functools", "partial"), booster(), b"\x85R".to_vec()].concat()),
    ];
    for attack in &attacks {
        assert_eq!(kind(attack), ErrorKind::UnsupportedModel);
    }
    assert!(!marker.exists());
    let error = read(&attacks[0]).unwrap_err();
    insta::assert_snapshot!(
        error,
        @"the pickle refers to a Python name that is not part of a LightGBM model (name: os.system, offset: 14)"
    );
}

/// As cloudpickle writes `random_state=numpy.random.default_rng()`.
#[test]
fn a_generators_seed_is_ignored() {
    let seed = [
        global("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
        global("numpy.random.bit_generator", "SeedSequence"),
        b"K\x07N\x87RK\x00\x85b".to_vec(),
    ]
    .concat();
    let attributes = [("random_state", seed), ("_Booster", booster())];
    let bytes = pickle(&object("lightgbm.sklearn", "LGBMRegressor", &attributes));
    assert_eq!(read(&bytes).unwrap().booster_text, "tree\n");
}

/// As people attach them, and as scikit-learn does for the routing of metadata.
#[test]
fn harmless_attributes_are_ignored() {
    let trained = [global("datetime", "datetime"), text("\u{7}x"), b"\x85R".to_vec()].concat();
    let routing =
        object("sklearn.utils._metadata_requests", "MetadataRequest", &[("owner", text("LGBMRegressor"))]);
    let attributes = [("trained_at", trained), ("_metadata_request", routing), ("_Booster", booster())];
    let bytes = pickle(&object("lightgbm.sklearn", "LGBMRegressor", &attributes));
    assert_eq!(read(&bytes).unwrap().booster_text, "tree\n");
}

#[test]
fn an_object_of_scikit_learn_is_refused_with_what_it_holds() {
    let scaler = object("sklearn.preprocessing._data", "StandardScaler", &[]);
    let model = object("lightgbm.sklearn", "LGBMRegressor", &[("_Booster", booster())]);
    let pipeline = object("sklearn.pipeline", "Pipeline", &[("scaler", scaler), ("model", model)]);
    let error = read(&pickle(&pipeline)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
    insta::assert_snapshot!(
        error,
        @"the pickle is an object of scikit-learn, not a model of LightGBM alone (class: sklearn.pipeline.Pipeline, holds: sklearn.preprocessing._data.StandardScaler, lightgbm.sklearn.LGBMRegressor, lightgbm.basic.Booster, offset: 30)"
    );
    // Within a model of LightGBM, it is a name like any other.
    let attributes = [("_Booster", booster()), ("wrapped", object("sklearn.pipeline", "Pipeline", &[]))];
    let error = read(&pickle(&object("lightgbm.sklearn", "LGBMRegressor", &attributes))).unwrap_err();
    assert!(error.to_string().contains("(name: sklearn.pipeline.Pipeline, "), "{error}");
}

#[test]
fn listed_names_alone_are_not_a_model() {
    for body in [
        b"K\x01".to_vec(),
        text("tree"),
        global("lightgbm.basic", "Booster"),
        object("collections", "OrderedDict", &[]),
        [global("builtins", "bytearray"), b")R".to_vec()].concat(),
    ] {
        assert_eq!(kind(&pickle(&body)), ErrorKind::UnsupportedModel);
    }
    for body in [
        object("lightgbm.basic", "Booster", &[]),
        object("lightgbm.basic", "Booster", &[("_handle", b"N".to_vec())]),
        object("lightgbm.sklearn", "LGBMRegressor", &[("_Booster", b"N".to_vec())]),
        object("lightgbm.sklearn", "LGBMClassifier", &[("_Booster", booster())]),
        object("lightgbm.sklearn", "LGBMClassifier", &[("_Booster", booster()), ("_classes", text("ab"))]),
        [global("lightgbm.basic", "Booster"), b")\x81Nb".to_vec()].concat(),
        [global("lightgbm.basic", "Booster"), b")\x81}b}b".to_vec()].concat(),
    ] {
        assert_eq!(kind(&pickle(&body)), ErrorKind::InvalidModel);
    }
}

#[test]
fn compressed_and_foreign_files_are_refused_by_name() {
    for (bytes, name) in [
        (b"\x1f\x8b\x08\x00".as_slice(), "gzip"),
        (b"\x78\x9c\x03", "zlib"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"PK\x03\x04", "zip"),
    ] {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
        assert!(error.message().contains(name), "{error}");
    }
    let joblib = pickle(&[global("joblib.numpy_pickle", "NumpyArrayWrapper"), b")\x81".to_vec()].concat());
    assert!(read(&joblib).unwrap_err().message().contains("joblib"));
}

#[test]
fn instructions_that_reach_outside_the_file_are_refused() {
    for body in
        [b"Pid\n".as_slice(), b"NQ", b"\x82\x01", b"\x97", b"\x98", b"U\x01x", b"S'x'\n", b"(ios\nsystem\n"]
    {
        assert_eq!(kind(&pickle(body)), ErrorKind::UnsupportedModel, "{body:?}");
    }
    assert_eq!(kind(b"\x80\x09N."), ErrorKind::UnsupportedModel);
}

#[test]
fn damage_is_an_error() {
    let whole = pickle(&booster());
    for end in 0..whole.len() {
        assert_eq!(kind(&whole[..end]), ErrorKind::InvalidModel, "cut at {end}");
    }
    for body in [
        b"".as_slice(),
        b"0",
        b"t",
        b"1",
        b"(",
        b"2",
        b"a",
        b"Na",
        b"NNa",
        b"NNs",
        b"}Ns",
        b"}(Nu",
        b"(Nd",
        b"(N\x90",
        b"\x8f(N\x90\x90",
        b"h\x00",
        b"g0\n",
        b"gx\n",
        b"p0\n",
        b"Np-1\n",
        b"NNR",
        b"N)R",
        b"N)\x81",
        b"NN\x93",
        b"NNb",
        b"I1x\n",
        b"Lx\n",
        b"Fx\n",
        b"V\\u00\n",
        b"V\\ud800\n",
        b"\x8c\x01\xff",
        b"NN",
        b"(N",
        b"\xff",
        b"\x00",
    ] {
        assert_eq!(kind(&pickle(body)), ErrorKind::InvalidModel, "{body:?}");
    }
    assert_eq!(kind(&[whole.as_slice(), b"N."].concat()), ErrorKind::InvalidModel);
    assert_eq!(kind(b""), ErrorKind::InvalidModel);
}

#[test]
fn lengths_beyond_the_file_allocate_nothing() {
    for body in [
        b"\x95\x00\xca\x9a\x3b\x00\x00\x00\x00N".as_slice(),
        b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN",
        b"X\xff\xff\xff\xffabc",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc",
        b"\x96\x00\xca\x9a\x3b\x00\x00\x00\x00abc",
        b"B\xff\xff\xff\x7fabc",
        b"\x8b\xff\xff\xff\x7fabc",
        b"\x8a\xffabc",
        b"Nr\xff\xff\xff\xffj\xfe\xff\xff\xff",
    ] {
        assert_eq!(kind(&pickle(body)), ErrorKind::InvalidModel, "{body:?}");
    }
}

#[test]
fn cycles_and_shared_values_are_harmless() {
    // A list that contains itself, and a booster that is the value in its own state.
    let list = pickle(b"]\x94h\x00a");
    assert_eq!(kind(&list), ErrorKind::UnsupportedModel);
    let own =
        [global("lightgbm.basic", "Booster"), b")\x81\x94}".to_vec(), text("_handle"), b"h\x00sb".to_vec()]
            .concat();
    assert_eq!(kind(&pickle(&own)), ErrorKind::InvalidModel);
}

#[test]
fn bombs_end_with_an_error() {
    for (name, bomb) in BOMBS {
        let error = read(&bomb()).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::InvalidModel | ErrorKind::UnsupportedModel),
            "{name}: {error}"
        );
    }
}

/// Runs in a separate process, so that other tests do not raise the peak.
#[cfg(target_os = "linux")]
#[test]
fn bombs_take_less_than_64_mib() {
    const CHILD: &str = "HYDRA_TEST_CHILD_READS_BOMBS";
    if std::env::var_os(CHILD).is_none() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["pickle::tests::bombs_take_less_than_64_mib", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
        return;
    }
    let peak_kib = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    };
    // The peak includes the bombs themselves: up to 6 MB, and twice that during their creation.
    let before = peak_kib();
    for (name, bomb) in BOMBS {
        drop(read(&bomb()).unwrap_err());
        let grown = peak_kib() - before;
        println!("{name}: {grown} KiB");
        assert!(grown < 64 << 10, "{name} took {grown} KiB");
    }
}

#[test]
fn old_protocols_are_read() {
    let pickle = b"ccopy_reg\n_reconstructor\np0\n(clightgbm.basic\nBooster\np1\nc__builtin__\nobject\np2\nNtp3\nRp4\n\
        (dp5\nVhandle\np6\nVtree\\u000a\xe9\\u20ac\np7\nsVbest_iteration\np8\nI-1\nsVbig\nL123456789012345678901L\ns\
        Vflag\nI01\nsVf\nF1.5\nsb.";
    let model = read(pickle).unwrap();
    assert_eq!(model.booster_text, "tree\né€");
    assert_eq!(model.best_iteration, None);
}
