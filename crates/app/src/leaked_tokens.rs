//! Scanners of source code report API tokens that they have found in public.
//!
//! 1. Off unless `api_tokens.scanning_keys_url` says who reports.
//! 2. The report is signed, as a whole, under a key of theirs.
//! 3. What is a token of ours is revoked at once, everywhere, whoever it belongs to. Its owner is told by mail, and by
//!    the audit log; where it was found stands there, the token never does.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::mail::{Mail, Template};
use portcullis_core::secret_token::{Kind, SecretDigest};
use portcullis_store::api_tokens::ApiTokenView;
use thiserror::Error;

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;

/// Longest place that is kept.
const LONGEST: usize = 1_000;

/// Who says that a report is theirs.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// Which key.
    pub key: &'a str,
    /// Base64 of the signature.
    pub signature: &'a str,
}

/// A token that was found.
pub struct Leak {
    /// It.
    pub token: String,
    /// Where.
    pub url: Option<String>,
    /// In what: a commit, an issue.
    pub source: Option<String>,
}

impl Leak {
    /// What is kept of what the report says: never the token.
    fn kept(&self, text: &str) -> String {
        text.replace(&self.token, "[token]").chars().take(LONGEST).collect()
    }
}

/// Why a report is not taken.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Nobody reports here.
    #[error("off")]
    Off,
    /// It is not theirs, or not as they sent it.
    #[error("{0}")]
    Signature(&'static str),
    /// Their keys cannot be had now.
    #[error("the keys of the scanner cannot be had: {0}")]
    NoKeys(String),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Cx {
    /// Whether a report is what a scanner has sent.
    pub async fn check_leak_report(
        &self,
        signed: Option<Signed<'_>>,
        body: &[u8],
    ) -> Result<(), ReportError> {
        let url = self.settings.scanning_keys_url.as_deref().ok_or(ReportError::Off)?;
        let signed = signed.ok_or(ReportError::Signature("not signed"))?;
        self.check_report(url, signed.key, signed.signature, body).await
    }

    /// Revokes a token that was found; `false`: it is none of ours.
    pub async fn revoke_leaked(&self, leak: &Leak, client: &Client) -> Result<bool, Fault> {
        if !Kind::ApiToken.fits(&leak.token) {
            return Ok(false);
        }
        let found = self.store.api_token_ever(SecretDigest::of(&leak.token)).await?;
        let Some(token) = found else { return Ok(false) };
        let mut event = self.leak_event(leak, client);
        event.detail.insert("api_token".into(), token.id.to_string().into());
        let told = self.leak_mail(leak, &token).await?;
        self.revoke_token_as(token.id, None, event, told).await?;
        Ok(true)
    }

    /// Tells the owner of a token that was good so far.
    async fn leak_mail(&self, leak: &Leak, token: &ApiTokenView) -> Result<Option<Mail>, Fault> {
        if token.expires_at <= self.clock.now() {
            return Ok(None);
        }
        let owner = self.store.user(token.user).await?.filter(|user| user.disabled_at.is_none());
        let Some(owner) = owner else { return Ok(None) };
        let mut mail = self.mail_to(Template::ApiTokenLeaked, &owner.email, Some(&owner));
        mail.parameters.insert("token_name".into(), token.name.as_str().into());
        mail.parameters.insert("key_prefix".into(), token.key_prefix.as_str().into());
        if let Some(place) = leak.url.as_ref().or(leak.source.as_ref()) {
            mail.parameters.insert("found_at".into(), leak.kept(place).into());
        }
        Ok(Some(mail))
    }

    fn leak_event(&self, leak: &Leak, client: &Client) -> Event {
        let mut event = self.event(EventKind::ApiTokenRevoked);
        event.address = Some(client.address);
        event.detail.insert("cause".into(), "leaked".into());
        for (name, text) in [("url", &leak.url), ("source", &leak.source)] {
            if let Some(text) = text {
                event.detail.insert(name.into(), leak.kept(text).into());
            }
        }
        event
    }
}
