//! `GET` and `PATCH /auth/me`

use axum::extract::State;
use http::StatusCode;
use portcullis_app::bearer::Caller;
use portcullis_app::me::{Change, NewAddress, ProfileChange, ProfileError};
use portcullis_core::password::Password;
use portcullis_core::user::User;
use portcullis_edge::code::Code;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::private_json;
use super::second_factor::fresh_login_required;
use super::subscription::SubscriptionBody;
use super::user::UserBody;
use crate::extract::{Acting, ClientInfo, JsonBody, MustChangeToo, may_change_credentials};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// What to change: absent fields stay as they are, `null` clears.
#[derive(Deserialize, ToSchema)]
pub(crate) struct MePatch {
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    name: Change,
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    username: Change,
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    phone: Change,
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    job_title: Change,
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    timezone: Change,
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    locale: Change,
    /// Another address. It takes the place of the old one when the link that is mailed to it is used.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    email: Change,
    /// Needed for another address, by whoever has a password.
    current_password: Option<String>,
}

/// The user, and what their account has subscribed to.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub(crate) struct MeBody {
    #[serde(flatten)]
    user: UserBody,
    /// Of the account in use.
    subscription: Option<SubscriptionBody>,
}

/// Tells `null` from absent: only called for what was sent.
pub(crate) fn sent<'de, D: Deserializer<'de>>(value: D) -> Result<Change, D::Error> {
    Ok(Option::deserialize(value)?.map_or(Change::Clear, Change::Set))
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Invalid(errors) => Self::fields(errors),
            ProfileError::UsernameTaken => Self::new(Code::UsernameTaken),
            ProfileError::WrongPassword(why) => Self::logged(Code::WrongPassword, why),
            ProfileError::FreshLoginRequired(methods) => fresh_login_required(&methods),
            ProfileError::Limited(limited) => limited.into(),
            ProfileError::NoUser => Self::logged(Code::InvalidToken, "the user is gone"),
            ProfileError::Fault(fault) => fault.into(),
        }
    }
}

/// The user's own data.
#[utoipa::path(get, path = paths::ME, tag = "me", security(("bearer" = [])),
    responses((status = 200, description = "The user", body = MeBody)))]
pub(crate) async fn get_me(State(web): State<Web>, MustChangeToo(caller): MustChangeToo) -> Answer {
    let user = web.cx.me(caller.user).await?;
    let user = user.ok_or_else(|| Failure::logged(Code::InvalidToken, "the user is gone"))?;
    me(&web, &caller, &user).await
}

async fn me(web: &Web, caller: &Caller, user: &User) -> Answer {
    let subscription = match &caller.account {
        Some((account, _)) => web.cx.account(*account).await?.and_then(|account| account.subscription),
        None => None,
    };
    let subscription = subscription.map(|one| SubscriptionBody::new(&one, web.cx.clock.now()));
    let user = UserBody::in_account(user, caller.account.as_ref());
    Ok(private_json(StatusCode::OK, &MeBody { user, subscription }))
}

/// Change the fields that are sent. Another address needs a session of one's own and the current password; whether it is
/// taken is not said.
#[utoipa::path(patch, path = paths::ME, tag = "me", request_body = MePatch, security(("bearer" = [])),
    responses((status = 200, description = "The user as changed", body = MeBody)))]
pub(crate) async fn patch_me(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Acting(caller): Acting,
    JsonBody(patch): JsonBody<MePatch>,
) -> Answer {
    let MePatch { name, username, phone, job_title, timezone, locale, email, current_password } = patch;
    let change = ProfileChange { name, username, phone, job_title, timezone, locale };
    let user = match email {
        Change::Keep => web.cx.update_me(&caller, change).await?,
        Change::Clear => {
            return Err(Failure::field("email", "required", "An address cannot be taken away."));
        }
        Change::Set(email) => {
            may_change_credentials(&caller)?;
            let current_password = current_password.as_deref().map(Password::presented);
            let new = NewAddress { email, current_password };
            web.cx.update_me_and_address(&caller, change, new, &client).await?
        }
    };
    me(&web, &caller, &user).await
}
