//! The library's side.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{engine, hydra_registry, limits, load, slow, with_text};
use hydra_base::error::ErrorKind;
use hydra_policy::testing::promotion;
use hydra_policy::{Budget, CompileLimits, CompilerCommand, EngineOptions, Policy, PolicyEngine};

const MIB: u64 = 1 << 20;

/// A program that is not `hydra-registry`.
fn script(dir: &Path, text: &str) -> CompilerCommand {
    let path = dir.join("program");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("a program");
    CompilerCommand::of_program(path)
}

fn small() -> Vec<u8> {
    with_text("(func)")
}

#[test]
fn code_of_the_other_process_is_found_once_it_is_compiled_and_decides_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let here = PolicyEngine::new(&EngineOptions::default()).unwrap();
    let bytes = small();
    let expected = Policy::load(&here, &bytes, &Budget::default()).unwrap().decide(&promotion()).unwrap();
    for compilations in [1, 0] {
        let engine = engine(hydra_registry(), CompileLimits::default(), dir.path());
        let policies = [(); 2].map(|()| Policy::load(&engine, &bytes, &Budget::default()).unwrap());
        assert_eq!(engine.compilations(), compilations);
        for policy in policies {
            let decision = policy.decide(&promotion()).unwrap();
            assert_eq!((&decision.verdict, decision.usage.fuel), (&expected.verdict, expected.usage.fuel));
        }
    }
    // Only the code is left, and wasmtime's counts.
    let left: Vec<_> =
        fs::read_dir(dir.path().join("code")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["modules"]);
}

#[test]
fn each_form_of_code_comes_from_the_other_process() {
    let dir = tempfile::tempdir().unwrap();
    let pooling = hydra_policy::Pooling::default().with_decisions(2).with_memory(256 * MIB);
    let options = EngineOptions::default().with_compiler(hydra_registry());
    for options in [
        // Without a directory, the code lives as long as the engine.
        options.clone(),
        options.clone().without_signal_handlers(),
        options.clone().with_pooling(pooling),
        options.with_quoted_panics().with_cache_dir(dir.path().join("code")),
    ] {
        let engine = PolicyEngine::new(&options).unwrap();
        assert_eq!(engine.cache_dir().is_some(), options.cache_dir.is_some());
        Policy::load(&engine, &small(), &Budget::default()).unwrap().decide(&promotion()).unwrap();
        Policy::load(&engine, &small(), &Budget::default()).unwrap();
        Policy::load_default(&engine, &Budget::default()).unwrap().decide(&promotion()).unwrap();
        assert_eq!(engine.compilations(), 2);
    }
}

#[test]
fn threads_share_what_one_of_them_compiles() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(hydra_registry(), CompileLimits::default(), dir.path());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| Policy::load(&engine, &small(), &Budget::default()).unwrap());
        }
    });
    assert_eq!(engine.compilations(), 1);
}

#[test]
fn each_limit_ends_the_process_with_an_error_of_its_kind() {
    let generous = 4 << 30;
    for (limits, kind) in [
        (limits(generous, 1, 300), ErrorKind::PolicyCompileTime),
        (limits(generous, 300, 1), ErrorKind::PolicyCompileTime),
        // The test build alone takes 300 MB of address space.
        (limits(500 * MIB, 300, 300), ErrorKind::PolicyCompileMemory),
    ] {
        let started = Instant::now();
        let error = load(hydra_registry(), limits, &slow()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("HYDRA_COMPILE_LIMITS=")), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }
    load(hydra_registry(), limits(500 * MIB, 300, 300), &small()).unwrap();
}

