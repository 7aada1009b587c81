//! Scanners of source code report API tokens that they have found in public.
//!
//! 1. Off unless `api_tokens.scanning_keys_url` says who reports.
//! 2. The report is signed, as a whole, under a key of theirs.
//! 3. What is a token of ours is revoked at once, everywhere, whoever it belongs to. Its owner is told by the audit
//!    log; where it was found stands there, the token never does.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::secret_token::{Kind, SecretDigest};
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
        let Some(id) = found else { return Ok(false) };
        let mut event = self.leak_event(leak, client);
        event.detail.insert("api_token".into(), id.to_string().into());
        self.revoke_token_as(id, None, event).await?;
        Ok(true)
    }

    fn leak_event(&self, leak: &Leak, client: &Client) -> Event {
        let mut event = self.event(EventKind::ApiTokenRevoked);
        event.address = Some(client.address);
        event.detail.insert("cause".into(), "leaked".into());
        for (name, text) in [("url", &leak.url), ("source", &leak.source)] {
            if let Some(text) = text {
                let kept: String = text.replace(&leak.token, "[token]").chars().take(LONGEST).collect();
                event.detail.insert(name.into(), kept.into());
            }
        }
        event
    }
}
