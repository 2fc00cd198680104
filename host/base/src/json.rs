//! The size of JSON text before it is parsed.

/// The number of values in a JSON text, of members and items at any depth, counted by the commas and opening brackets outside of
/// strings. Text that is not JSON has some number, too.
///
/// It bounds the memory of the parsed text, which the number of bytes does not: `{"version":"1"},` is 16 bytes of JSON and
/// several hundred bytes of a version.
#[must_use]
pub fn values(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (json, expected) in [
            ("", 0),
            ("1", 0),
            ("[]", 1),
            ("[1,2,3]", 3),
            (r#"{"a":1,"b":[{"c":"1,2,[{"},{}]}"#, 6),
            (r#"{"a":"\"\\\",[","b":"\\","c":1}"#, 3),
        ] {
            assert_eq!(values(json.as_bytes()), expected, "{json}");
        }
    }
}
