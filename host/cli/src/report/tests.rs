use serde_json::json;

use super::backtest::ComparisonReport;
use super::doctor::FindingReport;
use super::*;
use crate::View;
use hydra_base::PolicyIdentity;
use hydra_base::text::is_unprintable;
use hydra_lifecycle::evaluations::EvaluationFlaw;
use hydra_lifecycle::ledger::entry::{EvaluationNote, PanelAnswer, PanelVerdict};
use hydra_lifecycle::model_facts::ModelChange;
use hydra_policy::PanelRole;
use hydra_policy::VerdictKind;
use hydra_registry::Outcome;

/// Text that a registry may contain anywhere.
fn hostile() -> String {
    "x\nforged line\r\nforged line\u{1b}[2J\u{2028}\u{85}\u{202e}\u{e0041}".to_owned()
}

/// Fails if a line begins with foreign text.
#[track_caller]
fn assert_forges_nothing(text: &str) {
    assert!(text.contains("forged line"), "the words themselves are shown: {text:?}");
    assert!(text.lines().all(|line| !line.starts_with("forged")), "{text:?}");
    assert!(text.lines().all(|line| !line.chars().any(is_unprintable)), "{text:?}");
}

#[test]
fn metrics_and_tags_forge_no_lines() {
    let champion = |metric: &str, tag: &str| ChampionReport {
        schema: "",
        model: "m".into(),
        version: Version::FIRST,
        run_id: None,
        created_at: time(0),
        metrics: [(metric.to_owned(), 0.5)].into(),
        tags: [(tag.to_owned(), tag.to_owned())].into(),
        quarantine: None,
    };
    assert_forges_nothing(&champion(&hostile(), "team").text());
    assert_forges_nothing(&champion("auc", &hostile()).text());
    let quarantined = ChampionReport { quarantine: Some(hostile()), ..champion("auc", "team") };
    assert_forges_nothing(&quarantined.text());
    let listed = VersionReport {
        schema: "",
        version: Version::FIRST,
        run_id: None,
        aliases: Vec::new(),
        created_at: time(0),
        quarantine: Some(hostile()),
    };
    assert_forges_nothing(&listed.text(&View::default()));
    let candidate = CandidateReport {
        schema: "",
        model: "m".into(),
        version: Version::FIRST,
        run_id: "r".into(),
        sha256: Sha256::of(b""),
        replaced: None,
        metrics: [(hostile(), 0.5)].into(),
    };
    assert_forges_nothing(&candidate.text());
}

#[test]
fn entries_forge_no_lines() {
    let entry = |explanation: String, actor: String, policy: String| EntryReport {
        schema: "",
        model: "m".into(),
        sequence: 2,
        at: time(0),
        operation: "promote".into(),
        target: Some(Version::FIRST),
        verdict: Some(VerdictKind::Approve),
        fate: "done",
        changes: Vec::new(),
        quarantined: Vec::new(),
        expires: None,
        own: false,
        model_sha256: Some(policy.clone()),
        overrides: Vec::new(),
        model_change_kinds: Vec::new(),
        explanation,
        conclusion: None,
        reason: Some(actor.clone()),
        user: Some(actor.clone()),
        clock_difference_ms: None,
        actor,
        policy: Some(PolicyIdentity { version: policy.clone(), name: policy, sha256: Sha256::of(b"") }),
        policy_document: None,
        activation_approvals: None,
        signers: Vec::new(),
        manifests: Vec::new(),
        panel: Vec::new(),
        panel_flaw: None,
        fuel: None,
        evaluations: vec![EvaluationNote {
            dataset: hostile(),
            sha256: None,
            first_hand: false,
            flaw: Some(EvaluationFlaw::MalformedTag),
        }],
        more_evaluations: 2,
        operation_id: String::new(),
        role: "requested by",
    };
    let mut together = entry(String::new(), "ann".into(), "p".into());
    together.panel_flaw = Some(hostile());
    assert_forges_nothing(&together.text(&View::default()));
    assert_forges_nothing(&entry(hostile(), "ann".into(), "p".into()).text(&View::default()));
    assert_forges_nothing(&entry(String::new(), hostile(), "p".into()).text(&View::default()));
    assert_forges_nothing(&entry(String::new(), "ann".into(), hostile()).text(&View::default()));
}

#[test]
fn flaws_and_findings_forge_no_lines() {
    let verify = |bridged: serde_json::Value, flaws: serde_json::Value| VerifyReport {
        schema: "",
        model: "m".into(),
        sound: false,
        entries: 2,
        void: 0,
        rerun: 0,
        clocks: vec![bridged.clone()],
        set_aside: vec![json!({"entry": 1, "what": hostile()})],
        bridged: vec![bridged],
        flaws: vec![flaws],
    };
    let (flaw, fine) = (json!({"entry": 2, "what": hostile()}), json!({"entry": 2, "what": "x"}));
    assert_forges_nothing(&verify(flaw.clone(), fine.clone()).text());
    let text = verify(fine, flaw).text();
    assert_forges_nothing(&text);
    assert!(text.contains("doctor --fix repairs"), "{text}");
    let finding = || FindingReport { code: "unreadable-model", what: hostile(), remedy: hostile() };
    let doctor = |fixed, findings| DoctorReport { schema: "", model: "m".into(), fixed, findings };
    assert_forges_nothing(&doctor(vec![finding()], Vec::new()).text());
    assert_forges_nothing(&doctor(Vec::new(), vec![finding()]).text());
}

