//! `NumericDate` (RFC 7519 section 2): seconds since 1970-01-01T00:00:00Z, as a JSON number.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// 9999-12-31T23:59:59Z. What lies beyond is a fault of the sender (milliseconds, most often) and would
/// make a token that never ends.
const MAX: i64 = 253_402_300_799;

/// A time stamp between 1970 and 9999. A fraction is allowed by the RFC and is cut off, which makes `exp`
/// earlier; strings, booleans, negative numbers and anything else are refused.
pub(crate) struct NumericDate(pub(crate) i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumericDateVisitor)
    }
}

struct NumericDateVisitor;

impl Visitor<'_> for NumericDateVisitor {
    type Value = NumericDate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds between 1970 and 9999")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<NumericDate, E> {
        match i64::try_from(seconds) {
            Ok(seconds) if seconds <= MAX => Ok(NumericDate(seconds)),
            _ => Err(E::custom("time stamp out of range")),
        }
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<NumericDate, E> {
        // -0.0 is zero; NaN is in no range.
        if (0.0..=MAX as f64).contains(&seconds) {
            Ok(NumericDate(seconds as i64))
        } else {
            Err(E::custom("time stamp out of range"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_in_range() {
        for (json, seconds) in [
            ("0", Some(0)),
            ("1767225600", Some(1_767_225_600)),
            ("1767225600.9", Some(1_767_225_600)),
            ("1.7672256e9", Some(1_767_225_600)),
            ("253402300799", Some(MAX)),
            ("253402300800", None),
            ("1767225600000", None),
            ("18446744073709551615", None),
            ("1e308", None),
            ("1e400", None),
            ("-1", None),
            ("-0.5", None),
            ("\"1767225600\"", None),
            ("true", None),
            ("null", None),
            ("[1]", None),
            ("{}", None),
        ] {
            let read = serde_json::from_str::<NumericDate>(json).ok().map(|date| date.0);
            assert_eq!(read, seconds, "{json}");
        }
    }
}
