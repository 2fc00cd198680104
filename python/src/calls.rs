//! The calls of a registry: one value in, one JSON document out. The interpreter's process and the worker process run the same code.

use std::collections::BTreeMap;
use std::time::Duration;

use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::pattern::NamePattern;
use hydra_lifecycle::ledger::QUARANTINE_TAG;
use hydra_lightgbm::Model;
use hydra_mlflow::entities::ModelVersion;
use hydra_models::candidate::{ModelSource, SHA256_TAG};
use hydra_models::model_cache::CachedModel;
use hydra_registry::{Candidate, DecisionRequest, ModelRegistry, PolicyRequest, Target};
use hydra_registry_cli::report::{
    ActivePolicyReport, AsOfReport, CandidateReport, ChampionReport, FindingReport, ModelVersionReport,
    PolicyStatementReport, StatementReport, StatusReport, TransitionReport,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{OnceCell, oneshot};

use crate::call::{Call, LogCall, PolicyCall, PromoteCall, Selector, Source, StatementCall};
use crate::errors::Failure;
use crate::evaluating;
use crate::options::Options;
use crate::process;

/// What a call answers: a JSON document, or a failure.
pub type Answer = std::result::Result<Vec<u8>, Failure>;

/// A registry of this process, which connects at its first call.
pub struct Connection {
    options: Options,
    registry: OnceCell<ModelRegistry>,
}

/// What is known of a version whose model was loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Loaded {
    /// The registered model.
    pub model_name: String,
    /// The version.
    pub version: u64,
    /// The run that logged it.
    pub run_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it went into quarantine, by whom and why.
    pub quarantine: Option<String>,
    /// Where its files are.
    pub source: String,
}

/// A model that was loaded, or the word that it is the one which the caller has.
pub enum Found {
    /// The caller has it.
    Same(Loaded),
    /// The model and its file.
    Other(Loaded, Box<(Model, CachedModel)>),
}

impl From<&ModelVersion> for Loaded {
    fn from(entity: &ModelVersion) -> Self {
        Self {
            model_name: entity.name.to_string(),
            version: entity.version.get(),
            run_id: entity.run_id.as_ref().map(ToString::to_string),
            created_at: entity.created_at,
            tags: entity.tags.clone(),
            quarantine: entity.tags.get(QUARANTINE_TAG).cloned(),
            source: entity.source.clone(),
        }
    }
}

impl Loaded {
    /// Whether both are certainly one model: the same version with the same digest. A version without a digest may have new files.
    fn is_as(&self, other: &Self) -> bool {
        let of = |one: &Self| {
            (
                one.model_name.clone(),
                one.version,
                one.created_at,
                one.source.clone(),
                one.tags.get(SHA256_TAG).cloned(),
            )
        };
        of(self) == of(other) && self.tags.contains_key(SHA256_TAG)
    }
}

impl Connection {
    /// A registry of these options.
    pub fn new(options: Options) -> Self {
        Self { options, registry: OnceCell::new() }
    }

    /// The registry. In a process that is not this package's own, a SQLite database is never opened.
    pub async fn registry(&self) -> Result<&ModelRegistry> {
        let connect = || async {
            let options = self.options.open_options()?;
            if options.uses_sqlite()? {
                process::ensure_own()?;
            }
            ModelRegistry::connect(options).await
        };
        self.registry.get_or_try_init(connect).await
    }

    /// Loads the model of a version, unless it is the one that the caller has, `known`.
    pub async fn load(&self, selector: Selector, known: Option<&Loaded>) -> Result<Found> {
        let registry = self.registry().await?;
        let entity = registry.find_version(&selector.into()).await?;
        let loaded = Loaded::from(&entity);
        if known.is_some_and(|known| loaded.is_as(known)) {
            return Ok(Found::Same(loaded));
        }
        let (version, file) = registry.load_found(entity).await?;
        Ok(Found::Other(loaded, Box::new((version.model, file))))
    }

