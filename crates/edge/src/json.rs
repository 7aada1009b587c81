//! Strict JSON: what two parsers could read in two ways is refused.
//!
//! UTF-8 only, no key twice in one object (at any depth), at most [`MAX_DEPTH`] levels, no number that does
//! not fit, nothing after the value (RFC 8259; I-JSON, RFC 7493, for the keys).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::body::BodyError;
use crate::code::Code;

/// How many arrays and objects may stand in one another. Deeper bodies end at this depth, whatever their size.
pub const MAX_DEPTH: usize = 64;

/// Parses a body.
///
/// # Errors
/// [`BodyError::Malformed`] with line and column; the text repeats nothing of the body.
pub fn parse(bytes: &[u8]) -> Result<Value, BodyError> {
    if bytes.is_empty() {
        return Err(malformed("The body is empty; send JSON."));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed(format!("The body is not UTF-8 at byte {}.", error.valid_up_to())))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: MAX_DEPTH }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| malformed(format!("The body is not valid JSON: {error}.")))
}

fn malformed(detail: impl Into<String>) -> BodyError {
    BodyError::Malformed { code: Code::MalformedJson, detail: detail.into() }
}

/// Reads any value that is at most `depth` levels deep.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        depth
            .map(|depth| Self { depth })
            .ok_or_else(|| E::custom(format_args!("deeper than {MAX_DEPTH} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(deeper)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(A::Error::custom("a key stands twice"));
            }
            members.insert(key, map.next_value_seed(deeper)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refusal(body: &[u8]) -> String {
        match parse(body) {
            Err(BodyError::Malformed { code: Code::MalformedJson, detail }) => detail,
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(body)),
        }
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let body = br#" {"a":[null,true,-1,2,1.5,"\u00fc\n"],"b":{},"c":18446744073709551615} "#;
        let value = json!({"a": [null, true, -1, 2, 1.5, "\u{fc}\n"], "b": {}, "c": u64::MAX});
        assert_eq!(parse(body), Ok(value));
    }

    #[test]
    fn a_key_twice_is_refused_at_any_depth_and_in_any_spelling() {
        for body in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"b":2,"a":3}}]"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(refusal(body.as_bytes()).contains("a key stands twice at line 1"), "{body}");
        }
    }

    #[test]
    fn depth_ends_early() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refusal(nested(MAX_DEPTH + 1).as_bytes()).contains("deeper than 64 levels"));
        assert!(refusal("[".repeat(100_000).as_bytes()).contains("deeper than 64 levels"));
        assert!(refusal(r#"{"a":"#.repeat(100_000).as_bytes()).contains("deeper than 64 levels"));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for body in [
            "{",
            "[1,]",
            "{'a':1}",
            "nul",
            "1e400",
            "-1e400",
            "01",
            "+1",
            "NaN",
            "{}x",
            "{} {}",
            r#""\ud800""#,
            "\"a\nb\"",
            "\u{feff}{}",
            r#"{"a" 1}"#,
            "// no\n{}",
        ] {
            assert!(refusal(body.as_bytes()).contains(" at line "), "{body}");
        }
        assert_eq!(refusal(b""), "The body is empty; send JSON.");
        assert_eq!(refusal(b"{\"a\":\"\xff\"}"), "The body is not UTF-8 at byte 6.");
    }

    proptest! {
        /// Whatever we let through, another parser reads the same way.
        #[test]
        fn agrees_with_serde_json(body in r#"[\[\]{}:,"ab0-9eE.\\u \-]{0,40}"#) {
            if let Ok(value) = parse(body.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&body).expect("lenient reads it, too"), value);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&body);
        }
    }
}
