use std::time::{Duration, Instant};

use super::*;
use crate::ledger::entry::{PanelAnswer, PanelVerdict};
use hydra_base::testing::{kind, tags, version};
use hydra_policy::{Budget, Context, EngineOptions, ModelVersion, PolicyEngine, VerdictKind};

fn engine() -> PolicyEngine {
    PolicyEngine::new(&EngineOptions::default()).expect("an engine")
}

fn guest(engine: &PolicyEngine, name: &str, budget: &Budget) -> Policy {
    let text = hydra_test_guests::read(name);
    let component = hydra_test_guests::component_of(name, &text, Policy::default_bytes());
    Policy::load(engine, &component, budget).expect("a policy")
}

fn named(text: &str) -> PolicyName {
    PolicyName::new(text).expect("a name")
}

fn member(name: &str, role: PanelRole, policy: &Policy) -> Member {
    Member {
        name: named(name),
        role,
        policy: policy.clone(),
        settings: BTreeMap::new(),
        origin: Origin::default(),
    }
}

fn request() -> Input {
    Input::promotion(ModelVersion::new(version(3), 0), Context::new("m", 7, "ann"))
}

/// A panel of the default policy, which approves, and these guests.
fn led_by_default(others: &[(PanelRole, &str)]) -> Panel {
    let engine = engine();
    let budget = Budget::default().with_fuel(50_000_000);
    let default = Policy::load_default(&engine, &budget).expect("the default policy");
    let mut members = vec![member("default", PanelRole::Leader, &default)];
    members.extend(others.iter().enumerate().map(|(index, (role, name))| {
        let policy = if *name == "default" { default.clone() } else { guest(&engine, name, &budget) };
        member(&format!("{name}-{index}"), *role, &policy)
    }));
    Panel::new(members).expect("a panel")
}

async fn decide(others: &[(PanelRole, &str)]) -> Result<PanelDecision> {
    led_by_default(others).decide(&request()).await
}

#[test]
fn a_panel_has_one_leader_first_and_each_name_once() {
    use PanelRole::{Gate, Leader, Monitor};
    let names: Vec<PolicyName> = (0..9).map(|number| named(&format!("p{number}"))).collect();
    let check = |roles: &[PanelRole]| check_parts(names.iter().zip(roles.iter().copied()));
    for sound in [
        &[Leader][..],
        &[Leader, Gate, Monitor, Gate],
        &[Leader, Gate, Gate, Gate, Gate, Gate, Gate, Monitor],
    ] {
        check(sound).expect("a panel");
    }
    for (roles, expected) in [
        (&[][..], ErrorKind::PanelSize),
        (&[Leader, Gate, Gate, Gate, Gate, Gate, Gate, Gate, Monitor], ErrorKind::PanelSize),
        (&[Gate], ErrorKind::PanelRoles),
        (&[Monitor, Leader], ErrorKind::PanelRoles),
        (&[Leader, Leader], ErrorKind::PanelRoles),
    ] {
        assert_eq!(kind(check(roles)), expected, "{roles:?}");
    }
    let twice = [(&names[0], Leader), (&names[1], Gate), (&names[0], Gate)];
    let error = check_parts(twice).expect_err("a name twice");
    assert_eq!((error.kind(), error.message()), (ErrorKind::PanelNames, "two policies have the name `p0`"));
    assert!(error.hint().is_some_and(|hint| hint.contains("NAME=FILE")));
}

#[test]
fn keys_are_addressed_by_the_name_before_the_first_dot() {
    let names = [named("lead"), named("gate")];
    for (key, expected) in [
        ("gate.margin", (Some(1), "margin")),
        ("lead.a.b", (Some(0), "a.b")),
        ("margin", (None, "margin")),
        ("other.margin", (None, "other.margin")),
        ("", (None, "")),
    ] {
        assert_eq!(address(&names, key), expected, "{key}");
    }
    assert_eq!(address(&names[..1], "lead.margin"), (None, "lead.margin"), "a policy alone has no name");
}

#[test]
fn settings_go_to_the_policy_that_they_name() {
    let panel = led_by_default(&[(PanelRole::Gate, "default"), (PanelRole::Monitor, "default")]);
    let given =
        tags([("refuse-changes", "output"), ("default-0.refuse-changes", "classes"), ("default-9.x", "1")]);
    let panel = panel.with_settings(&given);
    let settings: Vec<&BTreeMap<String, String>> = panel.members().map(|member| &member.settings).collect();
    assert_eq!(
        settings,
        [
            &tags([("refuse-changes", "output"), ("default-9.x", "1")]),
            &tags([("refuse-changes", "classes")]),
            &tags([])
        ]
    );
    let error = panel.check_settings().expect_err("a setting that the leader does not have");
    assert_eq!(error.kind(), ErrorKind::PolicySettings);
    assert!(error.to_string().contains("policy of the panel: default"), "{error}");
}

