//! Words for explanations: figures, foreign names, and lists that fit into the host's limit.

use std::fmt::{self, Display, Write as _};

/// The longest explanation that the host accepts by default, in bytes.
const LONGEST: usize = 1_000;

/// What an explanation keeps free for the number of reasons that it leaves out.
const RESERVED: usize = 32;

/// Reasons, joined by semicolons. Those that do not fit into an explanation are counted.
#[derive(Default)]
pub struct Reasons {
    text: String,
    left_out: usize,
}

/// A number as an explanation shows it: without digits that do not matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure(pub f64);

/// Foreign text in an explanation: on one line, and cut after a number of bytes.
pub struct Excerpt<'a>(pub &'a str, pub usize);

impl Reasons {
    /// Adds a reason, unless one was left out before.
    pub fn add(&mut self, reason: impl Display) {
        if self.left_out == 0 {
            let reason = reason.to_string();
            let separator = if self.text.is_empty() { "" } else { "; " };
            if self.text.len() + separator.len() + reason.len() + RESERVED <= LONGEST {
                self.text += separator;
                self.text += &reason;
                return;
            }
            if self.text.is_empty() {
                self.text = Excerpt(&reason, LONGEST - RESERVED).to_string();
                return;
            }
        }
        self.left_out += 1;
    }

    /// Whether there is no reason.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The explanation.
    #[must_use]
    pub fn into_text(self) -> String {
        match self.left_out {
            0 => self.text,
            more => format!("{}; and {more} more", self.text),
        }
    }
}

impl Figure {
    /// Three digits of a number, or all if three would show it on the other side of the threshold.
    #[must_use]
    pub fn beside(value: f64, threshold: f64) -> Self {
        let short: f64 = format!("{value:.2e}").parse().unwrap_or(value);
        let same_side = short.partial_cmp(&threshold) == value.partial_cmp(&threshold);
        Self(if same_side { short } else { value })
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero has no sign.
        let value = self.0 + 0.0;
        let short = value == 0.0 || (1e-4..1e9).contains(&value.abs());
        match (short, f.sign_plus() && value != 0.0) {
            (true, true) => write!(f, "{value:+}"),
            (true, false) => write!(f, "{value}"),
            (false, true) => write!(f, "{value:+e}"),
            (false, false) => write!(f, "{value:e}"),
        }
    }
}

impl Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, most) = *self;
        let cut = "…";
        let (kept, rest) = if text.len() <= most {
            (text, "")
        } else {
            (&text[..text.floor_char_boundary(most - cut.len())], cut)
        };
        let one_line = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
        kept.chars().try_for_each(|c| f.write_char(one_line(c)))?;
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_rounded_unless_that_hides_its_side_of_the_threshold() {
        let shown = |value, threshold| Figure::beside(value, threshold).to_string();
        assert_eq!(shown(0.004_123_4, 0.0), "0.00412");
        assert_eq!(shown(0.004_996, 0.005), "0.004996");
        assert_eq!(shown(0.005, 0.005), "0.005");
        assert_eq!(shown(0.005_001, 0.005), "0.005001");
        assert_eq!(shown(f64::NAN, 0.0), "NaN");
        assert_eq!(shown(f64::NEG_INFINITY, 0.0), "-inf");
    }

    #[test]
    fn figures_are_short_at_any_size_and_signed_on_request() {
        assert_eq!(format!("{} {:+}", Figure(-0.0), Figure(-0.0)), "0 0");
        assert_eq!(format!("{:+} {:+}", Figure(0.25), Figure(-0.25)), "+0.25 -0.25");
        assert_eq!(format!("{} {:+}", Figure(1.5e-300), Figure(2e300)), "1.5e-300 +2e300");
        assert_eq!(format!("{:+} {}", Figure(f64::INFINITY), Figure(f64::NAN)), "+inf NaN");
    }

    #[test]
    fn excerpts_have_one_line_and_end_between_characters() {
        assert_eq!(Excerpt("two\nlines\u{2028}\t.", 40).to_string(), "two lines  .");
        assert_eq!(Excerpt("ééé", 6).to_string(), "ééé");
        assert_eq!(Excerpt("éééé", 7).to_string(), "éé…");
    }

    #[test]
    fn reasons_fit_into_an_explanation_and_the_others_are_counted() {
        let mut reasons = Reasons::default();
        for number in 0..100 {
            reasons.add(format_args!("reason {number:02} of some length"));
        }
        let text = reasons.into_text();
        assert!(text.starts_with("reason 00 of some length; reason 01") && text.len() <= LONGEST, "{text}");
        assert!(text.ends_with("; and 63 more"), "{text}");

        let mut reasons = Reasons::default();
        reasons.add("é".repeat(LONGEST));
        reasons.add("short");
        let text = reasons.into_text();
        assert!(text.len() <= LONGEST && text.ends_with("…; and 1 more"), "{text}");
    }
}
