//! The command blocks in README.md and docs run as they are, on a registry with two former champions and a candidate.
//!
//! Only addresses, ports and the directory of backups are replaced. A block with `<!-- not run: REASON -->` in front is left out; of
//! ten blocks, at most one may be.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::backends::fresh_name;
use crate::support::python::ask;
use crate::support::server::{NEWEST, Server};
use crate::support::{example_policy, python_of, root};

/// What marks a block that is not run.
const NOT_RUN: &str = "<!-- not run: ";

/// Ends the server in the background, and waits until its port is free.
const END: &str = "if [ -e .server ]; then kill $(cat .server) 2>/dev/null; \
                   for i in $(seq 100); do kill -0 $(cat .server) 2>/dev/null || break; sleep 0.1; done; fi";

/// A block of commands.
#[derive(Debug)]
struct Block {
    line: usize,
    text: String,
    /// Why it is not run.
    reason: Option<String>,
}

/// The blocks of a page.
fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("the page");
    let (mut blocks, mut open) = (Vec::<Block>::new(), false);
    let mut reason = None;
    for (index, line) in text.lines().enumerate() {
        let is_fence = line.starts_with("```");
        if open {
            if is_fence {
                open = false;
            } else if let Some(block) = blocks.last_mut() {
                block.text += &format!("{}\n", line.strip_prefix("$ ").unwrap_or(line));
            }
        } else if line == "```sh" || line == "```console" {
            open = true;
            blocks.push(Block { line: index + 1, text: String::new(), reason: reason.take() });
        } else if let Some(given) = line.strip_prefix(NOT_RUN) {
            reason = Some(given.trim_end_matches("-->").trim().to_owned());
        } else if !line.trim().is_empty() {
            reason = None;
        }
    }
    blocks
}

/// README.md and every page in docs.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for directory in ["docs", "docs/tasks"] {
        let files =
            fs::read_dir(root().join(directory)).expect("docs").map(|file| file.expect("a file").path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|ending| ending == "md")));
    }
    pages
}

fn name(page: &Path) -> String {
    page.strip_prefix(root()).unwrap_or(page).display().to_string()
}

#[test]
fn few_blocks_are_not_run_and_each_says_why() {
    let all: Vec<(String, Block)> = pages()
        .iter()
        .flat_map(|page| blocks(page).into_iter().map(|block| (name(page), block)).collect::<Vec<_>>())
        .collect();
    let left_out: Vec<String> = all
        .iter()
        .filter_map(|(page, block)| Some(format!("{page}:{} {}", block.line, block.reason.as_ref()?)))
        .collect();
    assert!(all.len() > 40, "{} blocks", all.len());
    assert!(left_out.len() * 10 <= all.len(), "{} of {}: {left_out:#?}", left_out.len(), all.len());
    assert!(left_out.iter().all(|one| one.split(' ').count() > 3), "{left_out:#?}");
    for page in pages() {
        let tested = RUN.contains(&name(&page).as_str());
        let has_commands = blocks(&page).iter().any(|block| block.reason.is_none());
        assert_eq!(tested, has_commands, "{}: a test must run it", name(&page));
    }
}

/// Commands do not hide in blocks that no test looks at. docs/cli.md is the help of the program.
#[test]
fn blocks_of_other_languages_have_no_commands() {
    for page in pages().iter().filter(|page| name(page) != "docs/cli.md") {
        let text = fs::read_to_string(page).expect("the page");
        let mut open = None;
        for line in text.lines() {
            match (line.trim_start().strip_prefix("```"), open) {
                (Some(language), None) => open = Some(language),
                (Some(_), Some(_)) => open = None,
                (None, Some("sh" | "console") | None) => (),
                (None, Some(_)) => {
                    let is_command =
                        line.trim_start().starts_with("hydra-registry ") || line.starts_with("$ ");
                    assert!(!is_command, "{}: {line}", name(page));
                }
            }
        }
        assert_eq!(open, None, "{}: a block without an end", name(page));
    }
}

