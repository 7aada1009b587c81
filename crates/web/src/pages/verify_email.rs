//! `/verify-email`: shows by a mailed link that an address is one's own. The link of a registration makes the user, in the
//! browser that registered; elsewhere the page asks for a password.

use portcullis_app::pending::Confirmation;
use portcullis_core::link::{LinkPurpose, PresentedLink};
use portcullis_core::password::Password;
use serde::Deserialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::form::{Field, Form, Kind};
use super::html::{Link, PageAnswer};
use super::mailed::{MailedQuery, done, refused};
use super::opened::{Opened, Pressed};
use crate::extract::QueryString;
use crate::failure::{Answer, Failure};
use crate::paths;

/// What shows who registered, where the browser does not.
#[derive(Deserialize, ToSchema)]
pub(crate) struct VerifyForm {
    #[serde(default)]
    password: String,
    #[serde(default)]
    csrf_token: String,
}

/// The page behind the link. Opening it uses nothing up.
#[utoipa::path(get, path = paths::VERIFY_EMAIL_PAGE, tag = "pages", params(MailedQuery), responses(
    (status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
) -> PageAnswer {
    let asks = !opened.browser().may_have_registered()?;
    Ok(form(&opened, &token, asks).await?.shown()?)
}

/// Uses the link.
#[utoipa::path(post, path = paths::VERIFY_EMAIL_PAGE, tag = "pages", params(MailedQuery),
    request_body(content = VerifyForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "Done"),
    (status = 400, content_type = "text/html", description = "The link is wrong, used or too old")))]
pub(crate) async fn submit(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
    Pressed(sent): Pressed<VerifyForm>,
) -> PageAnswer {
    match verify(&opened, &token, &sent).await {
        Ok(response) => Ok(response),
        // Perhaps another browser registered: then the password shows who it is.
        Err(failure) => Ok(refused(form(&opened, &token, true).await?, failure)?),
    }
}

async fn verify(opened: &Opened, token: &str, sent: &VerifyForm) -> Answer {
    opened.browser().admit_button(&sent.csrf_token).await?;
    let confirmation = Confirmation {
        browser: opened.browser().registration()?,
        password: Some(&sent.password).filter(|text| !text.is_empty()).map(|text| Password::presented(text)),
        new_password: None,
    };
    opened.web.cx.verify_email(token, confirmation, &opened.client).await?;
    let text = "Thank you: we know now that this address is yours.";
    done("Your address is confirmed", text, Link::new("Your account", paths::ACCOUNT_PAGE))
}

async fn form(opened: &Opened, token: &str, asks: bool) -> Result<Form, Failure> {
    let form = Form::new("Confirm your address", "Confirm", opened.csrf_token().await?);
    let purpose = PresentedLink::parse(token).map(|link| link.purpose);
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    let disowns = |form: Form| form.link("This was not me", format!("{}?{query}", paths::NOT_ME_PAGE));
    if purpose == Some(LinkPurpose::VerifyEmail) {
        let form = form.intro("Press the button if you made an account here with this address.");
        return Ok(disowns(form));
    }
    if purpose != Some(LinkPurpose::Register) {
        return Ok(form.intro("Press the button to show that you got our mail."));
    }
    let form = disowns(form);
    Ok(if asks {
        form.intro("To finish signing up, give the password that you chose.").field(Field::new(
            "password",
            "Password",
            Kind::Password,
            "current-password",
        ))
    } else {
        form.intro("Press the button to finish signing up.")
    })
}
