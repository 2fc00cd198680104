//! The headers that say what a body is.

use super::rows::{Cause, Refusal, TableFormat};

/// What a body of `/invocations` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    Json,
    Table(TableFormat),
}

impl MediaType {
    /// The media type of a header `Content-Type`. As in HTTP, case does not matter; the only parameter is `charset=utf-8`.
    pub(crate) fn of(header: Option<&str>) -> Result<Self, Refusal> {
        let header = header.ok_or(Refusal::new(Cause::MediaType))?;
        let mut parts = header.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !key.trim().eq_ignore_ascii_case("charset") {
                return Err(Refusal::because(Cause::MediaType, "its only parameter is charset"));
            }
            if !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") {
                return Err(Refusal::new(Cause::Charset));
            }
        }
        let known = [
            ("application/json", Self::Json),
            ("text/csv", Self::Table(TableFormat::Csv)),
            ("application/vnd.apache.parquet", Self::Table(TableFormat::Parquet)),
        ];
        let found = known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map(|(_, media)| media).ok_or(Refusal::new(Cause::MediaType))
    }
}

/// The length of the JSON before raw tensors, from the header `Inference-Header-Content-Length`.
pub(crate) fn json_length(header: Option<&str>) -> Result<Option<usize>, Refusal> {
    let length = |text: &str| {
        let digits = text.trim();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let length = is_number.then(|| digits.parse().ok()).flatten();
        length.ok_or_else(|| Refusal::because(Cause::Form, "Inference-Header-Content-Length is not a length"))
    };
    header.map(length).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_those_of_mlflow() {
        for (header, media) in [
            ("application/json", MediaType::Json),
            ("application/json; charset=UTF-8", MediaType::Json),
            ("Application/JSON;charset=\"utf-8\"", MediaType::Json),
            ("text/csv", MediaType::Table(TableFormat::Csv)),
            ("application/vnd.apache.parquet", MediaType::Table(TableFormat::Parquet)),
        ] {
            assert_eq!(MediaType::of(Some(header)), Ok(media), "{header}");
        }
        let cause = |header| MediaType::of(header).unwrap_err().cause();
        assert_eq!(cause(None), Cause::MediaType);
        assert_eq!(cause(Some("text/plain")), Cause::MediaType);
        assert_eq!(cause(Some("application/json; format=pandas-split")), Cause::MediaType);
        assert_eq!(cause(Some("application/json; charset=latin-1")), Cause::Charset);
    }

    #[test]
    fn the_length_of_the_json_is_a_number() {
        assert_eq!(json_length(None), Ok(None));
        assert_eq!(json_length(Some(" 135 ")), Ok(Some(135)));
        for wrong in ["", "-1", "+1", "1.5", "99999999999999999999999", "x"] {
            assert_eq!(json_length(Some(wrong)).unwrap_err().cause(), Cause::Form, "{wrong:?}");
        }
    }
}