/// The files of rows that the pages name.
fn rows() -> &'static Path {
    static ROWS: OnceLock<PathBuf> = OnceLock::new();
    ROWS.get_or_init(|| {
        let home = tempfile::tempdir().expect("a directory").keep();
        let mut csv = String::from("age,visits,region,churned\n");
        for row in 0..400 {
            let (age, visits) = (18 + row * 37 % 60, row * 7 % 11);
            let region = ["north", "south"][row % 2];
            csv += &format!("{age},{visits},{region},{}\n", u8::from(age + 3 * visits + row % 13 >= 60));
        }
        fs::write(home.join("holdout.csv"), csv).expect("rows");
        ask(
            "mlflow-3.17.2",
            "write_rows.py",
            &[&home.join("holdout.csv").display().to_string(), &home.display().to_string()],
        );
        home
    })
}

/// The directory in which a page runs.
struct World {
    home: tempfile::TempDir,
    model: String,
    /// Pairs of what a page says and what it means here.
    places: Vec<(String, String)>,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().display().to_string();
        let port =
            || TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let (http, grpc, ui) = (port(), port(), port());
        let places = [
            ("http://mlflow.internal:5000", format!("sqlite:///{path}/mlflow.db")),
            ("https://mlflow.internal", Server::shared(NEWEST).url.clone()),
            ("/backup/", format!("{path}/backup/")),
            ("/var/lib/node_exporter/", format!("{path}/")),
            ("localhost:8080", format!("127.0.0.1:{http}")),
            ("127.0.0.1:8081", format!("127.0.0.1:{grpc}")),
        ];
        let world = Self {
            home,
            model: "churn".to_owned(),
            places: places.map(|(said, meant)| (said.to_owned(), meant)).to_vec(),
        };
        world.fill(http, ui);
        world
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    /// The programs, the files, and the history of four days.
    fn fill(&self, http: u16, ui: u16) {
        let binary = env!("CARGO_BIN_EXE_hydra-registry");
        let mlflow = python_of(NEWEST).with_file_name("mlflow").display().to_string();
        let python = python_of(NEWEST).display().to_string();
        // Servers go on in the background, until the next one or the end of the page.
        let wait = "for i in $(seq 600); do curl -sfo /dev/null \"$url\" && exit 0; sleep 0.1; done; exit 1";
        let background = |start: &str, url: &str| {
            format!("{END}\n{start} >server.log 2>&1 &\necho $! >.server\nurl={url}\n{wait}\n")
        };
        let serve = background(
            &format!("{binary} \"$@\" --listen 127.0.0.1:{http}"),
            &format!("http://127.0.0.1:{http}/v2/health/ready"),
        );
        let open_ui =
            background(&format!("{mlflow} \"$@\" --port {ui}"), &format!("http://127.0.0.1:{ui}/health"));
        let jq = format!(
            "exec {python} -c 'import functools, json, sys\n\
             path, *files = sys.argv[1:]\n\
             document = json.load(open(files[0]) if files else sys.stdin)\n\
             print(json.dumps(functools.reduce(lambda value, key: value[key], path.strip(\".\").split(\".\"), document)))' \"$@\"\n"
        );
        self.program(
            "hydra-registry",
            &format!("case \" $* \" in *\" serve \"*) {serve} ;; esac\nexec {binary} \"$@\"\n"),
        );
        self.program("mlflow", &open_ui);
        self.program("jq", &jq);
        fs::create_dir(self.path().join("backup")).expect("a directory");
        fs::create_dir(self.path().join("cases")).expect("a directory");
        fs::write(self.path().join("hydra.toml"), format!("model = \"{}\"\n", self.model)).expect("a file");
        fs::write(self.path().join("config.json"), "{\"data\": {\"rows\": 400}}").expect("a file");
        let copy = |from: &Path, to: &str| fs::copy(from, self.path().join(to)).expect("a file");
        for to in ["holdout.parquet", "rows.parquet"] {
            copy(&rows().join("rows.parquet"), to);
        }
        copy(&rows().join("holdout.csv"), "rows.csv");
        let all = fs::read_to_string(rows().join("holdout.csv")).expect("rows");
        // Training takes numbers only.
        let train: String = all
            .lines()
            .map(|line| line.replace(",region", "").replace(",north", "").replace(",south", "") + "\n")
            .collect();
        fs::write(self.path().join("train.csv"), train).expect("a file");
        fs::create_dir(self.path().join("days")).expect("a directory");
        copy(&rows().join("rows.parquet"), "days/monday.parquet");
        for policy in ["metric-gate", "soak-time", "four-eyes"] {
            copy(Path::new(&example_policy(policy)), &format!("{policy}.wasm"));
        }
        copy(&self.path().join("metric-gate.wasm"), "stricter.wasm");
        let log = "hydra-registry log-candidate --train train.csv --label churned --param n_estimators";
        self.run(
            &format!(
                "export HYDRA_CLOCK_WRONG_BY=-345600000\n\
                 {log}=3 --tag team=risk\nhydra-registry promote --reason first\n\
                 {log}=6\nhydra-registry promote --reason second\n{log}=9\n\
                 {log}=3 --model fraud\nhydra-registry --model fraud promote\n\
                 hydra-registry download model.lgb --alias candidate\ncp model.lgb new.lgb\n"
            ),
            "the preparation",
        );
    }