#[test]
fn what_the_compiler_refuses_is_not_a_policy() {
    // A type error in a function: only the compiler looks for it.
    let mut bytes = small();
    let at = bytes.len() - 3;
    assert_eq!(bytes[at..], [2, 0, 0x0b]);
    bytes[at..].copy_from_slice(&[2, 0, 0x1a]);
    let error = load(hydra_registry(), CompileLimits::default(), &bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_component_that_does_not_fit_the_pool_is_not_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let pooling = hydra_policy::Pooling::default().with_decisions(1).with_instances(0);
    let options =
        EngineOptions::default().with_compiler(hydra_registry()).with_cache_dir(dir.path().join("code"));
    for compilations in [1, 0] {
        let engine = PolicyEngine::new(&options.clone().with_pooling(pooling)).unwrap();
        let error = Policy::load(&engine, &small(), &Budget::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
        assert!(error.hint().unwrap().contains("`Pooling::instances`"), "{error:?}");
        assert_eq!(engine.compilations(), compilations);
    }
}

#[test]
fn nothing_is_compiled_here_if_the_other_program_is_not_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let compiled = r#"{"outcome":"compiled"}"#;
    let garbage = "mkdir -p modules/wasmtime && echo code > modules/wasmtime/code";
    for command in [
        CompilerCommand::of_program("/nonexistent/hydra-registry"),
        CompilerCommand::of_program(dir.path()),
        CompilerCommand::of_program("/bin/true"),
        script(&tempfile::tempdir_in(dir.path()).unwrap().keep(), "cat > /dev/null; exit 3"),
        script(&tempfile::tempdir_in(dir.path()).unwrap().keep(), "echo '{}'"),
        script(&tempfile::tempdir_in(dir.path()).unwrap().keep(), "head -c 1000000 /dev/zero"),
        script(
            &tempfile::tempdir_in(dir.path()).unwrap().keep(),
            r#"echo '{"unavailable":"another release"}'"#,
        ),
        // It says that it has compiled, and left nothing, a directory, or no code.
        script(&tempfile::tempdir_in(dir.path()).unwrap().keep(), &format!("echo '{compiled}'")),
        script(
            &tempfile::tempdir_in(dir.path()).unwrap().keep(),
            &format!("mkdir -p modules/w/x; echo '{compiled}'"),
        ),
        script(&tempfile::tempdir_in(dir.path()).unwrap().keep(), &format!("{garbage}; echo '{compiled}'")),
        script(
            &tempfile::tempdir_in(dir.path()).unwrap().keep(),
            &format!("mkdir -p modules/w; ln -s /bin/sh modules/w/code; echo '{compiled}'"),
        ),
    ] {
        let error = load(command.clone(), CompileLimits::default(), &small()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CompilerUnavailable, "{command:?}: {error:?}");
        // The default policy is a part of this program.
        load(command, CompileLimits::default(), Policy::default_bytes()).unwrap();
    }
    let endless = script(dir.path(), "sleep 1000 & exec sleep 1000");
    let error = load(endless, limits(4 << 30, 300, 1), &small()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyCompileTime, "{error:?}");
    let crash = script(dir.path(), "kill -SEGV $$");
    let error = load(crash, CompileLimits::default(), &small()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyCompileCrash, "{error:?}");
}

#[test]
fn damaged_code_is_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let load = || {
        let engine = engine(hydra_registry(), CompileLimits::default(), dir.path());
        Policy::load(&engine, &small(), &Budget::default()).unwrap();
        engine.compilations()
    };
    assert_eq!((load(), load()), (1, 0));
    let code = hydra_policy::testing::compiled_code(dir.path());
    assert_eq!(code.len(), 1);
    for damaged in [&b""[..], b"no code"] {
        fs::write(code.keys().next().unwrap(), damaged).unwrap();
        assert_eq!((load(), load()), (1, 0));
    }
}

#[test]
fn the_other_process_gets_no_variables_with_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("environment");
    let command = script(dir.path(), &format!("env > {}", seen.display()));
    load(command, CompileLimits::default(), &small()).unwrap_err();
    let seen = fs::read_to_string(seen).unwrap();
    let names: Vec<_> = seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(names.contains(&"RAYON_NUM_THREADS"), "{names:?}");
    // A shell sets some of its own.
    let known = [
        "PATH",
        "LD_LIBRARY_PATH",
        "TMPDIR",
        "RAYON_NUM_THREADS",
        "RUST_MIN_STACK",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
}

#[test]
fn a_component_is_compiled_on_a_stack_of_known_size() {
    let bytes = small();
    let tiny = std::thread::Builder::new().stack_size(192 << 10);
    let compiled = tiny.spawn(move || {
        let here = PolicyEngine::new(&EngineOptions::default()).unwrap();
        let apart = PolicyEngine::new(&EngineOptions::default().with_compiler(hydra_registry())).unwrap();
        for engine in [here, apart] {
            Policy::load(&engine, &bytes, &Budget::default()).unwrap();
        }
    });
    compiled.unwrap().join().unwrap();
}

#[test]
fn what_killed_processes_left_behind_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("code/compiling-old"), dir.path().join("code/compiling-new"));
    let options =
        EngineOptions::default().with_cache_dir(dir.path().join("code")).with_compiler(hydra_registry());
    let engine = PolicyEngine::new(&options).unwrap();
    for left in [&old, &new] {
        fs::create_dir(left).unwrap();
        fs::write(left.join("component"), "").unwrap();
    }
    let yesterday = std::time::SystemTime::now() - Duration::from_hours(25);
    fs::File::open(&old).unwrap().set_modified(yesterday).unwrap();
    Policy::load(&engine, &small(), &Budget::default()).unwrap();
    assert_eq!((old.exists(), new.exists()), (false, true));
}