#[tokio::test]
async fn the_strictest_verdict_wins_and_only_the_moves_of_the_leader_count() {
    let approved = decide(&[(PanelRole::Gate, "illegal_alias"), (PanelRole::Monitor, "well_behaved")]).await;
    let approved = approved.expect("a decision");
    assert_eq!(approved.verdict, approved.leader.verdict);
    assert_eq!(approved.verdict.moves().len(), 1);
    let verdicts: Vec<PanelVerdict> = approved.answers.iter().map(|answer| answer.verdict).collect();
    assert_eq!(verdicts, [PanelVerdict::Approve, PanelVerdict::Approve, PanelVerdict::Reject]);
    assert_eq!(approved.answers[1].moves.len(), 2, "they are on record");

    let rejected = decide(&[(PanelRole::Gate, "default"), (PanelRole::Gate, "well_behaved")]).await;
    let rejected = rejected.expect("a decision");
    assert_eq!(rejected.verdict, Verdict::reject("no"));
    assert_eq!(rejected.leader.verdict.kind(), VerdictKind::Approve);
    assert_eq!(rejected.as_one().verdict, rejected.verdict);
    assert_eq!(
        Answer::deciding(&rejected.answers).map(|answer| answer.name.as_str()),
        Some("well_behaved-1")
    );

    let alone = decide(&[]).await.expect("a decision");
    assert!(alone.answers.len() == 1 && alone.into_answers().is_empty());
}

#[test]
fn of_equally_strict_answers_the_first_decides_and_monitors_never_do() {
    use PanelRole::{Gate, Leader, Monitor};
    use PanelVerdict::{Approve, Error, Hold, Reject};
    let answers = |verdicts: &[(PanelRole, PanelVerdict)]| -> Vec<PanelAnswer> {
        let sha256 = Sha256::of(b"policy");
        verdicts
            .iter()
            .map(|(mode, verdict)| PanelAnswer { sha256, mode: *mode, verdict: *verdict })
            .collect()
    };
    for (verdicts, expected) in [
        (&[(Leader, Approve), (Gate, Approve), (Monitor, Reject)][..], 0),
        (&[(Leader, Hold), (Gate, Hold), (Gate, Approve)], 0),
        (&[(Leader, Hold), (Gate, Reject), (Gate, Reject)], 1),
        (&[(Leader, Approve), (Monitor, Error), (Gate, Hold), (Monitor, Reject)], 2),
        (&[(Leader, Reject), (Gate, Error)], 1),
    ] {
        assert_eq!(deciding(&answers(verdicts)), expected, "{verdicts:?}");
    }
}

#[tokio::test]
async fn an_error_of_a_leader_or_gate_is_one_of_the_whole_and_that_of_a_monitor_is_an_answer() {
    for (name, expected) in [
        ("unreachable", ErrorKind::PolicyTrap),
        ("infinite_loop", ErrorKind::PolicyFuel),
        ("memory_bomb", ErrorKind::PolicyMemory),
        ("reports_error", ErrorKind::PolicyError),
        ("invalid_utf8", ErrorKind::PolicyProtocol),
    ] {
        let error = decide(&[(PanelRole::Gate, "well_behaved"), (PanelRole::Gate, name)]).await;
        let error = error.expect_err("an error is stricter than a rejection");
        assert_eq!(error.kind(), expected, "{error}");
        assert!(error.to_string().contains(&format!("policy of the panel: {name}-1")), "{error}");

        let decision = decide(&[(PanelRole::Monitor, name)]).await.expect("a decision");
        assert_eq!(decision.verdict.kind(), VerdictKind::Approve);
        let [_, failed] = &decision.answers[..] else { panic!("{decision:?}") };
        assert_eq!((failed.verdict, failed.usage), (PanelVerdict::Error, None));
        assert_eq!(failed.error.as_deref(), Some(expected.as_str()));
        assert!(!failed.explanation.is_empty());
    }
}