    fn program(&self, name: &str, script: &str) {
        let bin = self.path().join("bin");
        fs::create_dir_all(&bin).expect("a directory");
        let file = bin.join(name);
        fs::write(&file, format!("#!/bin/bash\n{script}")).expect("a program");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("permissions");
    }

    #[track_caller]
    fn run(&self, script: &str, what: &str) {
        let path = std::env::var("PATH").unwrap_or_default();
        let ours = |name: &str| name.starts_with("HYDRA_") || name.starts_with("MLFLOW_");
        let mut bash = Command::new("bash");
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            bash.env_remove(name);
        }
        let output = bash
            .args(["-e", "-o", "pipefail", "-c", script])
            .current_dir(self.path())
            .env("PATH", format!("{}/bin:{path}", self.path().display()))
            .env("HYDRA_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"))
            .env("HYDRA_ACTOR", "tester")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .output()
            .expect("bash runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{what} ended with {}:\n{script}\n{out}\n{err}", output.status);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = Command::new("bash").args(["-c", END]).current_dir(self.path()).output();
    }
}

/// Runs the blocks of a page in order. What a block exports holds for those after it.
fn run_page(page: &str) {
    let mut world = World::new();
    if page == "docs/tasks/deploy.md" {
        // The server is shared.
        world.model = fresh_name("docs");
        fs::write(world.path().join("hydra.toml"), format!("model = \"{}\"\n", world.model)).expect("a file");
    }
    let mut exports = String::new();
    for block in blocks(&root().join(page)).into_iter().filter(|block| block.reason.is_none()) {
        let mut text = block.text;
        for (said, meant) in &world.places {
            text = text.replace(said, meant);
        }
        world.run(&format!("{exports}{text}"), &format!("{page}:{}", block.line));
        for line in text.lines().filter(|line| line.starts_with("export ")) {
            exports += &format!("{line}\n");
        }
    }
}

macro_rules! pages {
    ($($test:ident: $page:literal,)+) => {
        /// The pages with commands that are run.
        const RUN: &[&str] = &[$($page,)+];

        $(
            #[test]
            fn $test() {
                run_page($page);
            }
        )+
    };
}

pages! {
    readme: "README.md",
    about_evaluations: "docs/evaluation.md",
    about_the_ledger: "docs/ledger.md",
    about_the_page: "docs/look.md",
    about_policies: "docs/policies.md",
    about_local_databases: "docs/local-databases.md",
    about_serving: "docs/serving.md",
    audit: "docs/tasks/audit.md",
    ci: "docs/tasks/ci.md",
    deploy: "docs/tasks/deploy.md",
    evaluate: "docs/tasks/evaluate.md",
    gate_retraining: "docs/tasks/gate-retraining.md",
    move_to_production: "docs/tasks/move-to-production.md",
    roll_back: "docs/tasks/roll-back.md",
    score_files: "docs/tasks/score-files.md",
    serve: "docs/tasks/serve.md",
    share_a_rule: "docs/tasks/share-a-rule.md",
    who_was_champion: "docs/tasks/who-was-champion.md",
    write_a_rule: "docs/tasks/write-a-rule.md",
}
