//! What operators do to API tokens, under the rules that hold for users: the cap, the longest lifetime, once seen.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::ApiTokenId;
use portcullis_core::user::User;

use crate::api_tokens::{NewToken, TokenError, TokenRequest};
use crate::cx::Cx;
use crate::fault::Fault;

impl Cx {
    /// Makes a token for `user`.
    pub async fn operator_create_token(
        &self,
        user: &User,
        request: TokenRequest,
    ) -> Result<NewToken, TokenError> {
        let checked = self.check_request(request)?;
        let event_of = |id| {
            let mut event = self.operator_token_event(EventKind::ApiTokenCreated, id);
            event.user = Some(user.id);
            event
        };
        self.insert_token(user, checked, event_of).await
    }

    /// Revokes a token, and what was exchanged for it; `false`: there is none.
    pub async fn operator_revoke_token(&self, id: ApiTokenId) -> Result<bool, Fault> {
        let event = self.operator_token_event(EventKind::ApiTokenRevoked, id);
        Ok(self.revoke_token_as(id, None, event, None).await?.is_some())
    }

    fn operator_token_event(&self, kind: EventKind, id: ApiTokenId) -> Event {
        let mut event = self.event(kind);
        event.detail.insert("by".into(), "operator".into());
        event.detail.insert("api_token".into(), id.to_string().into());
        event
    }
}
