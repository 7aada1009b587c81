//! When and from where API tokens are used: noted at most every few minutes a token, off the path of requests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::audit::EventKind;
use portcullis_core::ids::{ApiTokenId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_store::api_tokens::{self, Presented};
use portcullis_store::audit;

use crate::bearer::{Caller, Credential};
use crate::cx::Cx;
use crate::fault::Fault;

/// A use is noted again after this long.
const EVERY: Duration = Duration::from_mins(5);
/// A change of address is noted again after this long: somebody with two lines must not fill the audit log.
const ADDRESS_EVERY: Duration = Duration::from_mins(1);
/// How often uses are written.
const WRITE: Duration = Duration::from_secs(2);
/// Most uses that wait to be written; beyond it the newest are not noted.
const MOST: usize = 10_000;
/// Uses written in one transaction.
const BATCH: usize = 200;

/// What a node remembers of one token's use.
#[derive(Debug)]
pub struct TokenUse {
    id: ApiTokenId,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    at: Option<Timestamp>,
    address: Option<String>,
}

/// A use that is to be written.
#[derive(Clone, Debug)]
struct Use {
    id: ApiTokenId,
    user: UserId,
    at: Timestamp,
    address: IpAddr,
    elsewhere: bool,
}

/// Uses that wait to be written.
#[derive(Default)]
pub struct Uses(Mutex<HashMap<ApiTokenId, Use>>);

impl TokenUse {
    pub(crate) fn new(presented: &Presented) -> Self {
        let last = Last { at: presented.last_used_at, address: presented.last_address.clone() };
        Self { id: presented.id, last: Mutex::new(last) }
    }

    /// Which token.
    pub const fn id(&self) -> ApiTokenId {
        self.id
    }

    /// Whether a use now is to be noted; `Some(true)`: it comes from another address than the last one.
    fn due(&self, now: Timestamp, address: IpAddr) -> Option<bool> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = |after: Duration| last.at.is_none_or(|at| now >= at + after);
        let known = last.address.as_deref().map(str::parse::<IpAddr>);
        let elsewhere = known.is_some_and(|known| known != Ok(address));
        if !rested(EVERY) && !(elsewhere && rested(ADDRESS_EVERY)) {
            return None;
        }
        *last = Last { at: Some(now), address: Some(address.to_string()) };
        Some(elsewhere)
    }
}

impl Cx {
    /// Notes that an API token was used; free for whatever else is presented.
    pub fn note_use(&self, caller: &Caller, address: IpAddr) {
        let Credential::ApiToken(token) = &caller.credential else { return };
        let now = self.clock.now();
        let Some(elsewhere) = token.due(now, address) else { return };
        let mut uses = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < MOST || uses.contains_key(&token.id) {
            let found = Use { id: token.id, user: caller.user, at: now, address, elsewhere };
            uses.insert(token.id, found);
        }
    }

    /// Writes uses until the task is dropped.
    pub async fn write_behind(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WRITE).await;
            if let Err(error) = self.write_uses().await {
                tracing::warn!(%error, "uses of API tokens are not noted");
            }
        }
    }

    /// Writes the uses noted so far. What cannot be written now is not noted: the next use is.
    pub async fn write_uses(&self) -> Result<(), Fault> {
        let uses = std::mem::take(&mut *self.uses.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut uses: Vec<Use> = uses.into_values().collect();
        // In one order on every node, so that two of them never wait for each other.
        uses.sort_by_key(|used| used.id);
        for batch in uses.chunks(BATCH) {
            self.write_batch(batch.to_vec()).await?;
        }
        Ok(())
    }

    async fn write_batch(&self, batch: Vec<Use>) -> Result<(), Fault> {
        let events: Vec<_> =
            batch.iter().filter(|used| used.elsewhere).map(|used| self.noted(used)).collect();
        let done = self.store.write(move |tx| {
            let (batch, events) = (batch.clone(), events.clone());
            Box::pin(async move {
                for used in &batch {
                    api_tokens::note_use(tx, used.id, used.at, &used.address.to_string()).await?;
                }
                for event in &events {
                    audit::append(tx, event).await?;
                }
                Ok(())
            })
        });
        Ok(done.await?)
    }

    fn noted(&self, used: &Use) -> portcullis_core::audit::Event {
        let mut event = self.event(EventKind::ApiTokenUsedElsewhere);
        (event.at, event.user, event.actor) = (used.at, Some(used.user), Some(used.user));
        event.address = Some(used.address);
        event.detail.insert("api_token".into(), used.id.to_string().into());
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noted_every_few_minutes_and_when_the_address_changes() {
        let id = ApiTokenId::from_uuid(uuid::Uuid::nil());
        let token = TokenUse { id, last: Mutex::new(Last { at: None, address: None }) };
        let [here, there]: [IpAddr; 2] = [[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        let start = Timestamp::from_seconds(1_000);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(token.due(start, here), Some(false), "the first use comes from nowhere else");
        assert_eq!(token.due(after(299), here), None);
        assert_eq!(token.due(after(299), there), Some(true));
        assert_eq!(token.due(after(300), here), None, "too soon after the last change");
        assert_eq!(token.due(after(359), here), Some(true));
        assert_eq!(token.due(after(658), here), None);
        assert_eq!(token.due(after(659), here), Some(false));
    }
}
