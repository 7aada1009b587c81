//! Hands mails over to the operator's mail server (RFC 5321, RFC 6409).
//!
//! Connections are kept for a while and used again. Without TLS nothing is said to a server but on this machine, or
//! where the operator has asked for it. How long one mail may take in all is the caller's to say; each step has a limit
//! of its own, too.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as Sender, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use portcullis_app::mail::{Letter, Mailer, MailerError, Taken};
use secrecy::ExposeSecret as _;
use url::Host;

use crate::config::{EmailConfig, MailServer, MailTls, Mailbox};

/// Longest wait for one answer of the server.
const STEP: Duration = Duration::from_secs(10);
/// Connections at a time: as many as mails are sent at a time.
const CONNECTIONS: u32 = 4;

/// The mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
    reply_to: Option<Sender>,
}

impl Smtp {
    /// One that has spoken to nobody yet; `None` if there is no mail server. `trusted` are certificates (PEM) that are
    /// believed beside those of the system.
    ///
    /// # Errors
    /// If TLS cannot be set up, or an address is none that mail can be sent to.
    pub fn new(config: &EmailConfig, trusted: Option<&[u8]>) -> Result<Option<Self>, String> {
        let (Some(server), Some(from)) = (&config.server, &config.from) else { return Ok(None) };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls(server, trusted)?)
            .timeout(Some(STEP))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS).idle_timeout(Duration::from_secs(30)));
        if let Some((user, password)) = &server.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            transport = transport.credentials(credentials);
        }
        Ok(Some(Self {
            transport: transport.build(),
            from: sender(from)?,
            reply_to: config.reply_to.as_ref().map(sender).transpose()?,
        }))
    }

    /// Whether the server can be reached, takes us, and answers.
    ///
    /// # Errors
    /// What it said, or why it said nothing.
    pub async fn test(&self) -> Result<(), MailerError> {
        match tokio::time::timeout(STEP, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(MailerError::Temporary("the server does not answer".into())),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(MailerError::Temporary("the server does not answer in time".into())),
        }
    }

    fn message(&self, letter: &Letter) -> Result<(Envelope, Vec<u8>), String> {
        let to = address(letter.to.as_str())?;
        let id = format!("<{}@{}>", letter.id, self.from.email.domain());
        let at = u64::try_from(letter.at.seconds()).unwrap_or(0);
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let message = Message::builder()
            .from(self.from.clone())
            .to(Sender::new(None, to.clone()))
            .subject(letter.subject.as_str())
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(at))
            .message_id(Some(id))
            // RFC 3834: nobody's holiday answers this.
            .raw_header(HeaderValue::new(automatic, "auto-generated".into()));
        let message = match &self.reply_to {
            Some(reply_to) => message.reply_to(reply_to.clone()),
            None => message,
        };
        let parts = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
        let message = message.multipart(parts).map_err(|error| error.to_string())?;
        let envelope =
            Envelope::new(Some(self.from.email.clone()), vec![to]).map_err(|error| error.to_string())?;
        Ok((envelope, message.formatted()))
    }
}

impl Mailer for Smtp {
    fn send<'a>(&'a self, letter: &'a Letter) -> Taken<'a> {
        Box::pin(async move {
            let (envelope, message) = self.message(letter).map_err(MailerError::Permanent)?;
            self.transport.send_raw(&envelope, &message).await.map(drop).map_err(|error| refusal(&error))
        })
    }
}

fn tls(server: &MailServer, trusted: Option<&[u8]>) -> Result<Tls, String> {
    let parameters = || {
        let mut parameters = TlsParameters::builder(server.host.clone());
        if let Some(pem) = trusted {
            let certificate = Certificate::from_pem(pem).map_err(|error| error.to_string())?;
            parameters = parameters.add_root_certificate(certificate);
        }
        parameters.build().map_err(|error| error.to_string())
    };
    Ok(match server.tls {
        MailTls::Implicit => Tls::Wrapper(parameters()?),
        MailTls::StartTls => Tls::Required(parameters()?),
        MailTls::None => Tls::None,
    })
}

