//! Scopes (RFC 6749 §3.3): words that narrow what a token may do. Their meaning is the resource server's; ours
//! begin with a noun, as in `users:write`.

use std::collections::BTreeSet;
use std::fmt;

use crate::validation::FieldError;

/// Most scopes of one token, and the longest of them.
const MOST: usize = 50;
const LONGEST: usize = 100;

/// A set of scopes. Absent (`Option::None` around it) means unrestricted; the empty set allows nothing that
/// needs a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// From a list, as in JSON.
    pub fn parse_list<S: AsRef<str>>(field: &'static str, words: &[S]) -> Result<Self, FieldError> {
        if words.len() > MOST {
            let message = format!("Give at most {MOST} scopes.");
            return Err(FieldError::new(field, "too_many", message));
        }
        let words = words.iter().map(|word| checked(field, word.as_ref()));
        words.collect::<Result<_, _>>().map(Self)
    }

    /// From text in which they are separated by single blanks (RFC 6749 §3.3).
    pub fn parse(field: &'static str, text: &str) -> Result<Self, FieldError> {
        let words: Vec<&str> = if text.is_empty() { Vec::new() } else { text.split(' ').collect() };
        Self::parse_list(field, &words)
    }

    /// From a stored row or a token of ours, without checks.
    pub fn from_stored(text: &str) -> Self {
        Self(text.split_ascii_whitespace().map(str::to_owned).collect())
    }

    /// Whether all of them are among `others`.
    pub fn is_within(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As `scope` says them: separated by blanks.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

fn checked(field: &'static str, word: &str) -> Result<String, FieldError> {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if word.is_empty() || word.len() > LONGEST || !word.bytes().all(allowed) {
        let message = format!(
            "A scope has 1 to {LONGEST} printable ASCII characters without blank, quotation mark and backslash."
        );
        return Err(FieldError::new(field, "invalid", message));
    }
    Ok(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways_and_says_each_once() {
        let scopes = Scopes::parse("scopes", "b a b").expect("valid");
        assert_eq!(scopes.to_string(), "a b");
        assert_eq!(Scopes::from_stored("a b"), scopes);
        assert!(Scopes::parse("scopes", "").expect("none").is_empty());
    }

    #[test]
    fn wrong_ones() {
        for text in ["a  b", " a", "a\"b", "a\\b", "ä", "a\u{0}", &"a".repeat(101)] {
            assert!(Scopes::parse("scopes", text).is_err(), "{text:?}");
        }
        assert!(Scopes::parse_list("scopes", &vec!["a"; 51]).is_err());
        assert!(Scopes::parse_list("scopes", &["a b"]).is_err());
    }

    #[test]
    fn within() {
        let [none, one, two] = ["", "a", "a b"].map(|text| Scopes::parse("scopes", text).expect("valid"));
        assert!(none.is_within(&one) && one.is_within(&two) && !two.is_within(&one));
    }
}
