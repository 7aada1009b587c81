//! Whether an ID token is from this issuer, for us, for this flow, now (OpenID Connect Core §3.1.3.7). Its signature has
//! been checked before.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::time::Timestamp;
use portcullis_jose::{Algorithm, SignedClaims};
use serde_json::{Map, Value};

use super::ProviderFault;
use super::issuer::Issuer;

/// How far the provider's clock may be off, in seconds.
const LEEWAY: i64 = 60;
/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

type Claims = Map<String, Value>;

/// What an ID token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a Issuer,
    /// What `iss` said on the way back (RFC 9207).
    pub(super) came_from: Option<&'a str>,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// That came with it.
    pub(super) access_token: Option<&'a str>,
}

/// What it says of a person and their sign-in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) subject: String,
    pub(super) auth_time: Option<Timestamp>,
}

/// Checks every claim that must be checked.
pub(super) fn check(
    signed: &SignedClaims,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Subject, ProviderFault> {
    judge(signed, expected, now.seconds()).map_err(ProviderFault::Refused)
}

fn judge(signed: &SignedClaims, expected: &Expected<'_>, now: i64) -> Result<Subject, &'static str> {
    let claims = &signed.claims;
    let iss = text(claims, "iss").ok_or("the identity token has no issuer")?;
    if !expected.issuer.issued(iss, claims) {
        return Err("the identity token is from another issuer");
    }
    if expected.came_from.is_some_and(|from| from != iss) {
        return Err("the answer and its identity token are from two issuers");
    }
    check_audience(claims, expected.client_id)?;
    let at = |name| time(claims, name);
    let exp = at("exp")?.ok_or("the identity token never expires")?;
    if now >= exp.saturating_add(LEEWAY) {
        return Err("the identity token has expired");
    }
    let iat = at("iat")?.ok_or("the identity token does not say when it was made")?;
    if iat.max(at("nbf")?.unwrap_or(iat)) > now.saturating_add(LEEWAY) {
        return Err("the identity token is from the future");
    }
    if text(claims, "nonce") != Some(expected.nonce) {
        return Err("the identity token is not of this sign-in: its nonce is another");
    }
    check_access_token(signed, expected.access_token)?;
    Ok(Subject {
        subject: subject(claims).ok_or("the identity token names nobody")?.to_owned(),
        auth_time: at("auth_time")?.map(Timestamp::from_seconds),
    })
}

/// Steps 3 to 5. We trust no other audience, so a token for several must be made out to us.
fn check_audience(claims: &Claims, client_id: &str) -> Result<(), &'static str> {
    let several = match claims.get("aud") {
        Some(Value::String(one)) if one == client_id => false,
        Some(Value::Array(all)) if all.iter().any(|one| one == client_id) => all.len() > 1,
        _ => return Err("the identity token is for somebody else"),
    };
    match claims.get("azp") {
        None if several => Err("the identity token is for several, and does not say to whom it was given"),
        Some(party) if party != client_id => Err("the identity token was given to somebody else"),
        None | Some(_) => Ok(()),
    }
}

/// §3.1.3.6 and §3.1.3.8: left half of the hash that the signature uses (for Ed25519 that is SHA-512).
fn check_access_token(signed: &SignedClaims, access_token: Option<&str>) -> Result<(), &'static str> {
    let (Some(said), Some(token)) = (signed.claims.get("at_hash"), access_token) else { return Ok(()) };
    let hash = match signed.algorithm {
        Algorithm::EdDsa => digest(&SHA512, token.as_bytes()),
        Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Hs256 => digest(&SHA256, token.as_bytes()),
    };
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    if *said == URL_SAFE_NO_PAD.encode(left) {
        Ok(())
    } else {
        Err("the identity token and the access token do not belong together")
    }
}

/// A claim that is text.
pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// At most 255 ASCII characters (§2).
pub(super) fn subject(claims: &Claims) -> Option<&str> {
    text(claims, "sub").filter(|sub| is_subject(sub))
}

/// Whether it can be an id of somebody.
pub(super) fn is_subject(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b)) && text.trim() == text
}

