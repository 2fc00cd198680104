use futures_util::TryStreamExt as _;
use hydra_registry::lightgbm::Matrix;
use hydra_registry::mlflow::environment::Environment;
use hydra_registry::{
    Alias, Candidate, ErrorCategory, ErrorKind, Model, ModelRegistry, OpenOptions, Outcome, Project, Result,
    Target,
};

#[derive(Clone)]
struct App {
    registry: ModelRegistry,
}

fn status(category: ErrorCategory) -> u16 {
    match category {
        ErrorCategory::Usage => 400,
        ErrorCategory::Missing => 404,
        ErrorCategory::Refused => 409,
        ErrorCategory::Unavailable => 503,
        _ => 500,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embed() -> Result<()> {
    let home = std::env::temp_dir().join(format!("embed-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/binary_int/booster/model.lgb");
    let options = OpenOptions::new()
        .with_project(Project::around(&home))
        .with_environment([("HYDRA_ACTOR", "ann")].into_iter().collect::<Environment>())
        .with_model("churn");
    let registry = ModelRegistry::connect(options.clone()).await?;
    let error = registry.load_champion().await.expect_err("no champion");
    println!(
        "{} [{}] hint: {:?} status {}",
        error,
        error.kind(),
        error.hint(),
        status(error.kind().category())
    );
    let app = App { registry: ModelRegistry::connect_or_create(options).await? };

    let error = app.registry.log(Candidate::from_file(file)).await.expect_err("no metric");
    println!("{error} [{}] hint: {:?}", error.kind(), error.hint());
    for auc in [0.9, 0.91, 0.92] {
        let candidate = Candidate::from_file(file)
            .metric("auc", auc)
            .config(serde_json::json!({"data": {"rows": 3}}))
            .tag("team", "risk")
            .run_name("weekly");
        let logged = app
            .registry
            .log(candidate)
            .progress(|bytes| print!("{bytes}."))
            .until(tokio::time::sleep(std::time::Duration::from_secs(60)))
            .await?;
        println!("version {} sha {}", logged.version, logged.sha256);
        let dry = app.registry.promote(Target::Candidate).dry_run().await?;
        println!("dry: {} {} {:?}", dry.outcome, dry.explanation, dry.sequence);
        let transition = app.registry.promote(Target::Candidate).reason("retrain").await?.into_result()?;
        println!(
            "{}: {} by {} -> {}",
            transition.outcome, transition.explanation, transition.actor, transition.after
        );
    }
    let task = tokio::spawn({
        let app = app.clone();
        async move {
            let champion = app.registry.load_champion().await?;
            let row = vec![0.5; champion.model.feature_names().len()];
            let mut out = vec![0.0; champion.model.num_outputs()];
            champion.model.output_row(&row, &mut out)?;
            let rows = Matrix::from_rows(&row, row.len())?;
            assert_eq!(champion.model.outputs(&rows)?, out);
            Ok::<_, hydra_registry::Error>((champion.version, out))
        }
    });
    println!("{:?}", task.await.unwrap()?);
    let versions: Vec<_> = app.registry.list_versions().try_collect().await?;
    for version in &versions {
        println!("{} {:?}", version.version, version.aliases);
    }
    let info = app.registry.champion_info().await?;
    println!("{:?} {:?}", info.metrics, info.run_id);
    let back = app.registry.rollback(Target::PolicyChoice).reason("alarm").await?;
    assert_eq!(back.outcome, Outcome::Done);
    println!("{}", back.after);
    println!("{:?}", back.after.get(&Alias::CHAMPION));
    let wrong = app.registry.rollback(3u64.try_into().unwrap_or(versions[0].version)).await;
    println!(
        "{:?}",
        wrong.map(|t| t.outcome).map_err(|e| (e.kind(), e.to_string(), e.hint().map(str::to_owned)))
    );
    for finding in app.registry.diagnose().await? {
        println!("finding: {finding}");
    }
    if let Some(ledger) = app.registry.existing_ledger().await? {
        let entries: Vec<_> = ledger.entries(None, Some(5)).try_collect().await?;
        println!("{} entries", entries.len());
    }
    let error = Model::open("/nonexistent").expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::Storage);
    std::fs::remove_dir_all(&home).unwrap();
    Ok(())
}
