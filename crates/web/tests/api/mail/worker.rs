//! The worker: every mail arrives once, however the server, a node or another mail behaves.

use std::time::Duration;

use portcullis_app::mail::MailerError;
use portcullis_core::link::{LinkFacts, LinkPurpose, PresentedLink};
use portcullis_core::mail::{MailState, Template};
use portcullis_core::server_key::KeyId;
use portcullis_core::time::Clock as _;
use portcullis_testkit::TestApp;
use uuid::Uuid;

use super::{notice, reset_mail};
use crate::on_both;

const MINUTE: Duration = Duration::from_mins(1);

fn sorted(mut addresses: Vec<String>) -> Vec<String> {
    addresses.sort();
    addresses
}

on_both! {
    async fn a_mail_is_sent_once_with_a_link_that_is_stored_nowhere(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mail = reset_mail(&app, "Ada@example.org");
        app.enqueue_mail(&mail).await;
        let sent = app.mails().await;
        assert_eq!((sent.len(), sent[0].to.as_str()), (1, "Ada@example.org"));
        assert_eq!(sent[0].subject, "Set a new password");
        let token = sent[0].token().expect("a link");
        assert_eq!(sent[0].link().unwrap(), format!("http://localhost:8400/reset-password?token={token}"));
        let (facts, _) = mail.link.as_ref().unwrap();
        assert!(PresentedLink::parse(token).unwrap().is_of(facts, &app.cx.ring));
        assert!(sent[0].text.contains("for 1 hour"), "{}", sent[0].text);
        assert_eq!(app.mails().await.len(), 1);
        let stored = app.cx.store.mail(mail.id).await.unwrap().unwrap();
        assert_eq!(stored.state(), MailState::Sent);
        assert!(!format!("{stored:?}").contains(token));
    }

    async fn an_invite_to_sign_up_leads_to_the_page_of_invites(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut mail = reset_mail(&app, "ada@example.org");
        mail.template = Template::Invite;
        mail.link = mail.link.map(|(facts, key)| {
            (LinkFacts { purpose: LinkPurpose::AccountInvite, subject: Uuid::nil(), ..facts }, key)
        });
        app.enqueue_mail(&mail).await;
        let sent = app.mails().await;
        let token = sent[0].token().expect("a link");
        assert_eq!(sent[0].link().unwrap(), format!("http://localhost:8400/invite?token={token}"));
        let (facts, _) = mail.link.as_ref().unwrap();
        assert!(PresentedLink::parse(token).unwrap().is_of(facts, &app.cx.ring));
    }

    async fn a_server_that_is_down_for_a_minute_loses_none_of_fifty_mails(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.mailer.refuse(|_| Some(MailerError::Temporary("nobody listens".into())));
        let mut expected = Vec::new();
        for number in 0..50 {
            let to = format!("user{number}@example.org");
            app.enqueue_mail(&reset_mail(&app, &to)).await;
            expected.push(to);
        }
        assert!(app.mails().await.is_empty());
        app.clock.advance(MINUTE);
        app.mailer.accept();
        // The second try comes a minute after the first, and up to a quarter of one later.
        app.clock.advance(MINUTE / 4);
        let sent = app.mails().await;
        assert_eq!(sorted(sent.into_iter().map(|mail| mail.to).collect()), sorted(expected));
        app.clock.advance(MINUTE * 60);
        assert_eq!(app.mails().await.len(), 50);
    }

    async fn tries_come_further_apart_until_a_mail_is_given_up(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.mailer.refuse(|_| Some(MailerError::Temporary("try later: ada@example.org is busy".into())));
        let mail = notice(&app, "ada@example.org");
        app.enqueue_mail(&mail).await;
        let look = async || app.cx.store.mail(mail.id).await.unwrap().unwrap();
        let mut tries = 0;
        let mut waits = Vec::new();
        while look().await.state() == MailState::Waiting {
            let due = look().await.next_attempt_at;
            waits.push(due.since(app.clock.now()).as_secs() / 60);
            app.clock.advance(due.since(app.clock.now()));
            app.deliver_mail().await;
            tries += 1;
        }
        let found = look().await;
        assert_eq!((found.state(), found.attempts), (MailState::Failed, tries));
        assert!(waits[1] == 1 && (60..=75).contains(waits.last().unwrap()), "{waits:?}");
        assert!((55..80).contains(&tries), "{tries} tries in three days");
        assert_eq!(found.last_error.as_deref(), Some("try later: ad*** is busy"));

        // An operator tries it again.
        app.mailer.accept();
        assert!(app.cx.retry_mail(mail.id).await.unwrap());
        assert_eq!(app.mails().await.len(), 1);
        assert!(!app.cx.retry_mail(mail.id).await.unwrap(), "it is sent");
    }

    async fn what_the_server_never_takes_is_given_up_at_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.mailer.refuse(|mail| {
            (mail.to == "eve@example.org").then(|| MailerError::Permanent("550 no such user".into()))
        });
        let (good, bad) = (notice(&app, "ada@example.org"), notice(&app, "eve@example.org"));
        app.enqueue_mail(&bad).await;
        app.enqueue_mail(&good).await;
        assert_eq!(app.mails().await.len(), 1);
        let failed = app.cx.store.mails(Some(MailState::Failed), None, 10).await.unwrap();
        assert_eq!(failed.iter().map(|mail| mail.id).collect::<Vec<_>>(), [bad.id]);
        app.clock.advance(MINUTE * 120);
        assert_eq!(app.mails().await.len(), 1);
    }

    async fn what_has_expired_is_dropped(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mail = reset_mail(&app, "ada@example.org");
        app.enqueue_mail(&mail).await;
        app.clock.advance(MINUTE * 60);
        assert!(app.mails().await.is_empty());
        assert!(app.cx.store.mail(mail.id).await.unwrap().is_none());
    }

    async fn two_nodes_send_each_mail_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        for number in 0..40 {
            app.enqueue_mail(&notice(&app, &format!("user{number}@example.org"))).await;
        }
        let (one, two) = tokio::join!(app.mails(), other.mails());
        let all: Vec<String> = one.into_iter().chain(two).map(|mail| mail.to).collect();
        let expected = (0..40).map(|number| format!("user{number}@example.org")).collect();
        assert_eq!(sorted(all), sorted(expected));
    }

    async fn mails_of_a_node_that_died_are_sent_by_another(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mail = notice(&app, "ada@example.org");
        app.enqueue_mail(&mail).await;
        // It claims, and is never heard of again.
        let now = portcullis_core::time::Clock::now(&*app.clock);
        let claimed = app.cx.store.claim_mails("dead".into(), now + MINUTE, 10, now).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert!(app.mails().await.is_empty(), "it is the other's for a minute");
        app.clock.advance(MINUTE);
        let sent = app.mails().await;
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].id, mail.id.to_string());
    }

    async fn a_mail_that_hangs_stops_no_other(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            setup.settings.email.send_limit = Duration::from_millis(50);
        })
        .await;
        app.mailer.hang_for("eve@example.org");
        for _ in 0..6 {
            app.enqueue_mail(&notice(&app, "eve@example.org")).await;
        }
        app.enqueue_mail(&notice(&app, "ada@example.org")).await;
        let sent = app.mails().await;
        assert_eq!(sent.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["ada@example.org"]);
        let waiting = app.cx.store.mails(Some(MailState::Waiting), None, 10).await.unwrap();
        assert_eq!(waiting.len(), 6);
        assert!(waiting.iter().all(|mail| mail.last_error.is_some()));
    }

    async fn a_link_under_a_key_that_is_not_here_waits_and_says_so(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut mail = reset_mail(&app, "ada@example.org");
        mail.link = mail.link.map(|(facts, _)| (facts, KeyId(7)));
        app.enqueue_mail(&mail).await;
        assert!(app.mails().await.is_empty());
        let waiting = app.cx.store.mail(mail.id).await.unwrap().unwrap();
        assert_eq!(waiting.state(), MailState::Waiting);
        assert!(waiting.last_error.unwrap().contains("server.secret_keys_accepted"));
    }

    async fn without_a_mail_server_mails_are_kept(backend: Backend) {
        let app = TestApp::with(backend, |setup| setup.sends_mail = false).await;
        let mail = notice(&app, "ada@example.org");
        app.enqueue_mail(&mail).await;
        assert!(app.mails().await.is_empty());
        let kept = app.cx.store.mail(mail.id).await.unwrap().unwrap();
        assert_eq!((kept.state(), kept.attempts), (MailState::Waiting, 0));
        // Once there is one, they are sent.
        let other = app.another(|_| {}).await;
        assert_eq!(other.mails().await.len(), 1);
    }

    async fn sent_mails_are_kept_for_a_week(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mail = notice(&app, "ada@example.org");
        app.enqueue_mail(&mail).await;
        assert_eq!(app.mails().await.len(), 1);
        app.clock.advance(MINUTE * (60 * 24 * 7 - 1));
        app.cx.purge().await.unwrap();
        assert!(app.cx.store.mail(mail.id).await.unwrap().is_some());
        app.clock.advance(MINUTE);
        app.cx.purge().await.unwrap();
        assert!(app.cx.store.mail(mail.id).await.unwrap().is_none());
    }
}
