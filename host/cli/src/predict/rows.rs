//! The input of `predict` and the columns to keep. `--keep` takes any number of values, so clap also gives it an input
//! that follows; this module separates the two.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use hydra_base::text::{QUOTED_CHARS, excerpt};
/// The rows to score, and the columns to repeat before the predictions.
#[derive(Debug, Clone)]
pub struct RowsArgs {
    /// The files, directories, patterns and addresses; `-` is stdin.
    pub inputs: Vec<PathBuf>,
    /// The names of the columns to keep, in the order given.
    pub keep: Vec<String>,
}

impl Args for RowsArgs {
    fn augment_args(command: Command) -> Command {
        let input = Arg::new("input")
            .value_name("INPUT")
            .value_parser(value_parser!(PathBuf))
            .num_args(1..)
            // Without one, the input may be the last value of `--keep`.
            .required_unless_present("keep")
            .help(
                "The rows to score: CSV with a header, Parquet, Arrow IPC or JSON lines; directories of such files, patterns \
                 with `*`, addresses (s3://, gs://, abfss://, https://); `-` reads stdin",
            );
        let keep = Arg::new("keep")
            .long("keep")
            .value_name("COLUMN")
            .action(ArgAction::Append)
            .num_args(1..)
            .help(
                "Columns of the input to write before the predictions, such as an id; columns of CSV stay text. \
                 Separate several columns by spaces or commas; quote a name that contains a comma as in CSV",
            );
        command.arg(input).arg(keep)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RowsArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut groups: Vec<Vec<&str>> = matches
            .get_occurrences::<String>("keep")
            .map(|groups| groups.map(|values| values.map(String::as_str).collect()).collect())
            .unwrap_or_default();
        let inputs = match matches.get_many::<PathBuf>("input") {
            Some(inputs) => inputs.cloned().collect(),
            None => vec![swallowed_input(&mut groups)?],
        };
        let keep = groups.into_iter().flatten().map(names).collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Self { inputs, keep })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Takes the input from the values of `--keep`: the last value of the last occurrence that has more than one.
fn swallowed_input(groups: &mut [Vec<&str>]) -> Result<PathBuf, clap::Error> {
    let input = groups.iter_mut().rfind(|values| values.len() > 1).and_then(Vec::pop);
    input.map(PathBuf::from).ok_or_else(|| {
        clap::Error::raw(
            ErrorKind::MissingRequiredArgument,
            "the argument INPUT is missing; write for example `hydra-registry predict rows.csv --keep id`\n",
        )
    })
}

/// The column names in one value of `--keep`, which has the syntax of a line of CSV.
fn names(value: &str) -> Result<Vec<String>, clap::Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(value.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) if record.iter().all(|name| !name.is_empty()) => {
            Ok(record.iter().map(str::to_owned).collect())
        }
        _ => Err(clap::Error::raw(
            ErrorKind::ValueValidation,
            format!("--keep has an empty column name in `{}`\n", excerpt(value, QUOTED_CHARS)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        rows: RowsArgs,
        #[arg(long)]
        out: Option<PathBuf>,
    }

    fn typed(words: &str) -> Result<(String, String), ErrorKind> {
        let words = ["predict"].into_iter().chain(words.split_whitespace());
        let rows = Typed::try_parse_from(words).map_err(|error| error.kind())?.rows;
        let inputs: Vec<_> = rows.inputs.iter().map(|input| input.display().to_string()).collect();
        Ok((inputs.join("|"), rows.keep.join("|")))
    }

    #[test]
    fn the_input_is_found_on_either_side_of_the_columns() {
        for (words, input, keep) in [
            ("rows.csv", "rows.csv", ""),
            ("rows.csv --keep id", "rows.csv", "id"),
            ("a.csv b.csv --keep id", "a.csv|b.csv", "id"),
            ("a.csv --keep id --out x b.csv", "a.csv|b.csv", "id"),
            ("rows.csv --keep id name", "rows.csv", "id|name"),
            ("rows.csv --keep id --keep name", "rows.csv", "id|name"),
            ("rows.csv --keep id,name region", "rows.csv", "id|name|region"),
            ("--keep id rows.csv", "rows.csv", "id"),
            ("--keep id name rows.csv", "rows.csv", "id|name"),
            ("--keep id,name rows.csv", "rows.csv", "id|name"),
            ("--keep id --keep name rows.csv", "rows.csv", "id|name"),
            ("--keep id rows.csv --keep name", "rows.csv", "id|name"),
            ("--keep id rows.csv --out x", "rows.csv", "id"),
            ("--keep id name --out x rows.csv", "rows.csv", "id|name"),
            ("--keep id -- rows.csv", "rows.csv", "id"),
            ("--keep id -", "-", "id"),
            ("--keep id a,b.csv", "a,b.csv", "id"),
            ("- --keep \"a,b\",c", "-", "a,b|c"),
        ] {
            assert_eq!(typed(words), Ok((input.to_owned(), keep.to_owned())), "{words}");
        }
    }

    #[test]
    fn without_an_input_or_a_name_nothing_is_guessed() {
        for (words, kind) in [
            ("", ErrorKind::MissingRequiredArgument),
            ("--keep id", ErrorKind::MissingRequiredArgument),
            ("--keep id --keep name", ErrorKind::MissingRequiredArgument),
            ("--keep id,name", ErrorKind::MissingRequiredArgument),
            ("rows.csv --keep id,", ErrorKind::ValueValidation),
            ("rows.csv --keep ,", ErrorKind::ValueValidation),
        ] {
            assert_eq!(typed(words), Err(kind), "{words}");
        }
        let empty = Typed::try_parse_from(["predict", "rows.csv", "--keep", ""]);
        assert_eq!(empty.expect_err("no name").kind(), ErrorKind::ValueValidation);
    }
}
