use std::path::{Path, PathBuf};

use super::*;
use hydra_base::ErrorKind;

#[test]
fn a_tracking_uri_never_shows_its_credentials() {
    for secret in [
        "http://ann:hunter2@host:5000/p",
        "https://hunter2@host",
        "http://ann:hun/hunter2@host",
        "postgresql+psycopg2://ann:hunter2@host/db",
        "postgresql://host/db?password=hunter2",
    ] {
        let shown = TrackingUri::new(secret).map_or_else(|e| e.to_string(), |uri| format!("{uri} {uri:?}"));
        assert!(!shown.contains("hunter2") && shown.contains("host"), "{shown}");
    }
}

#[test]
fn an_address_without_a_scheme_is_not_a_directory() {
    for text in ["localhost:5000", "127.0.0.1:5000", "mlflow.internal:5000/mlflow", " host-1:80 "] {
        let error = TrackingUri::new(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config);
        let hint = error.hint().expect("a hint").to_owned();
        assert!(hint.contains(&format!("http://{}", text.trim())), "{hint}");
    }
    for text in ["./localhost:5000", "a:b", "a:70000", "C:\\mlruns", "c:/mlruns"] {
        assert_eq!(TrackingUri::new(text).expect(text).scheme(), "file", "{text}");
    }
}

#[test]
fn schemes_are_distinguished_from_paths() {
    for (text, scheme) in [
        ("http://h", "http"),
        ("HTTPS://h", "https"),
        ("sqlite:///x.db", "sqlite"),
        ("postgresql+psycopg2://h/d", "postgresql"),
        ("mlruns", "file"),
        ("./a:b/c", "file"),
        ("C:\\mlruns", "file"),
        ("file:///mlruns", "file"),
        ("databricks", "databricks"),
        ("hydra+https://h", "https"),
        ("hydra+sqlite:///x.db", "sqlite"),
    ] {
        assert_eq!(TrackingUri::new(text).expect(text).scheme(), scheme, "{text}");
    }
    assert_eq!(TrackingUri::new("hydra+http://h").expect("a gate").expose(), "http://h");
    for bad in ["", "  ", "http://", "http://h/?a=b", "http://h/#f"] {
        assert_eq!(TrackingUri::new(bad).expect_err(bad).kind(), ErrorKind::Config);
    }
}

#[test]
fn local_paths_follow_sqlalchemy_and_file_urls() {
    let sqlite = |text: &str| TrackingUri::new(text).expect(text).sqlite_path();
    assert_eq!(sqlite("sqlite:///a b.db").expect("relative"), PathBuf::from("a b.db"));
    assert_eq!(sqlite("sqlite:////srv/a.db?timeout=1").expect("absolute"), PathBuf::from("/srv/a.db"));
    for bad in ["sqlite:x.db", "sqlite://x.db", "sqlite://", "sqlite:///:memory:"] {
        assert_eq!(sqlite(bad).expect_err(bad).kind(), ErrorKind::Config);
    }
    let file = |text: &str| TrackingUri::new(text).expect(text).file_path().expect(text);
    assert_eq!(file("file:///a%20b/c d"), PathBuf::from("/a b/c d"));
    assert_eq!(file("file://localhost/x"), PathBuf::from("/x"));
    assert_eq!(file("file:x"), PathBuf::from("x"));
    assert_eq!(file("/a%20b"), PathBuf::from("/a%20b"));
    let elsewhere = TrackingUri::new("file://elsewhere/x").expect("a URI").file_path();
    assert_eq!(elsewhere.expect_err("another host").kind(), ErrorKind::Config);
}

#[test]
fn relative_stores_become_absolute_as_sqlalchemy_and_file_urls_mean_them() {
    for (text, expected) in [
        ("sqlite:///x.db", "sqlite:////srv/cfg/x.db"),
        ("sqlite:///a b/x.db?timeout=1", "sqlite:////srv/cfg/a b/x.db?timeout=1"),
        ("sqlite+pysqlite:///x.db", "sqlite+pysqlite:////srv/cfg/x.db"),
        ("sqlite:////x.db", "sqlite:////x.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("mlruns", "/srv/cfg/mlruns"),
        ("./ml%20runs", "/srv/cfg/ml%20runs"),
        ("/mlruns", "/mlruns"),
        ("file:ml%20runs", "/srv/cfg/ml runs"),
        ("file:///ml%20runs", "/ml runs"),
        ("file://elsewhere/x", "file://elsewhere/x"),
        ("http://ann:pw@host/x", "http://ann:pw@host/x"),
        ("databricks", "databricks"),
    ] {
        let uri = TrackingUri::new(text).expect(text).absolute(Path::new("/srv/cfg"));
        assert_eq!(uri.expose(), expected, "{text}");
        assert_eq!(uri.scheme(), TrackingUri::new(text).expect(text).scheme());
    }
    let here = std::env::current_dir().expect("the current directory").join("mlruns");
    let uri = TrackingUri::new("mlruns").expect("a path").absolute(Path::new(""));
    assert_eq!(uri.file_path().expect("a path"), here);
}

#[test]
fn artifact_uris_are_taken_apart_and_joined() {
    let location = |text: &str| ArtifactUri::new(text).expect(text).into_location();
    let proxied = |authority: Option<&str>, path: &str| Location::Proxied {
        authority: authority.map(str::to_owned),
        path: path.to_owned(),
    };
    assert_eq!(location("mlflow-artifacts:/1/r/artifacts"), proxied(None, "1/r/artifacts"));
    assert_eq!(location("mlflow-artifacts:///1/r/"), proxied(None, "1/r"));
    assert_eq!(location("mlflow-artifacts://Else:80/1"), proxied(Some("else:80"), "1"));
    assert_eq!(location("s3://bucket/x"), Location::Other("s3".into()));
    assert_eq!(location("/a b/x"), Location::Local("/a b/x".into()));
    let join = |root: &str, path: &str| {
        let joined = ArtifactUri::new(root).expect(root).join(path).expect(root);
        joined.as_str().to_owned()
    };
    assert_eq!(join("mlflow-artifacts:/1/r/artifacts/", "model"), "mlflow-artifacts:/1/r/artifacts/model");
    assert_eq!(join("file:///a%20b", "c d/e"), "file:///a%20b/c%20d/e");
    assert_eq!(join("/a", ""), "/a");
}

#[test]
fn model_uris_round_trip() {
    for text in ["models:/m/1", "models:/a b@champion", "models:/m-0af1", "runs:/abc/model/x"] {
        assert_eq!(text.parse::<ModelUri>().expect(text).to_string(), text);
    }
    for bad in ["models:/m/0", "models:/m/latest", "models:/", "runs:/abc", "models:/a@latest", "m/1"] {
        assert_eq!(bad.parse::<ModelUri>().expect_err(bad).kind(), ErrorKind::InvalidName);
    }
}
