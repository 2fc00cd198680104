//! Commands that a hint or a remedy names, with the options that they need to act on the same model.

use std::ffi::OsString;

use hydra_base::text::printable;

/// The commands that texts name. `champion` is left out, because texts name the alias.
const COMMANDS: [&str; 12] = [
    "approve",
    "doctor",
    "download",
    "history",
    "list",
    "log-candidate",
    "nominate",
    "promote",
    "quarantine",
    "release",
    "rollback",
    "status",
];

/// Options that say which registry and model a command is about.
const PLACE: [&str; 4] = ["--config", "--tracking-uri", "--registry-uri", "--model"];

/// Options that say how a decision is made.
const RULES: [&str; 4] = ["--policy", "--monitor", "--set", "--budget"];

/// The program's name, as texts write it.
const PROGRAM: &str = "hydra-registry ";

/// The options of a command line that another command on the same model has to repeat.
#[derive(Debug, Default)]
pub struct Again {
    /// Pairs of an option and its value, quoted for a shell.
    options: Vec<(&'static str, String)>,
}

impl Again {
    /// The options among the words of a command line. URIs with credentials and unprintable values are left out.
    pub fn of(words: &[OsString]) -> Self {
        let mut options = Vec::new();
        let mut words = words.iter().map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            let known = PLACE.iter().chain(&RULES);
            let Some(option) = known.into_iter().find(|option| {
                word.strip_prefix(**option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            }) else {
                continue;
            };
            let value = match word.split_once('=') {
                Some((_, value)) => Some(value.to_owned()),
                None => words.next().map(|value| value.into_owned()),
            };
            let shown = |value: &String| !value.is_empty() && !value.contains('@') && is_printable(value);
            if let Some(value) = value.filter(shown) {
                options.push((*option, quoted(&value)));
            }
        }
        Self { options }
    }

    /// The option that selects a model; none if its name is not printable.
    pub fn on_model(name: &str) -> Self {
        let option = is_printable(name).then(|| ("--model", quoted(name)));
        Self { options: option.into_iter().collect() }
    }

    /// `text`, with these options in each command that it names.
    pub fn complete(&self, text: &str) -> String {
        if self.options.is_empty() {
            return text.to_owned();
        }
        let mut whole = text.to_owned();
        for command in COMMANDS {
            for end in ["`", " "] {
                whole = whole.replace(&format!("`{command}{end}"), &format!("`{PROGRAM}{command}{end}"));
            }
        }
        let mut parts = whole.split_inclusive(PROGRAM).peekable();
        let mut complete = String::with_capacity(whole.len());
        while let Some(part) = parts.next() {
            complete += part;
            if part.ends_with(PROGRAM) {
                complete += &self.before(parts.peek().copied().unwrap_or_default());
            }
        }
        complete
    }

    /// The options to insert before the command at the start of `text`, which may have its own `--model`.
    fn before(&self, text: &str) -> String {
        let own_model = text.strip_prefix("--model ").and_then(after_word);
        let command = own_model.unwrap_or(text);
        let word =
            command.split(|sign: char| !sign.is_ascii_lowercase() && sign != '-').next().unwrap_or_default();
        if !COMMANDS.contains(&word) && word != "champion" {
            return String::new();
        }
        let decides = matches!(word, "promote" | "rollback");
        let given = self.options.iter().filter(|(option, _)| {
            (decides || PLACE.contains(option)) && !(own_model.is_some() && *option == "--model")
        });
        given.map(|(option, value)| format!("{option} {value} ")).collect()
    }
}

/// What follows the first word, which may be in single quotes.
fn after_word(text: &str) -> Option<&str> {
    let mut is_quoted = false;
    let end = text.find(|sign| {
        is_quoted ^= sign == '\'';
        sign == ' ' && !is_quoted
    })?;
    Some(&text[end + 1..])
}

fn is_printable(text: &str) -> bool {
    printable(text) == text
}

/// A word that a shell reads as it is.
fn quoted(word: &str) -> String {
    let is_plain = |sign: char| sign.is_alphanumeric() || "_./:%+=-,~".contains(sign);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(words: &[&str]) -> Again {
        Again::of(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_in_a_text_gets_the_options_of_the_command_line() {
        let given = again(&[
            "hydra-registry",
            "--model",
            "e",
            "promote",
            "--policy=gate.wasm",
            "--set",
            "metric=auc",
        ]);
        let hint = "`hydra-registry rollback --to 2` returns to it; `doctor --fix` repairs; next: hydra-registry list";
        assert_eq!(
            given.complete(hint),
            "`hydra-registry --model e --policy gate.wasm --set metric=auc rollback --to 2` returns to it; \
             `hydra-registry --model e doctor --fix` repairs; next: hydra-registry --model e list"
        );
        assert_eq!(again(&["hydra-registry", "promote"]).complete(hint), hint);
    }

    #[test]
    fn what_is_not_a_command_stays() {
        let given = again(&["hydra-registry", "--model=e", "champion"]);
        for text in ["move the alias `champion`", "upgrade hydra-registry 2", "hydra-registry policy build"] {
            assert_eq!(given.complete(text), text);
        }
        assert_eq!(given.complete("`hydra-registry --model f doctor`"), "`hydra-registry --model f doctor`");
    }

    #[test]
    fn values_are_quoted_and_credentials_and_unprintable_names_left_out() {
        let given =
            again(&["hydra-registry", "--tracking-uri", "http://ann:secret@host", "--model", "my model's"]);
        assert_eq!(given.complete("`hydra-registry list`"), r"`hydra-registry --model 'my model'\''s' list`");
        for unprintable in [again(&["x", "--model", "a\u{202e}b"]), Again::on_model("a\nb")] {
            assert_eq!(unprintable.complete("`hydra-registry list`"), "`hydra-registry list`");
        }
        let both = Again::on_model("a b").complete("run `doctor --fix`");
        assert_eq!(
            again(&["x", "--config", "c.toml", "--model", "z"]).complete(&both),
            "run `hydra-registry --config c.toml --model 'a b' doctor --fix`"
        );
    }
}
