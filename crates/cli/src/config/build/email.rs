//! `[email]` and `[links]`, with the operator's templates read.

use std::path::Path;

use portcullis_app::mail::{Form, LinkLifetimes, Links, OverrideFile};
use portcullis_core::link::LinkPurpose;

use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem};
use crate::config::mail_server::{MailServer, Mailbox, locale, page};
use crate::config::public_url::PublicUrl;
use crate::config::read_file;
use crate::config::sections::EmailConfig;
use crate::config::value::Value;

/// More than this is another folder.
const MOST_TEMPLATES: usize = 1_000;

pub(super) fn email(entries: &Entries, cwd: &Path) -> Result<EmailConfig, ConfigError> {
    let server = entries.parse_optional("email.url", MailServer::parse)?;
    let from = entries.parse_optional("email.from", Mailbox::parse)?;
    if server.is_some() && from.is_none() {
        let problem = Problem::new("needs to know whom mails are from", "set email.from, too");
        return Err(entries.fault("email.url", problem));
    }
    Ok(EmailConfig {
        server,
        from,
        reply_to: entries.parse_optional("email.reply_to", Mailbox::parse)?,
        templates: entries
            .parse_optional("email.templates", |path| templates(&cwd.join(path)))?
            .unwrap_or_default(),
        default_locale: entries.parse("email.default_locale", locale)?,
        link_lifetimes: LinkPurpose::ALL.into_iter().fold(LinkLifetimes::default(), |lifetimes, purpose| {
            lifetimes.with(purpose, entries.duration(&format!("email.link_ttl.{}", purpose.as_str())))
        }),
    })
}

pub(super) fn links(entries: &mut Entries, public_url: &PublicUrl) -> Result<Links, ConfigError> {
    let ours = Links::at(&public_url.to_string());
    // What we make of the public URL ourselves is not asked for https once more.
    let mut one = |name: &'static str, own: String, takes_token: bool| {
        entries.fill_derived(name, Value::Text(own.clone()));
        entries.parse(name, |text| if text == own { Ok(own.clone()) } else { page(text, takes_token) })
    };
    Ok(Links {
        sign_in: one("links.sign_in", ours.sign_in, false)?,
        verify_email: one("links.verify_email", ours.verify_email, true)?,
        reset_password: one("links.reset_password", ours.reset_password, true)?,
        undo_email: one("links.undo_email", ours.undo_email, true)?,
        invite: one("links.invite", ours.invite, true)?,
        keep_account: one("links.keep_account", ours.keep_account, true)?,
        not_me: one("links.not_me", ours.not_me, true)?,
    })
}

/// Every file of the folder that has the end of a template's name; what it says is checked later.
fn templates(folder: &Path) -> Result<Vec<OverrideFile>, Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::new(
            format!("cannot be read: {error}"),
            "name an existing folder that the user running Portcullis may read",
        )
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let end = name.rsplit_once('.').map_or("", |(_, end)| end);
        if !name.starts_with('.') && Form::ALL.iter().any(|form| form.extension() == end) {
            names.push(name.to_owned());
        }
    }
    if names.len() > MOST_TEMPLATES {
        return Err(Problem::new(format!("holds {} templates", names.len()), "name the right folder"));
    }
    names.sort();
    let read = |name: String| {
        let text = read_file::read(&folder.join(&name), read_file::TEMPLATE).map_err(|problem| Problem {
            problem: format!("holds {name}, which {}", problem.problem),
            ..problem
        })?;
        Ok(OverrideFile { name, text: text.as_str().to_owned() })
    };
    names.into_iter().map(read).collect()
}
