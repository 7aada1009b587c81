//! `registration.hook_url`: the operator's own service is asked before anybody is made.
//!
//! A message in the form of Standard Webhooks, signed, of type `user.registering`, is answered 200 with
//! `{"allow": true}`, or `{"allow": false, "message"?: "…"}`. Anything else, and no answer in five seconds, is no leave:
//! nobody is made, and whoever asks is told to come back.

use std::time::Duration;

use portcullis_core::ids::EventId;
use portcullis_core::invite::Invite;
use portcullis_core::standard_webhook::{WebhookSecret, headers};
use portcullis_core::user::{Email, Username};
use serde::Deserialize;
use serde_json::json;

use crate::admission::{AdmissionError, NotAdmitted};
use crate::client::Client;
use crate::cx::Cx;
use crate::outbound::Post;
use crate::settings::RegistrationHook;

/// How long the service has to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const LONGEST: usize = 4_096;
/// Longest message that is passed on, in characters.
const LONGEST_MESSAGE: usize = 200;

/// Who wants to register.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Address.
    pub email: &'a Email,
    /// Full name.
    pub name: Option<&'a str>,
    /// User name.
    pub username: Option<&'a Username>,
}

/// What the service says.
#[derive(Deserialize)]
struct Verdict {
    allow: bool,
    message: Option<String>,
}

impl RegistrationHook {
    /// A hook.
    pub fn new(url: String, secret: WebhookSecret) -> Self {
        Self { url, secret }
    }
}

impl Cx {
    /// Whether the operator's service lets somebody register.
    pub(crate) async fn ask_hook(
        &self,
        who: Candidate<'_>,
        invite: Option<&Invite>,
        client: &Client,
    ) -> Result<(), AdmissionError> {
        let Some(hook) = &self.settings.registration.hook else { return Ok(()) };
        let now = self.clock.now();
        let message = json!({
            "type": "user.registering",
            "timestamp": now,
            "data": {
                "email": who.email.as_str(),
                "name": who.name,
                "username": who.username.map(Username::as_str),
                "address": client.address,
                "invite_id": invite.map(|invite| invite.id),
                "account_id": invite.and_then(|invite| invite.account.as_ref()).map(|(account, _)| account),
            },
        });
        let body = message.to_string();
        let id = EventId::new(now, &*self.random).to_string();
        let headers = headers(&id, now, body.as_bytes(), std::slice::from_ref(&hook.secret));
        let post = Post { url: &hook.url, headers: &headers, body: body.into(), most: LONGEST };
        let unavailable = |why: String| AdmissionError::HookUnavailable(why);
        let answer = tokio::time::timeout(LIMIT, self.outbound.post(post)).await;
        let answer = answer.map_err(|_| unavailable("no answer in time".into()))?;
        let answer = answer.map_err(|error| unavailable(error.to_string()))?;
        if answer.status != 200 {
            return Err(unavailable(format!("it answered {}", answer.status)));
        }
        // What it says stays out of the log: it may repeat what it was asked.
        let verdict: Verdict = serde_json::from_slice(&answer.body)
            .map_err(|_| unavailable("its answer is not {\"allow\": true or false}".into()))?;
        if verdict.allow {
            return Ok(());
        }
        let message = verdict.message.map(|text| {
            let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
            plain.take(LONGEST_MESSAGE).collect::<String>().trim().to_owned()
        });
        Err(NotAdmitted::Refused(message.filter(|text| !text.is_empty())).into())
    }
}
