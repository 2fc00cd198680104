//! The forms in which events are sent.

use hydra_base::text::{escape_json, excerpt};
use serde_json::{Value, json};

use crate::event::Event;
use crate::receiver::Template;

/// What the types of events begin with.
const TYPE: &str = "io.github.hydra-registry";

/// The most characters of a text in a message for people; Slack takes 3,000.
const MESSAGE: usize = 1_000;

/// The media type and the bytes of an event.
pub(crate) fn body(event: &Event, template: Template) -> (&'static str, Vec<u8>) {
    let (media_type, value) = match template {
        Template::CloudEvents => ("application/cloudevents+json; charset=utf-8", cloud_event(event)),
        Template::Slack => ("application/json; charset=utf-8", slack(event)),
    };
    (media_type, escape_json(&value.to_string()).into_owned().into_bytes())
}

/// CloudEvents 1.0, JSON, structured mode.
fn cloud_event(event: &Event) -> Value {
    let kind = event.kind.map_or("test", |kind| kind.as_str());
    let mut value = json!({
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": format!("{TYPE}.{kind}"),
        "time": time(event.at),
        "datacontenttype": "application/json",
        "data": event.data,
    });
    // An attribute of a cloud event has at least one character and no control characters.
    let subject = match event.version {
        Some(version) => format!("{}/versions/{version}", event.model),
        None => event.model.clone(),
    };
    value["subject"] = excerpt(subject, 300).into();
    value
}

fn time(at: hydra_base::Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |time| format!("{time:.3}"))
}

/// What Slack and its likes take. The text is plain: names and explanations are foreign, and cannot link, mention or format.
fn slack(event: &Event) -> Value {
    let summary = excerpt(&event.summary, MESSAGE);
    let data = |key: &str| event.data[key].as_str().map(|text| excerpt(text, MESSAGE));
    let mut lines = vec![summary.clone()];
    if let Some(explanation) = data("explanation").filter(|text| !text.is_empty()) {
        lines.push(explanation);
    }
    if let Some(actor) = data("actor") {
        let reason = data("reason").map_or_else(String::new, |reason| format!(", because: {reason}"));
        lines.push(format!("{actor}{reason}, entry {} of the ledger", event.data["entry"]));
    }
    let text = excerpt_lines(&lines);
    json!({
        "text": escaped(&summary),
        "blocks": [{"type": "section", "text": {"type": "plain_text", "emoji": false, "text": text}}],
    })
}

/// The lines, within what Slack takes.
fn excerpt_lines(lines: &[String]) -> String {
    lines.join("\n").chars().take(2_900).collect()
}

/// The characters that Slack reads as marks.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    fn event() -> Event {
        let data = json!({"explanation": "<!channel> *bold* \u{202e}x", "actor": "ann\n@here", "entry": 7, "reason": null});
        Event {
            kind: Some(EventKind::Rejected),
            id: "abc:7".into(),
            source: "hydra-ledger:/abc".into(),
            model: "m<&".into(),
            version: None,
            at: 1_772_366_405_009,
            summary: "m<&: promote of version 3 was rejected".into(),
            data,
        }
    }

    #[test]
    fn a_cloud_event_has_the_attributes_of_version_1() {
        let (media_type, bytes) = body(&event(), Template::CloudEvents);
        assert!(media_type.starts_with("application/cloudevents+json"));
        assert!(bytes.is_ascii(), "characters that reorder text are escaped");
        let value: Value = serde_json::from_slice(&bytes).expect("JSON");
        for (key, expected) in [
            ("specversion", "1.0"),
            ("id", "abc:7"),
            ("source", "hydra-ledger:/abc"),
            ("type", "io.github.hydra-registry.rejected"),
            ("subject", "m<&"),
            ("time", "2026-03-01T12:00:05.009Z"),
        ] {
            assert_eq!(value[key], expected, "{value}");
        }
        assert_eq!(value["data"]["explanation"], "<!channel> *bold* \u{202e}x");
    }

    #[test]
    fn a_message_for_slack_cannot_mention_or_format() {
        let (_, bytes) = body(&event(), Template::Slack);
        let value: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(value["text"], "m&lt;&amp;: promote of version 3 was rejected");
        let block = &value["blocks"][0]["text"];
        assert_eq!([&block["type"], &block["emoji"]], [&json!("plain_text"), &json!(false)]);
        assert_eq!(
            block["text"],
            "m<&: promote of version 3 was rejected\n<!channel> *bold* \u{fffd}x\nann\u{fffd}@here, entry 7 of the ledger"
        );
    }
}
