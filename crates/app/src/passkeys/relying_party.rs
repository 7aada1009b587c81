//! WebAuthn itself (W3C Level 3, sections 7.1 and 7.2), by way of a library that nothing else here names. What is asked of
//! browsers and what their answers come to goes in and out as JSON, and so does what the store keeps of both.
//!
//! The library draws the challenges by itself, and knows no time: that an answer comes in time, and once, is for the
//! store to see to.

use std::fmt;

use portcullis_core::user::User;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    CreationChallengeResponse, DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, RequestChallengeResponse, Url, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::fault::Fault;

/// Us, as passkeys know us.
#[derive(Clone)]
pub struct RelyingParty(Webauthn);

/// Why we cannot be known so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRelyingParty {
    /// That is no URL of a page.
    Origin,
    /// That page's host is not within the id.
    Elsewhere,
}

/// What a browser is asked, and what its answer will be held against.
pub(super) struct Asked {
    /// For `PublicKeyCredential.parse…OptionsFromJSON`.
    pub(super) options: Value,
    /// For the store alone.
    pub(super) state: String,
}

/// A passkey that somebody has just made.
pub(super) struct Registered {
    pub(super) credential_id: Vec<u8>,
    /// For the store alone.
    pub(super) credential: String,
    pub(super) sign_count: i64,
    pub(super) backed_up: bool,
    /// It may leave the device that made it: software has it, not hardware.
    pub(super) is_synced: bool,
}

/// What a browser answers for a passkey that was made earlier.
pub(super) struct Answer(PublicKeyCredential);

/// A passkey that was shown.
pub(super) struct Shown {
    /// As it is to be kept now.
    pub(super) credential: String,
    pub(super) sign_count: i64,
    pub(super) backed_up: bool,
    /// It may leave the device that made it: software has it, not hardware.
    pub(super) is_synced: bool,
}

/// Why an answer is not accepted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not of the form that browsers answer in.
    Unreadable,
    /// Its counter has not gone up: there may be a copy of the passkey.
    Copied,
    /// Why, in words that tell no secret and of which there are few.
    Wrong(&'static str),
    /// What is stored cannot be read.
    Fault(Fault),
}

/// What of a passkey's JSON is told elsewhere, too.
#[derive(Deserialize)]
struct Facts {
    cred: CredentialFacts,
}

#[derive(Deserialize)]
struct CredentialFacts {
    counter: u32,
    backup_state: bool,
    backup_eligible: bool,
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelyingParty").field(&self.0.get_allowed_origins()).finish()
    }
}

impl From<WebauthnError> for Refusal {
    fn from(error: WebauthnError) -> Self {
        use WebauthnError as E;
        Self::Wrong(match error {
            E::CredentialPossibleCompromise => return Self::Copied,
            E::InvalidClientDataType => "for something else",
            E::MismatchedChallenge => "another challenge",
            E::InvalidRPOrigin | E::CredentialCrossOrigin => "another origin",
            E::InvalidRPIDHash => "another relying party",
            E::UserNotPresent | E::UserNotVerified => "user not verified",
            E::AuthenticationFailure | E::SignatureInvalid => "wrong signature",
            E::CredentialBackupEligibilityInconsistent | E::CredentialMayNotBeHardwareBound => {
                "its backup contradicts itself"
            }
            E::CredentialAlteredAlgFromRequest | E::CredentialExcludedFromRequest => {
                "not one that was asked for"
            }
            _ => "malformed",
        })
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(value).map_err(|error| Fault::Internal(format!("WebAuthn: {error}")))
}

fn stored<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Refusal> {
    let read = serde_json::from_str(text);
    read.map_err(|error| Refusal::Fault(Fault::Internal(format!("a stored passkey or ceremony: {error}"))))
}

impl RelyingParty {
    /// Known as `id`, a domain name, to pages of `origins`, which are all of hosts within it. `name` is shown to people.
    ///
    /// # Errors
    /// An origin that is none, or of another host.
    pub fn new(id: &str, name: &str, origins: &[String]) -> Result<Self, BadRelyingParty> {
        let parsed: Result<Vec<_>, _> = origins.iter().map(|origin| Url::parse(origin)).collect();
        let parsed = parsed.map_err(|_| BadRelyingParty::Origin)?;
        let mut builder: Option<WebauthnBuilder<'_>> = None;
        for origin in &parsed {
            let made = WebauthnBuilder::new(id, origin).map_err(|_| BadRelyingParty::Elsewhere)?;
            builder = Some(builder.map_or(made, |builder| builder.append_allowed_origin(origin)));
        }
        let builder = builder.ok_or(BadRelyingParty::Origin)?.rp_name(name);
        Ok(Self(builder.build().map_err(|_| BadRelyingParty::Elsewhere)?))
    }