#[tokio::test]
async fn each_policy_has_its_own_settings_limits_and_part() {
    let engine = engine();
    let large = Policy::load_default(&engine, &Budget::default()).expect("a policy");
    let mut gate = member("gate", PanelRole::Gate, &large);
    gate.settings = tags([("refuse-changes", "classes, output")]);
    let panel = Panel::new(vec![member("lead", PanelRole::Leader, &large), gate.clone()]).expect("a panel");
    let question = panel.question(&gate, &request()).expect("a question");
    let context = question.context();
    assert_eq!(context.settings, tags([("refuse-changes", "classes,output")]));
    assert_eq!((context.panel.role, context.panel.size, context.panel.active), (PanelRole::Gate, 2, false));
    assert_eq!(put_to(&question, BTreeMap::new(), PanelRole::Leader, 1), request(), "nothing else differs");

    let tight = guest(&engine, "infinite_loop", &Budget::default().with_fuel(12_345));
    let panel = Panel::new(vec![
        member("lead", PanelRole::Leader, &large),
        member("tight", PanelRole::Monitor, &tight),
    ]);
    let decision = panel.expect("a panel").decide(&request()).await.expect("a decision");
    assert_eq!(decision.answers[1].error.as_deref(), Some("policy-fuel"));
    assert_eq!(decision.answers[1].explanation, "the policy used up its fuel of 12345");
    let limits: Vec<u64> = decision.answers.iter().map(|answer| answer.budget.fuel).collect();
    assert_eq!(limits, [1_000_000_000, 12_345]);
}

#[tokio::test]
#[ignore = "compares times; `cargo xtask test --all` runs it"]
async fn policies_decide_side_by_side() {
    let engine = engine();
    let limit = Duration::from_secs(3);
    let budget = Budget::default().with_fuel(u64::MAX).with_wall_clock(limit);
    let endless = guest(&engine, "infinite_loop", &budget);
    let default = Policy::load_default(&engine, &budget).expect("the default policy");
    let panel = Panel::new(vec![
        member("lead", PanelRole::Leader, &default),
        member("one", PanelRole::Monitor, &endless),
        member("two", PanelRole::Monitor, &endless),
    ]);
    let started = Instant::now();
    let decision = panel.expect("a panel").decide(&request()).await.expect("a decision");
    assert!(started.elapsed() < 2 * limit, "one after the other takes six seconds: {:?}", started.elapsed());
    let errors: Vec<Option<&str>> = decision.answers.iter().map(|answer| answer.error.as_deref()).collect();
    assert_eq!(errors, [None, Some("policy-timeout"), Some("policy-timeout")]);
}

/// What `policy what-if` asks is what decides.
#[tokio::test]
async fn the_policies_that_count_decide_like_the_panel() {
    use PanelRole::{Gate, Monitor};
    for others in [
        &[][..],
        &[(Gate, "default")],
        &[(Gate, "default"), (Gate, "well_behaved")],
        &[(Gate, "well_behaved"), (Monitor, "unreachable")],
        &[(Monitor, "well_behaved")],
    ] {
        let panel = led_by_default(others);
        let counted = Counted::of(&panel);
        assert_eq!(counted.count(), 1 + others.iter().filter(|(role, _)| *role == Gate).count());
        let verdict = counted.evidence(request()).and_then(|evidence| counted.decide(&evidence));
        let (verdict, whole) =
            (verdict.expect("a verdict"), panel.decide(&request()).await.expect("a decision"));
        assert_eq!(
            (verdict.kind(), verdict.moves()),
            (whole.verdict.kind(), whole.verdict.moves()),
            "{others:?}"
        );
        let words = verdict.explanation();
        let named = words.strip_suffix(whole.verdict.explanation()).expect(words);
        assert_eq!(named.is_empty(), counted.count() == 1, "{words}");
    }
    let counted = Counted::of(&led_by_default(&[(Gate, "well_behaved"), (Gate, "unreachable")]));
    let evidence = counted.evidence(request()).expect("evidence");
    let error = counted.decide(&evidence).expect_err("an error is stricter than a rejection");
    assert_eq!(error.kind(), ErrorKind::PolicyTrap);
    assert!(error.to_string().contains("policy of the panel: unreachable-1"), "{error}");

    // Settings of each, with its name.
    let panel = led_by_default(&[(Gate, "default")]);
    let panel = panel.with_settings(&tags([("default-0.refuse-changes", "classes, output")]));
    let counted = Counted::of(&panel);
    let evidence = counted.evidence(request()).expect("evidence");
    assert_eq!(evidence.context().settings["default-0.refuse-changes"], "classes,output");
    let keys: Vec<String> = counted.declared().into_iter().map(|setting| setting.key).collect();
    assert!(evidence.context().settings.keys().all(|key| keys.contains(key)), "{keys:?}");
    assert!(keys.iter().any(|key| key.starts_with("default.")), "{keys:?}");
    let wrong = Counted::of(&panel.with_settings(&tags([("default-0.unknown", "x")])));
    assert_eq!(wrong.evidence(request()).expect_err("a setting").kind(), ErrorKind::PolicySettings);
}
