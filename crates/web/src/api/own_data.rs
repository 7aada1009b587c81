//! `GET /auth/me/export`, `DELETE /auth/me` and `POST /auth/me/keep`: what is stored about the user, and its end.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::deletion::DeletionError;
use portcullis_app::own_data::{Export, ExportError};
use portcullis_core::password::Password;
use portcullis_core::time::Timestamp;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::factors::{DeviceBody, FactorBody, FactorsBody};
use super::forget::forget_all;
use super::password_reset::TokenRequest;
use super::second_factor::fresh_login_required;
use super::user::UserBody;
use super::{no_content, private_json};
use crate::extract::{ClientInfo, JsonBody, OptionalJson, Own};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// That it is the user who asks.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct DeletionRequest {
    /// Whoever has no password must have signed in a moment ago instead.
    current_password: Option<String>,
}

/// What comes next.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletionBody {
    /// Always `deletion_requested`.
    status: &'static str,
    /// Until then a mailed link undoes it. RFC 3339.
    deletes_at: String,
}

/// All that is stored about a user. No secret is in it. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = DataExport)]
pub(crate) struct ExportBody {
    exported_at: String,
    user: UserBody,
    memberships: Vec<MembershipBody>,
    sessions: Vec<SessionBody>,
    api_tokens: Vec<TokenBody>,
    /// Who the user is at other providers.
    identities: Vec<IdentityBody>,
    bots: Vec<UserBody>,
    factors: Vec<FactorBody>,
    trusted_devices: Vec<DeviceBody>,
    /// How many recovery codes are left.
    recovery_codes: i64,
    mails: Vec<MailBody>,
    /// What happened to the user, newest first: 10,000 at the most.
    events: Vec<EventBody>,
    /// There are older events than those.
    more_events: bool,
}

/// An account that the user belongs to.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedMembership)]
struct MembershipBody {
    account_id: Uuid,
    name: String,
    display_code: String,
    role: String,
    joined_at: String,
}

/// A session, live or ended.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedSession)]
struct SessionBody {
    id: Uuid,
    device: Option<String>,
    address: Option<String>,
    methods: String,
    delivery: String,
    /// Somebody else acted as the user: from where is not told.
    acting: bool,
    created_at: String,
    last_used_at: String,
    ends_at: String,
    ended_at: Option<String>,
    end_cause: Option<String>,
}

/// An API token, live or revoked; never the token itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedApiToken)]
struct TokenBody {
    id: Uuid,
    name: String,
    description: Option<String>,
    key_prefix: String,
    scopes: Option<Vec<String>>,
    created_at: String,
    expires_at: String,
    last_used_at: Option<String>,
    last_address: Option<String>,
    revoked_at: Option<String>,
}

/// Who the user is at a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedIdentity)]
struct IdentityBody {
    provider: String,
    /// What the provider calls them.
    subject: String,
    email: Option<String>,
    created_at: String,
    last_used_at: Option<String>,
}

/// A mail to the user.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedMail)]
struct MailBody {
    template: String,
    to: String,
    created_at: String,
    sent_at: Option<String>,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedEvent)]
