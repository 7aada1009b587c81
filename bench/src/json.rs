//! As much JSON as the generator needs: one text field of an answer of ours, found by scanning.

/// The text of the first field `name` of a compact JSON document, without unescaping.
pub(crate) fn text<'a>(body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let name = name.as_bytes();
    let mut from = 0;
    while let Some(at) = body[from..].iter().position(|byte| *byte == b'"') {
        let start = from + at + 1;
        let rest = body.get(start..)?;
        if let Some(value) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"\":\"")) {
            return Some(&value[..value.iter().position(|byte| *byte == b'"')?]);
        }
        // Past the closing quote of this text, so that nothing is searched twice.
        from = start + rest.iter().position(|byte| *byte == b'"')? + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn finds_a_field_among_others() {
        let body = br#"{"a":1,"refresh_token_x":"no","user":{"b":"c"},"refresh_token":"pcr_1","z":null}"#;
        assert_eq!(text(body, "refresh_token"), Some(&b"pcr_1"[..]));
        assert_eq!(text(body, "b"), Some(&b"c"[..]));
        assert_eq!(text(body, "z"), None);
        assert_eq!(text(body, "gone"), None);
        assert_eq!(text(b"{\"a\":\"cut", "a"), None);
        assert_eq!(text(b"", "a"), None);
    }
}
