//! Why a request is not answered.

use std::fmt;

use hydra_base::text::{excerpt, printable};
use hydra_base::{Error, ErrorKind};

/// The longest explanation, in characters.
const EXPLAINED_CHARS: usize = 2_000;

/// A request that is not answered: a cause, and details about this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    cause: Cause,
    detail: Option<Box<str>>,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $cause:ident = $label:literal, $status:literal, $code:ident, $says:literal;)*) => {
        /// The cause of a refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Cause {
            $($(#[$doc])* $cause,)*
        }

        impl Cause {
            /// All causes.
            pub(crate) const ALL: &[Self] = &[$(Self::$cause),*];

            /// The cause's name in the counter of errors. It does not change between releases.
            pub(crate) const fn label(self) -> &'static str {
                match self { $(Self::$cause => $label,)* }
            }

            /// The status of an HTTP answer.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$cause => $status,)* }
            }

            /// The status of a gRPC answer.
            pub(crate) const fn code(self) -> Code {
                match self { $(Self::$cause => Code::$code,)* }
            }

            /// The text of the answer, which contains nothing of the request.
            pub(crate) const fn says(self) -> &'static str {
                match self { $(Self::$cause => $says,)* }
            }
        }
    };
}

/// The codes of gRPC that refusals have, with their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

causes! {
    /// The body is not JSON in UTF-8.
    Json = "json", 400, InvalidArgument, "the body is not JSON";
    /// The JSON is not a request.
    Form = "form", 400, InvalidArgument, "the body does not have the form of a request";
    /// JSON is nested deeper than requests are.
    Depth = "depth", 400, InvalidArgument, "the body is nested too deeply";
    /// Features are missing, a name appears twice, or the width is not that of the model.
    Columns = "columns", 400, InvalidArgument, "the columns are not those of the model";
    /// Rows or columns have different lengths.
    Ragged = "ragged", 400, InvalidArgument, "the rows or columns have different lengths";
    /// A value is not a number where one is expected, or not a category.
    Value = "value", 400, InvalidArgument, "a value does not have the type of its column";
    /// A column that the signature declares as integers has another number.
    Fraction = "fraction", 400, InvalidArgument, "a column of integers has a value that is not an integer";
    /// There are no rows.
    NoRows = "no-rows", 400, InvalidArgument, "the request has no rows";
    /// A parameter is unknown or has another type.
    Params = "params", 400, InvalidArgument, "a parameter is unknown or does not have its type";
    /// The shape of a tensor is not that of a table, or not that of its data.
    Shape = "shape", 400, InvalidArgument, "the shape of a tensor does not fit";
    /// A datatype is unknown, or does not have this form.
    Datatype = "datatype", 400, InvalidArgument, "the datatype of a tensor is unknown or not possible here";
    /// A requested output does not exist.
    Output = "output", 400, InvalidArgument, "a requested output does not exist";
    /// CSV or Parquet cannot be read.
    Table = "table", 400, InvalidArgument, "the table cannot be read";
    /// A compressed body is damaged.
    Compression = "compression", 400, InvalidArgument, "the compressed body is damaged";
    /// The body ends before its end, or is not framed as its head says.
    BrokenBody = "broken-body", 400, InvalidArgument, "the body is not whole";
    /// Neither the model nor the request says which columns are categories.
    Categories = "categories", 400, FailedPrecondition, "it is not known which columns are categories";
    /// The model cannot produce what is asked for.
    Unsupported = "unsupported", 400, FailedPrecondition, "the model cannot produce what is asked for";
    /// A bearer token is missing or unknown.
    Token = "token", 401, Unauthenticated, "a valid bearer token is missing";
    /// There is no such route.
    Route = "route", 404, Unimplemented, "there is no such path";
    /// The model is not served here.
    UnknownModel = "unknown-model", 404, NotFound, "the model is not served here";
    /// The version is not the one that is served.
    UnknownVersion = "unknown-version", 404, NotFound, "the version of the model is not served here";
    /// The path takes another method.
    Method = "method", 405, Unimplemented, "the path does not take this method";
    /// The body did not arrive in time.
    SlowBody = "slow-body", 408, DeadlineExceeded, "the body did not arrive in time";
    /// The body is too large, also after decompression.
    BodySize = "body-size", 413, ResourceExhausted, "the body is too large";
    /// There are too many rows, or too many values in them.
    RowCount = "row-count", 413, ResourceExhausted, "the request has too many rows";
    /// The answer would be too large.
    AnswerSize = "answer-size", 413, ResourceExhausted, "the answer would be too large";
    /// There are too many columns.
    ColumnCount = "column-count", 413, ResourceExhausted, "the request has too many columns";
    /// The media type is missing or unknown.
    MediaType = "media-type", 415, InvalidArgument,
        "the content type is not `application/json`, `text/csv` or `application/vnd.apache.parquet`";
    /// The character set is not UTF-8.
    Charset = "charset", 415, InvalidArgument, "the character set is not UTF-8";
    /// The content encoding is unknown.
    Encoding = "encoding", 415, InvalidArgument, "the content encoding is not `gzip`, `deflate` or `identity`";
    /// As many requests as allowed are running.
    Busy = "busy", 429, ResourceExhausted, "the server is busy";
    /// A bug, or a fault of the machine.
    Internal = "internal", 500, Internal, "the server made an error";
    /// No verified model is loaded.
    NotReady = "not-ready", 503, Unavailable, "the model is not ready";
    /// The server is ending.
    Draining = "draining", 503, Unavailable, "the server is ending";
}

