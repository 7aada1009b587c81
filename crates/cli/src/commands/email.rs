//! `portcullis email …`: whether mail works, what it says, and what became of it.

use std::time::Duration;

use portcullis_app::Cx;
use portcullis_app::mail::{Mailer as _, OutboxMail};
use portcullis_core::ids::MailId;
use portcullis_core::mail::{MailState, Template};
use portcullis_core::time::Clock as _;
use portcullis_core::user::Email;
use serde_json::json;

use crate::args::{EmailCommand, ListedState, PreviewFormat};
use crate::boot::{self, How};
use crate::clock::SystemClock;
use crate::config::{Config, Loaded};
use crate::failure::Failure;
use crate::random::SystemRandom;
use crate::{output, settings};

/// Longest wait for the mail server.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn run(loaded: &Loaded, command: EmailCommand) -> Result<(), Failure> {
    match command {
        EmailCommand::Test { address, json } => test(loaded, &address, json).await,
        EmailCommand::Preview { template, locale, format } => {
            preview(&loaded.config, &template, locale.as_deref(), format)
        }
        EmailCommand::List { state, json } => {
            let cx = boot::node(loaded, How::COMMAND).await?.cx;
            list(&cx, state.map(stored), json).await
        }
        EmailCommand::Retry { id, json } => {
            let cx = boot::node(loaded, How::COMMAND).await?.cx;
            retry(&cx, id, json).await
        }
    }
}

const fn stored(state: ListedState) -> MailState {
    match state {
        ListedState::Waiting => MailState::Waiting,
        ListedState::Sent => MailState::Sent,
        ListedState::Failed => MailState::Failed,
    }
}

async fn test(loaded: &Loaded, address: &str, as_json: bool) -> Result<(), Failure> {
    let to = Email::parse("address", address).map_err(|error| Failure::usage(error.message))?;
    let config = &loaded.config;
    let (Some(smtp), Some(server)) = (boot::smtp(config)?, &config.email.server) else {
        return Err(Failure::mend(
            "email.url is not set: mails are kept in the outbox",
            "set email.url and email.from",
        ));
    };
    let now = SystemClock::default().now();
    let named = (MailId::new(now, &SystemRandom), now);
    let letter =
        settings::email(config).test_letter(&boot::templates(config), to, named).map_err(Failure::new)?;
    let sent = tokio::time::timeout(LIMIT, smtp.send(&letter)).await;
    let refused = |why: &str| {
        Failure::mend(
            format_args!("email.url = \"{}\": {why}", server.masked()),
            "correct email.url and email.from, or ask who runs the mail server",
        )
    };
    match sent {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(refused(&error.to_string())),
        Err(_) => return Err(refused("no answer in time")),
    }
    let text = format!(
        "{} has taken the mail to {address}; its Message-ID begins with {}",
        server.masked(),
        letter.id
    );
    output::either(as_json, &json!({ "sent": true, "id": letter.id.to_string() }), text)
}

fn preview(
    config: &Config,
    template: &str,
    locale: Option<&str>,
    format: PreviewFormat,
) -> Result<(), Failure> {
    let template = Template::from_name(template).ok_or_else(|| {
        let names = Template::ALL.map(Template::as_str).join(", ");
        Failure::usage(format_args!("there is no template {template}; there are {names}"))
    })?;
    let said =
        settings::email(config).preview(&boot::templates(config), template, locale).map_err(Failure::new)?;
    match format {
        PreviewFormat::Text => output::line(format_args!("Subject: {}\n\n{}", said.subject, said.text)),
        PreviewFormat::Html => output::line(said.html),
    }
}

async fn list(cx: &Cx, state: Option<MailState>, as_json: bool) -> Result<(), Failure> {
    let mails = cx.list_mail(state).await?;
    if as_json {
        return output::json(&mails);
    }
    let row = |mail: &OutboxMail| {
        let next = mail.next_attempt_at.map(|at| at.to_string()).unwrap_or_default();
        [
            mail.id.to_string(),
            mail.template.clone(),
            mail.to.clone(),
            mail.state.to_owned(),
            mail.attempts.to_string(),
            mail.created_at.to_string(),
            next,
            mail.last_error.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = mails.iter().map(row).collect();
    output::table(["ID", "TEMPLATE", "TO", "STATE", "TRIES", "CREATED", "NEXT TRY", "LAST ERROR"], &rows)
}

async fn retry(cx: &Cx, id: MailId, as_json: bool) -> Result<(), Failure> {
    if !cx.retry_mail(id).await? {
        return Err(Failure::mend(
            format_args!("mail {id} is not there, was sent, or is being sent"),
            "portcullis email list shows all",
        ));
    }
    let text = format!("mail {id} is tried again by the server within a second, if one runs");
    output::either(as_json, &json!({ "retried": 1 }), text)
}
