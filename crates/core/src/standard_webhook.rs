//! Signatures of messages that we send to others, after Standard Webhooks (standardwebhooks.com, 1.0): whoever gets
//! one knows who sent it, and when, and that it is whole.
//!
//! `webhook-signature: v1,<base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>">`, several with blanks between while
//! secrets are changed.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::time::Timestamp;

/// Names a message; the same however often it is sent.
pub const ID: &str = "webhook-id";
/// When it was sent, in seconds.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// By whom.
pub const SIGNATURE: &str = "webhook-signature";
/// What every secret starts with.
pub const PREFIX: &str = "whsec_";

/// How old a message may be, and how far in the future, for [`check`].
const TOLERANCE: Duration = Duration::from_mins(5);

/// A text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a webhook secret is {PREFIX} and base64 of 24 to 64 bytes")]
pub struct BadSecret;

/// What sender and receiver share.
#[derive(Clone)]
pub struct WebhookSecret(hmac::Key);

impl WebhookSecret {
    /// Reads `whsec_…`.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(BadSecret)?.trim_end_matches('=');
        let bytes = Zeroizing::new(STANDARD_NO_PAD.decode(encoded).map_err(|_| BadSecret)?);
        if !(24..=64).contains(&bytes.len()) {
            return Err(BadSecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn signed(&self, id: &str, timestamp: i64, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        context.sign()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

/// The three headers of a message, sent `now`. An id holds no dot.
pub fn headers(
    id: &str,
    now: Timestamp,
    body: &[u8],
    secrets: &[WebhookSecret],
) -> [(&'static str, String); 3] {
    let timestamp = now.seconds();
    let one = |secret: &WebhookSecret| {
        format!("v1,{}", STANDARD.encode(secret.signed(id, timestamp, body).as_ref()))
    };
    let signatures: Vec<String> = secrets.iter().map(one).collect();
    [(ID, id.to_owned()), (TIMESTAMP, timestamp.to_string()), (SIGNATURE, signatures.join(" "))]
}

/// Whether a message that came with these headers is from somebody who knows `secret`, and is no old one.
pub fn check(
    [id, timestamp, signatures]: [&str; 3],
    now: Timestamp,
    body: &[u8],
    secret: &WebhookSecret,
) -> bool {
    let Ok(sent) = timestamp.parse::<i64>() else { return false };
    let at = Timestamp::from_seconds(sent);
    if now.since(at) > TOLERANCE || at.since(now) > TOLERANCE {
        return false;
    }
    let message = [format!("{id}.{sent}.").as_bytes(), body].concat();
    let mut all = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    all.any(|tag| hmac::verify(&secret.0, &message, &tag).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const AT: i64 = 1_614_265_330;

    fn secret() -> WebhookSecret {
        WebhookSecret::parse(SECRET).expect("a secret")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn the_known_vector() {
        let made = headers(MESSAGE, at(AT), BODY, &[secret()]);
        assert_eq!(made.clone().map(|(name, _)| name), [ID, TIMESTAMP, SIGNATURE]);
        assert_eq!(made.map(|(_, value)| value), [MESSAGE.to_owned(), AT.to_string(), SIGNED.to_owned()]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let right = [MESSAGE, "1614265330", SIGNED];
        assert!(check(right, at(AT + 300), BODY, &secret()));
        let other = WebhookSecret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("a secret");
        assert!(!check(right, at(AT), BODY, &other));
        assert!(!check(right, at(AT), b"{}", &secret()));
        assert!(!check(right, at(AT + 301), BODY, &secret()) && !check(right, at(AT - 301), BODY, &secret()));
        for wrong in [
            ["other", right[1], right[2]],
            [right[0], "1614265331", right[2]],
            [right[0], "x", right[2]],
            [right[0], right[1], ""],
            [right[0], right[1], "v1,AAAA"],
            [right[0], right[1], &SIGNED[3..]],
        ] {
            assert!(!check(wrong, at(AT), BODY, &secret()), "{wrong:?}");
        }
    }

    #[test]
    fn while_secrets_change_either_is_good() {
        let new = WebhookSecret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("a secret");
        let [_, _, (_, both)] = headers(MESSAGE, at(AT), BODY, &[new.clone(), secret()]);
        for one in [new, secret()] {
            assert!(check([MESSAGE, "1614265330", &both], at(AT), BODY, &one));
        }
    }

    #[test]
    fn secrets() {
        assert_eq!(format!("{:?}", secret()), "WebhookSecret");
        for wrong in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_AAAA",
            "whsec_!fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert!(WebhookSecret::parse(wrong).is_err(), "{wrong}");
        }
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        assert!(WebhookSecret::parse(&long).is_err());
        assert!(WebhookSecret::parse(&format!("whsec_{}", STANDARD.encode([1; 64]))).is_ok());
    }
}
