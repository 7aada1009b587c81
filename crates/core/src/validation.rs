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
    let text = bounded(field, text, max)?;
    if text.chars().any(char::is_control) {
        return Err(FieldError::new(field, "control_character", format!("Keep `{field}` on one line.")));
    }
    Ok(text.to_owned())
}

/// Like [`line`], but of as many lines as it likes.
pub fn lines(field: &'static str, text: &str, max: usize) -> Result<String, FieldError> {
    let text = bounded(field, text, max)?;
    if text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)) {
        let message = format!("`{field}` holds a control character.");
        return Err(FieldError::new(field, "control_character", message));
    }
    Ok(text.to_owned())
}

fn bounded<'t>(field: &'static str, text: &'t str, max: usize) -> Result<&'t str, FieldError> {
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
    Ok(text)
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
    fn one_line_and_many() {
        assert_eq!(line("name", "  Ada  ", 5).expect("fits"), "Ada");
        for (text, code) in
            [("", "blank"), (" \t ", "blank"), ("abcdef", "too_long"), ("a\nb", "control_character")]
        {
            assert_eq!(line("name", text, 5).expect_err(text).code, code, "{text:?}");
        }
        assert_eq!(lines("text", " a\r\n\tb ", 5).expect("fits"), "a\r\n\tb");
        for (text, code) in [("\n", "blank"), ("a\nbcdef", "too_long"), ("a\u{7}b", "control_character")] {
            assert_eq!(lines("text", text, 5).expect_err(text).code, code, "{text:?}");
        }
    }
}
