//! From the bytes of a request body to a value of ours, with two kinds of refusal: the body cannot be read
//! (400), or it can and a field is wrong (422).
//!
//! ```
//! use portcullis_edge::body::{self, BodyError};
//!
//! #[derive(Debug, serde::Deserialize)]
//! struct Login { email: String }
//!
//! let login: Login = body::json(br#"{"email": "a@example.com", "unknown": 1}"#).unwrap();
//! assert_eq!(login.email, "a@example.com");
//! let Err(BodyError::Field(error)) = body::json::<Login>(br#"{"email": 7}"#) else { panic!() };
//! assert_eq!((error.field.as_str(), error.message.as_str()), ("email", "must be a string"));
//! ```

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::code::Code;
use crate::problem::{FieldError, Problem};
use crate::{form, json};

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// It cannot be read: 400, `malformed_json` or `malformed_form`.
    Malformed {
        /// Which of the two.
        code: Code,
        /// What and where, e.g. the line and column.
        detail: String,
    },
    /// It can be read, but a field is missing, of the wrong type, or holds what no text may: 422.
    Field(FieldError),
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Malformed { code, detail } => Self::new(code).detail(detail),
            BodyError::Field(error) => Self::from(error),
        }
    }
}

/// Reads a JSON body.
///
/// # Errors
/// [`BodyError`]; a [`Problem`] can be made of it.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    from_value(json::parse(bytes)?)
}

/// Reads a JSON body that is a list of objects: where somebody else has said so.
///
/// # Errors
/// [`BodyError`]; a [`Problem`] can be made of it.
pub fn json_list<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, BodyError> {
    let Value::Array(items) = json::parse(bytes)? else {
        return Err(BodyError::Field(FieldError::new("", "wrong_type", "must be a list")));
    };
    let read = |(at, item)| {
        from_value(item).map_err(|error| match error {
            BodyError::Field(FieldError { field, code, message }) => {
                let dot = if field.is_empty() { "" } else { "." };
                BodyError::Field(FieldError { field: format!("[{at}]{dot}{field}"), code, message })
            }
            malformed @ BodyError::Malformed { .. } => malformed,
        })
    };
    items.into_iter().enumerate().map(read).collect()
}

/// Reads an `application/x-www-form-urlencoded` body; every field is a string.
///
/// # Errors
/// [`BodyError`]; a [`Problem`] can be made of it.
pub fn form<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    from_value(form::parse(bytes)?)
}

/// Makes a `T` of a value that was parsed strictly: an object, as every body of ours is. (A list would pass for a
/// struct with serde, field by field in the order of declaration.) Unknown fields are ignored (unless `T` refuses them);
/// NUL characters are not allowed anywhere, because one of our databases cannot store them.
///
/// # Errors
/// [`BodyError::Field`]. A type that deserialises by hand must not repeat the value in its error text.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, BodyError> {
    if !value.is_object() {
        return Err(BodyError::Field(FieldError::new("", "wrong_type", "must be an object")));
    }
    let mut path = String::new();
    if has_nul(&value, &mut path) {
        return Err(BodyError::Field(FieldError::new(
            path,
            "nul_character",
            "must not hold a NUL character",
        )));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string().as_str() {
            "." => String::new(),
            path => path.to_owned(),
        };
        BodyError::Field(field_error(path, &error.inner().to_string()))
    })
}

/// Whether a string or key holds NUL; `path` then names the field.
fn has_nul(value: &Value, path: &mut String) -> bool {
    let length = path.len();
    let found = match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().enumerate().any(|(index, item)| {
            path.truncate(length);
            // Writing to a String cannot fail.
            let _ = write!(path, "[{index}]");
            has_nul(item, path)
        }),
        Value::Object(members) => members.iter().any(|(key, member)| {
            path.truncate(length);
            // A key with NUL is not repeated: its parent is named.
            key.contains('\0') || {
                path.push_str(if length == 0 { "" } else { "." });
                path.push_str(key);
                has_nul(member, path)
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    };
    if !found {
        path.truncate(length);
    }
    found
}

/// serde's texts repeat the value that was sent (it may be a password): only what was expected is kept.
fn field_error(parent: String, text: &str) -> FieldError {
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    if let Some(name) = missing {
        let field = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
        return FieldError::new(field, "required", "is required");
    }
    // What we expect is ours and stands last; what came before may be anything.
    match text.rsplit_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid type") => {
            FieldError::new(parent, "wrong_type", format!("must be {}", in_plain_words(expected)))
        }
        Some((_, expected)) => {
            FieldError::new(parent, "invalid_value", format!("must be {}", in_plain_words(expected)))
        }
        None => FieldError::new(parent, "invalid_value", text),
    }
}