/// The server's word is final if it says 5yz; whatever else goes wrong may pass. So may a server that does not know us
/// (535): the operator's password is wrong, not the mail.
fn refusal(error: &SmtpError) -> MailerError {
    let text = told(error);
    let code = error.status().map(u16::from);
    match code {
        Some(500..=504 | 530..=539) => MailerError::Temporary(text),
        _ if error.is_permanent() => MailerError::Permanent(text),
        _ => MailerError::Temporary(text),
    }
}

/// An error with its causes: the outermost alone says little.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

fn sender(mailbox: &Mailbox) -> Result<Sender, String> {
    Ok(Sender::new(mailbox.name.clone(), address(&mailbox.address)?))
}

/// With its domain in ASCII (RFC 5890), so that only an address whose first half is in another script needs a server
/// that knows of such (RFC 6531).
fn address(text: &str) -> Result<Address, String> {
    let (user, domain) = text.rsplit_once('@').ok_or("the address has no @")?;
    let domain = match Host::parse(domain) {
        Ok(Host::Domain(ascii)) => ascii,
        _ => domain.to_owned(),
    };
    Address::new(user, domain).map_err(|error| format!("mail cannot be sent to this address: {error}"))
}

#[cfg(test)]
mod tests {
    use portcullis_core::ids::MailId;
    use portcullis_core::time::Timestamp;
    use portcullis_core::user::Email;

    use super::*;
    use crate::config::{Config, LoadInput};

    fn smtp(from: &str) -> Smtp {
        let flags = [
            ("email.url", "smtp://localhost:1"),
            ("email.from", from),
            ("email.reply_to", "help@example.org"),
        ];
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let cwd = tempfile::tempdir().expect("a directory");
        let input = LoadInput { file: None, env: Vec::new(), flags, cwd: cwd.path() };
        let config = Config::load(input).expect("good").config;
        Smtp::new(&config.email, None).expect("good").expect("a server")
    }

    fn message(from: &str, to: &str, subject: &str) -> String {
        let letter = Letter {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".parse::<MailId>().expect("an id"),
            to: Email::parse("to", to).expect("an address"),
            subject: subject.into(),
            text: "Grüße\r\n.\r\nMAIL FROM:<eve@example.org>".into(),
            html: "<p>Grüße</p>".into(),
            at: Timestamp::from_seconds(1_767_225_600),
        };
        let (_, bytes) = smtp(from).message(&letter).expect("a message");
        String::from_utf8(bytes).expect("ASCII and UTF-8")
    }

    #[tokio::test]
    async fn a_message_says_who_what_and_that_it_is_automatic() {
        let text = message("Große Welt <no-reply@exämple.org>", "Ada@example.org", "Bestätigen: 你好");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        for line in [
            "To: Ada@example.org",
            "Reply-To: help@example.org",
            "Date: Thu, 01 Jan 2026 00:00:00 +0000",
            "Message-ID: <01890a5d-ac96-774b-bcce-b302099a8057@xn--exmple-cua.org>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} is not in {head}");
        }
        assert!(
            head.contains("From: =?utf-8?b?") && head.contains("<no-reply@xn--exmple-cua.org>"),
            "{head}"
        );
        assert!(
            head.contains("Subject: =?utf-8?b?") && head.contains("Content-Type: multipart/alternative"),
            "{head}"
        );
        assert!(head.is_ascii());
        assert!(text.contains("Content-Type: text/plain") && text.contains("Content-Type: text/html"));
    }

    #[tokio::test]
    async fn no_header_can_be_smuggled_in() {
        let text = message("a@example.org", "ada@example.org", "Hello\r\nBcc: all@example.org\nX: y");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        assert!(!head.lines().any(|line| line.starts_with("Bcc:") || line.starts_with("X:")), "{head}");
    }

    #[test]
    fn addresses_in_other_scripts_keep_what_cannot_be_ascii() {
        assert_eq!(address("ada@bücher.example").expect("good").to_string(), "ada@xn--bcher-kva.example");
        assert_eq!(address("用户@例子.cn").expect("good").to_string(), "用户@xn--fsqu00a.cn");
        assert!(address("ada").is_err());
    }
}
