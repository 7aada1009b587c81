//! The pages for people: sign in, choose a new password.

use http::StatusCode;
use http::request::Parts;
use portcullis_edge::Code;
use serde_json::Value;

use super::fields::Fields;
use super::{Asked, parameter, return_to};
use crate::answer::{self, Answer};
use crate::gateway::Inner;
use crate::issuer::{Ask, OnBehalf};
use crate::pages::{AccessCode, ChangePassword, Factor, SignIn, page};
use crate::paths;
use crate::who::Who;

impl Inner {
    /// `GET /auth/sign-in?return_to=`
    pub(super) async fn sign_in_page(&self, asked: &Asked) -> Answer {
        let place = self.place(asked, parameter(&asked.parts, "return_to").as_deref());
        // Whoever is signed in has nothing to do here, unless they are to prove it once more.
        if parameter(&asked.parts, "max_age").is_none() {
            let session = asked.brought.session.as_ref();
            match self.doorman.who(&http::HeaderMap::new(), session, &asked.client).await {
                Who::Somebody(_) => return answer::see_other(&place),
                Who::MustChange => return to_new_password(&place),
                _ => {}
            }
        }
        self.sign_in_again(asked, (StatusCode::OK, None), &place, "").await
    }

    /// The page, with what went wrong.
    pub(super) async fn sign_in_again(
        &self,
        asked: &Asked,
        (status, message): (StatusCode, Option<&str>),
        return_to: &str,
        login: &str,
    ) -> Answer {
        let csrf = self.csrf_of(asked.brought.session.as_deref());
        let may_register = self.may_register(&asked.client).await;
        let issuer = self.issuer_url.trim_end_matches('/');
        page(status, &SignIn { csrf: &csrf, return_to, login, message, issuer, may_register })
    }

    /// Whether the issuer takes strangers. A page without that line is better than none.
    async fn may_register(&self, client: &OnBehalf) -> bool {
        let ask = Ask { method: http::Method::GET, target: paths::CONFIG, bearer: None, body: None };
        let Ok(told) = self.issuer.ask(ask, client).await else { return false };
        let config: Value = serde_json::from_slice(&told.body).unwrap_or_default();
        config["registration"]["open"] == true
    }

    /// `GET /auth/change-password`
    pub(super) fn change_password_page(&self, asked: &Asked) -> Answer {
        let place = self.place(asked, parameter(&asked.parts, "return_to").as_deref());
        self.change_password_again(asked, (StatusCode::OK, None), &place)
    }

    /// The page, with what went wrong.
    pub(super) fn change_password_again(
        &self,
        asked: &Asked,
        (status, message): (StatusCode, Option<&str>),
        return_to: &str,
    ) -> Answer {
        let csrf = self.csrf_of(asked.brought.session.as_deref());
        page(status, &ChangePassword { csrf: &csrf, return_to, message })
    }

    /// The second step of a sign-in, if the issuer's refusal asks for one.
    pub(super) fn factor_page(
        &self,
        asked: &Asked,
        problem: &Value,
        (return_to, fields): (&str, &Fields),
    ) -> Option<Answer> {
        let csrf = self.csrf_of(asked.brought.session.as_deref());
        if matches!(problem["code"].as_str(), Some("wrong_code" | "validation_failed"))
            && asked.path() == paths::FACTOR
        {
            let challenge = fields.get("challenge")?;
            let mut methods = vec!["totp", "recovery_code"];
            // What they have just tried comes first.
            methods.sort_by_key(|method| fields.get("method") != Some(method));
            let message = Some("That code is not right, or was used already. Wait for the next one.");
            let status = StatusCode::FORBIDDEN;
            return Some(page(status, &Factor { csrf: &csrf, return_to, challenge, methods, message }));
        }
        let challenge = problem["challenge"].as_str()?;
        let methods = problem["methods"].as_array()?.iter().filter_map(Value::as_str);
        let methods = methods.filter(|method| *method != "passkey").collect();
        Some(page(StatusCode::OK, &Factor { csrf: &csrf, return_to, challenge, methods, message: None }))
    }

    /// Where to go on, on this site.
    pub(super) fn place(&self, asked: &Asked, wanted: Option<&str>) -> String {
        return_to(wanted, &format!("{}://{}", self.scheme, asked.host))
    }
}

/// To the page of who must choose a new password first.
pub(crate) fn to_new_password(place: &str) -> Answer {
    answer::see_other(&with_return(paths::CHANGE_PASSWORD, place))
}

/// The page before a site that is not open; for programs, a refusal.
pub(crate) fn before_the_code(parts: &Parts) -> Answer {
    if answer::is_for_a_page(parts) {
        let place = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let place = return_to(Some(place), "");
        return page(StatusCode::FORBIDDEN, &AccessCode { return_to: &place, message: None });
    }
    answer::problem(Code::AccessCodeRequired.into())
}

/// A page of ours that comes back to `place`.
pub(crate) fn with_return(path: &str, place: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("return_to", place).finish();
    format!("{path}?{query}")
}
