//! The pages of ours: plain forms, one style, not a line of script (CSP `default-src 'none'`).

use askama::Template;
use http::StatusCode;

use crate::answer::{Answer, private};

/// Sign in.
#[derive(Template)]
#[template(path = "sign-in.html")]
pub(crate) struct SignIn<'a> {
    pub(crate) csrf: &'a str,
    pub(crate) return_to: &'a str,
    pub(crate) login: &'a str,
    pub(crate) message: Option<&'a str>,
    /// The issuer, where people sign up and mend what they forgot.
    pub(crate) issuer: &'a str,
    pub(crate) may_register: bool,
}

/// The second step.
#[derive(Template)]
#[template(path = "factor.html")]
pub(crate) struct Factor<'a> {
    pub(crate) csrf: &'a str,
    pub(crate) return_to: &'a str,
    pub(crate) challenge: &'a str,
    pub(crate) methods: Vec<&'a str>,
    pub(crate) message: Option<&'a str>,
}

/// A new password, before anything else.
#[derive(Template)]
#[template(path = "change-password.html")]
pub(crate) struct ChangePassword<'a> {
    pub(crate) csrf: &'a str,
    pub(crate) return_to: &'a str,
    pub(crate) message: Option<&'a str>,
}

/// The code before the site.
#[derive(Template)]
#[template(path = "access-code.html")]
pub(crate) struct AccessCode<'a> {
    pub(crate) return_to: &'a str,
    pub(crate) message: Option<&'a str>,
}

/// The style of all of them.
pub(crate) const STYLE: &str = include_str!("../assets/gateway.css");

/// A page, with `status`.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Answer {
    match template.render() {
        Ok(html) => private(status, "text/html; charset=utf-8", html),
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            crate::answer::problem(portcullis_edge::Code::InternalError.into())
        }
    }
}
