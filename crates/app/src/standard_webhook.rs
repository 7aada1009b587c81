//! Something is sent to a configured URL, signed after Standard Webhooks: audit events, and whatever else the
//! operator wants to be asked about.

use bytes::Bytes;
use portcullis_core::standard_webhook::{WebhookSecret, headers};

use crate::cx::Cx;
use crate::outbound::{Answer, OutboundError, Post};

/// Something to be sent.
#[derive(Clone, Debug)]
pub struct Signed<'a> {
    /// To whom.
    pub url: &'a str,
    /// What they know us by; it is signed with each.
    pub secrets: &'a [WebhookSecret],
    /// Names the message: the same however often it is sent. It holds no dot.
    pub id: &'a str,
    /// JSON.
    pub body: Bytes,
    /// Longest answer, in bytes; 0: nobody wants to read it.
    pub most: usize,
}

impl Cx {
    /// Signs and sends. The answer is whatever came, 500 included.
    pub async fn send_signed(&self, message: Signed<'_>) -> Result<Answer, OutboundError> {
        let Signed { url, secrets, id, body, most } = message;
        let headers = headers(id, self.clock.now(), &body, secrets);
        self.outbound.post(Post { url, headers: &headers, body, most }).await
    }
}
