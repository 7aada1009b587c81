//! Whether a text is an access token of ours, for us, now (RFC 9068 section 4, RFC 8725).
//!
//! 1. Form, sizes and header (`jws.rs`, `header.rs`).
//! 2. `typ` is `at+jwt`, so that no other kind of JWT of the same issuer passes.
//! 3. `kid` names a key that the caller trusts; there is no fallback to "try them all".
//! 4. Algorithm and signature.
//! 5. Claims: complete, of the right types, without duplicates (`claims/parse.rs`).
//! 6. Issuer, audience, time.

use crate::{
    AccessClaims, KeySet,
    header::Header,
    jws::{MAX_TOKEN_BYTES, Segments},
};

/// The most leeway that is granted, whatever [`Checks`] says.
pub const MAX_LEEWAY_SECONDS: u32 = 60;

/// What a verifier demands of a token besides a good signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// The issuer, equal to `iss` character by character.
    pub issuer: String,
    /// The audiences the verifier answers to: one of them must stand in `aud`. Empty: nothing is accepted.
    pub audiences: Vec<String>,
    /// How many seconds clocks may differ for `exp` and `nbf`; more than 60 counts as 60. Zero by default.
    pub leeway_seconds: u32,
}

impl Checks {
    /// Checks for one issuer and any of these audiences, without leeway.
    pub fn new<A: Into<String>>(issuer: impl Into<String>, audiences: impl IntoIterator<Item = A>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: audiences.into_iter().map(Into::into).collect(),
            leeway_seconds: 0,
        }
    }

    /// The same checks with leeway for clocks that differ.
    #[must_use]
    pub fn with_leeway(mut self, seconds: u32) -> Self {
        self.leeway_seconds = seconds;
        self
    }

    fn apply(&self, claims: &AccessClaims, now: i64) -> Result<(), VerifyError> {
        self.apply_names(claims)?;
        let leeway = i64::from(self.leeway_seconds.min(MAX_LEEWAY_SECONDS));
        if now >= claims.exp.saturating_add(leeway) {
            return Err(VerifyError::Expired);
        }
        if now < claims.nbf.saturating_sub(leeway) {
            return Err(VerifyError::NotYetValid);
        }
        Ok(())
    }

    fn apply_names(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        if claims.iss != self.issuer {
            return Err(VerifyError::Issuer);
        }
        if !claims.aud.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(VerifyError::Audience);
        }
        Ok(())
    }
}

/// Why a token is refused. For the log: a caller is told no more than "invalid token".
///
/// No variant holds text of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is over 64 KiB or its header over 8 KiB.
    #[error("the token is too large")]
    TooLarge,
    /// Not a compact JWS, or not strict in its encoding or JSON; also `crit`, `b64` and a missing `kid`.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// `typ` is missing or not `at+jwt`.
    #[error("the token is not an access token: its typ is not at+jwt")]
    Type,
    /// No trusted key has this `kid`.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// `alg` is missing or not the algorithm of the key; so always for `none`.
    #[error("the token's algorithm is not the one of its key")]
    Algorithm,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// The claim of this name is missing, empty or of the wrong type.
    #[error("the claim {0} is missing or malformed")]
    Claim(&'static str),
    /// `iss` is another issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// `aud` names none of the audiences.
    #[error("the token is for another audience")]
    Audience,
    /// `exp` is not in the future.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
}

/// Verifies an access token at `now_unix_seconds` and answers its claims.
///
/// The token is expired from the second `exp` names on, and valid from the second `nbf` names on. `iat` must
/// be a time stamp and decides nothing.
pub fn verify(
    token: &str,
    keys: &KeySet,
    checks: &Checks,
    now_unix_seconds: i64,
) -> Result<AccessClaims, VerifyError> {
    let claims = authentic(token, keys)?;
    checks.apply(&claims, now_unix_seconds)?;
    Ok(claims)
}

/// Like [`verify`], but whatever the time: to sign out with a token that has expired. Grants nothing.
pub fn verify_at_any_time(token: &str, keys: &KeySet, checks: &Checks) -> Result<AccessClaims, VerifyError> {
    let claims = authentic(token, keys)?;
    checks.apply_names(&claims)?;
    Ok(claims)
}

/// Steps 1 to 5.
fn authentic(token: &str, keys: &KeySet) -> Result<AccessClaims, VerifyError> {
    let segments = Segments::split(token)?;
    // One buffer serves header and payload; a payload is never longer than its token.
    let mut buffer = Vec::with_capacity(token.len().min(MAX_TOKEN_BYTES));
    segments.decode_header(&mut buffer)?;
    let header = Header::parse(&buffer)?;
    if !header.is_access_token() {
        return Err(VerifyError::Type);
    }
    let kid = header.kid().ok_or(VerifyError::Malformed("header has no kid"))?;
    let key = keys.get(kid).ok_or(VerifyError::UnknownKey)?;
    segments.check_signature(&header, key)?;
    segments.decode_payload(&mut buffer)?;
    AccessClaims::parse(&buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: "i".into(),
            aud: vec!["a".into(), "b".into()],
            nbf: 100,
            exp: 200,
            ..AccessClaims::default()
        }
    }

    #[test]
    fn the_times_at_their_edges() {
        let strict = Checks::new("i", ["a"]);
        let lenient = strict.clone().with_leeway(10);
        let capped = strict.clone().with_leeway(u32::MAX);
        for (checks, now, expected) in [
            (&strict, 99, Err(VerifyError::NotYetValid)),
            (&strict, 100, Ok(())),
            (&strict, 199, Ok(())),
            (&strict, 200, Err(VerifyError::Expired)),
            (&lenient, 89, Err(VerifyError::NotYetValid)),
            (&lenient, 90, Ok(())),
            (&lenient, 209, Ok(())),
            (&lenient, 210, Err(VerifyError::Expired)),
            (&capped, 259, Ok(())),
            (&capped, 260, Err(VerifyError::Expired)),
            (&capped, i64::MAX, Err(VerifyError::Expired)),
            (&capped, i64::MIN, Err(VerifyError::NotYetValid)),
        ] {
            assert_eq!(checks.apply(&claims(), now), expected, "{} at {now}", checks.leeway_seconds);
        }
    }

    #[test]
    fn issuer_is_exact_and_one_audience_is_enough() {
        for (issuer, audiences, expected) in [
            ("i", &["b", "z"][..], Ok(())),
            ("i", &["z"], Err(VerifyError::Audience)),
            ("i", &[], Err(VerifyError::Audience)),
            ("i/", &["a"], Err(VerifyError::Issuer)),
            ("I", &["a"], Err(VerifyError::Issuer)),
            ("", &["a"], Err(VerifyError::Issuer)),
        ] {
            let checks = Checks::new(issuer, audiences.iter().copied());
            assert_eq!(checks.apply(&claims(), 150), expected, "{issuer:?} {audiences:?}");
        }
    }
}