impl Refusal {
    /// A refusal without details.
    pub(crate) const fn new(cause: Cause) -> Self {
        Self { cause, detail: None }
    }

    /// A refusal with details, which are not shown to the caller unless the operator wants it.
    #[cold]
    pub(crate) fn because(cause: Cause, detail: impl fmt::Display) -> Self {
        Self { cause, detail: Some(detail.to_string().into()) }
    }

    /// A failure of reading a table or finding its columns, which is the caller's unless it is a fault of the machine.
    #[cold]
    pub(crate) fn of(cause: Cause, error: &Error) -> Self {
        let cause = match error.kind() {
            ErrorKind::Internal | ErrorKind::Storage => Cause::Internal,
            // Of a table, only its categories can be unsupported.
            ErrorKind::UnsupportedModel if matches!(cause, Cause::Value | Cause::Table) => Cause::Categories,
            ErrorKind::UnsupportedModel => Cause::Unsupported,
            _ => cause,
        };
        let mut detail = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            detail = format!("{detail}: {source}");
        }
        if let Some(hint) = error.hint() {
            detail = format!("{detail}; {hint}");
        }
        Self::because(cause, detail)
    }

    /// The cause.
    pub(crate) fn cause(&self) -> Cause {
        self.cause
    }

    /// The text of the answer: the cause, and if `explain` is set the details, which may quote the caller's own request.
    pub(crate) fn says(&self, explain: bool) -> String {
        match &self.detail {
            Some(detail) if explain => {
                format!("{}: {}", self.cause.says(), excerpt(detail.as_bytes(), EXPLAINED_CHARS))
            }
            _ => self.cause.says().to_owned(),
        }
    }

    /// What is logged: the label and the details, on one line.
    pub(crate) fn log(&self) -> String {
        printable(self.detail.as_deref().unwrap_or(self.cause.says()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn labels_differ_and_texts_have_the_form_of_messages() {
        let labels: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.label()).collect();
        assert_eq!(labels.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert!(cause.label().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{cause:?}");
            let says = cause.says();
            assert!(says.starts_with(|c: char| c.is_ascii_lowercase()) && !says.ends_with('.'), "{says}");
            assert!((400..600).contains(&cause.status()), "{cause:?}");
        }
    }

    #[test]
    fn details_are_shown_only_if_the_operator_wants_it() {
        let refusal = Refusal::because(Cause::Value, "`x\u{1b}[2J`");
        assert_eq!(refusal.says(false), Cause::Value.says());
        assert_eq!(refusal.says(true), format!("{}: `x\u{fffd}[2J`", Cause::Value.says()));
        assert_eq!(refusal.log(), "`x\u{fffd}[2J`");
    }

    #[test]
    fn faults_of_the_machine_are_not_the_callers() {
        let refusal = |kind| Refusal::of(Cause::Table, &Error::new(kind, "x")).cause();
        assert_eq!(refusal(ErrorKind::Storage), Cause::Internal);
        assert_eq!(refusal(ErrorKind::InvalidData), Cause::Table);
        assert_eq!(refusal(ErrorKind::UnsupportedModel), Cause::Categories);
    }
}
