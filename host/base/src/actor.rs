//! The names that people give themselves: who requests, who approves, who logged a version.

use crate::error::{Error, ErrorKind, Result};

/// The most characters of a name.
pub const MAX_CHARS: usize = 200;

/// A name as the ledger keeps it: without white space at both ends. `TextTooLong` for one of more than [`MAX_CHARS`].
pub fn normalised(name: &str) -> Result<String> {
    let name = name.trim();
    let chars = name.chars().count();
    if chars <= MAX_CHARS {
        return Ok(name.to_owned());
    }
    Err(Error::new(
        ErrorKind::TextTooLong,
        format!("the name of the actor has {chars} characters; the limit is {MAX_CHARS}"),
    )
    .with_hint("choose a shorter name with `--actor` or HYDRA_ACTOR"))
}

/// Whether two names are those of one person. White space at both ends and the case of letters do not matter.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_without_white_space_around_them_up_to_200_characters() {
        let longest = "é".repeat(MAX_CHARS);
        assert_eq!(normalised(" Ann\t\n").unwrap(), "Ann");
        assert_eq!(normalised(&format!(" {longest} ")).unwrap(), longest);
        let error = normalised(&format!("{longest}é")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TextTooLong);
        assert_eq!(error.to_string(), "the name of the actor has 201 characters; the limit is 200");
    }

    #[test]
    fn case_and_white_space_around_a_name_say_nothing() {
        assert!(is_same("Ann ", "\tann") && is_same("ÉVA", "éva"));
        assert!(!is_same("ann", "anna") && !is_same("ann lee", "annlee"));
    }
}
