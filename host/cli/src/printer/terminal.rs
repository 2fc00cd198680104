//! What stdout and stderr are: a terminal of some width, with or without colours, or a file or pipe.

use std::io::{self, IsTerminal as _};

use hydra_base::Timestamp;
use hydra_base::time::now;

/// The start of a style, as terminals read it.
const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[1;31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const CYAN: &str = "\u{1b}[36m";
const RESET: &str = "\u{1b}[0m";

/// What stdout is.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Whether a person looks at it: whether it is a terminal.
    pub is_watched: bool,
    /// The number of its columns; none where lines may have any length.
    pub width: Option<usize>,
    /// Its colours.
    pub paint: Paint,
}

/// How text is to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct View {
    /// The number of columns; none where lines may have any length.
    pub width: Option<usize>,
    /// The time that ages are relative to; none to show times as they are.
    pub now: Option<Timestamp>,
}

/// Whether a stream gets colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paint {
    has_colour: bool,
}

impl Terminal {
    /// What stdout is.
    #[must_use]
    pub fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let size = terminal_size::terminal_size_of(io::stdout());
        let width = size.map(|(width, _)| usize::from(width.0)).filter(|width| is_terminal && *width > 0);
        Self { is_watched: is_terminal, width, paint: Paint::of(is_terminal, &variable) }
    }

    /// How text is to look now.
    #[must_use]
    pub fn view(&self) -> View {
        View { width: self.width, now: self.is_watched.then(now) }
    }
}

impl View {
    /// A time for people: its age on a terminal, the time itself elsewhere. `time` is in RFC 3339.
    #[must_use]
    pub fn time(&self, time: &str) -> String {
        let parsed = time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
        match (self.now, parsed) {
            (Some(now), Some(then)) => age(now, then).unwrap_or_else(|| time.to_owned()),
            _ => time.to_owned(),
        }
    }
}

