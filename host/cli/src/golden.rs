//! Help, errors of the command line, and tables, as they look in terminals of 80 and 120 columns.
//!
//! `HYDRA_UPDATE=1` rewrites the files in tests/golden.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use unicode_width::UnicodeWidthStr as _;

use crate::args::gathered;
use crate::report::{
    AnswerReport, ApprovalReport, ChangeReport, DecisionReport, DiffReport, EntryReport, FigureReport,
    FindingReport, ImportanceReport, ListedReport, MeasuredReport, ModelFileReport, ModelStatusReport,
    ModelVersionReport, Side, StatusReport, VersionFigureReport, VersionReport,
};
use crate::{Cli, View, suggest};
use hydra_base::Sha256;
use hydra_base::names::Version;
use hydra_base::testing::version;
use hydra_policy::VerdictKind;

const WIDTHS: [usize; 2] = [80, 120];

/// A time of the examples, and when they are looked at.
const AT: &str = "2026-11-01T12:00:00.000Z";
const NOW: i64 = 1_793_534_400_000 + 3 * 3_600_000;

/// Compares with the file, or writes it.
#[track_caller]
fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
    if std::env::var_os("HYDRA_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, text).expect("a file");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, text, "set HYDRA_UPDATE=1 to rewrite tests/golden/{name}");
}

fn commands(command: &Command) -> Vec<Command> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    std::iter::once(command.clone()).chain(below.flat_map(commands)).collect()
}

#[test]
fn help_in_both_widths() {
    for width in WIDTHS {
        let mut root = Cli::command().term_width(width);
        root.build();
        let mut text = String::new();
        for mut command in commands(&root) {
            let name = command.get_bin_name().unwrap_or("hydra-registry").to_owned();
            let help = command.render_help().to_string();
            text += &format!("$ {name} -h\n");
            text.extend(help.lines().map(|line| format!("{}\n", line.trim_end())));
        }
        compare(&format!("help-{width}.txt"), &text);
    }
}

#[test]
fn errors_of_the_command_line_in_both_widths() {
    for width in WIDTHS {
        let mut text = String::new();
        for line in [
            "hydra-registry",
            "hydra-registry policy",
            "hydra-registry promot",
            "hydra-registry promote --version 3",
            "hydra-registry promote --dryrun",
            "hydra-registry promote zero",
            "hydra-registry predict",
            "hydra-registry predict rows.csv --verison 3",
            "hydra-registry list --json",
            "hydra-registry list --where auc",
            "hydra-registry list --sort",
            "hydra-registry history --operation demote",
            "hydra-registry history --since someday",
            "hydra-registry approve 3 --expires 0d",
            "hydra-registry --output yaml list",
            "hydra-registry log-candidate",
            "hydra-registry diff 1",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let error = Cli::command().term_width(width).try_get_matches_from(gathered(words.clone()));
            let shown = match error {
                Ok(_) => "accepted\n".to_owned(),
                Err(error) => suggest::improved(error, &words).render().to_string(),
            };
            text += &format!("$ {line}\n");
            text.extend(shown.lines().map(|line| format!("{}\n", line.trim_end())));
        }
        compare(&format!("usage-{width}.txt"), &text);
    }
}

fn listed(number: u64, aliases: &[&str], quarantine: Option<&str>) -> VersionReport {
    VersionReport {
        schema: "",
        version: version(number),
        run_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        created_at: AT.to_owned(),
        quarantine: quarantine.map(str::to_owned),
    }
}

fn entry() -> EntryReport {
    EntryReport {
        schema: "",
        model: "churn".into(),
        sequence: 31,
        at: AT.into(),
        operation: "promote".into(),
        target: Some(version(12)),
        verdict: Some(VerdictKind::Reject),
        fate: "done",
        changes: vec![ChangeReport {
            alias: "champion".into(),
            from: Some(version(11)),
            to: Some(version(12)),
        }],
        quarantined: Vec::new(),
        expires: None,
        own: false,
        model_sha256: None,
        overrides: Vec::new(),
        model_change_kinds: vec!["output".into(), "columns".into()],
        explanation: "auc is 0.91, the champion has 0.902: a gain of 0.008, 0.01 is required".into(),
        conclusion: None,
        actor: "アンナ 🦀".into(),
        user: None,
        clock_difference_ms: None,
        reason: Some("nightly".into()),
        policy: None,
        policy_document: None,
        activation_approvals: None,
        signers: Vec::new(),
        manifests: Vec::new(),
        panel: Vec::<AnswerReport>::new(),
        panel_flaw: None,
        fuel: Some(1),
        evaluations: Vec::new(),
        more_evaluations: 0,
        operation_id: String::new(),
        role: "requested by",
    }
}

