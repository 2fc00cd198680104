//! Text of other programs that tries to be more than text.

use std::collections::BTreeMap;
use std::sync::Arc;

use hydra_base::names::Alias;
use hydra_policy::{Input, VerdictKind};
use serde_json::json;

use super::{decision, history, now, promotion, valid, version};
use crate::evidence::Evidence;
use crate::figures::Figures;
use crate::page::history_page;
use crate::server::{ServedModel, ServedSeat, ServerState, server_page};

/// What tries to leave the place of a text, to run, or to show something else than what it is.
const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "</style><img src=x onerror=alert(3)>",
    "\" onmouseover=\"alert(4)",
    "' onfocus='alert(5)",
    "</title></svg></textarea><svg onload=alert(6)>",
    "a\u{202e}gnp.exe\u{2066}\u{200b}",
    "{{ 7*7 }} {% include \"x\" %} <!--",
    "\u{0}\u{1b}[31m\r\nx\u{85}\u{2028}",
];

/// The page without its own style and script.
fn contents(page: &str) -> String {
    let mut rest = page.to_owned();
    for tag in ["style", "script"] {
        let begin = rest.find(&format!("<{tag}>")).expect("one");
        let end = rest.find(&format!("</{tag}>")).expect("its end");
        rest.replace_range(begin..end + tag.len() + 3, "");
    }
    rest
}

/// The tags, without the values of their attributes.
fn tags(contents: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let (mut tag, mut is_tag, mut is_quoted) = (String::new(), false, false);
    for c in contents.chars() {
        match c {
            '<' if !is_tag => is_tag = true,
            _ if !is_tag => {}
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '>' => {
                tags.push(std::mem::take(&mut tag));
                is_tag = false;
            }
            c => tag.push(c),
        }
    }
    assert!(!is_tag, "a tag that does not end: {tag}");
    tags
}

fn is_harmless(page: &str) {
    let contents = contents(page);
    let known = [
        "!DOCTYPE",
        "html",
        "head",
        "meta",
        "title",
        "body",
        "a",
        "svg",
        "defs",
        "circle",
        "path",
        "rect",
        "header",
        "p",
        "h1",
        "h2",
        "h3",
        "bdi",
        "time",
        "main",
        "section",
        "div",
        "dl",
        "dt",
        "dd",
        "span",
        "ul",
        "li",
        "g",
        "text",
        "use",
        "figure",
        "figcaption",
        "b",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "form",
        "label",
        "select",
        "option",
        "input",
        "datalist",
        "button",
        "output",
        "noscript",
        "details",
        "summary",
        "i",
        "u",
        "em",
        "small",
        "code",
        "pre",
        "footer",
    ];
    for tag in tags(&contents) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a name");
        assert!(known.contains(&name), "<{tag}>");
        assert!(!tag.contains("alert") && !tag.contains(" on"), "<{tag}>");
    }
    for c in contents.chars().filter(|c| *c != '\n') {
        assert!(!hydra_base::text::is_unprintable(c), "U+{:04X}", u32::from(c));
    }
}

#[test]
fn hostile_text_stays_text() {
    for text in HOSTILE {
        let mut record = promotion(2, 1, 2);
        let entry = &mut record.entry;
        (entry.actor, entry.explanation) = (text.to_owned(), text.to_owned());
        (entry.reason, entry.user) = (Some(text.to_owned()), Some(text.to_owned()));
        let decided = entry.decided.as_mut().expect("a decision");
        (decided.policy.name, decided.policy.version) = (text.to_owned(), text.to_owned());
        let mut refused = decision(record.clone(), VerdictKind::Reject);
        refused.number = 1;
        refused.entry.after = refused.entry.before.clone();
        refused.entry.target = Some(version(3));
        let mut history = history([valid(record.clone()), valid(refused.clone())]);
        let keyed = json!({text: 1.5});
        let side = json!({"version": "3", "created_at": "1", "run": {"metrics": keyed, "params": {text: text}},
            "approvals": [{"actor": text, "at": "1", "sha256": "0".repeat(64), "reason": text}],
            "model": {"unloadable": {"why": text}}});
        let mut champion = side.clone();
        champion["version"] = "2".into();
        let input = json!({"operation": "promote", "target": side, "context": {"model_name": text, "now": "1", "actor": text,
            "settings": {text: text}, "champion": champion,
            "evaluations": [{"dataset": text, "dataset_digest": text, "rows": "1", "kind": "shadow", "began_at": "1",
                "measured_at": "1", "sha256": "0".repeat(64), "confidence": 0.95,
                "segments": [{"column": text, "value": text, "rows": "1"}],
                "metrics": [{"name": text, "direction": "lower",
                    "measurements": [{"version": "3", "value": 1.0}, {"version": "2", "value": 2.0}, {"version": "3", "segment": 0, "value": 1.0}]}]}]}});
        let input = Input::from_json(input.to_string().as_bytes()).expect("an input");
        let mut figures = Figures::default();
        figures.add(1, &input);
        history.figures = figures;
        let decided = refused.entry.decided.as_ref().expect("a decision");
        let evidence = Evidence::of(&refused, decided, &input, None, 20_000);
        history.evidence.insert(1, Ok(Box::new(evidence)));
        let mut now = now(2);
        (now.model, now.quarantine) = (text.to_owned(), Some(text.to_owned()));
        now.metrics = BTreeMap::from([(text.to_owned(), 1.0)]);
        let alias = "x'\"<b>";
        now.aliases.extend(Alias::new(alias).map(|alias| (alias, 3)));
        is_harmless(&history_page(&history, &now).expect("a page"));
        let seat = ServedSeat {
            role: text.to_owned(),
            alias: text.to_owned(),
            version: Some(text.to_owned()),
            since: Some(1),
            problem: Some((1, text.to_owned())),
            facts: vec![(text.to_owned(), text.to_owned())],
        };
        let model = ServedModel {
            name: text.to_owned(),
            seats: vec![seat],
            history: Some(Arc::new((history, now))),
            problem: Some(text.to_owned()),
        };
        let state = ServerState { ready: true, draining: false, models: vec![model] };
        is_harmless(&server_page(&state).expect("a page"));
    }
}

/// A megabyte in every text costs a page a few kilobytes.
#[test]
fn long_text_is_cut() {
    let text = "<\"&'".repeat(1 << 18);
    let mut record = promotion(2, 1, 2);
    let entry = &mut record.entry;
    (entry.actor, entry.explanation, entry.reason) = (text.clone(), text.clone(), Some(text.clone()));
    let side = json!({"version": "2", "created_at": "1", "run": {"metrics": {&text: 1.0}, "params": {&text: &text}}});
    let input = json!({"operation": "promote", "target": side, "context": {"model_name": &text, "now": "1", "actor": &text,
        "settings": {&text: &text}}});
    let input = Input::from_json(input.to_string().as_bytes()).expect("an input");
    let mut history = history([valid(record.clone())]);
    let decided = record.entry.decided.as_ref().expect("a decision");
    history.evidence.insert(2, Ok(Box::new(Evidence::of(&record, decided, &input, None, 24_000))));
    let mut now = now(2);
    now.model = text;
    let page = history_page(&history, &now).expect("a page");
    assert!(page.len() < 120_000, "{}", page.len());
}
