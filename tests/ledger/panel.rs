//! Policies that decide together, on every backend: what counts, what is recorded, and that it comes out the same again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hydra_base::Sha256;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::decision::DecisionDocument;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_lifecycle::ledger::entry::{MAX_ENTRY_BYTES, PanelVerdict};
use hydra_lifecycle::ledger::verify::Verified;
use hydra_lifecycle::recording::PolicyReplay;
use hydra_mlflow::artifacts::ArtifactStore;
use hydra_policy::{EngineOptions, PanelRole, Policy, PolicyEngine, VerdictKind};
use hydra_registry::{
    ErrorKind, ModelRegistry, OpenOptions, Outcome, PanelOptions, PanelPolicy, PolicyName, PolicySource,
    Target,
};
use hydra_test_guests as guests;

use super::{aliases, assert_sound, ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::version;

/// A model on a backend, and guests as files.
struct World {
    backend: Backend,
    model: String,
    files: tempfile::TempDir,
}

impl World {
    /// A model whose champion is version 1, by the default policy alone.
    async fn new(backend: Backend) -> (Self, ModelRegistry) {
        let world =
            Self { backend, model: fresh_name("panel"), files: tempfile::tempdir().expect("a directory") };
        let alone = registry(&world.backend, &world.model).await;
        alone.promote_to_champion(version(1)).await.expect("a promotion");
        (world, alone)
    }

    /// A guest, or the default policy.
    fn policy(&self, name: &str) -> PanelPolicy {
        if name == "default" {
            return PanelPolicy::new(PolicySource::Embedded);
        }
        let component = guests::component_of(name, &guests::read(name), Policy::default_bytes());
        let file: PathBuf = self.files.path().join(name).with_extension("wasm");
        std::fs::write(&file, component).expect("a file");
        PanelPolicy::new(file)
    }

    /// A panel of the default policy and these.
    fn panel(&self, others: &[(PanelRole, &str)]) -> PanelOptions {
        let leader = PanelOptions::led_by(self.policy("default").with_name(name("lead")));
        others.iter().enumerate().fold(leader, |panel, (index, (role, other))| {
            let policy = self.policy(other).with_name(name(&format!("{other}-{index}")));
            match role {
                PanelRole::Monitor => panel.with_monitor(policy),
                _ => panel.with_gate(policy),
            }
        })
    }

    fn options(&self, panel: PanelOptions) -> OpenOptions {
        self.backend.options(&self.model).with_panel(panel).with_budget([("fuel", "50_000_000")])
    }

    async fn open(&self, panel: PanelOptions) -> ModelRegistry {
        ModelRegistry::connect(self.options(panel)).await.expect("a registry")
    }

    async fn deciding(&self, others: &[(PanelRole, &str)]) -> ModelRegistry {
        self.open(self.panel(others)).await
    }
}

fn name(text: &str) -> PolicyName {
    PolicyName::new(text).expect("a name")
}

async fn newest(registry: &ModelRegistry) -> Record {
    ledger(registry).await.history(Some(1), None).await.expect("a history").remove(0).0
}

/// What the entry holds of each policy.
fn answers(record: &Record) -> Vec<(PanelRole, PanelVerdict)> {
    let decided = record.entry.decided.as_ref().expect("a decision");
    decided.panel.iter().map(|answer| (answer.mode, answer.verdict)).collect()
}

async fn archive(registry: &ModelRegistry) -> Box<dyn ArtifactStore> {
    let ledger = ledger(registry).await;
    let run = registry.backend().tracking.run(ledger.run_id()).await.expect("the ledger's run");
    registry.backend().artifact_store(&run.artifact_uri.parse().expect("a URI")).await.expect("the archive")
}

async fn stored(registry: &ModelRegistry, directory: &str) -> Vec<String> {
    let listed = archive(registry).await.list(directory).await.expect("a listing");
    listed.into_iter().map(|info| info.path).collect()
}

async fn verified(registry: &ModelRegistry) -> Verified {
    let replay = PolicyReplay::new(PolicyEngine::new(&EngineOptions::default()).expect("an engine"));
    ledger(registry).await.verify(Some(&replay)).await.expect("a verification")
}

use PanelRole::{Gate, Leader, Monitor};
use PanelVerdict::{Approve, Error, Reject};

/// The strictest verdict wins, moves of gates and all of monitors do not count, and a failure of any but a monitor leaves
/// nothing behind.
async fn a_panel_decides_and_is_recorded(backend: Backend) {
    let (world, _) = World::new(backend).await;

    let registry = world.deciding(&[(Gate, "default"), (Gate, "well_behaved"), (Monitor, "default")]).await;
    let rejected = registry.promote(version(2)).await.expect("a decision");
    assert_eq!((rejected.outcome, rejected.explanation.as_str()), (Outcome::Rejected, "no"));
    assert_eq!(rejected.policy.as_ref().map(|policy| policy.name.as_str()), Some("default"));
    let names: Vec<&str> = rejected.panel.iter().map(|answer| answer.name.as_str()).collect();
    assert_eq!(names, ["lead", "default-0", "well_behaved-1", "default-2"]);
    assert_eq!(aliases(&registry).await, (Some(1), None));
    let record = newest(&registry).await;
    let expected = [(Leader, Approve), (Gate, Approve), (Gate, Reject), (Monitor, Approve)];
    assert_eq!(answers(&record), expected);
    assert_eq!(record.entry.decided.as_ref().map(|decided| decided.verdict), Some(VerdictKind::Reject));
    let document = ledger(&registry).await.answers(&record).await.expect("a document").expect("of a panel");
    // The document has whole microseconds.
    let expected = DecisionDocument::new(rejected.panel).encode().expect("bytes");
    assert_eq!(document.encode().expect("bytes"), expected);
    let again = registry.promote(version(2)).await.expect("a decision");
    assert_eq!(again.sequence, rejected.sequence, "the same refusal on equal evidence");

    // Moves of a gate do not count, also if they break a guard; a monitor counts in no way, also if it fails.
    let registry =
        world.deciding(&[(Gate, "illegal_alias"), (Monitor, "unreachable"), (Monitor, "well_behaved")]).await;
    let done = registry.promote(version(3)).await.expect("a decision");
    assert_eq!((done.outcome, aliases(&registry).await), (Outcome::Done, (Some(3), Some(1))));
    let expected = [(Leader, Approve), (Gate, Approve), (Monitor, Error), (Monitor, Reject)];
    assert_eq!(answers(&newest(&registry).await), expected);
    assert_eq!(done.panel[2].error.as_deref(), Some("policy-trap"));
    assert_eq!(done.panel[1].moves[1].alias.as_str(), "production");

    let entries = assert_sound(&registry).await.len();
    for (others, kind) in [
        (&[(Gate, "well_behaved"), (Gate, "unreachable")][..], ErrorKind::PolicyTrap),
        (&[(Gate, "infinite_loop")], ErrorKind::PolicyFuel),
        (&[(Gate, "memory_bomb"), (Monitor, "default")], ErrorKind::PolicyMemory),
        (&[(Gate, "reports_error")], ErrorKind::PolicyError),
        // A monitor that cannot be loaded is an error of the settings.
        (&[(Monitor, "imports_wasi")], ErrorKind::PolicyIncompatible),
    ] {
        let error = world.deciding(others).await.promote(version(4)).await.expect_err("fail closed");
        assert_eq!(error.kind(), kind, "{error:?}");
    }
    // The leader's answer is checked, also if another policy rejects.
    let illegal = PanelOptions::led_by(world.policy("illegal_alias")).with_gate(world.policy("well_behaved"));
    let error = world.open(illegal).await.promote(version(4)).await.expect_err("a guard");
    assert_eq!(error.kind(), ErrorKind::Guard, "{error:?}");
    assert_eq!(assert_sound(&registry).await.len(), entries, "nothing was recorded");

    // The gates see rollbacks, too.
    let back = world.deciding(&[(Gate, "well_behaved")]).await.rollback(Target::PolicyChoice).await;
    assert_eq!(back.expect("a decision").outcome, Outcome::Rejected);
    let back = world.deciding(&[(Gate, "default")]).await.rollback(Target::PolicyChoice).dry_run().await;
    let back = back.expect("a decision");
    assert_eq!((back.outcome, back.panel.len(), back.sequence), (Outcome::Done, 2, None));
    assert_eq!(assert_sound(&registry).await.len(), entries + 1);
}

/// One component with several settings is archived once, a change of a gate's settings is another question, and eight policies
/// fit an entry.
async fn eight_policies_fit_and_are_archived_once(backend: Backend) {
    let (world, registry) = World::new(backend).await;
    let gate = |index: usize| {
        let settings = if index.is_multiple_of(2) { "output" } else { "classes, columns" };
        let policy = world.policy("default").with_settings([("refuse-changes", settings)]);
        policy.with_name(name(&format!("{index}-{}", "n".repeat(62))))
    };
    let panel = || (1..7).fold(world.panel(&[]), |panel, index| panel.with_gate(gate(index)));
    let eight = world.open(panel().with_gate(world.policy("well_behaved"))).await;
    let reason = "r".repeat(10_000);
    let rejected = eight.promote(version(2)).reason(&reason).await.expect("a decision");
    assert_eq!((rejected.outcome, rejected.panel.len()), (Outcome::Rejected, 8));
    let record = newest(&registry).await;
    let mut entry = record.entry.clone();
    assert!(entry.encode().expect("an entry").len() <= MAX_ENTRY_BYTES);
    assert_eq!(
        (record.entry.decided.as_ref().map(|decided| decided.panel.len()), &entry),
        (Some(8), &record.entry)
    );
    assert_eq!(stored(&registry, "policies").await.len(), 2, "the default policy and one gate");
    assert_eq!(stored(&registry, "panels").await.len(), 1);
    let settings: Vec<&BTreeMap<String, String>> =
        rejected.panel.iter().map(|answer| &answer.settings).collect();
    assert_eq!(settings[1]["refuse-changes"], "classes,columns");
    assert_eq!(settings[2]["refuse-changes"], "output");

    // The answers are the same, the question is not.
    let changed = panel().with_gate(world.policy("well_behaved"));
    let options = world
        .options(changed)
        .with_policy_settings([(format!("1-{}.refuse-changes", "n".repeat(62)), "classes")]);
    let changed = ModelRegistry::connect(options).await.expect("a registry");
    let again = changed.promote(version(2)).reason(&reason).await.expect("a decision");
    assert_eq!(again.sequence, rejected.sequence.map(|sequence| sequence + 1));

    let nine = panel().with_gate(world.policy("well_behaved")).with_monitor(world.policy("unreachable"));
    let error = ModelRegistry::connect(world.options(nine)).await.expect_err("nine policies");
    assert_eq!(error.kind(), ErrorKind::PanelSize);
    let twice = PanelOptions::led_by(world.policy("default")).with_gate(world.policy("default"));
    let error = ModelRegistry::connect(world.options(twice)).await.expect_err("one name twice");
    assert_eq!(error.kind(), ErrorKind::PanelNames);
    assert_sound(&registry).await;
}

/// Every file that a decision of a panel rests on is checked: by `doctor` whether it is there, by a verification what it says.
async fn a_changed_archive_is_found(backend: Backend) {
    let (world, registry) = World::new(backend).await;
    let panel = world.deciding(&[(Gate, "illegal_alias"), (Monitor, "unreachable")]).await;
    panel.promote(version(3)).await.expect("a decision");
    assert_sound(&registry).await;
    let record = newest(&registry).await;
    let archive = archive(&registry).await;
    let gate = record.entry.decided.as_ref().expect("a decision").panel[1].sha256;
    let component = format!("policies/{gate}.wasm");
    let bytes = ledger(&registry).await.component(gate).await.expect("the component");
    let document = stored(&registry, "panels").await.remove(0);
    let answers = ledger(&registry).await.answers(&record).await.expect("a document").expect("of a panel");
    let answers = answers.encode().expect("bytes");

    // Another component under the name of a gate's, and another document.
    for (path, original) in [(&component, &bytes), (&document, &answers)] {
        let mut damaged = original.clone();
        *damaged.last_mut().expect("bytes") ^= 1;
        archive.put_bytes(path, damaged).await.expect("damage");
        let found = verified(&registry).await;
        let [flaw] = &found.flaws[..] else { panic!("{path}: {found:?}") };
        assert_eq!(flaw.entry, record.number);
        assert!(flaw.what.contains(path.as_str()), "{}", flaw.what);
        archive.put_bytes(path, original.clone()).await.expect("restored");
    }
    assert!(verified(&registry).await.is_sound());
}

/// A change of a document.
type Change = fn(&mut serde_json::Value);

/// A document and an entry that agree, and that no policy ever answered: running the policies again finds it.
async fn forged_answers_are_found(backend: Backend) {
    let (world, registry) = World::new(backend).await;
    let panel = world.deciding(&[(Gate, "well_behaved"), (Monitor, "unreachable")]).await;
    panel.promote(version(3)).await.expect("a decision");
    let record = newest(&registry).await;
    let ledger = ledger(&registry).await;
    let honest = ledger.answers(&record).await.expect("a document").expect("of a panel");
    let forge = async |change: Change| {
        let mut document = serde_json::to_value(&honest).expect("JSON");
        change(&mut document);
        let bytes = serde_json::to_vec(&document).expect("JSON");
        let sha256 = Sha256::of(&bytes);
        let path = format!("panels/{}-{sha256}.json", record.entry.operation_id);
        archive(&registry).await.put_bytes(&path, bytes).await.expect("stored");
        let mut forged = record.clone();
        let decided = forged.entry.decided.as_mut().expect("a decision");
        decided.decision_sha256 = Some(sha256);
        let answers: Vec<PanelVerdict> = serde_json::from_value(
            document["policies"]
                .as_array()
                .expect("policies")
                .iter()
                .map(|policy| policy["verdict"].clone())
                .collect(),
        )
        .expect("verdicts");
        decided.panel.iter_mut().zip(answers).for_each(|(answer, verdict)| answer.verdict = verdict);
        if decided.panel.iter().all(|answer| answer.verdict != Reject || answer.mode == Monitor) {
            decided.verdict = VerdictKind::Approve;
            forged.entry.explanation =
                document["policies"][0]["explanation"].as_str().expect("a text").into();
        }
        let replay = PolicyReplay::new(PolicyEngine::new(&EngineOptions::default()).expect("an engine"));
        ledger.repeat_decision(&replay, &forged).await.expect("an answer")
    };
    assert_eq!(forge(|_| ()).await, None, "an honest one");
    let changes: [(Change, &str); 8] = [
        (
            |document| document["policies"][1]["verdict"] = "approve".into(),
            "policy `well_behaved-0`: the repeated decision is reject, not approve",
        ),
        (
            |document| document["policies"][1]["mode"] = "monitor".into(),
            "the answers of the policies are not those of the entry",
        ),
        (
            |document| document["policies"][2]["error"] = "policy-fuel".into(),
            "policy `unreachable-1`: the repeated decision fails with policy-trap, not policy-fuel",
        ),
        (
            |document| document["policies"][1]["usage"]["fuel"] = "1".into(),
            "policy `well_behaved-0`: the repeated decision uses another amount of fuel",
        ),
        (
            |document| document["policies"][1]["explanation"] = "yes".into(),
            "its explanation is not that of the policy that decided",
        ),
        (
            |document| document["policies"][0]["settings"]["refuse-changes"] = "output".into(),
            "the archived input is not the question to the leader",
        ),
        (
            |document| document["schema"] = 2.into(),
            "the document of the decision has schema 2, and this release reads schema 1",
        ),
        (|document| document["ghost"] = 1.into(), "the document of the decision cannot be read"),
    ];
    for (change, flaw) in changes {
        assert_eq!(forge(change).await.as_deref(), Some(flaw));
    }
    let mut without = record.clone();
    without.entry.decided.as_mut().expect("a decision").decision_sha256 = None;
    let replay = PolicyReplay::new(PolicyEngine::new(&EngineOptions::default()).expect("an engine"));
    let flaw = ledger.repeat_decision(&replay, &without).await.expect("an answer");
    assert_eq!(flaw.as_deref(), Some("it has answers of several policies, and names no document"));
}

/// `doctor` names each file that is gone, and stores the policies again.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_misses_the_files_of_a_panel() {
    for backend in [Backend::sqlite(), Backend::file()] {
        let (world, registry) = World::new(backend).await;
        let panel = world.deciding(&[(Gate, "illegal_alias"), (Monitor, "well_behaved")]).await;
        panel.promote(version(3)).await.expect("a decision");
        let ledger = ledger(&registry).await;
        let run = registry.backend().tracking.run(ledger.run_id()).await.expect("the ledger's run");
        let archive = PathBuf::from(run.artifact_uri.trim_start_matches("file://"));
        let missing = async || -> Vec<String> {
            let findings = ledger.diagnose().await.expect("findings").into_iter();
            let mut paths: Vec<String> = findings
                .map(|finding| match finding {
                    LedgerFinding::MissingArtifact { path, .. } => path,
                    other => panic!("{other}"),
                })
                .collect();
            paths.sort();
            paths.dedup();
            paths
        };
        assert_eq!(missing().await, Vec::<String>::new());
        for directory in ["panels", "policies"] {
            std::fs::remove_dir_all(archive.join(directory)).expect("removed");
        }
        let gone = missing().await;
        assert_eq!(gone.iter().filter(|path| path.starts_with("policies/")).count(), 3, "{gone:?}");
        assert_eq!(gone.iter().filter(|path| path.starts_with("panels/")).count(), 1, "{gone:?}");
        panel.repair().await.expect("a repair");
        assert_eq!(missing().await, gone[..1], "the answers come from a backup only");
    }
}

macro_rules! on {
    ($case:ident: $($test:ident = $backend:expr),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            $case($backend).await;
        }
    )*};
}

on!(a_panel_decides_and_is_recorded:
    a_panel_decides_in_memory = Backend::memory(),
    a_panel_decides_in_a_database = Backend::sqlite(),
    a_panel_decides_in_a_file_store = Backend::file(),
    a_panel_decides_on_rest = Backend::rest(),
);
on!(eight_policies_fit_and_are_archived_once:
    eight_policies_in_memory = Backend::memory(),
    eight_policies_in_a_database = Backend::sqlite(),
    eight_policies_in_a_file_store = Backend::file(),
    eight_policies_on_rest = Backend::rest(),
);
on!(a_changed_archive_is_found:
    a_changed_archive_is_found_in_memory = Backend::memory(),
    a_changed_archive_is_found_in_a_database = Backend::sqlite(),
    a_changed_archive_is_found_in_a_file_store = Backend::file(),
    a_changed_archive_is_found_on_rest = Backend::rest(),
);
on!(forged_answers_are_found:
    forged_answers_are_found_in_memory = Backend::memory(),
);
