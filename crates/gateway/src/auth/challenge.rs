//! A sign-in that owes a second factor belongs to the browser that began it: the issuer's challenge, which is a secret,
//! stays in a sealed cookie, and the browser's page gets its name alone.

use std::fmt::Write as _;

use http::HeaderValue;
use http::StatusCode;
use portcullis_core::secret_token::SecretDigest;
use portcullis_edge::{Code, Problem};
use serde_json::{Map, Value, json};

use super::Asked;
use crate::gateway::Inner;
use crate::issuer::Told;
use crate::paths;

/// By what a page names the challenge.
fn name_of(secret: &str) -> String {
    SecretDigest::of(secret).0.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Puts the secret in the place of its name, wherever the issuer asks for it. What this browser did not begin is no
/// challenge.
pub(super) fn restore(asked: &Asked, fields: &mut Map<String, Value>) -> Result<(), Problem> {
    let named = fields.get("challenge").filter(|named| !named.is_null());
    let secret = asked.brought.challenge.as_deref();
    let secret = secret.filter(|secret| named == Some(&json!(name_of(secret))));
    match asked.path() {
        paths::FACTOR => {
            // A method is asked for before the form of the challenge is looked at.
            fields.insert("challenge".into(), json!(secret.unwrap_or("not of this browser")));
            fields.insert("delivery".into(), json!("body"));
        }
        // The issuer takes what is no secret for a name, which belongs to a cookie that only we have. Without any it
        // asks for the passkeys of whoever comes.
        paths::PASSKEY_START if named.is_some() => {
            fields.insert("challenge".into(), json!(secret.ok_or(Code::InvalidChallenge)?));
        }
        _ => {}
    }
    Ok(())
}

impl Inner {
    /// Takes the secret out of the issuer's answer, and puts its name there. The `Set-Cookie` line that keeps or forgets
    /// it, if there is one.
    pub(super) fn keep_challenge(
        &self,
        asked: &Asked,
        told: &mut Told,
    ) -> Result<Option<HeaderValue>, Problem> {
        if asked.path() == paths::FACTOR && told.status.is_success() {
            return Ok(asked.brought.challenge.as_ref().map(|_| self.jar.clear_challenge()));
        }
        if told.status != StatusCode::FORBIDDEN {
            return Ok(None);
        }
        let Ok(mut problem) = serde_json::from_slice::<Value>(&told.body) else { return Ok(None) };
        let Some(secret) = problem["challenge"].as_str().map(str::to_owned) else { return Ok(None) };
        problem["challenge"] = name_of(&secret).into();
        told.body = problem.to_string().into();
        let line = self.jar.challenge_line(&secret).ok_or(Code::InternalError)?;
        Ok(Some(line))
    }
}
