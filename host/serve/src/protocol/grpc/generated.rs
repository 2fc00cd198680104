//! The generated code.

use std::fs;
use std::path::Path;

/// `HYDRA_UPDATE=1 cargo test -p hydra-serve` updates it.
#[test]
fn the_generated_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (folder, out) = (root.join("proto"), tempfile::tempdir().unwrap());
    let files = protox::compile([folder.join("open_inference_grpc.proto")], [&folder]).unwrap();
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .bytes(".")
        .codec_path("crate::protocol::grpc::codec::LimitedCodec")
        .emit_rerun_if_changed(false)
        .out_dir(out.path())
        .compile_fds(files)
        .unwrap();
    let code = fs::read_to_string(out.path().join("inference.rs")).unwrap();
    let path = root.join("src/protocol/grpc/inference.rs");
    if std::env::var_os("HYDRA_UPDATE").is_some() {
        fs::write(&path, &code).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == code, "set HYDRA_UPDATE=1 to rewrite it");
}