    /// Asks for a new passkey of `user`, who has those called `known`.
    ///
    /// The user is verified, by PIN or finger, and the passkey can be found by the browser without a name: so it may take
    /// the place of name and password.
    pub(super) fn register(&self, user: &User, known: Vec<Vec<u8>>) -> Result<Asked, Fault> {
        let email = user.email.as_str();
        let shown = user.profile.name.as_deref().unwrap_or(email);
        let asked = self.0.start_passkey_registration(user.id.uuid(), email, shown, Some(known));
        let (CreationChallengeResponse { public_key }, state) =
            asked.map_err(|error| Fault::Internal(format!("WebAuthn: {error:?}")))?;
        let mut options = to_json(&public_key)?;
        options["authenticatorSelection"]["residentKey"] = json!("required");
        options["authenticatorSelection"]["requireResidentKey"] = json!(true);
        Ok(Asked { options, state: to_json(&state)?.to_string() })
    }

    /// What the answer to [`Self::register`] comes to.
    pub(super) fn registered(&self, answer: Value, state: &str) -> Result<Registered, Refusal> {
        let answer: RegisterPublicKeyCredential =
            serde_json::from_value(answer).map_err(|_| Refusal::Unreadable)?;
        let state: PasskeyRegistration = stored(state)?;
        let passkey = self.0.finish_passkey_registration(&answer, &state)?;
        let credential = to_json(&passkey).map_err(Refusal::Fault)?.to_string();
        let Facts { cred } = stored(&credential)?;
        Ok(Registered {
            credential_id: passkey.cred_id().clone(),
            credential,
            sign_count: i64::from(cred.counter),
            backed_up: cred.backup_state,
            is_synced: cred.backup_eligible,
        })
    }

    /// Asks for one of these passkeys; for none of them in particular, the browser offers those it knows.
    pub(super) fn authenticate(&self, credentials: &[String]) -> Result<Asked, Fault> {
        let passkeys: Result<Vec<Passkey>, _> =
            credentials.iter().map(|credential| serde_json::from_str(credential)).collect();
        let passkeys = passkeys.map_err(|error| Fault::Internal(format!("a stored passkey: {error}")))?;
        let asked = self.0.start_passkey_authentication(&passkeys);
        let (RequestChallengeResponse { public_key, .. }, state) =
            asked.map_err(|error| Fault::Internal(format!("WebAuthn: {error:?}")))?;
        let mut state = to_json(&state)?;
        // The answer is held against the passkey as it is stored by then.
        state["ast"]["credentials"] = json!([]);
        Ok(Asked { options: to_json(&public_key)?, state: state.to_string() })
    }

    /// What the answer to [`Self::authenticate`] comes to, of a passkey stored as `credential`.
    pub(super) fn authenticated(
        &self,
        answer: &Answer,
        state: &str,
        credential: &str,
    ) -> Result<Shown, Refusal> {
        let state: DiscoverableAuthentication = stored(state)?;
        let mut passkey: Passkey = stored(credential)?;
        let result = self.0.finish_discoverable_authentication_v2(&answer.0, state, &passkey)?;
        // Asked for in every ceremony, so this holds; what takes the place of a password must not depend on that.
        if !result.user_verified() {
            return Err(Refusal::Wrong("user not verified"));
        }
        passkey.update_credential(&result);
        Ok(Shown {
            credential: to_json(&passkey).map_err(Refusal::Fault)?.to_string(),
            sign_count: i64::from(result.counter()),
            backed_up: result.backup_state(),
            is_synced: result.backup_eligible(),
        })
    }
}

impl Answer {
    pub(super) fn parse(answer: Value) -> Result<Self, Refusal> {
        serde_json::from_value(answer).map(Self).map_err(|_| Refusal::Unreadable)
    }

    /// What the authenticator calls the passkey.
    pub(super) fn credential_id(&self) -> &[u8] {
        self.0.get_credential_id()
    }

    /// Whose the authenticator says it is, if it says so.
    pub(super) fn user_handle(&self) -> Option<&[u8]> {
        self.0.get_user_unique_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(id: &str, origins: &[&str]) -> Option<BadRelyingParty> {
        let origins: Vec<_> = origins.iter().map(|&origin| origin.to_owned()).collect();
        RelyingParty::new(id, "Example", &origins).err()
    }

    #[test]
    fn every_origin_is_within_the_id() {
        for (id, origins, expected) in [
            ("localhost", &["http://localhost:8400"][..], None),
            ("auth.example.com", &["https://auth.example.com"], None),
            ("example.com", &["https://auth.example.com", "https://app.example.com"], None),
            (
                "example.com",
                &["https://auth.example.com", "https://example.org"],
                Some(BadRelyingParty::Elsewhere),
            ),
            ("ample.com", &["https://example.com"], Some(BadRelyingParty::Elsewhere)),
            ("127.0.0.1", &["http://127.0.0.1:8400"], Some(BadRelyingParty::Elsewhere)),
            ("example.com", &["example.com"], Some(BadRelyingParty::Origin)),
            ("example.com", &[], Some(BadRelyingParty::Origin)),
        ] {
            assert_eq!(made(id, origins), expected, "{id} {origins:?}");
        }
    }
}
