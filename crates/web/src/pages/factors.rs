//! `/account/factors`: what the user shows beside what they sign in with, and the devices on which nobody asks for it.
//! `/account/factors/totp`: setting up an app for codes.

use askama::Template;
use portcullis_app::bearer::Caller;
use portcullis_app::factors::{Added, FactorError, OwnFactors};
use portcullis_app::fresh::FreshError;
use portcullis_core::factor::Factor;
use portcullis_core::recovery_code::RecoveryCode;
use portcullis_core::time::Timestamp;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::html::{Message, PageAnswer, message, page, refused, see_other};
use super::opened::{Opened, Pressed, shown_first};
use super::sign_in::known;
use super::visit::Visit;
use crate::api::token_response::cookies_of;
use crate::extract::{Admitted, may_change_factors};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::qr_code::qr_code;

/// What to do: one of them.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FactorsForm {
    /// `totp`: begin to set up an app.
    #[serde(default)]
    begin: String,
    /// A factor to remove.
    #[serde(default)]
    remove: String,
    /// `new`: make recovery codes.
    #[serde(default)]
    codes: String,
    /// A device to trust no more.
    #[serde(default)]
    forget: String,
    #[serde(default)]
    csrf_token: String,
}

/// The first code of an app.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TotpForm {
    #[serde(default)]
    code: String,
    #[serde(default)]
    csrf_token: String,
}

struct FactorLine {
    id: String,
    name: &'static str,
    created: String,
    created_at: String,
    used: Option<String>,
}

struct DeviceLine {
    id: String,
    device: String,
    address: String,
    until: String,
    until_at: String,
}

#[derive(Template)]
#[template(path = "factors.html")]
struct FactorsPage {
    message: Option<Message>,
    must_set_up: bool,
    takes_passkeys: bool,
    factors: Vec<FactorLine>,
    recovery_codes: i64,
    devices: Vec<DeviceLine>,
    csrf_token: String,
}

#[derive(Template)]
#[template(path = "totp.html")]
struct SetUp {
    message: Option<Message>,
    qr_code: String,
    secret: String,
    csrf_token: String,
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct Codes {
    codes: Vec<String>,
    next: String,
}

/// The page of the factors.
#[utoipa::path(get, path = paths::FACTORS_PAGE, tag = "pages", responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Nobody is signed in: to the sign-in page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let shown = shown(&opened, &visit, None).await;
    visit.answer(shown)
}

async fn shown(opened: &Opened, visit: &Visit, message: Option<Message>) -> Answer {
    match (&visit.user, known(opened, visit).await?) {
        (Some(caller), Some(_)) if caller.must_change_password => see_other(paths::PASSWORD_PAGE),
        (Some(caller), Some(_)) => {
            may_change_factors(caller)?;
            let own = opened.web.cx.own_factors(caller.user).await?;
            let takes_passkeys = opened.web.cx.takes_passkeys();
            page(&FactorsPage { takes_passkeys, ..factors(own, caller, message, visit.csrf_token(opened)) })
        }
        _ => see_other(&opened.to_sign_in()),
    }
}

fn factors(own: OwnFactors, caller: &Caller, message: Option<Message>, csrf_token: String) -> FactorsPage {
    let factor = own.factors.into_iter().map(|factor| FactorLine {
        id: factor.id.to_string(),
        name: match factor.kind {
            Factor::Totp => "An app for codes",
            Factor::Passkey => "A passkey",
        },
        created: factor.created_at.to_the_minute(),
        created_at: factor.created_at.to_string(),
        used: factor.last_used_at.map(Timestamp::to_the_minute),
    });
    let device = own.devices.into_iter().map(|device| DeviceLine {
        id: device.id.to_string(),
        device: if device.device.is_empty() { "A device without a name".to_owned() } else { device.device },
        address: device.address,
        until: device.expires_at.to_the_minute(),
        until_at: device.expires_at.to_string(),
    });
    FactorsPage {
        message,
        must_set_up: caller.must_set_up_factor,
        takes_passkeys: false,
        factors: factor.collect(),
        recovery_codes: own.recovery_codes,
        devices: device.collect(),
        csrf_token,
    }
}

/// Changes them.
#[utoipa::path(post, path = paths::FACTORS_PAGE, tag = "pages",
    request_body(content = FactorsForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "New recovery codes, once"),
    (status = 303, description = "Done: to this page, to the set-up of an app, or to show once more who it is")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<FactorsForm>) -> PageAnswer {
    let (visit, _) = Visit::pressing(&opened, &sent.csrf_token).await?;
    let done = match &visit.user {
        Some(caller) => change(&opened, caller, &sent).await,
        None => see_other(&opened.to_sign_in()),
    };
    let answer = match done {
        Err(failure)
            if matches!(
                failure.code(),
                Code::NotFound | Code::FactorRequired | Code::NoFactor | Code::LastWayIn
            ) =>
        {
            let (problem, log) = failure.into_parts();
            let again = shown(&opened, &visit, Some(message(&problem, &http::HeaderMap::new()))).await;
            refused(Failure::rejoined(problem, log), |_, _| again)
        }
        answer => answer,
    };
    visit.answer(answer)
}