struct EventBody {
    id: Uuid,
    at: String,
    kind: String,
    /// The user did it, or nobody knows who did.
    own: bool,
    session_id: Option<Uuid>,
    address: Option<String>,
    detail: Value,
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

impl From<Export> for ExportBody {
    fn from(export: Export) -> Self {
        let Export { at, user, bots, factors, data, more_events } = export;
        let FactorsBody { items, recovery_codes, trusted_devices, .. } = factors.into();
        let membership = data.memberships.into_iter().map(|one| MembershipBody {
            account_id: one.account,
            name: one.name,
            display_code: one.display_code,
            role: one.role,
            joined_at: one.joined_at.to_string(),
        });
        let session = data.sessions.into_iter().map(|one| {
            let (ended_at, end_cause) = one.ended.map_or((None, None), |(at, cause)| (Some(at), cause));
            SessionBody {
                id: one.id,
                device: one.device,
                address: one.address,
                methods: one.methods,
                delivery: one.delivery,
                acting: one.acting,
                created_at: one.created_at.to_string(),
                last_used_at: one.last_used_at.to_string(),
                ends_at: one.ends_at.to_string(),
                ended_at: text(ended_at),
                end_cause,
            }
        });
        let token = data.api_tokens.into_iter().map(|one| TokenBody {
            id: one.id,
            name: one.name,
            description: one.description,
            key_prefix: one.key_prefix,
            scopes: one.scopes.map(|scopes| scopes.split_ascii_whitespace().map(str::to_owned).collect()),
            created_at: one.created_at.to_string(),
            expires_at: one.expires_at.to_string(),
            last_used_at: text(one.last_used_at),
            last_address: one.last_address,
            revoked_at: text(one.revoked_at),
        });
        let identity = data.identities.into_iter().map(|one| IdentityBody {
            provider: one.provider,
            subject: one.subject,
            email: one.email,
            created_at: one.created_at.to_string(),
            last_used_at: text(one.last_used_at),
        });
        let mail = data.mails.into_iter().map(|one| MailBody {
            template: one.template,
            to: one.to,
            created_at: one.created_at.to_string(),
            sent_at: text(one.sent_at),
        });
        let event = data.events.into_iter().map(|one| EventBody {
            id: one.id,
            at: one.at.to_string(),
            kind: one.kind,
            own: one.own,
            session_id: one.session,
            address: one.address,
            detail: serde_json::from_str(&one.detail).unwrap_or(Value::Null),
        });
        Self {
            exported_at: at.to_string(),
            user: UserBody::from(&user),
            memberships: membership.collect(),
            sessions: session.collect(),
            api_tokens: token.collect(),
            identities: identity.collect(),
            bots: bots.iter().map(UserBody::from).collect(),
            factors: items,
            trusted_devices,
            recovery_codes,
            mails: mail.collect(),
            events: event.collect(),
            more_events,
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Fresh(error) => error.into(),
            ExportError::Fault(fault) => fault.into(),
        }
    }
}

impl From<DeletionError> for Failure {
    fn from(error: DeletionError) -> Self {
        match error {
            DeletionError::Invalid(errors) => Self::fields(errors),
            DeletionError::WrongPassword(why) => Self::logged(Code::WrongPassword, why),
            DeletionError::FreshLoginRequired(methods) => fresh_login_required(&methods),
            DeletionError::LastAdministrator => Self::new(Code::LastAdministrator),
            DeletionError::LastOwner => Self::new(Code::LastOwner),
            DeletionError::NotFound => Self::new(Code::NotFound),
            DeletionError::Oneself => Self::told(
                Code::Forbidden,
                "Administrators do not disable or delete themselves here. To leave, use DELETE /auth/me.",
            ),
            DeletionError::Moved => Self::logged(Code::InvalidToken, "whoever asks has changed meanwhile"),
            DeletionError::Limited(limited) => limited.into(),
            DeletionError::Fault(fault) => fault.into(),
        }
    }
}

/// All that is stored about the user. Needs a session of one's own, and a sign-in within the last ten minutes.
#[utoipa::path(get, path = paths::ME_EXPORT, tag = "me", security(("bearer" = [])),
    responses((status = 200, description = "Everything", body = ExportBody)))]
pub(crate) async fn export(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
) -> Answer {
    let export = web.cx.export_own_data(&caller, &client).await?;
    Ok(private_json(StatusCode::OK, &ExportBody::from(export)))
}

/// Delete one's own account, after a time in which a mailed link undoes it. Every session and token ends now.
#[utoipa::path(delete, path = paths::ME, tag = "me", request_body = DeletionRequest, security(("bearer" = [])),
    responses((status = 202, description = "Signed out everywhere, and to be deleted", body = DeletionBody)))]
pub(crate) async fn delete_me(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    Own(caller): Own,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<DeletionRequest>,
) -> Answer {
    let current = body.unwrap_or_default().current_password;
    let holder = caller.holder(&web, &headers).await;
    let due = web.cx.ask_for_deletion(&caller, current.as_deref().map(Password::presented), &client).await?;
    let body = DeletionBody { status: "deletion_requested", deletes_at: due.to_string() };
    let mut response = private_json(StatusCode::ACCEPTED, &body);
    if let Some(admitted) = holder {
        forget_all(&web, &mut response, &admitted);
    }
    Ok(response)
}

/// Keep an account that was to be deleted, by the mailed link.
#[utoipa::path(post, path = paths::ME_KEEP, tag = "me", request_body = TokenRequest,
    responses((status = 204, description = "The account stays; sign in again")))]
pub(crate) async fn keep(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(request): JsonBody<TokenRequest>,
) -> Answer {
    web.cx.keep_account(&request.token, &client).await?;
    Ok(no_content())
}