fn one_version() -> ModelVersionReport {
    let figure = FigureReport::new(0.912, Some((0.901, 0.923)));
    ModelVersionReport {
        schema: "",
        model: Some("churn".into()),
        version: Some(version(12)),
        file: None,
        run_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
        created_at: Some(AT.into()),
        source: Some("mlflow-artifacts:/1/0af7651916cd43dd8448eb211c80319c/artifacts/model".into()),
        aliases: vec!["candidate".into()],
        quarantine: None,
        metrics: [("auc".to_owned(), 0.91), ("log_loss".to_owned(), 0.31)].into(),
        run_tags: [("team".to_owned(), "risk".to_owned())].into(),
        tags: [("owner".to_owned(), "日本".to_owned())].into(),
        model_file: Some(ModelFileReport {
            format: "text".into(),
            sha256: Sha256::of(b""),
            size: 12_345,
            objective: "binary".into(),
            output: "probability".into(),
            outputs: 1,
            classes: vec!["0".into(), "1".into()],
            iterations: 100,
            features: ["age", "visits", "region"].map(str::to_owned).to_vec(),
            categories: vec!["region".into()],
        }),
        unloadable: None,
        approvals: vec![ApprovalReport {
            actor: "ann".into(),
            user: None,
            at: AT.into(),
            expires: None,
            reason: Some("passed the bias review".into()),
            own: false,
            counts: true,
        }],
        evaluations: vec![VersionFigureReport {
            dataset: "holdout".into(),
            rows: 900,
            measured_at: AT.into(),
            metric: "auc".into(),
            direction: "higher",
            figure,
            baseline: Some("11".into()),
            difference: Some(FigureReport::new(0.01, Some((0.002, 0.018)))),
        }],
        decisions: vec![DecisionReport {
            sequence: 31,
            at: AT.into(),
            operation: "promote".into(),
            verdict: Some(VerdictKind::Hold),
            fate: "done",
            actor: "ci".into(),
            explanation: "not old enough".into(),
        }],
    }
}

/// Versions with metrics, one of which has none.
fn with_metrics(view: &View) -> String {
    let columns = ["auc", "holdout.log_loss"].map(str::to_owned);
    let report = |version: VersionReport, figures: [Option<f64>; 2], evaluations: &[&str]| ListedReport {
        version,
        metrics: BTreeMap::new(),
        evaluations: evaluations.iter().map(|name| (*name).to_owned()).collect(),
        figures: figures.to_vec(),
    };
    let reports = [
        report(listed(12, &["candidate"], None), [Some(0.912), Some(0.31)], &["holdout", "日本-2026"]),
        report(listed(9, &[], Some("2026-10-01 by ann: wrong prices")), [Some(1e-7), None], &[]),
    ];
    ListedReport::table(&reports, &columns, view)
}

fn diff() -> DiffReport {
    let side = |title: &str, auc: f64, owner: &str| Side {
        title: title.to_owned(),
        metrics: [("auc".to_owned(), auc)].into(),
        params: [("num_leaves".to_owned(), "63".to_owned())].into(),
        tags: [("owner".to_owned(), owner.to_owned())].into(),
        facts: vec![("output", "probability".to_owned())],
        ..Side::default()
    };
    let sides =
        [side("version 11 (champion)", 0.902, "ann"), side("version 12 (candidate)", 0.91, "アンナ 🦀")];
    let gains = |of: &[(&str, f64)]| -> Vec<(String, f64)> {
        of.iter().map(|(name, gain)| ((*name).to_owned(), *gain)).collect()
    };
    let figure = |value: f64| FigureReport::new(value, Some((value - 0.011, value + 0.011)));
    let model = "churn".parse().expect("a name");
    let mut diff = DiffReport::new(&model, [version(11), version(12)], [&sides[0], &sides[1]], true);
    let new_name = "a_column_with_a_name_that_does_not_end_".repeat(3);
    diff.importances = ImportanceReport::all(
        &gains(&[("age", 3.0), ("visits", 1.0)]),
        &gains(&[("age", 1.0), (&new_name, 1.0), ("visits", 2.0)]),
    );
    diff.evaluations = vec![MeasuredReport {
        dataset: "holdout".into(),
        metric: "auc".into(),
        direction: "higher",
        a: Some(figure(0.902)),
        b: Some(figure(0.912)),
        difference: Some(FigureReport::new(0.01, Some((0.002, 0.018)))),
    }];
    diff
}

fn status(model: &str, champion: Option<Version>) -> ModelStatusReport {
    ModelStatusReport {
        model: model.into(),
        champion,
        since: champion.map(|_| AT.to_owned()),
        archived: None,
        candidate: Some(version(3)),
        ledger: true,
        trouble: Vec::new(),
    }
}

#[test]
fn tables_in_both_widths() {
    for width in WIDTHS {
        let view = View { width: Some(width), now: Some(NOW) };
        let versions = [
            listed(12, &["candidate"], None),
            listed(11, &["champion", "challenger-of-the-week", "日本語の別名"], None),
            listed(9, &[], Some("2026-10-01 by ann: wrong prices")),
        ];
        let mut text = format!("$ list\n{}\n", VersionReport::heading(&view));
        text.extend(versions.iter().map(|one| one.text(&view) + "\n"));
        let mut troubled = status("🦀-fraud", None);
        troubled.trouble.push(FindingReport {
            code: "drift",
            what: "`champion` points to version 4, and the ledger has it on version 3".into(),
            remedy: "hydra-registry doctor --fix records the move".into(),
        });
        let models = StatusReport {
            schema: "",
            models: vec![
                status("churn", Some(version(2))),
                troubled,
                status(&"a-model-with-a-name-that-does-not-end-".repeat(3), Some(version(1_000_000))),
            ],
        };
        text += &format!("$ list --metrics\n{}\n", with_metrics(&view));
        text += &format!("$ diff\n{}", diff().text(&view));
        text += &format!("$ history\n{}", entry().text(&view));
        text += &format!("$ show\n{}", one_version().text(&view));
        let table = models.text(&view);
        let mut rows = table.lines().filter(|line| !line.starts_with("  "));
        assert!(rows.all(|row| row.width() <= width), "{table}");
        text += &format!("$ status\n{table}");
        compare(&format!("tables-{width}.txt"), &text);
    }
}