async fn change(opened: &Opened, caller: &Caller, sent: &FactorsForm) -> Answer {
    may_change_factors(caller)?;
    let (cx, client) = (&opened.web.cx, &opened.client);
    let not_there = || Failure::new(Code::NotFound);
    let done = if !sent.begin.is_empty() {
        cx.begin_totp(caller).await.map(|_| paths::TOTP_PAGE)
    } else if !sent.codes.is_empty() {
        match cx.new_recovery_codes(caller, client).await {
            Ok(codes) => return recovery_codes(&codes, paths::FACTORS_PAGE),
            Err(error) => Err(error),
        }
    } else if !sent.remove.is_empty() {
        let id = sent.remove.parse().map_err(|_| not_there())?;
        cx.remove_factor(caller, id, client).await.map(|()| paths::FACTORS_PAGE)
    } else {
        let id = sent.forget.parse().map_err(|_| not_there())?;
        cx.forget_device(caller, id, client).await.map(|()| paths::FACTORS_PAGE)
    };
    done.map_or_else(|error| to_show_first(error, paths::FACTORS_PAGE), see_other)
}

/// Whoever must show first that it is them does so, and comes back.
fn to_show_first(error: FactorError, back: &str) -> Answer {
    match error {
        FactorError::Fresh(FreshError::Required(methods)) => see_other(&shown_first(&methods, back)),
        error => Err(error.into()),
    }
}

pub(super) fn recovery_codes(codes: &[RecoveryCode], next: &str) -> Answer {
    page(&Codes { codes: codes.iter().map(RecoveryCode::shown).collect(), next: next.to_owned() })
}

/// The page that sets up an app.
#[utoipa::path(get, path = paths::TOTP_PAGE, tag = "pages", responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Nothing is being set up: to the page of the factors")))]
pub(crate) async fn show_totp(opened: Opened) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let shown = match &visit.user {
        Some(caller) => set_up(&opened, &visit, caller, None).await,
        None => see_other(&opened.to_sign_in()),
    };
    visit.answer(shown)
}

async fn set_up(opened: &Opened, visit: &Visit, caller: &Caller, message: Option<Message>) -> Answer {
    may_change_factors(caller)?;
    let begun = match opened.web.cx.begun_totp(caller).await {
        Ok(begun) => begun,
        Err(FactorError::NotFound) => return see_other(paths::FACTORS_PAGE),
        Err(error) => return to_show_first(error, paths::TOTP_PAGE),
    };
    page(&SetUp {
        message,
        qr_code: qr_code(&begun.uri)?,
        secret: begun.secret.to_base32(),
        csrf_token: visit.csrf_token(opened),
    })
}

/// Puts it to use.
#[utoipa::path(post, path = paths::TOTP_PAGE, tag = "pages",
    request_body(content = TotpForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "In use, with recovery codes once"),
    (status = 303, description = "In use: to the page of the factors")))]
pub(crate) async fn submit_totp(opened: Opened, Pressed(sent): Pressed<TotpForm>) -> PageAnswer {
    let (visit, admitted) = Visit::pressing(&opened, &sent.csrf_token).await?;
    let answer = match &visit.user {
        Some(caller) => match confirm(&opened, (caller, &admitted), &sent.code).await {
            Err(failure) if failure.code() == Code::NotFound => see_other(paths::FACTORS_PAGE),
            Err(failure) if matches!(failure.code(), Code::WrongCode | Code::RateLimited) => {
                let (problem, log) = failure.into_parts();
                let said = message(&problem, &http::HeaderMap::new());
                let again = set_up(&opened, &visit, caller, Some(said)).await;
                refused(Failure::rejoined(problem, log), |_, _| again)
            }
            answer => answer,
        },
        None => see_other(&opened.to_sign_in()),
    };
    visit.answer(answer)
}

async fn confirm(opened: &Opened, (caller, admitted): (&Caller, &Admitted), code: &str) -> Answer {
    may_change_factors(caller)?;
    let web = &opened.web;
    let Added { recovery_codes: codes, tokens, .. } =
        web.cx.confirm_totp(caller, code, &opened.client).await?;
    let mut response = if codes.is_empty() {
        see_other(paths::FACTORS_PAGE)?
    } else {
        recovery_codes(&codes, paths::FACTORS_PAGE)?
    };
    response.headers_mut().extend(cookies_of(&tokens, Some((web, admitted)))?);
    Ok(response)
}
