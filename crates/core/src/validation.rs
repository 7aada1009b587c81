//! What is wrong with a field of a request.

use serde::Serialize;

/// One field of a request is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Name of the field.
    pub field: &'static str,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people: what is wrong and how to mend it.
    pub message: String,
}

impl FieldError {
    /// A field error.
    pub fn new(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { field, code, message: message.into() }
    }
}

/// `text` without surrounding white space, if it has 1 to `max` characters and no control characters.
pub fn line(field: &'static str, text: &str, max: usize) -> Result<String, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(FieldError::new(field, "blank", format!("Give `{field}` at least one character.")));
    }
    if text.chars().count() > max {
        return Err(FieldError::new(
            field,
            "too_long",
            format!("Shorten `{field}` to at most {max} characters."),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(FieldError::new(field, "control_character", format!("Keep `{field}` on one line.")));
    }
    Ok(text.to_owned())
}

/// Like [`line`], but only of characters for which `allowed` holds.
pub fn word(
    field: &'static str,
    text: &str,
    max: usize,
    allowed: fn(char) -> bool,
) -> Result<String, FieldError> {
    let text = line(field, text, max)?;
    if text.chars().all(allowed) {
        Ok(text)
    } else {
        Err(FieldError::new(field, "invalid", format!("`{field}` holds a character that it may not.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(line("name", "  Ada  ", 5).expect("fits"), "Ada");
        for (text, code) in
            [("", "blank"), (" \t ", "blank"), ("abcdef", "too_long"), ("a\nb", "control_character")]
        {
            assert_eq!(line("name", text, 5).expect_err(text).code, code, "{text:?}");
        }
    }
}