#[test]
fn backtests_forge_no_lines() {
    let change = ComparisonReport {
        sequence: 2,
        at: time(0),
        operation: "promote".into(),
        target: Some(Version::FIRST),
        recorded: VerdictKind::Approve,
        answer: "no-evidence",
        verdict: None,
        explanation: hostile(),
    };
    let report = BacktestReport {
        schema: "",
        model: "m".into(),
        policy: "p 1".into(),
        sha256: Sha256::of(b""),
        decisions: 1,
        agreements: 0,
        panel: Vec::new(),
        summary: BTreeMap::new(),
        changed: vec![change],
    };
    assert_forges_nothing(&report.text());
}

#[test]
fn transitions_forge_no_lines() {
    let transition = |explanation: String, policy: String| TransitionReport {
        schema: "",
        model: "m".into(),
        operation: "promote".into(),
        target: Some(Version::FIRST),
        outcome: Outcome::Rejected,
        explanation,
        changes: Vec::new(),
        quarantined: Vec::new(),
        policy: Some(PolicyIdentity { version: policy.clone(), name: policy, sha256: Sha256::of(b"") }),
        active_policy: None,
        panel: Vec::new(),
        fuel: 1,
        actor: "ann".into(),
        reason: None,
        at: time(0),
        overrides: Vec::new(),
        model_changes: Vec::new(),
        model_sha256: None,
        evaluations: vec![UsedReport {
            dataset: hostile(),
            sha256: Sha256::of(b""),
            measured_at: time(0),
            first_hand: true,
        }],
        evaluations_left_out: vec![LeftOutReport {
            dataset: hostile(),
            sha256: None,
            flaw: EvaluationFlaw::MalformedTag,
            why: hostile(),
            warning: hostile(),
        }],
        dry_run: false,
        sequence: None,
    };
    assert_forges_nothing(&transition(hostile(), "p".into()).text());
    assert_forges_nothing(&transition(String::new(), hostile()).text());
    let mut together = transition(String::new(), "p".into());
    let answer =
        PanelAnswer { sha256: Sha256::of(b""), mode: PanelRole::Leader, verdict: PanelVerdict::Reject };
    together.panel = AnswerReport::brief(&[answer]);
    together.panel[0].explanation = Some(hostile());
    assert!(together.text().contains("(this decided)"));
    assert_forges_nothing(&together.text());
    let mut changed = transition(String::new(), "p".into());
    changed.outcome = Outcome::Done;
    let names = || vec![hostile()];
    changed.model_changes = vec![
        ModelChange::Classes { from: names(), to: names(), outputs: None },
        ModelChange::Columns {
            added: names(),
            removed: names(),
            now_categories: names(),
            now_numbers: names(),
        },
    ];
    assert!(changed.text().contains("WARNING"));
    assert_forges_nothing(&changed.text());
}

#[test]
fn statements_forge_no_lines() {
    let statement = |explanation: String, sha256: String| StatementReport {
        schema: "",
        model: "m".into(),
        operation: "approve".into(),
        version: Version::FIRST,
        outcome: "done",
        explanation,
        changes: Vec::new(),
        is_champion: false,
        sha256: Some(sha256),
        expires: Some(time(0)),
        own: false,
        actor: "ann".into(),
        reason: None,
        at: time(0),
        can_become_champion: true,
        sequence: Some(2),
    };
    assert_forges_nothing(&statement(hostile(), String::new()).text());
    assert_forges_nothing(&statement(String::new(), hostile()).text());
}

#[test]
fn active_policies_forge_no_lines() {
    let stated = PolicyStatementReport {
        schema: "",
        model: "m".into(),
        operation: "approve".into(),
        policy: Some(Sha256::of(b"")),
        former: None,
        outcome: "done",
        explanation: hostile(),
        activation_approvals: 1,
        approved_by: vec![hostile()],
        expires: Some(time(0)),
        actor: Some("ann".into()),
        reason: None,
        at: time(0),
        dry_run: false,
        sequence: Some(2),
    };
    assert_forges_nothing(&stated.text());
    let identity = PolicyIdentity { version: hostile(), name: hostile(), sha256: Sha256::of(b"") };
    let shown = ActivePolicyReport {
        schema: "",
        model: "m".into(),
        policy: Some(Sha256::of(b"")),
        since: Some(time(0)),
        actor: Some(hostile()),
        user: None,
        reason: Some(hostile()),
        activation_approvals: 1,
        policies: vec![ActiveMemberReport {
            name: "n".into(),
            mode: PanelRole::Leader,
            policy: identity,
            settings: [(hostile(), hostile())].into(),
            budget: hydra_policy::Budget::default(),
        }],
        trust: serde_json::json!({"all-of": [{"pub-key": "k", "name": hostile(), "expires": hostile()}]})
            .as_object()
            .cloned(),
        approvals: vec![PolicyApprovalReport {
            policy: None,
            actor: hostile(),
            user: None,
            at: time(0),
            expires: Some(time(0)),
            reason: Some(hostile()),
        }],
    };
    assert_forges_nothing(&shown.text());
}
