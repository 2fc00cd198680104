//! Makes foreign text printable in terminals, messages and JSON lines.
//!
//! Text from registries, servers, model files, tables and policies is untrusted and may contain control sequences. All
//! such text passes through this module before it is shown. [`is_unprintable`] is the only definition of unprintable
//! characters.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// The usual length of a quoted name, cell or other value in a message, in characters.
pub const QUOTED_CHARS: usize = 80;

/// The number of names that [`listed`] quotes.
const NAMES_LISTED: usize = 20;

/// The unprintable characters other than control characters, in groups.
const UNPRINTABLE: [RangeInclusive<char>; 14] = [
    // The soft hyphen, the combining grapheme joiner and the Mongolian vowel separator are invisible: names that differ in
    // them look alike.
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{180e}'..='\u{180e}',
    // Controls of text direction show a line in another order than the stored one.
    '\u{61c}'..='\u{61c}',
    '\u{200e}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2066}'..='\u{2069}',
    // Zero width: space, joiners and non-joiner, the byte order mark.
    '\u{200b}'..='\u{200d}',
    '\u{feff}'..='\u{feff}',
    // Line and paragraph separators end a line for JavaScript, for Python's `splitlines` and in some terminals.
    '\u{2028}'..='\u{2029}',
    // The word joiner, invisible operators and an unassigned neighbour; deprecated format characters.
    '\u{2060}'..='\u{2065}',
    '\u{206a}'..='\u{206f}',
    // Interlinear annotation: text between the marks is hidden where they are supported.
    '\u{fff9}'..='\u{fffb}',
    // Tags are an invisible copy of ASCII: they can hide whole sentences from people but not from programs.
    '\u{e0000}'..='\u{e007f}',
];

/// Whether `c` is a control character (line ends, NUL, the escape sequences of terminals), or a format character that
/// ends lines, or that reorders or hides text.
///
/// The joiners U+200C and U+200D are unprintable, because they are invisible between most letters. Variation selectors
/// are printable, because emoji and East Asian names need them.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control() || (!c.is_ascii() && UNPRINTABLE.iter().any(|range| range.contains(&c)))
}

/// Makes `text` a part of one line: each unprintable character, with line ends and tabs, becomes U+FFFD.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Like [`printable`] for `text` of several lines: line feeds and tabs stay, and CR LF becomes a line feed.
#[must_use]
pub fn printable_block(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' | '\t' => c,
        c if is_unprintable(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.replace("\r\n", "\n").chars().map(plain).collect()
}

/// The first `max_chars` characters of `text`, made [`printable`], with an ellipsis if there are more.
///
/// Bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn excerpt(text: impl AsRef<[u8]>, max_chars: usize) -> String {
    let bytes = text.as_ref();
    // A character has at most four bytes, so this prefix contains one character more than is shown, even if it ends
    // within a character.
    let enough = max_chars.saturating_add(1).saturating_mul(4).min(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..enough]);
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => printable(&text[..end]) + "…",
        None => printable(&text),
    }
}

/// Lists names in a message, each as an [`excerpt`]: `a, b, c and 7 more`; `none` for an empty list.
#[must_use]
pub fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let (quoted, rest) = names.split_at(names.len().min(NAMES_LISTED));
    if quoted.is_empty() {
        return "none".to_owned();
    }
    let quoted =
        quoted.iter().map(|name| excerpt(name.as_ref(), QUOTED_CHARS)).collect::<Vec<_>>().join(", ");
    if rest.is_empty() { quoted } else { format!("{quoted} and {} more", rest.len()) }
}

/// A word as a shell reads it: as it is, or in single quotes.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |sign: char| sign.is_alphanumeric() || "_./:%+=-,~@".contains(sign);
    let is_bare = !word.is_empty() && !word.starts_with('~') && word.chars().all(is_plain);
    if is_bare { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Replaces each unprintable character from U+007F on in a JSON text by a `\u` escape. The meaning stays the same, but
/// readers of lines do not split the text and terminals do not interpret it.
///
/// JSON allows such characters in strings only, and writers of JSON escape the characters before U+0020.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|byte| byte < 0x7f) {
        return json.into();
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c >= '\u{7f}' && is_unprintable(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped += &format!("\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: [(u32, u32); 12] = [
        (0x00, 0x1f),
        (0x7f, 0x9f),
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x61c, 0x61c),
        (0x180e, 0x180e),
        (0x200b, 0x200f),
        (0x2028, 0x202e),
        (0x2060, 0x206f),
        (0xfeff, 0xfeff),
        (0xfff9, 0xfffb),
        (0xe0000, 0xe007f),
    ];

    #[test]
    fn the_unprintable_characters_are_exactly_these() {
        for c in '\0'..=char::MAX {
            let expected = RANGES.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)));
            assert_eq!(is_unprintable(c), expected, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn lines_and_blocks_differ_in_line_ends_and_tabs() {
        let text = "a\r\n\tb\rc\u{2028}d\u{1b}[2J e\u{301}\u{fe0f} 東";
        assert_eq!(
            printable(text),
            "a\u{fffd}\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}[2J e\u{301}\u{fe0f} 東"
        );
        assert_eq!(printable_block(text), "a\n\tb\u{fffd}c\u{fffd}d\u{fffd}[2J e\u{301}\u{fe0f} 東");
    }

    #[test]
    fn excerpts_are_cut_between_characters() {
        assert_eq!(excerpt("", 3), "");
        assert_eq!(excerpt("abc", 3), "abc");
        assert_eq!(excerpt("abcd", 3), "abc…");
        assert_eq!(excerpt("a\nb", 3), "a\u{fffd}b");
        assert_eq!(excerpt(b"a\xffb", 3), "a\u{fffd}b");
        for length in 0..12 {
            for width in ["x", "é", "東", "🦀"] {
                let more = if length > 3 { "…" } else { "" };
                assert_eq!(excerpt(width.repeat(length), 3), width.repeat(length.min(3)) + more);
            }
        }
    }

    #[test]
    fn lists_say_how_many_names_they_leave_out() {
        let names = |count: usize| (0..count).map(|index| format!("f{index}")).collect::<Vec<_>>();
        assert_eq!(listed(&names(0)), "none");
        assert_eq!(listed(&names(2)), "f0, f1");
        assert!(listed(&names(20)).ends_with("f18, f19"));
        assert!(listed(&names(27)).ends_with("f18, f19 and 7 more"));
        assert_eq!(listed(&["a\u{202e}b", &"x".repeat(100)]), format!("a\u{fffd}b, {}…", "x".repeat(80)));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["churn", "models/a:b", "", "a b", "it's", "$(x)", "~ann"];
        let quoted = ["churn", "models/a:b", "''", "'a b'", r"'it'\''s'", "'$(x)'", "'~ann'"];
        assert_eq!(words.map(shell_word), quoted);
    }

    #[test]
    fn escaped_json_means_the_same_on_one_line() {
        let text = "a\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{feff}\u{e0041}é🦀\n\u{1b}";
        let json = serde_json::to_string(text).expect("JSON");
        let escaped = escape_json(&json);
        assert_eq!(escaped.chars().find(|c| is_unprintable(*c)), None, "{escaped}");
        assert!(escaped.contains(r"\u0085\u009b\u2028") && escaped.contains(r"\udb40\udc41é🦀"), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).expect("JSON"), text);
        let pretty = "{\n  \"a\": 1\n}";
        assert_eq!(escape_json(pretty), pretty);
    }
}
