//! Behavior specific to PostgreSQL and MariaDB.

use hydra_base::ErrorKind;
use hydra_base::names::{Alias, ModelName};
use hydra_base::testing::{key, kind, tags};
use hydra_mlflow::testing::conformance::{fresh, new_version};

use super::artifacts::connect;
use crate::object_store::{S3, bucket_uri, variables};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::server::{Deployment, ON_MARIADB, ON_POSTGRES, Server};
use crate::support::version;

/// Values that SQLite accepts and PostgreSQL does not are rejected without retries, and the error names the reason.
#[tokio::test]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn values_that_do_not_fit_are_refused_at_once() {
    let registry = connect(&Server::shared(ON_POSTGRES).url, &[]).registry;
    let name = ModelName::new(fresh("model")).expect("a legal name");
    registry.create_registered_model(&name, &tags([]), "").await.expect("a new model");
    let nul = new_version(&name).tags(tags([("note", "a\0b")]));
    assert_eq!(kind(registry.create_model_version(&nul).await), ErrorKind::InvalidArgument);
    let long = new_version(&name).description("x".repeat(5_001));
    let error = registry.create_model_version(&long).await.expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    let message = error.to_string();
    assert!(message.contains("value too long") && !message.contains("INSERT"), "{message}");
    let created = registry.create_model_version(&new_version(&name)).await.expect("a version");
    assert_eq!(created.version, version(1), "what was refused took no number");
}

/// `log-candidate` and `promote` move and delete the same alias. A transaction of MLflow that updates a row which another one has
/// deleted fails with status 400, as if the request were malformed.
async fn writes_of_the_same_rows_at_the_same_time_all_succeed(deployment: Deployment) {
    let registry =
        connect(&Server::shared(deployment).url, &[("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.1")]).registry;
    let name = ModelName::new(fresh("model")).expect("a legal name");
    registry.create_registered_model(&name, &tags([]), "").await.expect("a new model");
    for _ in 0..2 {
        registry.create_model_version(&new_version(&name)).await.expect("a version");
    }
    let writers = (0..8).map(|writer| {
        let (registry, name) = (registry.clone(), name.clone());
        tokio::spawn(async move {
            let tag = key("team");
            for round in 0..60 {
                let what = format!("writer {writer}, round {round}");
                // Setting the alias to the same version again would change no row.
                if (writer + round) % 3 != 0 {
                    registry.set_alias(&name, &Alias::CANDIDATE, version(1 + round % 2)).await.expect(&what);
                    registry.set_version_tag(&name, version(1), &tag, &what).await.expect(&what);
                } else {
                    registry.delete_alias(&name, &Alias::CANDIDATE).await.expect(&what);
                    registry.delete_version_tag(&name, version(1), &tag).await.expect(&what);
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn writes_of_the_same_rows_succeed_on_postgresql() {
    writes_of_the_same_rows_at_the_same_time_all_succeed(ON_POSTGRES).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn writes_of_the_same_rows_succeed_on_mariadb() {
    writes_of_the_same_rows_at_the_same_time_all_succeed(ON_MARIADB).await;
}

/// The deployment of `docs/deployment.md`: two hosts, a server on PostgreSQL, and artifacts in S3 that clients access
/// directly.
#[test]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
fn two_hosts_share_a_server_on_postgresql_with_artifacts_in_s3() {
    let root = bucket_uri("deployment");
    let server = Server::start(ON_POSTGRES, &["--no-serve-artifacts", "--default-artifact-root", &root]);
    let model = fresh_name("shared");
    let hosts = [Project::new(Some(&server.url), &model), Project::new(Some(&server.url), &model)];
    let run = |host: &Project, args: &[&str]| {
        let output = host.command(args).envs(variables(&S3.endpoint)).output().expect("the binary runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for host in &hosts {
        host.file("train.csv", crate::cli::training_csv());
        host.file("rows.csv", "size,weekday\n1,1\n99,1\n");
        run(host, &crate::cli::LOG);
        run(host, &["promote"]);
    }
    let predicted = hosts.each_ref().map(|host| run(host, &["predict", "rows.csv"]));
    assert_eq!(predicted[0], predicted[1]);
    run(&hosts[0], &["rollback"]);
    let registry = connect(&server.url, &[]).registry;
    let name = ModelName::new(model).expect("a legal name");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let champion = runtime.block_on(registry.version_by_alias(&name, &Alias::CHAMPION)).expect("an answer");
    assert_eq!(champion.map(|champion| champion.version), Some(version(1)));
}
