//! Those who want to hear of audit events are told.
//!
//! 1. Whoever chains an event leaves a message for each endpoint ([`crate::audit_chain`]).
//! 2. A node takes messages that are due; for a minute they are its alone.
//! 3. An answer of 2xx: the message is gone. Anything else: it is due again later, with growing waits, and after three
//!    days it waits for an operator.
//!
//! A node that dies between the answer and the note of it leaves a message that is sent once more, under the same
//! `webhook-id`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::webhook::next_try;
use portcullis_store::webhooks::{self, Delivery};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::audit::EventView;
use crate::audit_chain::CHECKPOINT_KIND;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::settings::Webhook;
use crate::standard_webhook::Signed;

/// How often an endpoint is looked after for which nothing was due, or which did not answer.
const EVERY: Duration = Duration::from_secs(1);
/// Messages that are under way to one endpoint at a time.
const AT_ONCE: i64 = 4;
/// Longer than any request may take.
const TAKEN: Duration = Duration::from_mins(1);
/// Longest note of what went wrong, in characters.
const LONGEST_ERROR: usize = 200;

impl Cx {
    /// Sends messages until the task is dropped.
    pub async fn send_webhooks(self: Arc<Self>) {
        let mut endpoints = JoinSet::new();
        for at in 0..self.settings.webhooks.len() {
            endpoints.spawn(self.clone().serve_endpoint(at));
        }
        while endpoints.join_next().await.is_some() {}
    }

    async fn serve_endpoint(self: Arc<Self>, at: usize) {
        let webhook = &self.settings.webhooks[at];
        let mut failed = false;
        loop {
            match self.send_due(webhook).await {
                Ok(arrived) => {
                    failed = false;
                    if arrived > 0 {
                        continue;
                    }
                }
                // Not each second anew.
                Err(_) if failed => {}
                Err(error) => {
                    failed = true;
                    tracing::warn!(%error, webhook = webhook.name, "messages are not sent; it is tried again");
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Sends a few of the messages that are due for an endpoint; how many have arrived.
    pub async fn send_due(self: &Arc<Self>, webhook: &Webhook) -> Result<usize, Fault> {
        let now = self.clock.now();
        let taken = self.store.take_deliveries(webhook.name.clone(), now, now + TAKEN, AT_ONCE).await?;
        let mut sending = JoinSet::new();
        for delivery in taken {
            let (cx, webhook) = (self.clone(), webhook.clone());
            sending.spawn(async move { cx.send(&webhook, delivery).await });
        }
        let mut arrived = 0;
        let mut failed = None;
        while let Some(sent) = sending.join_next().await {
            match sent {
                Ok(Ok(true)) => arrived += 1,
                Ok(Ok(false)) => {}
                Ok(Err(fault)) => failed = Some(fault),
                Err(error) => failed = Some(Fault::Internal(error.to_string())),
            }
        }
        failed.map_or(Ok(arrived), Err)
    }

    /// Sends one message; whether it has arrived.
    async fn send(&self, webhook: &Webhook, taken: Delivery) -> Result<bool, Fault> {
        let Some(body) = self.message_body(&taken).await? else {
            // Retention has taken what it was about.
            self.note_arrived(taken).await?;
            return Ok(true);
        };
        let id = taken.id.to_string();
        let message = Signed { url: &webhook.url, secrets: &webhook.secrets, id: &id, body, most: 0 };
        let error = match self.send_signed(message).await {
            Ok(answer) if (200..300).contains(&answer.status) => {
                self.note_arrived(taken).await?;
                return Ok(true);
            }
            Ok(answer) => format!("answered {}", answer.status),
            Err(error) => error.to_string().chars().take(LONGEST_ERROR).collect(),
        };
        let next = next_try(taken.tries, taken.since, self.clock.now(), &*self.random);
        if next.is_none() {
            tracing::warn!(webhook = webhook.name, webhook.id = %taken.id, error, "a message is given up");
        }
        let noted = self.store.write_one(move |tx| {
            let (taken, error) = (taken.clone(), error.clone());
            Box::pin(async move { webhooks::failed(tx, &taken, next, &error).await })
        });
        noted.await?;
        Ok(false)
    }

    async fn note_arrived(&self, taken: Delivery) -> Result<(), Fault> {
        let noted = self.store.write_one(move |tx| {
            let taken = taken.clone();
            Box::pin(async move { webhooks::arrived(tx, &taken).await })
        });
        Ok(noted.await?)
    }

    /// What is sent; `None`: it is not there any more.
    async fn message_body(&self, message: &Delivery) -> Result<Option<Bytes>, Fault> {
        let (at, data) = if message.kind == CHECKPOINT_KIND {
            let Some(stored) = self.store.checkpoint(message.id).await? else { return Ok(None) };
            let checkpoint = stored.checkpoint;
            (checkpoint.at, json!({ "seq": checkpoint.head.seq, "checkpoint": checkpoint }))
        } else {
            let Some(event) = self.store.event(message.id).await? else { return Ok(None) };
            let at = event.at;
            let mut event = json!(EventView::from(event));
            if let Value::Object(members) = &mut event {
                // They stand beside it.
                members.remove("kind");
                members.remove("at");
            }
            (at, event)
        };
        let body = json!({ "type": message.kind, "timestamp": at, "data": data });
        Ok(Some(Bytes::from(body.to_string())))
    }

    /// The endpoint of that name.
    pub fn webhook(&self, name: &str) -> Option<&Webhook> {
        self.settings.webhooks.iter().find(|webhook| webhook.name == name)
    }

    /// Messages that have not arrived, in the order of their making, after one.
    pub async fn list_deliveries(
        &self,
        dead: bool,
        after: Option<&Delivery>,
        limit: i64,
    ) -> Result<Vec<Delivery>, Fault> {
        Ok(self.store.deliveries(dead, after, limit).await?)
    }

    /// Lets dead messages be sent again: all, or those of an endpoint, or one; how many.
    pub async fn retry_deliveries(&self, endpoint: Option<String>, id: Option<Uuid>) -> Result<u64, Fault> {
        let now = self.clock.now();
        let retried = self.store.write_one(move |tx| {
            let endpoint = endpoint.clone();
            Box::pin(async move { webhooks::retry(tx, endpoint.as_deref(), id, now).await })
        });
        Ok(retried.await?)
    }

    /// Forgets what waits for an endpoint that is not configured any more; how many messages.
    pub async fn drop_deliveries(&self, endpoint: String) -> Result<u64, Fault> {
        let dropped = self.store.write_one(move |tx| {
            let endpoint = endpoint.clone();
            Box::pin(async move { webhooks::drop_endpoint(tx, &endpoint).await })
        });
        Ok(dropped.await?)
    }
}
