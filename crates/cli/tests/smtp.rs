//! Handing mails over to a mail server: what it is told, what is kept from it, what its answers mean.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis::config::{Config, LoadInput};
use portcullis::smtp::Smtp;
use portcullis_app::mail::{Letter, Mailer, MailerError};
use portcullis_core::ids::MailId;
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use portcullis_testkit::{SmtpSink, SmtpState};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn smtp(url: &str, trusted: Option<&[u8]>) -> Smtp {
    let flags = [("email.url", url), ("email.from", "Example <no-reply@example.org>")];
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let cwd = tempfile::tempdir().unwrap();
    let config =
        Config::load(LoadInput { file: None, env: Vec::new(), flags, cwd: cwd.path() }).unwrap().config;
    Smtp::new(&config.email, trusted).unwrap().unwrap()
}

fn letter(to: &str) -> Letter {
    Letter {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".parse::<MailId>().unwrap(),
        to: Email::parse("to", to).unwrap(),
        subject: "Grüße".into(),
        text: "Hello\n.\nlast line".into(),
        html: "<p>Hello</p>".into(),
        at: Timestamp::from_seconds(1_767_225_600),
    }
}

#[tokio::test]
async fn a_mail_is_handed_over_and_the_connection_used_again() {
    let sink = SmtpSink::start().await;
    let smtp = smtp(&sink.url(), None);
    smtp.test().await.unwrap();
    for to in ["ada@example.org", "用户@例子.cn"] {
        // A connection is given back behind the answer.
        tokio::task::yield_now().await;
        smtp.send(&letter(to)).await.unwrap();
    }
    let received = sink.state.received();
    assert_eq!(received.len(), 2);
    assert_eq!(
        (received[0].from.as_str(), &received[0].to[..]),
        ("no-reply@example.org", &["ada@example.org".to_owned()][..])
    );
    assert_eq!(received[1].to, ["用户@xn--fsqu00a.cn"]);
    let id = Some("<01890a5d-ac96-774b-bcce-b302099a8057@example.org>");
    assert!(received.iter().all(|mail| mail.header("Message-ID") == id));
    assert_eq!(received[0].header("Auto-Submitted"), Some("auto-generated"));
    assert!(received[0].data.contains("\r\n.\r\nlast line"), "{}", received[0].data);
    assert_eq!(sink.state.connections(), 1);
}

#[tokio::test]
async fn what_the_server_says_is_for_good_or_for_now() {
    let sink = SmtpSink::start().await;
    let smtp = smtp(&sink.url(), None);
    for (line, permanent) in [
        ("550 5.1.1 no such user", true),
        ("554 5.7.1 we do not like you", true),
        ("450 4.2.1 try later", false),
        ("421 4.3.2 going down", false),
        ("530 5.7.0 authentication required", false),
    ] {
        sink.state.refuse(line);
        let error = smtp.send(&letter("ada@example.org")).await.unwrap_err();
        assert_eq!(matches!(error, MailerError::Permanent(_)), permanent, "{line}: {error}");
        assert!(error.to_string().contains(&line[4..10]), "{line}: {error}");
    }
    sink.state.take();
    smtp.send(&letter("ada@example.org")).await.unwrap();
    assert_eq!(sink.state.received().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_may_come_back() {
    let sink = SmtpSink::start().await;
    let (address, smtp) = (sink.address, smtp(&sink.url(), None));
    smtp.send(&letter("ada@example.org")).await.unwrap();
    drop(sink);
    let error = smtp.send(&letter("ada@example.org")).await.unwrap_err();
    assert!(matches!(error, MailerError::Temporary(_)), "{error}");
    let again = SmtpSink::start_at(address).await;
    smtp.send(&letter("ada@example.org")).await.unwrap();
    assert_eq!(again.state.received().len(), 1);
}

#[tokio::test]
async fn without_the_tls_it_must_have_a_server_learns_nothing() {
    let sink = SmtpSink::start().await;
    let smtp = smtp(&format!("smtp://ada:sesame@{}?tls=required", sink.address), None);
    let error = smtp.send(&letter("ada@example.org")).await.unwrap_err();
    assert!(matches!(error, MailerError::Temporary(_)), "{error}");
    let commands = sink.state.commands();
    assert!(commands.iter().all(|word| ["EHLO", "STARTTLS", "QUIT"].contains(&&**word)), "{commands:?}");
}

/// A server that speaks TLS from the first byte, and its certificate for 127.0.0.1 (PEM).
async fn with_tls() -> (SocketAddr, SmtpState, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, state) = (listener.local_addr().unwrap(), SmtpState::default());
    let (acceptor, serving) = (TlsAcceptor::from(Arc::new(config)), state.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serving.clone().serve(stream));
            }
        }
    });
    (address, state, made.cert.pem())
}

#[tokio::test]
async fn only_a_server_whose_certificate_is_trusted_gets_the_password() {
    let (address, state, certificate) = with_tls().await;
    let url = format!("smtps://ada:sesame@{address}");
    let error = smtp(&url, None).send(&letter("ada@example.org")).await.unwrap_err();
    assert!(matches!(error, MailerError::Temporary(_)), "{error}");
    assert_eq!(state.commands(), Vec::<String>::new());
    smtp(&url, Some(certificate.as_bytes())).send(&letter("ada@example.org")).await.unwrap();
    assert!(state.commands().contains(&"AUTH".to_owned()));
    assert_eq!(state.received().len(), 1);
}
