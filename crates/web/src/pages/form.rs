//! A page with a form on it. A page that asks for something is this and a few strings.

use askama::Template;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use portcullis_edge::security_headers::STRICT_CSP;

use super::html::{Link, Message, message, page, refused};
use super::opened::Opened;
use super::provider::Button;
use crate::failure::{Answer, Failure};
use crate::place::Place;

/// A page with a form.
#[derive(Template)]
#[template(path = "form.html")]
pub(super) struct Form {
    title: &'static str,
    intro: Vec<String>,
    message: Option<Message>,
    fields: Vec<Field>,
    /// The field to begin with.
    focus: &'static str,
    csrf_token: String,
    button: &'static str,
    links: Vec<Link>,
    /// Other ways to do the same.
    ways: Vec<Button>,
    /// Where it is sent; here, if nowhere else.
    action: Option<String>,
    /// Whether a passkey does instead.
    passkey: bool,
    /// Where the answer to the form may lead, if that is not here.
    leads_to: Option<String>,
}

/// What kind of text a field takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// An address or a user name.
    Name,
    Email,
    /// A code, never rendered with what was sent.
    Code,
    /// A box to tick.
    Tick,
    /// Never rendered with what was sent.
    Password,
}

/// A field.
pub(super) struct Field {
    /// Its id, too.
    name: &'static str,
    label: &'static str,
    kind: Kind,
    /// What a password manager puts there.
    autocomplete: &'static str,
    value: String,
    required: bool,
    fixed: bool,
    hint: Option<String>,
    error: Option<String>,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Name | Self::Code => "text",
            Self::Tick => "checkbox",
            Self::Email => "email",
            Self::Password => "password",
        }
    }

    /// Not words, which phones would mend.
    const fn is_spelled(self) -> bool {
        matches!(self, Self::Name | Self::Email | Self::Code)
    }
}

impl Field {
    pub(super) fn new(
        name: &'static str,
        label: &'static str,
        kind: Kind,
        autocomplete: &'static str,
    ) -> Self {
        Self {
            name,
            label,
            kind,
            autocomplete,
            value: String::new(),
            required: true,
            fixed: false,
            hint: None,
            error: None,
        }
    }

    /// With what was sent, or is known. Passwords stay empty.
    pub(super) fn value(self, value: &str) -> Self {
        if matches!(self.kind, Kind::Password | Kind::Code) {
            self
        } else {
            Self { value: value.to_owned(), ..self }
        }
    }

    pub(super) fn hint(self, hint: String) -> Self {
        Self { hint: Some(hint), ..self }
    }

    pub(super) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// Only shown; password managers read it.
    pub(super) fn fixed(self) -> Self {
        Self { fixed: true, ..self }
    }

    /// The ids of what says more about it.
    fn described_by(&self) -> Option<String> {
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.name));
        let error = self.error.as_ref().map(|_| format!("{}-error", self.name));
        let ids: Vec<_> = hint.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

impl Form {
    pub(super) const fn new(title: &'static str, button: &'static str, csrf_token: String) -> Self {
        Self {
            title,
            intro: Vec::new(),
            message: None,
            fields: Vec::new(),
            focus: "",
            csrf_token,
            button,
            links: Vec::new(),
            ways: Vec::new(),
            action: None,
            passkey: false,
            leads_to: None,
        }
    }

    pub(super) fn intro(mut self, line: impl Into<String>) -> Self {
        self.intro.push(line.into());
        self
    }

    pub(super) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// A field that is not always there.
    pub(super) fn fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields.extend(fields);
        self
    }

    pub(super) fn link(mut self, text: &'static str, place: impl Into<String>) -> Self {
        self.links.push(Link::new(text, place));
        self
    }

    /// Providers by way of which the same can be done.
    pub(super) fn ways(self, ways: Vec<Button>) -> Self {
        Self { ways, ..self }
    }

    /// Sent to another page than the one that it is shown on.
    pub(super) fn sent_to(self, action: String) -> Self {
        Self { action: Some(action), ..self }
    }

    /// A passkey does instead, if `takes`.
    pub(super) fn or_passkey(self, takes: bool) -> Self {
        Self { passkey: takes, ..self }
    }

    /// Whether the browser offers passkeys in one of its fields.
    fn offers_passkeys(&self) -> bool {
        self.fields.iter().any(|field| field.autocomplete.ends_with("webauthn"))
    }

    /// What was sent, in the field called `name`.
    pub(super) fn keep(&mut self, name: &str, value: &str) {
        for field in self.fields.iter_mut().filter(|field| field.name == name && field.kind != Kind::Password)
        {
            value.clone_into(&mut field.value);
        }
    }

    /// The answer to the form sends on to where `opened` wants to go.
    pub(super) fn leading_on(self, opened: &Opened) -> Self {
        let leads_to = opened.place.as_ref().and_then(Place::foreign_origin);
        Self { leads_to, ..self }
    }

    /// The page.
    pub(super) fn shown(mut self) -> Answer {
        let wrong = self.fields.iter().find(|field| field.error.is_some());
        let begin = wrong.or_else(|| self.fields.iter().find(|field| field.value.is_empty()));
        self.focus = begin.map_or("", |field| field.name);
        let mut response = page(&self)?;
        self.allow(&mut response)?;
        Ok(response)
    }

    /// The page again, with what was wrong.
    pub(super) fn refused(mut self, failure: Failure) -> Answer {
        refused(failure, |problem, headers| {
            let all_placed = self.place_errors(problem);
            let message = message(problem, headers);
            let text = if all_placed { "Please mend what is marked below.".to_owned() } else { message.text };
            self.message = Some(Message { code: message.code, text });
            self.shown()
        })
    }

    /// Puts each error next to its field; whether there was a field for every one.
    fn place_errors(&mut self, problem: &Problem) -> bool {
        let whole = |field| vec![(field, message(problem, &http::HeaderMap::new()).text)];
        let errors = match problem.code() {
            Code::EmailTaken | Code::InviteEmailMismatch | Code::EmailDomainNotAllowed => whole("email"),
            Code::InviteRequired | Code::InvalidInvite | Code::InviteUsed | Code::InviteExpired => {
                whole("invite_code")
            }
            Code::WrongPassword => whole("current_password"),
            Code::WrongCode => whole("code"),
            Code::PasswordUnchanged => whole("new_password"),
            _ => problem
                .field_errors()
                .iter()
                .map(|error| (error.field.as_str(), error.message.clone()))
                .collect(),
        };
        let mut placed = 0;
        for (name, text) in &errors {
            for field in self.fields.iter_mut().filter(|field| field.name == *name) {
                field.error = Some(text.clone());
                placed += 1;
            }
        }
        placed > 0 && placed == errors.len()
    }

    /// Browsers hold a form's answer to `form-action`, too, when it sends on.
    fn allow(&self, response: &mut Response) -> Result<(), Failure> {
        let Some(origin) = &self.leads_to else { return Ok(()) };
        let policy = STRICT_CSP.replace("form-action 'self'", &format!("form-action 'self' {origin}"));
        let policy = HeaderValue::from_str(&policy)
            .map_err(|_| Failure::logged(Code::InternalError, "an origin that no header can hold"))?;
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        Ok(())
    }
}
