//! Object stores whose listings do not end, or are too large: a command ends within its deadline and 256 MiB.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Instant;

use hydra_mlflow::entities::NewModelVersion;
use hydra_registry::ModelRegistry;

use super::{BUCKET, variables};
use crate::hostile::{DEADLINE, MOST_KIB, watch};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::proxy::{listen, read_request};

/// How a listing is spoiled.
#[derive(Debug, Clone, Copy)]
enum Spoil {
    /// Each page has a thousand files and names a next one, with a new token.
    NewTokens,
    /// Each page names the same next one.
    SameToken,
    /// Each page is empty, and names a next one.
    EmptyPages,
    /// Each page has a thousand files of very long names.
    LongNames,
    /// A page of very many directories.
    TinyItems,
    /// A page without an end.
    EndlessPage,
    /// A refusal without an end.
    EndlessRefusal,
}

const SPOILS: [Spoil; 7] = [
    Spoil::NewTokens,
    Spoil::SameToken,
    Spoil::EmptyPages,
    Spoil::LongNames,
    Spoil::TinyItems,
    Spoil::EndlessPage,
    Spoil::EndlessRefusal,
];

/// A page of a listing: the files that it names, and the token of the next one.
fn page(files: impl Iterator<Item = String>, token: &str) -> String {
    let file = |name: String| {
        format!(
            "<Contents><Key>root/{name}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
        )
    };
    let files: String = files.map(file).collect();
    format!(
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>{files}</ListBucketResult>"
    )
}

fn answer(mut client: &TcpStream, spoil: Spoil) -> std::io::Result<()> {
    let Some(request) = read_request(client)? else { return Ok(()) };
    let request = String::from_utf8_lossy(&request).into_owned();
    let token = request.split("continuation-token=").nth(1).and_then(|rest| rest.split(['&', ' ']).next());
    let number: u64 = token.and_then(|token| token.parse().ok()).unwrap_or(0);
    let next = (number + 1).to_string();
    let body = match spoil {
        Spoil::NewTokens => page((0..1_000).map(|file| format!("{number}-{file}")), &next),
        Spoil::SameToken => page((0..2).map(|file| format!("{number}-{file}")), "again"),
        Spoil::EmptyPages => page(std::iter::empty(), &next),
        Spoil::LongNames => {
            page((0..1_000).map(|file| format!("{number}-{file}-{}", "x".repeat(1_000))), &next)
        }
        Spoil::TinyItems => {
            let directories = "<CommonPrefixes><Prefix>root/a</Prefix></CommonPrefixes>".repeat(4_000_000);
            format!("<ListBucketResult>{directories}</ListBucketResult>")
        }
        Spoil::EndlessPage | Spoil::EndlessRefusal => {
            let status = if matches!(spoil, Spoil::EndlessPage) { "200 OK" } else { "403 Forbidden" };
            write!(client, "HTTP/1.1 {status}\r\nConnection: close\r\n\r\n<ListBucketResult>")?;
            loop {
                client.write_all(&vec![b' '; 1 << 16])?;
            }
        }
    };
    write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_bad_listing_is_survived() {
    let backend = Backend::sqlite();
    let model = fresh_name("endless");
    let registry = ModelRegistry::connect_or_create(backend.options(&model)).await.expect("a registry");
    let version = NewModelVersion::new(registry.model().clone(), format!("s3://{BUCKET}/root"));
    registry.backend().registry.create_model_version(&version).await.expect("a version");
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    let project = Project::new(Some(uri.expose()), &model);
    for spoil in SPOILS {
        let endpoint = listen(move |client| answer(client, spoil));
        let stream = |name: &str| std::fs::File::create(project.path().join(name)).expect("a file");
        let mut command = project.command(["--timeout", DEADLINE, "promote", "1", "--dry-run"]);
        command.envs(variables(&endpoint)).stdin(Stdio::null()).stdout(stream("out")).stderr(stream("err"));
        let started = Instant::now();
        let mut child = command.spawn().expect("the binary runs");
        let peak = watch(&mut child, started, &format!("{spoil:?}"));
        let code = child.wait().expect("it ended").code();
        let error = std::fs::read_to_string(project.path().join("err")).expect("the errors");
        assert_eq!(code, Some(2), "{spoil:?}: {error}");
        assert!(peak <= MOST_KIB, "{spoil:?}: {peak} KiB");
        let expected = match spoil {
            Spoil::NewTokens | Spoil::EmptyPages => "does not end",
            Spoil::SameToken => "repeats its pages",
            Spoil::LongNames => "the names in a directory have more than",
            Spoil::TinyItems | Spoil::EndlessPage | Spoil::EndlessRefusal => {
                "an answer of the object store has more than"
            }
        };
        assert!(error.contains(expected), "{spoil:?}: {error}");
    }
}
