//! Something is sent to a configured URL, signed after Standard Webhooks: audit events, and whatever else the
//! operator wants to be asked about.

use bytes::Bytes;
use portcullis_core::standard_webhook::{WebhookSecret, headers};

use crate::cx::Cx;
use crate::outbound::{Answer, OutboundError, Post};

/// Longest answer that is read, in bytes.
const MOST: usize = 64 * 1024;

impl Cx {
    /// Sends `body`, which is JSON, to `url`, signed with each of `secrets`. `id` names the message and is the same
    /// however often it is sent. The answer is whatever came, 500 included.
    pub async fn send_signed(
        &self,
        url: &str,
        secrets: &[WebhookSecret],
        id: &str,
        body: Bytes,
    ) -> Result<Answer, OutboundError> {
        let headers = headers(id, self.clock.now(), &body, secrets);
        self.outbound.post(Post { url, headers: &headers, body, most: MOST }).await
    }
}
