//! `/auth/factors…`: the second factors of whoever asks.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::factors::{FactorError, OwnFactors};
use portcullis_core::ids::{DeviceId, FactorId};
use portcullis_core::recovery_code::RecoveryCode;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::token_response::{TokenBody, with_cookies};
use super::{no_content, private_json};
use crate::extract::{ClientInfo, JsonBody, OwnFactorToo, PathId};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::qr_code::qr_code;
use crate::state::Web;

/// One factor.
#[derive(Serialize, ToSchema)]
#[schema(as = Factor)]
pub(crate) struct FactorBody {
    id: Uuid,
    /// `totp`: an app that makes codes; `passkey`.
    kind: &'static str,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    last_used_at: Option<String>,
}

/// A device on which no second factor is asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = TrustedDevice)]
pub(crate) struct DeviceBody {
    id: Uuid,
    /// What the device calls itself.
    device: String,
    /// Where it was when it was trusted.
    address: String,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    expires_at: String,
}

/// All that a user has to show beside what they sign in with.
#[derive(Serialize, ToSchema)]
#[schema(as = Factors)]
pub(crate) struct FactorsBody {
    pub(super) items: Vec<FactorBody>,
    /// How many are left.
    pub(super) recovery_codes: i64,
    pub(super) trusted_devices: Vec<DeviceBody>,
    /// The user's role needs a factor.
    required: bool,
}

impl From<OwnFactors> for FactorsBody {
    fn from(own: OwnFactors) -> Self {
        let factor = own.factors.into_iter().map(|factor| FactorBody {
            id: factor.id.uuid(),
            kind: factor.kind.as_str(),
            created_at: factor.created_at.to_string(),
            last_used_at: factor.last_used_at.map(|at| at.to_string()),
        });
        let device = own.devices.into_iter().map(|device| DeviceBody {
            id: device.id.uuid(),
            device: device.device,
            address: device.address,
            created_at: device.created_at.to_string(),
            expires_at: device.expires_at.to_string(),
        });
        Self {
            items: factor.collect(),
            recovery_codes: own.recovery_codes,
            trusted_devices: device.collect(),
            required: own.required,
        }
    }
}

/// What an app for codes needs, once.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewTotpBody {
    id: Uuid,
    /// For typing into the app: base32.
    secret: String,
    /// What the QR code says.
    uri: String,
    /// The QR code: an SVG document.
    qr_code: String,
    /// RFC 3339. Until then its first code must be shown.
    expires_at: String,
}

/// A code.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CodeBody {
    code: String,
}

/// Recovery codes, once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// The session's next tokens, and recovery codes, once.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfirmedBody {
    #[serde(flatten)]
    tokens: TokenBody,
    factor_id: Uuid,
    /// Empty if the user has some left.
    recovery_codes: Vec<String>,
}

impl From<FactorError> for Failure {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Fresh(error) => error.into(),
            FactorError::WrongCode(why) => Self::logged(Code::WrongCode, why),
            FactorError::Invalid(error) => Self::fields(vec![error]),
            FactorError::NotFound => Self::new(Code::NotFound),
            FactorError::NoFactor => Self::new(Code::NoFactor),
            FactorError::Required => Self::new(Code::FactorRequired),
            FactorError::Moved => Self::logged(Code::InvalidToken, "the user has changed meanwhile"),
            FactorError::Limited(limited) => limited.into(),
            FactorError::Fault(fault) => fault.into(),
        }
    }
}

fn shown(codes: &[RecoveryCode]) -> Vec<String> {
    codes.iter().map(RecoveryCode::shown).collect()
}

/// The user's second factors, and the devices on which none is asked for.
#[utoipa::path(get, path = paths::FACTORS, tag = "factors", security(("bearer" = [])),
    responses((status = 200, description = "What there is", body = FactorsBody)))]
pub(crate) async fn list(State(web): State<Web>, OwnFactorToo(caller): OwnFactorToo) -> Answer {
    let own = web.cx.own_factors(caller.user).await?;
    Ok(private_json(StatusCode::OK, &FactorsBody::from(own)))
}

/// Begin to set up an app for codes. Needs a fresh sign-in; counts for nothing before its first code was shown.
#[utoipa::path(post, path = paths::TOTP, tag = "factors", security(("bearer" = [])),
    responses((status = 201, description = "What the app needs, once", body = NewTotpBody)))]
pub(crate) async fn begin_totp(State(web): State<Web>, OwnFactorToo(caller): OwnFactorToo) -> Answer {
    let new = web.cx.begin_totp(&caller).await?;
    let body = NewTotpBody {
        id: new.id.uuid(),
        secret: new.secret.to_base32(),
        qr_code: qr_code(&new.uri)?,
        uri: new.uri,
        expires_at: new.expires_at.to_string(),
    };
    Ok(private_json(StatusCode::CREATED, &body))
}

/// Put the app to use by its first code, in the place of another. The tokens of the session are new.
#[utoipa::path(post, path = paths::TOTP_CONFIRM, tag = "factors", request_body = CodeBody,
    security(("bearer" = [])),
    responses((status = 200, description = "In use; new tokens, and recovery codes once", body = ConfirmedBody)))]
pub(crate) async fn confirm_totp(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnFactorToo(caller): OwnFactorToo,
    headers: HeaderMap,
    JsonBody(body): JsonBody<CodeBody>,
) -> Answer {
    let admitted = caller.admitted(&web, &headers).await;
    let added = web.cx.confirm_totp(&caller, &body.code, &client).await?;
    let (factor_id, recovery_codes) = (added.id.uuid(), shown(&added.recovery_codes));
    let made = |tokens| {
        let body = ConfirmedBody { tokens: TokenBody::from(tokens), factor_id, recovery_codes };
        private_json(StatusCode::OK, &body)
    };
    Ok(with_cookies(added.tokens, admitted.as_ref().map(|admitted| (&web, admitted)), made))
}

/// Remove a factor. Needs a fresh sign-in; access tokens so far end.
#[utoipa::path(delete, path = paths::FACTOR, tag = "factors", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Removed")))]
pub(crate) async fn remove(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnFactorToo(caller): OwnFactorToo,
    PathId(id): PathId<FactorId>,
) -> Answer {
    web.cx.remove_factor(&caller, id, &client).await?;
    Ok(no_content())
}

/// Make a new set of recovery codes; those before are void. Needs a fresh sign-in.
#[utoipa::path(post, path = paths::RECOVERY_CODES, tag = "factors", security(("bearer" = [])),
    responses((status = 201, description = "The codes, once", body = RecoveryCodes)))]
pub(crate) async fn recovery_codes(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnFactorToo(caller): OwnFactorToo,
) -> Answer {
    let codes = web.cx.new_recovery_codes(&caller, &client).await?;
    Ok(private_json(StatusCode::CREATED, &RecoveryCodes { recovery_codes: shown(&codes) }))
}

/// Ask for a second factor on this device again.
#[utoipa::path(delete, path = paths::TRUSTED_DEVICE, tag = "factors", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204, description = "Trusted no more")))]
pub(crate) async fn forget_device(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    OwnFactorToo(caller): OwnFactorToo,
    PathId(id): PathId<DeviceId>,
) -> Answer {
    web.cx.forget_device(&caller, id, &client).await?;
    Ok(no_content())
}