fn time(claims: &Claims, name: &str) -> Result<Option<i64>, &'static str> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = || value.as_f64().filter(|seconds| (0.0..=LAST as f64).contains(seconds));
    let seconds = value.as_i64().or_else(|| whole().map(|seconds| seconds as i64));
    let known = seconds.filter(|seconds| (0..=LAST).contains(seconds));
    known.map(Some).ok_or("the identity token has a time that is none")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": "us", "sub": "7", "nonce": "n", "iat": NOW, "exp": NOW + 300,
        })
    }

    fn judged(claims: Value, algorithm: Algorithm) -> Result<Subject, &'static str> {
        let Value::Object(claims) = claims else { panic!("an object") };
        let expected = Expected {
            issuer: &Issuer::Exactly("https://id.example".into()),
            came_from: None,
            client_id: "us",
            nonce: "n",
            access_token: Some("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
        };
        judge(&SignedClaims { claims, algorithm }, &expected, NOW)
    }

    fn with(changes: &Value) -> Result<Subject, &'static str> {
        let mut all = claims();
        for (name, value) in changes.as_object().expect("an object") {
            match value {
                Value::Null => drop(all.as_object_mut().expect("an object").remove(name)),
                value => all[name] = value.clone(),
            }
        }
        judged(all, Algorithm::Rs256)
    }

    #[test]
    fn what_is_good() {
        for changes in [
            json!({}),
            json!({"aud": ["us"]}),
            json!({"aud": ["us", "others"], "azp": "us"}),
            json!({"azp": "us"}),
            json!({"exp": NOW - 59}),
            json!({"iat": NOW + 60}),
            json!({"nbf": NOW + 60}),
            json!({"exp": 1_800_000_300.5}),
            // OpenID Connect Core, appendix A.3 and A.4.
            json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}),
            json!({"sub": "x".repeat(255)}),
        ] {
            assert!(with(&changes).is_ok(), "{changes}: {:?}", with(&changes));
        }
        let when = with(&json!({"auth_time": NOW - 5})).expect("good");
        assert_eq!(when.auth_time, Some(Timestamp::from_seconds(NOW - 5)));
    }

    #[test]
    fn what_is_refused() {
        for (changes, what) in [
            (json!({"iss": null}), "no issuer"),
            (json!({"iss": "https://id.example/"}), "another issuer"),
            (json!({"iss": ["https://id.example"]}), "no issuer"),
            (json!({"aud": null}), "for somebody else"),
            (json!({"aud": "others"}), "for somebody else"),
            (json!({"aud": []}), "for somebody else"),
            (json!({"aud": ["others"]}), "for somebody else"),
            (json!({"aud": "us us"}), "for somebody else"),
            (json!({"aud": {"us": "us"}}), "for somebody else"),
            (json!({"aud": ["us", "others"]}), "for several"),
            (json!({"aud": ["us", "others"], "azp": "others"}), "given to somebody else"),
            (json!({"azp": "others"}), "given to somebody else"),
            (json!({"azp": ["us"]}), "given to somebody else"),
            (json!({"exp": null}), "never expires"),
            (json!({"exp": NOW - 60}), "expired"),
            (json!({"exp": "1900000000"}), "a time that is none"),
            (json!({"exp": 1e300}), "a time that is none"),
            (json!({"exp": -1}), "a time that is none"),
            (json!({"iat": null}), "when it was made"),
            (json!({"iat": NOW + 61}), "future"),
            (json!({"nbf": NOW + 61}), "future"),
            (json!({"nbf": true}), "a time that is none"),
            (json!({"auth_time": "now"}), "a time that is none"),
            (json!({"nonce": null}), "nonce"),
            (json!({"nonce": "N"}), "nonce"),
            (json!({"nonce": ["n"]}), "nonce"),
            (json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RR"}), "belong together"),
            (json!({"at_hash": 7}), "belong together"),
            (json!({"sub": null}), "names nobody"),
            (json!({"sub": ""}), "names nobody"),
            (json!({"sub": 7}), "names nobody"),
            (json!({"sub": "x".repeat(256)}), "names nobody"),
            (json!({"sub": "ä"}), "names nobody"),
            (json!({"sub": "a\nb"}), "names nobody"),
        ] {
            let fault = with(&changes).expect_err(&changes.to_string());
            assert!(fault.contains(what), "{changes}: {fault}");
        }
    }

    #[test]
    fn the_hash_is_of_the_signature() {
        let mut all = claims();
        all["at_hash"] = json!("77QmUPtjPfzWtF2AnpK9RQ");
        assert!(judged(all.clone(), Algorithm::Es256).is_ok());
        assert!(judged(all, Algorithm::EdDsa).is_err());
    }

    #[test]
    fn the_answer_and_its_token_are_of_one_issuer() {
        let Value::Object(claims) = claims() else { panic!("an object") };
        let signed = SignedClaims { claims, algorithm: Algorithm::Es256 };
        let issuer = Issuer::Exactly("https://id.example".into());
        for (came_from, good) in
            [(None, true), (Some("https://id.example"), true), (Some("https://other"), false)]
        {
            let expected =
                Expected { issuer: &issuer, came_from, client_id: "us", nonce: "n", access_token: None };
            assert_eq!(judge(&signed, &expected, NOW).is_ok(), good, "{came_from:?}");
        }
    }
}