    /// Answers a call. For a candidate, `interrupted` ends the logging.
    pub async fn serve(&self, call: Call, interrupted: oneshot::Receiver<()>) -> Answer {
        let registry = self.registry().await?;
        match call {
            Call::Connect => json(registry.model()),
            Call::Log(call) => log(registry, call, interrupted).await,
            Call::Promote(call) => promote(registry, call).await,
            Call::Rollback(call) => {
                let mut request =
                    registry.rollback(call.version.map_or(Target::PolicyChoice, Target::Version));
                if call.quarantine {
                    request = request.quarantine();
                }
                decide(request, call.reason, call.dry_run, call.override_policy).await
            }
            Call::ActivatePolicy(call) => of_policy(registry.activate_policy(), call).await,
            Call::DeactivatePolicy(call) => of_policy(registry.deactivate_policy(), call).await,
            Call::ApprovePolicy(call) => of_policy(registry.approve_policy(call.policy), call).await,
            Call::PolicyDigest => json(&registry.policy_digest().await?),
            Call::ActivePolicy => {
                let (active, approvals) =
                    (registry.active_policy().await?, registry.policy_approvals().await?);
                json(&ActivePolicyReport::new(registry.model(), active.as_ref(), &approvals))
            }
            Call::Nominate(StatementCall { version, reason, .. }) => {
                let request = registry.nominate(version);
                stated(match reason {
                    Some(reason) => request.reason(reason),
                    None => request,
                })
                .await
            }
            Call::Approve(StatementCall { version, reason, expires_seconds }) => {
                let mut request = registry.approve(version);
                if let Some(reason) = reason {
                    request = request.reason(reason);
                }
                if let Some(seconds) = expires_seconds {
                    request = request.expires(span(seconds)?);
                }
                stated(request).await
            }
            Call::Quarantine(StatementCall { version, reason, .. }) => {
                stated(registry.quarantine(version, reason.unwrap_or_default())).await
            }
            Call::Release(StatementCall { version, reason, .. }) => {
                let request = registry.release(version);
                stated(match reason {
                    Some(reason) => request.reason(reason),
                    None => request,
                })
                .await
            }
            Call::ChampionInfo => {
                json(&ChampionReport::new(registry.model(), &registry.champion_info().await?))
            }
            Call::ChampionAt { at } => champion_at(registry, at).await,
            Call::Describe(selector) => {
                json(&ModelVersionReport::new(&registry.describe_version(&selector.into()).await?))
            }
            Call::Diagnose => {
                let findings = registry.diagnose().await?;
                json(&findings.iter().map(FindingReport::from).collect::<Vec<_>>())
            }
            Call::Repair => json(&registry.repair().await?),
            Call::Statuses { models } => {
                json(&StatusReport::new(&registry.statuses(&models.parse::<NamePattern>()?).await?))
            }
            Call::Evaluate(call) => evaluating::evaluate(registry, call).await,
            Call::Mlmodel(selector) => {
                let text = registry.mlmodel(&selector.into()).await?;
                json(&String::from_utf8_lossy(&text))
            }
        }
    }
}

/// A JSON document.
pub fn json(report: &impl Serialize) -> Answer {
    serde_json::to_vec(report).map_err(Failure::json)
}

async fn log(registry: &ModelRegistry, call: LogCall, interrupted: oneshot::Receiver<()>) -> Answer {
    let metrics = call.metrics.iter().map(|(key, value)| Ok((key.clone(), number(key, value)?)));
    let metrics = metrics.collect::<Result<BTreeMap<_, _>>>()?;
    let source = match call.source {
        Source::File(path) => ModelSource::File(path),
        Source::Directory { path, mlmodel } => ModelSource::Directory { path, mlmodel },
    };
    let mut candidate =
        Candidate::new(source).metrics(metrics.clone()).config(Value::Object(call.config)).tags(call.tags);
    if let Some(name) = call.run_name {
        candidate = candidate.run_name(name);
    }
    let prepared = candidate.prepare().await?;
    let interrupted = async {
        // A sender that is gone never interrupts.
        if interrupted.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let logged = registry.log_prepared(prepared).create_missing().until(interrupted).await?;
    json(&CandidateReport::new(registry.model(), &logged, &metrics))
}

/// A metric of a report's form.
fn number(key: &str, value: &Value) -> Result<f64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    number.ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("metric `{key}` is not a number: `{value}`"))
    })
}

async fn promote(registry: &ModelRegistry, call: PromoteCall) -> Answer {
    let request = match &call.measure {
        None => registry.promote(call.version.map_or(Target::Candidate, Target::Version)),
        Some(measure) => evaluating::measured(registry, call.version, measure, call.dry_run).await?,
    };
    decide(request, call.reason, call.dry_run, call.override_policy).await
}

/// A report with the kind of the error that the outcome would be, if it is a refusal.
#[derive(Serialize)]
struct Decided {
    #[serde(flatten)]
    report: TransitionReport,
    refusal: Option<String>,
}

async fn decide(
    mut request: DecisionRequest,
    reason: Option<String>,
    dry_run: bool,
    override_policy: bool,
) -> Answer {
    if override_policy {
        request = request.override_policy();
    }
    if let Some(reason) = reason {
        request = request.reason(reason);
    }
    if dry_run {
        request = request.dry_run();
    }
    let transition = request.await?;
    let report = TransitionReport::from(&transition);
    let refusal = transition.into_result().err().map(|error| error.kind().to_string());
    json(&Decided { report, refusal })
}

async fn stated(request: impl IntoFuture<Output = Result<hydra_registry::Stated>>) -> Answer {
    json(&StatementReport::from(&request.await?))
}

async fn of_policy(mut request: PolicyRequest, call: PolicyCall) -> Answer {
    if let Some(reason) = call.reason {
        request = request.reason(reason);
    }
    if let Some(seconds) = call.expires_seconds {
        request = request.expires(span(seconds)?);
    }
    if let Some(approvals) = call.activation_approvals {
        request = request.activation_approvals(approvals);
    }
    if call.dry_run {
        request = request.dry_run();
    }
    json(&PolicyStatementReport::from(&request.await?))
}

fn span(seconds: f64) -> Result<Duration> {
    let span = Duration::try_from_secs_f64(seconds).ok().filter(|span| !span.is_zero());
    span.ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("an approval cannot last {seconds} seconds"))
            .with_hint("pass a positive `timedelta`")
    })
}

async fn champion_at(registry: &ModelRegistry, at: Timestamp) -> Answer {
    let then = match registry.existing_ledger().await? {
        Some(ledger) => ledger.as_of(at).await?,
        None => None,
    };
    let Some((record, state)) = then else { return json(&None::<AsOfReport>) };
    json(&AsOfReport::new(registry.model(), at, &record, &state))
}
