//! `/account/password`: changes the password. Whoever must do so first is sent here.

use portcullis_app::bearer::Caller;
use portcullis_app::change_password::PasswordChange;
use portcullis_core::password::Password;
use portcullis_core::user::User;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::form::{Field, Form, Kind};
use super::html::{PageAnswer, see_other};
use super::opened::{Opened, PageQuery, Pressed};
use super::sign_in::known;
use super::visit::Visit;
use crate::api::token_response::cookies_of;
use crate::extract::{Admitted, may_change_credentials};
use crate::failure::{Answer, Failure};
use crate::paths;

/// The password as it is and as it shall be.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasswordForm {
    #[serde(default)]
    current_password: String,
    #[serde(default)]
    new_password: String,
    #[serde(default)]
    csrf_token: String,
}

/// The page that changes the password.
#[utoipa::path(get, path = paths::PASSWORD_PAGE, tag = "pages", params(PageQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Nobody is signed in: to the sign-in page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let shown = match (&visit.user, known(&opened, &visit).await) {
        (Some(caller), Ok(Some(user))) => {
            may_change_credentials(caller).and_then(|()| form(&opened, &visit, caller, &user).shown())
        }
        (_, Ok(_)) => see_other(&opened.to_sign_in()),
        (_, Err(failure)) => Err(failure),
    };
    visit.answer(shown)
}

/// Changes the password.
#[utoipa::path(post, path = paths::PASSWORD_PAGE, tag = "pages", params(PageQuery),
    request_body(content = PasswordForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303, description = "Changed, every other session has ended: to `return_to`, or to the account page")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<PasswordForm>) -> PageAnswer {
    let (visit, admitted) = Visit::pressing(&opened, &sent.csrf_token).await?;
    let answer = match (&visit.user, known(&opened, &visit).await) {
        (Some(caller), Ok(Some(user))) => match change(&opened, (caller, &admitted), sent).await {
            Err(failure) if is_mendable(&failure) => form(&opened, &visit, caller, &user).refused(failure),
            answer => answer,
        },
        (_, Ok(_)) => see_other(&opened.to_sign_in()),
        (_, Err(failure)) => Err(failure),
    };
    visit.answer(answer)
}

async fn change(opened: &Opened, (caller, admitted): (&Caller, &Admitted), sent: PasswordForm) -> Answer {
    may_change_credentials(caller)?;
    let web = &opened.web;
    let current = Password::presented(&sent.current_password);
    let change = PasswordChange { current, new: sent.new_password, revoke_api_tokens: false };
    let tokens = web.cx.change_password(caller, change, &opened.client).await?;
    let mut response = see_other(opened.next())?;
    response.headers_mut().extend(cookies_of(&tokens, Some((web, admitted)))?);
    Ok(response)
}

/// Whether the same form can be sent again: not by whose session has ended, or who has no password to change.
fn is_mendable(failure: &Failure) -> bool {
    !matches!(
        failure.code(),
        Code::InvalidToken
            | Code::NoPassword
            | Code::NotWhileActing
            | Code::ReadOnlySession
            | Code::SessionRequired
            | Code::WrongAudience
    )
}

fn form(opened: &Opened, visit: &Visit, caller: &Caller, user: &User) -> Form {
    let at_least = format!("At least {} characters.", opened.web.config.password_min_length);
    let form = Form::new("Change the password", "Change the password", visit.csrf_token(opened))
        .leading_on(opened)
        .field(Field::new("email", "Signed in as", Kind::Name, "username").value(user.email.as_str()).fixed())
        .field(Field::new("current_password", "Password now", Kind::Password, "current-password"))
        .field(Field::new("new_password", "New password", Kind::Password, "new-password").hint(at_least));
    if caller.must_change_password {
        form.intro("Please choose a password of your own before you go on.")
            .link("Sign out", paths::SIGN_OUT_PAGE)
    } else {
        form.intro("You stay signed in here, and are signed out everywhere else.")
            .link("Your account", paths::ACCOUNT_PAGE)
    }
}
