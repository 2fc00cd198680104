//! The page in a real browser: headless Chromium over its DevTools protocol.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::told;
use crate::serving::process::Serving;
use crate::support::python;
use crate::support::server::NEWEST;

/// The browser: the program in `HYDRA_CHROMIUM`, or the first one that is installed.
fn chromium() -> PathBuf {
    let named = std::env::var("HYDRA_CHROMIUM").ok().filter(|name| !name.is_empty());
    let known = ["chromium", "chromium-browser", "google-chrome"].map(str::to_owned);
    let candidates = named.into_iter().chain(known);
    let runs = |name: &String| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let found = candidates.into_iter().find(runs);
    found.expect("Chromium is missing: install it, or name it in HYDRA_CHROMIUM").into()
}

/// What happened in the browser.
pub fn browse(directory: &Path, plan: &Value) -> Value {
    let program = chromium();
    let directory = directory.to_str().expect("a path");
    python::ask(NEWEST, "browser.py", &[program.to_str().expect("a path"), directory, &plan.to_string()])
}

/// What the pages asked for. Chromium itself draws its fields for dates with images in `data:`.
fn requests(seen: &Value) -> Vec<String> {
    let all = seen["requests"].as_array().expect("requests").iter();
    all.map(|request| request.as_str().expect("a URL").to_owned())
        .filter(|url| !url.starts_with("data:"))
        .collect()
}

/// The number of entries that are shown, after something was typed into a filter.
fn filtered(field: &str, value: &str) -> Value {
    let script = format!(
        "(async () => {{ document.getElementById('filters').reset(); const field = document.getElementById('{field}'); \
         field.value = '{value}'; field.dispatchEvent(new Event('input', {{bubbles: true}})); \
         await new Promise((done) => setTimeout(done, 200)); \
         return [...document.querySelectorAll('details.e')].filter((one) => !one.hidden).length + '; ' + \
         document.getElementById('count').textContent; }})()"
    );
    json!({"evaluate": script})
}

/// Where screenshots are left for people: in `HYDRA_SCREENSHOTS`, if it is set.
fn screenshots(directory: &Path) -> PathBuf {
    std::env::var_os("HYDRA_SCREENSHOTS").map_or_else(|| directory.to_path_buf(), PathBuf::from)
}

#[test]
#[ignore = "needs Chromium; `cargo xtask test --all` runs it"]
fn a_browser_shows_the_page_and_filters_it() {
    let story = told();
    let directory = tempfile::tempdir().expect("a directory");
    let shots = screenshots(directory.path());
    let file = super::page_file(&story.project, &[]);
    let entries = std::fs::read_to_string(&file).expect("a page").matches("<details class=\"e ").count();
    let url = format!("file://{}", file.display());
    let shot = |name: &str| json!({"screenshot": shots.join(name)});
    let reveal = "(async () => { location.hash = ''; document.querySelector('ul.refused a').click(); \
        await new Promise((done) => setTimeout(done, 200)); \
        const entry = document.querySelector(location.hash); return entry.open && entry.contains(document.activeElement); })()";
    let keyboard = "(async () => { const summary = document.querySelector('details.e > summary'); summary.focus(); \
        const before = summary.parentElement.open; summary.click(); return before !== summary.parentElement.open; })()";
    let names = "JSON.stringify([...document.querySelectorAll('svg a')].filter((one) => !one.querySelector('title')?.textContent).length + \
        [...document.querySelectorAll('section')].filter((one) => !document.getElementById(one.getAttribute('aria-labelledby'))).length + \
        [...document.querySelectorAll('input, select')].filter((one) => !one.labels.length).length)";
    let newest = "(() => { const box = document.querySelector('.newest').getBoundingClientRect(); \
        const place = (one) => one.getBoundingClientRect(); \
        const end = Math.max(...[...document.querySelectorAll('rect.bar')].map((bar) => place(bar).right)); \
        return end > box.right - 60 && end <= box.right && place(document.querySelector('.names text')).left >= box.left; })()";
    let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    let plan = json!([
        {"open": url, "width": 1280},
        shot("page-1280.png"),
        {"evaluate": wide},
        filtered("f-operation", "rollback"),
        filtered("f-verdict", "rejected"),
        filtered("f-actor", "ONCALL"),
        filtered("f-version", "v6"),
        filtered("f-from", "2999-01-01"),
        filtered("f-actor", ""),
        {"evaluate": reveal},
        {"evaluate": keyboard},
        {"evaluate": names},
        {"evaluate": "[...document.querySelectorAll('.timeline text')].filter((one) => { const box = one.getBBox(), \
            whole = one.ownerSVGElement.viewBox.baseVal; return box.x < 0 || box.x + box.width > whole.width; }).length"},
        shot("page-open-1280.png"),
        {"open": url, "width": 1280, "scheme": "dark"},
        shot("page-dark-1280.png"),
        {"open": url, "width": 390},
        {"evaluate": wide},
        {"evaluate": newest},
        shot("page-390.png"),
        {"pdf": shots.join("page.pdf")},
    ]);
    let seen = browse(directory.path(), &plan);
    let results: Vec<String> = seen["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|one| one.to_string().replace('"', ""))
        .collect();
    assert_eq!(seen["console"], json!([]), "the browser complains");
    let requests = requests(&seen);
    assert!(requests.iter().all(|request| request.starts_with("file://")), "{requests:?}");
    assert_eq!(requests.len(), 3, "nothing but the page: {requests:?}");
    assert_eq!(results[0], "0", "nothing sticks out at 1280");
    assert_eq!(results[1], format!("2; 2 of {entries} entries"), "rollbacks");
    let of = |index: usize| {
        results[index].split(';').next().expect("a number").parse::<usize>().expect("a number")
    };
    assert!((1..entries).contains(&of(2)), "rejections: {results:?}");
    assert!((1..entries).contains(&of(3)), "actors: {results:?}");
    assert!((1..entries).contains(&of(4)), "versions: {results:?}");
    assert_eq!(results[5], format!("0; 0 of {entries} entries"));
    assert_eq!(results[6], format!("{entries}; {entries} entries"));
    assert_eq!(results[7..11], ["true", "true", "0", "0"], "links, keyboard, names, text that is cut");
    assert_eq!(
        results[11..],
        ["0", "true"],
        "at 390, nothing sticks out, and the timeline begins at its newest end"
    );
}

#[test]
#[ignore = "needs Chromium; `cargo xtask test --all` runs it"]
fn a_browser_shows_the_page_of_a_server() {
    let story = told();
    let directory = tempfile::tempdir().expect("a directory");
    let shots = screenshots(directory.path());
    let serving = Serving::start(&story.project, &["--poll", "1s"]);
    let url = format!("http://{}/", serving.http);
    let plan = json!([
        {"open": url, "width": 1280},
        {"evaluate": "document.querySelector('h1').textContent + ' ' + document.querySelector('.version').textContent"},
        {"screenshot": shots.join("server-1280.png")},
    ]);
    let seen = browse(directory.path(), &plan);
    let heading = format!("Ready v{}", super::champion(story));
    assert_eq!((&seen["console"], &seen["results"][0]), (&json!([]), &json!(heading)), "{seen}");
    assert_eq!(requests(&seen), [url]);
}
