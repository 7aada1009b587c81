//! `portcullis email …`, and a server that sends what is in the outbox.

use portcullis_core::ids::MailId;
use portcullis_core::mail::{Mail, Template};
use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use portcullis_store::{DatabaseOptions, Store, outbox};
use portcullis_testkit::{SmtpSink, eventually};
use serde_json::Map;
use uuid::Uuid;

use crate::support::Place;

const FROM: &str = "Example <no-reply@example.org>";

fn mailing(url: &str) -> Place {
    Place::new().env("PORTCULLIS_EMAIL__URL", url).env("PORTCULLIS_EMAIL__FROM", FROM)
}

/// Runs a command beside what this test does.
async fn run(place: &std::sync::Arc<Place>, args: &'static [&'static str]) -> crate::support::Ran {
    let place = place.clone();
    tokio::task::spawn_blocking(move || place.run(args)).await.expect("it runs")
}

/// Writes a mail into the outbox of the installation's database.
async fn enqueue(place: &Place, number: u128) -> Mail {
    let url = format!("sqlite://{}", place.path("data/portcullis.db").display());
    let store = Store::open(&DatabaseOptions { url, max_connections: None }).await.expect("it opens");
    #[expect(clippy::disallowed_methods, reason = "the commands under test go by the system's clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let mail = Mail {
        id: MailId::from_uuid(Uuid::from_u128(number)),
        template: Template::PasswordChanged,
        to: Email::parse("to", "ada@example.org").expect("an address"),
        user: None,
        locale: Some("de".into()),
        parameters: Map::new(),
        link: None,
        created_at: Timestamp::from_seconds(i64::try_from(now.as_secs()).expect("in range")),
        expires_at: None,
    };
    let written = mail.clone();
    store
        .write(move |tx| {
            let mail = written.clone();
            Box::pin(async move { outbox::enqueue(tx, &mail).await })
        })
        .await
        .expect("it is written");
    mail
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_mail_says_what_the_server_said() {
    let sink = SmtpSink::start().await;
    let place = std::sync::Arc::new(mailing(&sink.url()));
    let sent = run(&place, &["email", "test", "ada@example.org", "--json"]).await.ok().json();
    let received = sink.state.received();
    assert_eq!(received.len(), 1);
    assert_eq!(
        (received[0].from.as_str(), &received[0].to[..]),
        ("no-reply@example.org", &["ada@example.org".to_owned()][..])
    );
    assert_eq!(received[0].header("Subject"), Some("Mail from Example works"));
    let id = sent["id"].as_str().expect("an id");
    assert_eq!(received[0].header("Message-ID"), Some(format!("<{id}@example.org>").as_str()));

    sink.state.refuse("550 5.1.1 no such user");
    let line = run(&place, &["email", "test", "ada@example.org"]).await.failed(1);
    assert!(line.contains("email.url") && line.contains("no such user"), "{line}");
    let line = run(&place, &["email", "test", "nobody"]).await.failed(2);
    assert!(line.contains("e-mail address"), "{line}");
    assert!(!place.path("data").exists(), "no database is made");
}

#[test]
fn without_a_mail_server_there_is_no_test() {
    let line = Place::new().run(&["email", "test", "ada@example.org"]).failed(1);
    assert!(line.starts_with("email.url is not set"), "{line}");
}

#[test]
fn previews_show_mails_with_templates_of_ones_own() {
    let place = Place::new().env("PORTCULLIS_EMAIL__TEMPLATES", "mails");
    std::fs::create_dir(place.path("mails")).expect("ours");
    place.write("mails/invite.subject", "Come in, {{ email }}");
    place.write("mails/test.html", "<p>\n{{ produkt }}\n</p>");
    place.write("mails/notes.md", "no template");
    let text = place.run(&["email", "preview", "invite", "--locale", "de"]).ok().stdout;
    assert!(
        text.starts_with("Subject: Come in, ada@example.org\n\nSie sind zu localhost eingeladen\n"),
        "{text}"
    );
    let html = place.run(&["email", "preview", "reset_password", "--format", "html"]).ok().stdout;
    assert!(html.starts_with("<!doctype html>") && html.contains("pcl_example"), "{html}");
    let line = place.run(&["email", "preview", "reset"]).failed(2);
    assert!(line.contains("there are verify_email, "), "{line}");

    let told = "test.html:2: undefined value";
    let check = place.run(&["config", "check"]);
    assert!(check.stdout.starts_with(told), "{}", check.stdout);
    assert!(check.failed(1).starts_with("email.templates holds templates with errors"));
    place.user("ada@example.org", &[]);
    let report = place.run(&["doctor"]).ok().stdout;
    assert!(report.contains("warning  mail templates: test.html:2: "), "{report}");
    assert!(
        report.contains(
            "ok       mail server: none; mails are kept and shown at http://localhost:8400/dev/mail"
        )
    );
    let server = place.serve();
    drop(server);
    let log = place.read("server.log");
    assert!(log.contains(told) && log.contains("http://localhost:8400/dev/mail"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_sends_what_is_in_the_outbox_and_what_is_tried_again() {
    let sink = SmtpSink::start().await;
    let (address, place) = (sink.address, mailing(&sink.url()));
    sink.state.refuse("450 4.2.1 try later");
    place.user("root@example.org", &["--admin"]);
    let place = std::sync::Arc::new(place);
    let mail = enqueue(&place, 7).await;
    let serving = place.clone();
    let server = tokio::task::spawn_blocking(move || serving.serve()).await.expect("it serves");
    let limit = std::time::Duration::from_secs(20);
    let tried = eventually(limit, "the first try", async || {
        let listed = run(&place, &["email", "list", "--json"]).await.ok().json();
        listed[0]["last_error"].is_string().then_some(listed)
    })
    .await;
    assert_eq!((&tried[0]["state"], &tried[0]["attempts"]), (&"waiting".into(), &1.into()));
    let error = tried[0]["last_error"].as_str().expect("a text");
    assert!(error.contains("try later"), "{error}");

    sink.state.take();
    let id: &'static str = mail.id.to_string().leak();
    let args: &'static [&'static str] = vec!["email", "retry", id].leak();
    run(&place, args).await.ok();
    let received = eventually(limit, "the mail", async || sink.state.received().pop()).await;
    assert_eq!(received.header("Message-ID"), Some(format!("<{id}@example.org>").as_str()));
    assert!(received.header("Subject").expect("one").starts_with("Ihr Passwort wurde"), "{}", received.data);
    eventually(limit, "the note", async || {
        let sent = run(&place, &["email", "list", "--state", "sent", "--json"]).await.ok().json();
        (sent.as_array()?.len() == 1).then_some(())
    })
    .await;
    let line = run(&place, args).await.failed(1);
    assert!(line.contains("was sent"), "{line}");
    drop(server);
    drop(sink);
    let log = place.read("server.log");
    assert!(log.contains("ad***") && !log.contains("ada@"), "{log}");

    let report = run(&place, &["doctor"]).await;
    assert_eq!(report.code, Some(1));
    assert!(
        report.stdout.contains(&format!("fault    mail server: smtp://{address}: ")),
        "{}",
        report.stdout
    );
}
