//! What was found, by what it means for the verdict.

use std::fmt::Display;

use example_common::contract::Verdict;
use example_common::words::Reasons;

/// The findings about all evaluations.
#[derive(Default)]
pub struct Findings {
    met: Reasons,
    against: Reasons,
    missing: Reasons,
    segments: usize,
    left_out: usize,
}

impl Findings {
    /// Adds evidence for the candidate.
    pub fn met(&mut self, what: impl Display) {
        self.met.add(what);
    }

    /// Adds evidence against the candidate.
    pub fn against(&mut self, what: impl Display) {
        self.against.add(what);
    }

    /// Adds evidence that a later request may have.
    pub fn missing(&mut self, what: impl Display) {
        self.missing.add(what);
    }

    /// Counts a segment that was judged.
    pub fn segment(&mut self) {
        self.segments += 1;
    }

    /// Counts a segment that the settings leave out.
    pub fn left_out(&mut self) {
        self.left_out += 1;
    }

    /// The explanation of an approval, or the verdict against it. Evidence against the candidate leads to a rejection, even if
    /// other evidence is missing.
    pub fn into_outcome(mut self) -> Result<String, Verdict> {
        if !self.against.is_empty() {
            return Err(Verdict::Reject(self.against.into_text()));
        }
        if !self.missing.is_empty() {
            return Err(Verdict::Hold(self.missing.into_text()));
        }
        match (self.segments, self.left_out) {
            (0, 0) => {}
            (judged, 0) => self.met.add(format_args!("{judged} segments hold")),
            (judged, skipped) => {
                self.met.add(format_args!("{judged} segments hold, {skipped} are left out"));
            }
        }
        Ok(self.met.into_text())
    }
}
