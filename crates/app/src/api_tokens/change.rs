//! Changing an API token: names are written as they come, scopes only as they were read, and never widened.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{ApiTokenId, UserId};
use portcullis_core::scope::Scopes;
use portcullis_core::validation::FieldError;
use portcullis_store::api_tokens::{self, Update};
use portcullis_store::{audit, revocations};

use super::{ApiTokenView, TokenError, description, invalid, name};
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::me::Change;

/// What of a token shall change; `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct TokenChange {
    /// What its owner calls it.
    pub name: Option<String>,
    /// What it is for.
    pub description: Change,
    /// Fewer scopes.
    pub scopes: Option<Vec<String>>,
}

impl Cx {
    /// Changes name or description, or narrows the scopes, of one of a user's tokens.
    pub async fn update_token(
        &self,
        id: ApiTokenId,
        user: UserId,
        change: &TokenChange,
        client: &Client,
    ) -> Result<ApiTokenView, TokenError> {
        // Scopes are written only as they were read. Somebody wrote in between: look again.
        for _ in 0..3 {
            let before = self.token(id, user).await?.ok_or(TokenError::NotFound)?;
            let Some(update) = self.check_change(&before, change)? else { return Ok(before) };
            let event = self.token_event(EventKind::ApiTokenUpdated, id, user, client);
            if let Some(view) = self.write_update(update, event).await? {
                return Ok(view);
            }
        }
        Err(Fault::StoreUnavailable("the token's row keeps changing".into()).into())
    }

    async fn write_update(&self, update: Update, event: Event) -> Result<Option<ApiTokenView>, Fault> {
        let span = self.span();
        let (id, narrowed, generation) = (update.id.uuid(), update.scopes.is_some(), update.generation);
        let done = self
            .store
            .write(move |tx| {
                let (update, event) = (update.clone(), event.clone());
                Box::pin(async move {
                    let view = api_tokens::update(tx, &update).await?;
                    if view.is_some() {
                        audit::append(tx, &event).await?;
                    }
                    if view.is_some() && narrowed {
                        revocations::append_upto(tx, id, generation, span).await?;
                    }
                    Ok(view)
                })
            })
            .await?;
        if done.is_some() && narrowed {
            self.revoke_here_upto(id, generation, span);
        }
        Ok(done)
    }

    /// What to write; `None`: all is as it shall be.
    fn check_change(
        &self,
        before: &ApiTokenView,
        change: &TokenChange,
    ) -> Result<Option<Update>, TokenError> {
        let name = change.name.as_deref().map(name).transpose();
        let description = match &change.description {
            Change::Keep => Ok(None),
            Change::Clear => Ok(Some(None)),
            Change::Set(text) => description(text).map(Some),
        };
        let scopes = change.scopes.as_ref().map(|scopes| narrowed(before, scopes)).transpose();
        let (name, description, scopes) = match (name, description, scopes) {
            (Ok(name), Ok(description), Ok(scopes)) => (name, description, scopes),
            (name, description, scopes) => {
                return Err(invalid([name.err(), description.err(), scopes.err()]));
            }
        };
        let name = name.filter(|name| *name != before.name);
        let description = description.filter(|description| *description != before.description);
        let scopes = scopes.filter(|scopes| before.scopes.as_ref() != Some(scopes));
        if (&name, &description, &scopes) == (&None, &None, &None) {
            return Ok(None);
        }
        let ApiTokenView { id, user, generation, .. } = *before;
        Ok(Some(Update { id, user, name, description, scopes, generation, now: self.clock.now() }))
    }
}

/// Scopes that are within those of the token.
fn narrowed(before: &ApiTokenView, scopes: &[String]) -> Result<Scopes, FieldError> {
    let scopes = Scopes::parse_list("scopes", scopes)?;
    if before.scopes.as_ref().is_some_and(|before| !scopes.is_within(before)) {
        let message = "The scopes of a token are never widened. Make a new one.";
        return Err(FieldError::new("scopes", "widened", message));
    }
    Ok(scopes)
}
