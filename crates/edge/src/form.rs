//! Strict `application/x-www-form-urlencoded` (WHATWG URL section 5.1): UTF-8, whole escapes, and each field
//! once, as RFC 6749 section 3.2 asks for.

use serde_json::{Map, Value};

use crate::body::BodyError;
use crate::code::Code;

/// Parses a body into an object whose members are strings.
///
/// # Errors
/// [`BodyError::Malformed`]; the text repeats nothing of the body.
pub fn parse(bytes: &[u8]) -> Result<Value, BodyError> {
    let mut fields = Map::new();
    for pair in bytes.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let name = decode(halves.next().unwrap_or_default())?;
        let value = decode(halves.next().unwrap_or_default())?;
        if fields.insert(name, value.into()).is_some() {
            return Err(malformed("A field stands twice in the form."));
        }
    }
    Ok(Value::Object(fields))
}

fn malformed(detail: &str) -> BodyError {
    BodyError::Malformed { code: Code::MalformedForm, detail: detail.to_owned() }
}

/// One name or value, decoded. The halves of an OAuth client's HTTP Basic credentials are encoded so, too (RFC 6749
/// section 2.3.1).
///
/// # Errors
/// [`BodyError::Malformed`]; the text repeats nothing of it.
pub fn decode(text: &[u8]) -> Result<String, BodyError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let escape =
                    rest.next().zip(rest.next()).and_then(|(high, low)| Some(hex(*high)? << 4 | hex(*low)?));
                escape.ok_or_else(|| {
                    malformed("A `%` in the form is not followed by two hexadecimal digits.")
                })?
            }
            byte => *byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| malformed("The form is not UTF-8."))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_decoded() {
        let form = parse(b"email=a%40b.example&name=J%C3%BCrgen+O&&empty=&bare&eq=a=b");
        let fields =
            json!({"email": "a@b.example", "name": "J\u{fc}rgen O", "empty": "", "bare": "", "eq": "a=b"});
        assert_eq!(form, Ok(fields));
        assert_eq!(parse(b""), Ok(json!({})));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for body in [&b"a=1&a=2"[..], b"a=1&%61=1", b"a=%", b"a=%4", b"a=%zz", b"a=%ff", b"a=\xff", b"%ff=a"]
        {
            let error = parse(body).expect_err("refused");
            assert!(matches!(error, BodyError::Malformed { code: Code::MalformedForm, .. }), "{error:?}");
        }
    }

    proptest! {
        /// What an ordinary encoder writes is read back whole.
        #[test]
        fn reads_what_others_write(name in ".{1,20}", value in ".{0,40}") {
            let body: String = url::form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
            prop_assert_eq!(parse(body.as_bytes()), Ok(json!({ name: value })));
        }
    }
}
