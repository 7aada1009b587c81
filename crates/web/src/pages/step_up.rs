//! `/step-up`: whoever is signed in shows once more that it is them, and goes on to what needs that.

use portcullis_app::bearer::Caller;
use portcullis_app::step_up::StepUpProof;
use portcullis_core::factor::Factor;
use portcullis_core::password::Password;
use portcullis_core::user::User;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::factor::{code_field, showing, showing_passkey};
use super::form::{Field, Form, Kind};
use super::html::{PageAnswer, see_other};
use super::opened::{Opened, PageQuery, Pressed, shown_first};
use super::sign_in::known;
use super::visit::Visit;
use crate::api::token_response::cookies_of;
use crate::extract::{Admitted, may_change_credentials};
use crate::failure::Answer;
use crate::paths;

/// A code, or the password of whoever has no second factor.
#[derive(Deserialize, ToSchema)]
pub(crate) struct StepUpForm {
    #[serde(default)]
    current_password: String,
    #[serde(default)]
    code: String,
    /// In the place of a code: what the browser was asked for a passkey with.
    #[serde(default)]
    ceremony: String,
    /// What it answered, as JSON.
    #[serde(default)]
    credential: String,
    #[serde(default)]
    csrf_token: String,
}

/// The page that asks for it.
#[utoipa::path(get, path = paths::STEP_UP_PAGE, tag = "pages", params(PageQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Nobody is signed in, or has neither password nor factor: to the sign-in page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let shown = match (&visit.user, known(&opened, &visit).await) {
        (Some(caller), Ok(Some(user))) => match may_change_credentials(caller) {
            Ok(()) if opened.web.cx.ways_to_step_up(user.id).await.is_empty() => signs_in_anew(&opened),
            Ok(()) => form(&opened, &visit, &user).shown(),
            Err(failure) => Err(failure),
        },
        (_, Ok(_)) => see_other(&opened.to_sign_in()),
        (_, Err(failure)) => Err(failure),
    };
    visit.answer(shown)
}

/// Whoever has nothing to show here goes by way of the sign-in page to where they wanted to go.
fn signs_in_anew(opened: &Opened) -> Answer {
    see_other(&shown_first(&[], opened.next()))
}

/// Shows it.
#[utoipa::path(post, path = paths::STEP_UP_PAGE, tag = "pages", params(PageQuery),
    request_body(content = StepUpForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303, description = "Shown: to `return_to`, or to the account page")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<StepUpForm>) -> PageAnswer {
    let (visit, admitted) = Visit::pressing(&opened, &sent.csrf_token).await?;
    let answer = match (&visit.user, known(&opened, &visit).await) {
        (Some(caller), Ok(Some(user))) => match step_up(&opened, (caller, &admitted), &user, &sent).await {
            Err(failure)
                if matches!(
                    failure.code(),
                    Code::WrongCode | Code::WrongPassword | Code::ValidationFailed | Code::RateLimited
                ) =>
            {
                form(&opened, &visit, &user).refused(failure)
            }
            Err(failure) if failure.code() == Code::NoPassword => signs_in_anew(&opened),
            answer => answer,
        },
        (_, Ok(_)) => see_other(&opened.to_sign_in()),
        (_, Err(failure)) => Err(failure),
    };
    visit.answer(answer)
}

async fn step_up(
    opened: &Opened,
    (caller, admitted): (&Caller, &Admitted),
    user: &User,
    sent: &StepUpForm,
) -> Answer {
    may_change_credentials(caller)?;
    let proof = if user.factors.is_empty() {
        StepUpProof::Password(Password::presented(&sent.current_password))
    } else if sent.ceremony.is_empty() {
        StepUpProof::Factor(showing(&sent.code))
    } else {
        StepUpProof::Factor(showing_passkey(&sent.ceremony, &sent.credential))
    };
    let web = &opened.web;
    let tokens = web.cx.step_up(caller, proof, &opened.client).await?;
    let mut response = see_other(opened.next())?;
    response.headers_mut().extend(cookies_of(&tokens, Some((web, admitted)))?);
    Ok(response)
}

fn form(opened: &Opened, visit: &Visit, user: &User) -> Form {
    let form = Form::new("Is it you?", "Go on", visit.csrf_token(opened))
        .leading_on(opened)
        .or_passkey(opened.web.cx.takes_passkeys() && user.factors.has(Factor::Passkey))
        .intro("To go on here, please show once more that it is you.")
        .field(
            Field::new("email", "Signed in as", Kind::Name, "username").value(user.email.as_str()).fixed(),
        );
    let form = if user.factors.is_empty() {
        form.field(Field::new("current_password", "Password", Kind::Password, "current-password"))
    } else {
        form.field(code_field())
    };
    form.link("Your account", paths::ACCOUNT_PAGE)
}
