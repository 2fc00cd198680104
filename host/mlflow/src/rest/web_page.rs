//! Web pages in the place of MLflow's answers: those of proxies, of services that ask to sign in, and of other programs.

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The number of bytes of a page that are searched for its title.
pub(super) const BEGINNING: usize = 64 << 10;

/// The HTML entities that titles have.
const ENTITIES: [(&str, &str); 8] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&nbsp;", " "),
    ("&middot;", "·"),
    ("&amp;", "&"),
];

/// A web page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Its title on one line, or its first heading; blank if it has none.
    title: String,
}

impl Page {
    /// The page in a body, of which `body` is the beginning; `None` for any other body.
    pub(super) fn of(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let body = String::from_utf8_lossy(&body[..body.len().min(BEGINNING)]);
        let text = body.trim_start_matches('\u{feff}').trim_start();
        // ASCII only, so that positions are those in `text`.
        let lower = text.to_ascii_lowercase();
        let is_page = lower.starts_with('<') && (is_html(headers) || looks_like_html(&lower));
        let content = |element: &str| content_of(text, &lower, element);
        is_page.then(|| Self { title: content("title").or_else(|| content("h1")).unwrap_or_default() })
    }

    /// What the page is, for a message.
    pub(super) fn described(&self) -> String {
        match self.title.as_str() {
            "" => "a web page without a title".to_owned(),
            title => format!("the web page `{title}`"),
        }
    }
}

/// Whether the headers announce a page.
pub(super) fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
}

fn looks_like_html(lower: &str) -> bool {
    lower.starts_with("<!doctype html") || lower.contains("<html") || lower.contains("<head")
}

/// The text of the first `element`, whose tag may have attributes; `None` if it is blank.
fn content_of(text: &str, lower: &str, element: &str) -> Option<String> {
    let (tag, end_tag) = (format!("<{element}"), format!("</{element}"));
    let mut starts = lower.match_indices(&tag).map(|(at, tag)| at + tag.len());
    let ends_name = |at: &usize| lower[*at..].starts_with(|c: char| c == '>' || c.is_ascii_whitespace());
    let name_end = starts.find(ends_name)?;
    let start = name_end + lower[name_end..].find('>')? + 1;
    let end = lower[start..].find(&end_tag).map_or(text.len(), |length| start + length);
    let mut words = text[start..end].split_whitespace().collect::<Vec<_>>().join(" ");
    for (entity, character) in ENTITIES {
        words = words.replace(entity, character);
    }
    (!words.is_empty()).then(|| excerpt(words, QUOTED_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn title(kind: &'static str, body: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Page::of(&headers, body.as_bytes()).map(|page| page.title)
    }

    #[test]
    fn titles_are_found_as_pages_write_them() {
        for (body, expected) in [
            ("<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>", "Sign in"),
            ("\u{feff}\n<HTML><HEAD><TITLE lang=\"en\">\n  Log\n in </TITLE>", "Log in"),
            ("<html><head><title>Sign in &middot; R&amp;D &lt;3</title>", "Sign in · R&D <3"),
            ("<html><titles>no</titles><title></title><h1>502 Bad\u{1b}[2J</h1>", "502 Bad\u{fffd}[2J"),
            ("<html><title>cut off", "cut off"),
            ("<html>Bad Gateway</html>", ""),
            ("<html><title", ""),
            ("<!-- a comment --><head>İ<title>ß</title>", "ß"),
        ] {
            assert_eq!(title("application/json", body).as_deref(), Some(expected), "{body}");
        }
        assert_eq!(title("text/html; charset=utf-8", "<p>x</p>").as_deref(), Some(""));
        let long = title("text/html", &format!("<title>{}</title>", "x".repeat(200_000))).expect("a page");
        assert_eq!(long.chars().count(), QUOTED_CHARS + 1);
    }

    #[test]
    fn other_bodies_are_not_pages() {
        for body in ["", "{}", "[]", "null", "Bad Gateway", "{\"title\": \"<html>\"}"] {
            assert_eq!(title("text/html", body), None, "{body}");
        }
        let xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
        assert_eq!(title("application/xml", xml), None);
    }
}
