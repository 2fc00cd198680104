//! The head of a ledger in one line: what a person or a pipeline keeps elsewhere, and expects later.

use std::fmt;
use std::str::FromStr;

use crate::ledger::chain::Record;
use crate::ledger::{Ledger, LedgerView};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_ledger_rules::Number;

/// The newest valid entry of a ledger. As text: the ledger's id, the number and the digest, with colons between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The ledger's id.
    pub ledger: String,
    /// The entry's number.
    pub number: Number,
    /// The SHA-256 of the entry's text.
    pub sha256: Sha256,
}

impl Head {
    /// Refuses a decision on another head than this one: `HeadMoved`. `found` is `None` if there is no ledger.
    pub fn ensure(&self, found: Option<&LedgerView>) -> Result<()> {
        let found = found.map(|view| Self::from(&view.head));
        if found.as_ref() == Some(self) {
            return Ok(());
        }
        let what = match found {
            None => "the model has no ledger".to_owned(),
            Some(found) if found.ledger != self.ledger => {
                format!("the model has another ledger, {}", found.ledger)
            }
            Some(found) if found.number == self.number => {
                format!("entry {} of the ledger is another one than expected", found.number)
            }
            Some(found) => {
                format!("the newest entry of the ledger is {}, not {}", found.number, self.number)
            }
        };
        Err(Error::new(ErrorKind::HeadMoved, what)
            .with_context("expected", self)
            .with_hint("look at `hydra-registry history`, and repeat the command with the line that `hydra-registry history export --head` prints"))
    }
}

impl From<&Record> for Head {
    fn from(record: &Record) -> Self {
        Self { ledger: record.entry.ledger.clone(), number: record.number, sha256: record.digest }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ledger, number, sha256 } = self;
        write!(f, "{ledger}:{number}:{sha256}")
    }
}

impl FromStr for Head {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.trim().split(':');
        let parsed = (|| {
            let ledger =
                parts.next().filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()))?;
            let number = parts.next()?.parse().ok().filter(|number| *number > 0)?;
            let sha256 = parts.next()?.parse().ok()?;
            parts.next().is_none().then(|| Self { ledger: ledger.to_owned(), number, sha256 })
        })();
        parsed.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidArgument,
                format!("the head of a ledger is not of the form LEDGER:NUMBER:SHA256: `{text}`"),
            )
            .with_hint("`hydra-registry history export --head` prints it")
        })
    }
}

impl Ledger {
    /// The head. `LedgerBroken` if damage hides it, `LedgerNewer` if a newer release wrote an entry.
    pub async fn head(&self) -> Result<Head> {
        Ok(Head::from(self.look(None).await?.head()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_and_nothing_else_is_one() {
        let head = Head { ledger: "04d56e".to_owned(), number: 31, sha256: Sha256::of(b"entry") };
        assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
        assert_eq!(format!(" {head}\n").parse::<Head>().unwrap(), head);
        let sha256 = Sha256::of(b"entry");
        for malformed in [
            "",
            "04d56e",
            "04d56e:31",
            &format!("04d56e:0:{sha256}"),
            &format!(":1:{sha256}"),
            &format!("a:1:{sha256}:"),
            "a:1:beef",
            &format!("a b:1:{sha256}"),
        ] {
            assert_eq!(
                malformed.parse::<Head>().unwrap_err().kind(),
                ErrorKind::InvalidArgument,
                "{malformed}"
            );
        }
    }
}