/// How long ago it was, up to 30 days; none for what was earlier, or will be.
fn age(now: Timestamp, then: Timestamp) -> Option<String> {
    let seconds = u64::try_from(now.checked_sub(then)?).ok()? / 1000;
    let (count, unit) = match seconds {
        0..60 => return Some("just now".to_owned()),
        60..3_600 => (seconds / 60, "minute"),
        3_600..172_800 => (seconds / 3_600, "hour"),
        172_800..2_592_000 => (seconds / 86_400, "day"),
        _ => return None,
    };
    Some(format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" }))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Paint {
    /// That of stderr.
    #[must_use]
    pub fn of_stderr() -> Self {
        Self::of(io::stderr().is_terminal(), &variable)
    }

    /// The conventions of <https://no-color.org> and <https://bixense.com/clicolors>.
    fn of(is_terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let is_on = |name: &str| variable(name).is_some_and(|value| !value.is_empty() && value != "0");
        let is_off =
            variable("CLICOLOR").as_deref() == Some("0") || variable("TERM").as_deref() == Some("dumb");
        let has_colour = !is_set("NO_COLOR") && (is_on("CLICOLOR_FORCE") || (is_terminal && !is_off));
        Self { has_colour }
    }

    /// Whether text gets colours.
    #[must_use]
    pub fn has_colour(self) -> bool {
        self.has_colour
    }

    /// The text with colours for what must not be overlooked: errors, warnings, outcomes, and the next step.
    #[must_use]
    pub fn text(self, text: &str) -> String {
        if !self.has_colour {
            return text.to_owned();
        }
        text.split_inclusive('\n').map(painted).collect()
    }

    /// A heading.
    #[must_use]
    pub fn heading(self, text: &str) -> String {
        if !self.has_colour {
            return text.to_owned();
        }
        text.split_inclusive('\n').map(|line| in_style(line, line.trim_end_matches('\n'), BOLD)).collect()
    }
}

/// Words at the start of a line, and their style.
const LABELS: [(&str, &str); 8] = [
    ("error:", RED),
    ("caused by:", RED),
    ("FAILED", RED),
    ("WARNING", YELLOW),
    ("hint:", CYAN),
    ("next:", CYAN),
    ("remedy:", CYAN),
    ("cannot show", YELLOW),
];

/// Words at the end of a line that is not indented like details, and their style.
const OUTCOMES: [(&str, &str); 9] = [
    (": done", GREEN),
    (": approved", GREEN),
    (": no problems found", GREEN),
    ("no problems found", GREEN),
    (": rejected", RED),
    (": rejected (aborted)", RED),
    (": on hold", YELLOW),
    (": held", YELLOW),
    (": staged, the champion stays", YELLOW),
];

fn painted(line: &str) -> String {
    let content = line.trim_end_matches('\n');
    let start = content.trim_start();
    if let Some((label, style)) = LABELS.iter().find(|(label, _)| start.starts_with(label)) {
        return in_style(line, label, style);
    }
    match OUTCOMES.iter().find(|(outcome, _)| content.ends_with(outcome)) {
        Some((outcome, style)) => {
            let word = outcome.trim_start_matches(": ");
            let at = content.len() - word.len();
            format!("{}{}", &line[..at], in_style(&line[at..], word, style))
        }
        None => line.to_owned(),
    }
}

/// The line with the first occurrence of `part` in a style.
fn in_style(line: &str, part: &str, style: &str) -> String {
    if part.is_empty() { line.to_owned() } else { line.replacen(part, &format!("{style}{part}{RESET}"), 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_colour(is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Paint::of(is_terminal, &variable).has_colour
    }

    #[test]
    fn colours_follow_the_conventions() {
        assert!(has_colour(true, &[]) && !has_colour(false, &[]));
        assert!(has_colour(true, &[("NO_COLOR", "")]) && !has_colour(true, &[("NO_COLOR", "1")]));
        assert!(
            has_colour(false, &[("CLICOLOR_FORCE", "1")]) && !has_colour(false, &[("CLICOLOR_FORCE", "0")])
        );
        assert!(!has_colour(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
        assert!(!has_colour(true, &[("CLICOLOR", "0")]) && !has_colour(true, &[("TERM", "dumb")]));
        assert!(has_colour(true, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn colours_change_no_text() {
        let text =
            "error: x\n  caused by: y\nhint: z\npromote of m version 3: rejected\n  WARNING w\nplain\n";
        let painted = Paint { has_colour: true }.text(text);
        let mut plain = painted.clone();
        for style in [BOLD, RED, GREEN, YELLOW, CYAN, RESET] {
            plain = plain.replace(style, "");
        }
        assert_eq!(plain, text);
        assert_eq!(painted.matches(RESET).count(), 5);
        assert_eq!(Paint::default().text(text), text);
        assert_eq!(Paint { has_colour: true }.heading("a\n"), format!("{BOLD}a{RESET}\n"));
    }

    #[test]
    fn ages_are_of_the_last_30_days() {
        let now = 1_800_000_000_000;
        let ago = |seconds: i64| age(now, now - seconds * 1000);
        let day = 86_400;
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7_199, "1 hour ago"),
            (86_400, "24 hours ago"),
            (2 * day, "2 days ago"),
            (30 * day - 1, "29 days ago"),
        ] {
            assert_eq!(ago(seconds).as_deref(), Some(text), "{seconds}");
        }
        assert_eq!((ago(30 * day), ago(-1), age(i64::MIN, i64::MAX)), (None, None, None));
        let view = View { now: Some(now), width: None };
        assert_eq!(view.time("1999-01-01T00:00:00.000Z"), "1999-01-01T00:00:00.000Z");
        assert_eq!(view.time("no time"), "no time");
        assert_eq!(View::default().time("2027-01-15T08:00:00.000Z"), "2027-01-15T08:00:00.000Z");
    }
}
