//! Secret keys and the PEM of a private key: their written forms.
//!
//! No message here holds any part of what was read.

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::error::Problem;

/// The bytes of a secret key, at least 32; shown by nothing.
pub type SecretKey = SecretSlice<u8>;

const SHORTEST: usize = 32;
const GENERATE: &str = "make one with: openssl rand -base64 32";

/// Reads a secret key: `base64:…` (either alphabet, padding optional), `hex:…`, or any other text,
/// whose own bytes are the key.
pub fn parse_secret_key(text: &str) -> Result<SecretKey, Problem> {
    let bytes = if let Some(digits) = text.strip_prefix("base64:") {
        base64(digits).ok_or_else(|| Problem::new("is not base64 after base64:", GENERATE))?
    } else if let Some(digits) = text.strip_prefix("hex:") {
        hex(digits).ok_or_else(|| Problem::new("is not hexadecimal after hex:", GENERATE))?
    } else {
        text.as_bytes().to_vec()
    };
    let key = SecretKey::from(bytes);
    match key.expose_secret().len() {
        SHORTEST.. => Ok(key),
        len => Err(Problem::new(format!("holds {len} bytes of at least {SHORTEST}"), GENERATE)),
    }
}

/// Strict RFC 4648 sections 4 and 5: no white space, and the bits left over are zero.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    let padded = digits.len() != text.len();
    if digits.len() % 4 == 1 || (padded && !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

/// The value of `X-Portcullis-Forward`: it travels in a header.
pub(super) fn forward_secret(text: &str) -> Result<SecretString, Problem> {
    if text.len() >= 16 && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.into());
    }
    Err(Problem::new("is not at least 16 visible ASCII characters", GENERATE))
}

/// What people are told by word of mouth; wrong ones are counted.
pub(super) fn access_code(text: &str) -> Result<SecretString, Problem> {
    if (6..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.into());
    }
    Err(Problem::new("is not 6 to 200 characters in one line", "choose a longer one"))
}

/// An unencrypted private key in PEM. A `\n` written as two characters is a line's end, since many
/// ways to set an environment variable know no other.
pub(super) fn private_key_pem(text: &str) -> Result<SecretString, Problem> {
    const CONVERT: &str = "write it with: openssl pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem";
    let text = text.trim();
    let fault = match () {
        () if !text.starts_with("-----BEGIN ") => "is not PEM",
        () if text.contains("ENCRYPTED") => "is encrypted",
        () if !text.contains("PRIVATE KEY-----") => "is not a private key",
        () => return Ok(text.replace("\\n", "\n").into()),
    };
    Err(Problem::new(fault, CONVERT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<Vec<u8>, String> {
        parse_secret_key(text).map(|key| key.expose_secret().to_vec()).map_err(|problem| problem.problem)
    }

    #[test]
    fn three_forms_of_the_same_key() {
        let bytes: Vec<u8> = (224..=255).chain(*b"z").collect();
        assert_eq!(
            key("hex:e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeFF7a"),
            Ok(bytes.clone())
        );
        assert_eq!(key("base64:4OHi4+Tl5ufo6err7O3u7/Dx8vP09fb3+Pn6+/z9/v96"), Ok(bytes.clone()));
        assert_eq!(key("base64:4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9_v96"), Ok(bytes));
        let text = "thirty-two characters of a text!";
        assert_eq!(key(text), Ok(text.as_bytes().to_vec()));
    }

    #[test]
    fn rfc_4648_section_10() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("Zm9vYg", "foob"),
        ] {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in
            ["Z", "Zm9vY", "Zg=", "Zm8==", "Zm9v=", "Zg==Zg==", "Zm 9v", "Zh==", "Zm9=", "Zm9v\n", "===="]
        {
            assert_eq!(base64(text), None, "{text}");
        }
    }

    #[test]
    fn short_and_broken_keys_are_told_without_themselves() {
        assert_eq!(key("sesame"), Err("holds 6 bytes of at least 32".to_owned()));
        assert_eq!(key("base64:c2VzYW1l"), Err("holds 6 bytes of at least 32".to_owned()));
        assert_eq!(key("base64:sesame!"), Err("is not base64 after base64:".to_owned()));
        assert_eq!(key("hex:abc"), Err("is not hexadecimal after hex:".to_owned()));
        assert_eq!(key("hex:sesame"), Err("is not hexadecimal after hex:".to_owned()));
    }

    #[test]
    fn pem() {
        let good = "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n";
        let pem = private_key_pem(good).expect("a key");
        assert_eq!(pem.expose_secret(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        for (text, problem) in [
            ("AAAA", "is not PEM"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "is encrypted"),
            ("-----BEGIN PUBLIC KEY-----", "is not a private key"),
        ] {
            assert_eq!(private_key_pem(text).expect_err(text).problem, problem);
        }
    }

    #[test]
    fn forward_secrets_fit_a_header() {
        assert!(forward_secret("0123456789abcdef").is_ok());
        for text in ["short", "0123456789abcde f", "0123456789abcdé"] {
            assert!(forward_secret(text).is_err(), "{text}");
        }
    }
}
