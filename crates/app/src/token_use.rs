//! When and from where API tokens are used: noted at most every few minutes a token, off the path of requests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{ApiTokenId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_store::api_tokens::Presented;
use portcullis_store::token_uses::TokenUse as Use;
use portcullis_store::{audit, token_uses};

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

/// Uses that wait to be written.
#[derive(Default)]
pub struct Uses(Mutex<HashMap<ApiTokenId, (UserId, Use)>>);

impl TokenUse {
    pub(crate) fn new(presented: &Presented) -> Self {
        let last = Last { at: presented.last_used_at, address: presented.last_address.clone() };
        Self { id: presented.id, last: Mutex::new(last) }
    }

    /// Which token.
    pub const fn id(&self) -> ApiTokenId {
        self.id
    }

    /// Whether a use now is to be noted.
    fn due(&self, now: Timestamp, address: Option<IpAddr>) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = |after: Duration| last.at.is_none_or(|at| now >= at + after);
        let known = last.address.as_deref().map(str::parse::<IpAddr>);
        let elsewhere = address.is_some_and(|address| known.is_some_and(|known| known != Ok(address)));
        let due = rested(EVERY) || elsewhere && rested(ADDRESS_EVERY);
        if due {
            let address = address.map(|address| address.to_string()).or_else(|| last.address.take());
            *last = Last { at: Some(now), address };
        }
        due
    }
}

impl Cx {
    /// Notes that an API token was used; free for whatever else is presented.
    pub fn note_use(&self, caller: &Caller, address: IpAddr) {
        self.note_use_from(caller, Some(address));
    }

    /// The same; `None`: a service that was sent the token uses it, and where that is says nothing about its owner.
    pub(crate) fn note_use_from(&self, caller: &Caller, address: Option<IpAddr>) {
        let Credential::ApiToken(token) = &caller.credential else { return };
        let now = self.clock.now();
        if !token.due(now, address) {
            return;
        }
        let mut uses = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < MOST || uses.contains_key(&token.id) {
            let noted = Use { id: token.id, at: now, address: address.map(|address| address.to_string()) };
            uses.insert(token.id, (caller.user, noted));
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
        let mut uses: Vec<(UserId, Use)> = uses.into_values().collect();
        // In one order on every node, so that two of them never wait for each other.
        uses.sort_by_key(|(_, used)| used.id);
        for batch in uses.chunks(BATCH) {
            self.write_batch(batch.to_vec()).await?;
        }
        Ok(())
    }

    async fn write_batch(&self, batch: Vec<(UserId, Use)>) -> Result<(), Fault> {
        let with_event = |(user, used): (UserId, Use)| (self.used_elsewhere(user, &used), used);
        let batch: Vec<(Event, Use)> = batch.into_iter().map(with_event).collect();
        let done = self.store.write(move |tx| {
            let batch = batch.clone();
            Box::pin(async move {
                for (event, used) in &batch {
                    if token_uses::note(tx, used, EVERY).await? {
                        audit::append(tx, event).await?;
                    }
                }
                Ok(())
            })
        });
        Ok(done.await?)
    }

    fn used_elsewhere(&self, user: UserId, noted: &Use) -> Event {
        let mut event = self.event(EventKind::ApiTokenUsedElsewhere);
        (event.at, event.user, event.actor) = (noted.at, Some(user), Some(user));
        event.address = noted.address.as_deref().and_then(|address| address.parse().ok());
        event.detail.insert("api_token".into(), noted.id.to_string().into());
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
        let [here, there] = [1, 2].map(|last| Some(IpAddr::from([127, 0, 0, last])));
        let start = Timestamp::from_seconds(1_000);
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(token.due(start, here));
        assert!(!token.due(after(299), here));
        assert!(token.due(after(299), there));
        assert!(!token.due(after(300), here), "too soon after the last change");
        assert!(token.due(after(359), here));
        assert!(!token.due(after(658), here));
        assert!(token.due(after(659), here));
        assert!(!token.due(after(800), None), "nobody knows from where: that is no other address");
        assert!(token.due(after(959), None));
        assert!(!token.due(after(1_100), here), "the last known address is kept");
    }
}
