//! All that is stored about a user, for themselves.
//!
//! Only in a session of their own in which they have signed in moments ago: whoever finds an unlocked screen does not
//! carry everything away. No secret is in it, nor where an administrator was who did something to the user.

use portcullis_core::audit::EventKind;
use portcullis_core::time::Timestamp;
use portcullis_core::user::User;
use portcullis_store::audit;
use portcullis_store::own_data::OwnData;
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::factors::OwnFactors;
use crate::fault::Fault;
use crate::fresh::FreshError;

/// Most events in one export, the newest.
pub const MOST_EVENTS: usize = 10_000;

/// Everything.
pub struct Export {
    /// When it was made.
    pub at: Timestamp,
    /// The user.
    pub user: User,
    /// Their bots.
    pub bots: Vec<User>,
    /// What they show beside what they sign in with.
    pub factors: OwnFactors,
    /// The rest.
    pub data: OwnData,
    /// There are older events than those.
    pub more_events: bool,
}

/// Why nothing was exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// They must have signed in a moment ago.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Cx {
    /// Exports all that is stored about the caller, and notes it in the audit log.
    pub async fn export_own_data(&self, caller: &Caller, client: &Client) -> Result<Export, ExportError> {
        let found = self.require_fresh(caller).await?;
        let now = self.clock.now();
        let factors = self.factors_of(&found.user).await?;
        let bots = self.store.bots(caller.user).await.map_err(Fault::from)?;
        let mut data = self.store.own_data(caller.user, MOST_EVENTS as i64 + 1).await.map_err(Fault::from)?;
        let more_events = data.events.len() > MOST_EVENTS;
        data.events.truncate(MOST_EVENTS);
        let mut event = self.event(EventKind::DataExported);
        (event.user, event.actor) = (Some(caller.user), Some(caller.user));
        (event.session, event.address) = (caller.session(), Some(client.address));
        let noted = self.store.write_one(move |tx| {
            let event = event.clone();
            Box::pin(async move { audit::append(tx, &event).await })
        });
        noted.await.map_err(Fault::from)?;
        Ok(Export { at: now, user: found.user, bots, factors, data, more_events })
    }
}
