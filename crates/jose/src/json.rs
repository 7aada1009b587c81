//! JSON without duplicate members.
//!
//! RFC 7515 section 4 and RFC 7519 section 4 leave a verifier the choice between refusing duplicates and
//! taking the last one. Two programs that choose differently read two different tokens out of one signature,
//! so they are refused here, at every depth.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The text of the error for a duplicate; kept apart so that tests can name it.
pub(crate) const DUPLICATE: &str = "duplicate JSON member";

/// A string that borrows from the input unless it holds escapes.
pub(crate) struct Text<'de>(Cow<'de, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

/// Any JSON value in which no object has two members of one name.
pub(crate) struct Unique(pub(crate) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            insert_unique(&mut members, name, &mut map)?;
        }
        Ok(Value::Object(members))
    }
}

/// Reads the value that belongs to `name` and adds both to `members`, once.
pub(crate) fn insert_unique<'de, A: MapAccess<'de>>(
    members: &mut Map<String, Value>,
    name: Text<'de>,
    map: &mut A,
) -> Result<(), A::Error> {
    let Unique(value) = map.next_value()?;
    match members.insert(name.into_string(), value) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom(DUPLICATE)),
    }
}

/// Parses one JSON value, all of the bytes.
pub(crate) fn parse_unique(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Unique>(bytes).map(|Unique(value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_serde_json_reads_them() {
        let text = br#"{"a":[1,-2,3.5,true,null,"x\u00e9",{"b":18446744073709551615}],"c":{}}"#;
        let expected: Value = serde_json::from_slice(text).expect("valid");
        assert_eq!(parse_unique(text).expect("valid"), expected);
    }

    #[test]
    fn duplicates_are_refused_at_every_depth_and_however_spelt() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"a":1},{"b":1,"b":null}]}"#,
        ] {
            let error = parse_unique(text.as_bytes()).expect_err(text);
            assert!(error.to_string().starts_with(DUPLICATE), "{text}: {error}");
        }
    }

    #[test]
    fn trailing_bytes_bad_utf8_and_deep_nesting_are_refused() {
        assert!(parse_unique(b"{} {}").is_err());
        assert!(parse_unique(b"{\"a\":\"\xff\"}").is_err());
        assert!(parse_unique("[".repeat(50_000).as_bytes()).is_err());
    }
}
