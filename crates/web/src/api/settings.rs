//! `/admin/api/settings`: what administrators change without a restart.

use axum::extract::State;
use http::StatusCode;
use portcullis_app::clients::By;
use portcullis_app::runtime::{SettingError, SettingView};
use portcullis_core::ids::UserId;
use portcullis_core::runtime::Kind;
use portcullis_edge::code::Code;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::clients::administrator;
use super::{no_content, private_json};
use crate::extract::{ClientInfo, JsonBody, Own, PathId};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// A new value.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SettingChange {
    /// Of the setting's type.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Value, required = true)]
    value: Option<Value>,
}

/// Tells `null` from absent.
fn sent<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// A runtime setting.
#[derive(Serialize, ToSchema)]
#[schema(as = Setting)]
pub(crate) struct SettingBody {
    name: &'static str,
    /// `boolean`, `integer`, `choice` or `role`.
    r#type: &'static str,
    /// Of an integer: the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<u32>,
    /// Of an integer: the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u32>,
    /// Of a choice: what there is to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<&'static [&'static str]>,
    /// What is in force.
    value: Value,
    /// What the configuration says.
    default: Value,
    /// The value was set at run time, and stands whatever the configuration says.
    overridden: bool,
    /// The configuration key that the default comes from.
    key: Option<&'static str>,
    /// For people.
    meaning: &'static str,
    /// RFC 3339; `null`: it is as configured.
    updated_at: Option<String>,
    /// The administrator who set it; `null`: nobody, or an operator on the command line.
    updated_by: Option<Uuid>,
}

/// All runtime settings. There are few: `next_cursor` is always `null`.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettingList {
    items: Vec<SettingBody>,
    next_cursor: Option<String>,
}

impl From<SettingView> for SettingBody {
    fn from(view: SettingView) -> Self {
        let SettingView { setting, value, default, set } = view;
        let (min, max) = match setting.kind {
            Kind::Integer { min, max } => (Some(min), Some(max)),
            Kind::Boolean | Kind::Choice(_) | Kind::Role => (None, None),
        };
        let choices = match setting.kind {
            Kind::Choice(words) => Some(words),
            Kind::Boolean | Kind::Integer { .. } | Kind::Role => None,
        };
        Self {
            name: setting.name,
            r#type: setting.kind.as_str(),
            min,
            max,
            choices,
            value,
            default,
            overridden: set.is_some(),
            key: setting.key,
            meaning: setting.meaning,
            updated_at: set.as_ref().map(|set| set.updated_at.to_string()),
            updated_by: set.and_then(|set| set.updated_by).map(UserId::uuid),
        }
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Unknown => Self::new(Code::NotFound),
            SettingError::Invalid(error) => Self::fields(vec![error]),
            SettingError::Moved => {
                Self::logged(Code::InvalidToken, "the administrator has changed meanwhile")
            }
            SettingError::Fault(fault) => fault.into(),
        }
    }
}

/// Runtime settings: what is in force, what is configured, who has changed it.
#[utoipa::path(get, path = paths::ADMIN_SETTINGS, tag = "administration", security(("bearer" = [])),
    responses((status = 200, description = "All of them", body = SettingList)))]
pub(crate) async fn list(State(web): State<Web>, own: Own) -> Answer {
    administrator(own)?;
    let items = web.cx.list_settings().await?.into_iter().map(SettingBody::from).collect();
    Ok(private_json(StatusCode::OK, &SettingList { items, next_cursor: None }))
}

/// Change a runtime setting, on every node within seconds.
#[utoipa::path(put, path = paths::ADMIN_SETTING, tag = "administration", params(("name" = String, Path)),
    request_body = SettingChange, security(("bearer" = [])),
    responses((status = 200, description = "The setting as it is now", body = SettingBody)))]
pub(crate) async fn set(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    PathId(name): PathId<String>,
    JsonBody(body): JsonBody<SettingChange>,
) -> Answer {
    let caller = administrator(own)?;
    let value = body.value.ok_or_else(|| Failure::field("value", "required", "Give the new `value`."))?;
    let by = By::Administrator(&caller, &client);
    let view = web.cx.change_setting(&name, Some(value), by).await?;
    Ok(private_json(StatusCode::OK, &SettingBody::from(view)))
}

/// Let a runtime setting be as configured again.
#[utoipa::path(delete, path = paths::ADMIN_SETTING, tag = "administration", params(("name" = String, Path)),
    security(("bearer" = [])), responses((status = 204, description = "It is as configured")))]
pub(crate) async fn unset(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    own: Own,
    PathId(name): PathId<String>,
) -> Answer {
    let caller = administrator(own)?;
    web.cx.change_setting(&name, None, By::Administrator(&caller, &client)).await?;
    Ok(no_content())
}