fn in_plain_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        expected if expected.starts_with("struct ") => "an object",
        expected => expected,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Body {
        email: String,
        days: Option<u16>,
        #[serde(default)]
        items: Vec<Item>,
        mode: Option<Mode>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        name: String,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        Read,
        Full,
    }

    fn field(body: &str) -> (String, &'static str, String) {
        match json::<Body>(body.as_bytes()) {
            Err(BodyError::Field(error)) => (error.field, error.code, error.message),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_good_body_is_read_and_unknown_fields_are_ignored() {
        let body: Body =
            json(br#"{"email":"a","days":3,"items":[{"name":"x","more":[1]}],"other":{}}"#).expect("good");
        assert_eq!(body.days, Some(3));
        assert_eq!(body.items, [Item { name: "x".into() }]);
        let body: Body = form(b"email=a%40example.com&mode=full&other=1").expect("good");
        assert_eq!((body.email.as_str(), body.mode), ("a@example.com", Some(Mode::Full)));
    }

    #[test]
    fn the_wrong_field_is_named() {
        for (body, name, code, message) in [
            ("{}", "email", "required", "is required"),
            (r#"{"email":null}"#, "email", "wrong_type", "must be a string"),
            (r#"{"email":["a"]}"#, "email", "wrong_type", "must be a string"),
            (r#"{"email":"a","days":"3"}"#, "days", "wrong_type", "must be a whole number of 0 or more"),
            (r#"{"email":"a","days":-1}"#, "days", "invalid_value", "must be a whole number of 0 or more"),
            (r#"{"email":"a","items":{}}"#, "items", "wrong_type", "must be a list"),
            (r#"{"email":"a","items":[{"name":"x"},{}]}"#, "items[1].name", "required", "is required"),
            (r#"{"email":"a","items":[1]}"#, "items[0]", "wrong_type", "must be an object"),
            (r#"{"email":"a","mode":"x"}"#, "mode", "invalid_value", "must be `read` or `full`"),
            (r#""text""#, "", "wrong_type", "must be an object"),
            (r#"["a"]"#, "", "wrong_type", "must be an object"),
            ("null", "", "wrong_type", "must be an object"),
        ] {
            assert_eq!(field(body), (name.to_owned(), code, message.to_owned()), "{body}");
        }
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        for body in [r#"{"email":"a","days":"hunter2, expected mercy"}"#, r#"{"email":"a","mode":"hunter2"}"#]
        {
            let (_, _, message) = field(body);
            assert!(!message.contains("hunter2") && !message.contains("mercy"), "{message}");
        }
    }

    #[test]
    fn nul_is_refused_everywhere() {
        for (body, name) in [
            (r#"{"email":"a\u0000b"}"#, "email"),
            (r#"{"email":"a","items":[{"name":"x"},{"name":"\u0000"}]}"#, "items[1].name"),
            (r#"{"email":"a","ok":{"also":1},"unknown":{"k\u0000":1}}"#, "unknown"),
        ] {
            let (field, code, _) = field(body);
            assert_eq!((field.as_str(), code), (name, "nul_character"), "{body}");
        }
        let Err(BodyError::Field(error)) = form::<Body>(b"email=a%00") else { panic!("NUL in a form") };
        assert_eq!((error.field.as_str(), error.code), ("email", "nul_character"));
    }

    #[test]
    fn both_kinds_become_problems() {
        let problem = Problem::from(json::<Body>(b"{").expect_err("malformed"));
        assert_eq!(problem.code(), Code::MalformedJson);
        let problem = Problem::from(json::<Body>(b"{}").expect_err("a field is missing"));
        assert_eq!((problem.code(), problem.field_errors().len()), (Code::ValidationFailed, 1));
    }
}
