//! A sign-in from a device that was not seen before, its mail, and `POST /auth/sessions/not-me`

use std::time::Duration;

use portcullis_testkit::{Actor, PASSWORD, Reply, SentMail, TestApp};
use serde_json::{Value, json};

use crate::across::rate_limits::limited;
use crate::on_both;
use crate::support::{OTHER_PASSWORD, admin, credentials, events, made, mailed, private, refused, user_id};

const NOT_ME: &str = "/auth/sessions/not-me";

/// Somebody who signs in as `name` with a device that calls itself `device`, from an address.
async fn from(app: &TestApp, name: &str, device: &str, address: &str) -> Actor {
    let mut actor = app.anon().with_header("user-agent", device).from_address(address);
    let reply = actor.post("/auth/login", &credentials(name, PASSWORD)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    actor.take_tokens(&reply);
    actor
}

/// Somebody with another device than anybody else here, a moment after whoever came before.
async fn intruder(app: &TestApp) -> Actor {
    app.clock.advance(Duration::from_secs(1));
    from(app, "ada", "Skiff/1", "198.51.100.7").await
}

/// All mails so far that tell of a new device.
async fn notices(app: &TestApp) -> Vec<SentMail> {
    let mails = app.mails().await;
    mails.into_iter().filter(|mail| mail.text.contains("/not-me?token=")).collect()
}

/// The token in the last of them.
async fn notice(app: &TestApp) -> String {
    notices(app).await.last().expect("told").token().expect("a link").to_owned()
}

async fn disown(actor: &Actor, token: &str) -> Reply {
    actor.post(NOT_ME, &json!({"token": token})).await
}

#[track_caller]
fn disowned(reply: &Reply, reset: &str) {
    private(reply, 200);
    assert_eq!(reply.json, json!({"status": "session_ended", "password_reset": reset}));
}

/// How many sessions the audit log says were begun with a new device.
async fn noted(app: &TestApp) -> usize {
    let started = events(app, "session.started").await;
    started.iter().filter(|event| event["detail"]["new_device"] == json!(true)).count()
}

on_both! {
    async fn a_new_device_is_told_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        assert_eq!((notices(&app).await.len(), noted(&app).await), (0, 0), "the first one ever is no news");
        app.sign_in("ada").await;
        assert!(notices(&app).await.is_empty(), "the same browser, without its cookie");

        let phone = from(&app, "ada", "Phone/1 (<b>)", "192.0.2.1").await;
        let told = notices(&app).await;
        assert_eq!((told.len(), told[0].to.as_str(), noted(&app).await), (1, "ada@example.org", 1));
        for said in ["2026-01-01 00:00 UTC", "Phone/1 (<b>)", "192.0.2.1", "7 days"] {
            assert!(told[0].text.contains(said), "{said}: {}", told[0].text);
        }
        assert!(!told[0].html.contains("<b>"), "what a device calls itself is text");
        from(&app, "ada", "Phone/1 (<b>)", "192.0.2.1").await;
        assert_eq!(phone.post("/auth/logout", &json!({})).await.status, 204);
        from(&app, "ada", "Phone/1 (<b>)", "192.0.2.1").await;
        assert_eq!(notices(&app).await.len(), 1, "seen before, signed out or not");

        from(&app, "ada", "Phone/2", "192.0.2.1").await;
        from(&app, "ada", "Phone/1 (<b>)", "192.0.2.2").await;
        from(&app, "ada", "Phone/1 (<b>)", "2001:db8::1").await;
        assert_eq!(notices(&app).await.len(), 4, "another device, another address");
        from(&app, "ada", "Phone/1 (<b>)", "2001:db8::2").await;
        assert_eq!(notices(&app).await.len(), 4, "the same block of addresses");
        private(&ada.get("/auth/me").await, 200);
        // Of others' devices nobody is known.
        app.sign_up("bob").await;
        from(&app, "bob", "Phone/2", "192.0.2.1").await;
        assert_eq!(notices(&app).await.iter().filter(|mail| mail.to == "bob@example.org").count(), 1);
    }

    async fn a_device_that_shows_its_token_is_known_wherever_it_is(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let mut body = credentials("ada", PASSWORD);
        body["device_token"] = json!(ada.device_token);
        let moved = app.anon().with_header("user-agent", "Renamed/2").from_address("192.0.2.9");
        private(&moved.post("/auth/login", &body).await, 200);
        assert_eq!((notices(&app).await.len(), noted(&app).await), (0, 0));
        // Somebody else's is none.
        let bob = app.sign_up("bob").await;
        body["device_token"] = json!(bob.device_token);
        let stranger = app.anon().with_header("user-agent", "Skiff/1").from_address("192.0.2.9");
        private(&stranger.post("/auth/login", &body).await, 200);
        assert_eq!(notices(&app).await.len(), 1);
    }

    async fn what_is_no_sign_in_of_theirs_is_no_news(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
        let moved = ada.with_header("user-agent", "Skiff/1").from_address("192.0.2.9");
        let bot = moved.post("/auth/bots", &json!({"name": "x"})).await.json["id"].as_str().unwrap().to_owned();
        private(&moved.post(&format!("/auth/bots/{bot}/tokens"), &json!({})).await, 200);
        private(&moved.post("/auth/tokens", &json!({"name": "x"})).await, 201);
        let acting = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
        let root = root.with_header("user-agent", "Desk/1").from_address("192.0.2.5");
        private(&root.post(&acting, &json!({"reason": "help"})).await, 200);
        made(&app, "eve", |_| {}).await;
        from(&app, "eve", "Skiff/1", "192.0.2.9").await;
        assert_eq!((notices(&app).await.len(), noted(&app).await), (0, 0));
        // Where an administrator was, the user was not.
        from(&app, "ada", "Desk/1", "192.0.2.5").await;
        assert_eq!(notices(&app).await.len(), 1);
    }

    async fn administrators_turn_it_off_and_on(backend: Backend) {
        let app = TestApp::with(backend, |setup| setup.settings.notify_new_device = false).await;
        app.sign_up("ada").await;
        intruder(&app).await;
        assert_eq!((notices(&app).await.len(), noted(&app).await), (0, 0));
        let root = admin(&app, "root").await;
        let setting = "/admin/api/settings/notify_new_device";
        private(&root.send(http::Method::PUT, setting, Some(&json!({"value": true}))).await, 200);
        from(&app, "ada", "Raft/1", "192.0.2.9").await;
        assert_eq!(notices(&app).await.len(), 1);
    }

    /// Whoever has the password cannot fill the mailbox.
    async fn five_an_hour_and_user_on_all_nodes(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let other = app.another(limited).await;
        app.sign_up("ada").await;
        for at in 0..8 {
            let node = if at % 2 == 0 { &app } else { &other };
            from(node, "ada", "Skiff/1", &format!("192.0.2.{at}")).await;
        }
        assert_eq!((notices(&app).await.len(), noted(&app).await), (5, 8), "the log tells of all");
        app.clock.advance(Duration::from_hours(1));
        from(&app, "ada", "Skiff/1", "192.0.2.99").await;
        assert_eq!(notices(&app).await.len(), 6);
    }

    async fn one_click_ends_it_everywhere_and_begins_a_reset(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (ada, mut thief) = (app.sign_up("ada").await, intruder(&app).await);
        let token = notice(&app).await;
        disowned(&disown(&other.anon(), &token).await, "mailed");

        refused(&thief.at(&other).get("/auth/me").await, 401, "invalid_token");
        thief.until_refused("/auth/me").await;
        refused(&thief.refresh().await, 401, "refresh_revoked");
        private(&ada.get("/auth/me").await, 200);
        refused(&disown(&app.anon(), &token).await, 400, "invalid_link");
        let told = events(&app, "session.disowned").await;
        assert_eq!((told.len(), &told[0]["session"]), (1, &json!(thief.session)));
        let ended = events(&app, "session.ended").await;
        assert_eq!((ended.len(), &ended[0]["detail"]["cause"]), (1, &json!("not_me")));

        // Whoever knows the password is not back before its owner has read the mail.
        let mut body = credentials("ada", PASSWORD);
        body["device_token"] = json!(thief.device_token);
        let again = app.anon().with_header("user-agent", "Skiff/1").from_address("198.51.100.7");
        refused(&again.post("/auth/login", &body).await, 401, "invalid_credentials");

        let reset = mailed(&app, "ada@example.org").await;
        let body = json!({"token": reset, "new_password": OTHER_PASSWORD});
        assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
        refused(&ada.get("/auth/me").await, 401, "invalid_token");
        refused(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 401, "invalid_credentials");
        // And the device is as strange as before.
        let mut body = credentials("ada", OTHER_PASSWORD);
        body["device_token"] = json!(thief.device_token);
        private(&again.post("/auth/login", &body).await, 200);
        assert_eq!(notices(&app).await.len(), 2);
    }

    /// What is made in a session lives on without it: none of this does.
    async fn what_was_made_since_to_come_back_by_goes_with_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let bot = |name: &str| json!({"name": name});
        let made = |reply: Reply, status: u16| {
            private(&reply, status);
            reply.json
        };
        let own = made(ada.post("/auth/tokens", &json!({"name": "own"})).await, 201);
        let own_bot = made(ada.post("/auth/bots", &bot("own")).await, 201);
        let own_bot_tokens = format!("/auth/bots/{}/tokens", own_bot["id"].as_str().unwrap());
        let own_session = made(ada.post(&own_bot_tokens, &json!({})).await, 200);
        let thief = intruder(&app).await;
        app.clock.advance(Duration::from_secs(1));
        let theirs = made(thief.post("/auth/tokens", &json!({"name": "theirs"})).await, 201);
        let their_session = made(thief.post(&own_bot_tokens, &json!({})).await, 200);
        let their_bot = made(thief.post("/auth/bots", &bot("theirs")).await, 201);
        let path = format!("/auth/bots/{}/tokens", their_bot["id"].as_str().unwrap());
        let their_bot_session = made(thief.post(&path, &json!({})).await, 200);
        let account = thief.get("/auth/accounts").await.json["items"][0]["id"].as_str().unwrap().to_owned();
        let invites = format!("/auth/accounts/{account}/invites");
        let invite = made(thief.post(&invites, &json!({"email": "bob@example.org"})).await, 201);

        disowned(&disown(&app.anon(), &notice(&app).await).await, "mailed");

        let me = async |token: &Value| {
            let bearer = format!("Bearer {}", token.as_str().unwrap());
            app.anon().with_header("authorization", &bearer).get("/auth/me").await.status
        };
        for gone in [&theirs["token"], &their_session["access_token"], &their_bot_session["access_token"]] {
            assert_eq!(me(gone).await, 401);
        }
        for stays in [&own["token"], &own_session["access_token"]] {
            assert_eq!(me(stays).await, 200);
        }
        let bob = app.sign_up("bob").await;
        let accept = json!({"code": invite["code"]});
        refused(&bob.post("/auth/invites/accept", &accept).await, 400, "invalid_invite");
    }

    /// The owner is told of the first sign-in from a device alone, and a device calls itself something else at will.
    async fn whoever_signed_in_twice_is_out_twice(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let first = intruder(&app).await;
        let mut second = intruder(&app).await.with_header("user-agent", "Other/2");
        assert_eq!(second.refresh().await.status, 200);
        assert_eq!(notices(&app).await.len(), 1);
        assert_eq!(first.post("/auth/logout", &json!({})).await.status, 204);
        disowned(&disown(&app.anon(), &notice(&app).await).await, "mailed");
        refused(&second.get("/auth/me").await, 401, "invalid_token");
        private(&ada.get("/auth/me").await, 200);
    }

    /// A change of address that the intruder asked for comes to nothing.
    async fn what_was_begun_in_it_comes_to_nothing(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let thief = intruder(&app).await;
        let token = notice(&app).await;
        let body = json!({"email": "eve@example.org", "current_password": PASSWORD});
        private(&thief.patch("/auth/me", &body).await, 200);
        let change = json!({"token": mailed(&app, "eve@example.org").await});
        disowned(&disown(&app.anon(), &token).await, "mailed");
        refused(&app.anon().post("/auth/email/verify", &change).await, 400, "invalid_link");
    }

    /// Somebody who asks for so many that no more are sent does not keep the owner out.
    async fn the_mail_comes_whatever_others_have_asked_for(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            limited(setup);
            setup.settings.rates.as_mut().unwrap().password_forgot.count = 1_000;
        })
        .await;
        app.sign_up("ada").await;
        intruder(&app).await;
        let token = notice(&app).await;
        for _ in 0..11 {
            app.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await;
            app.cx.answer_mail_requests().await.unwrap();
        }
        let resets = async |app: &TestApp| {
            app.cx.answer_mail_requests().await.unwrap();
            app.mails().await.iter().filter(|mail| mail.text.contains("/reset-password?token=")).count()
        };
        assert_eq!(resets(&app).await, 10, "no more an hour");
        disowned(&disown(&app.anon(), &token).await, "mailed");
        assert_eq!(resets(&app).await, 11);
    }

    async fn of_several_each_has_a_link_and_of_eight_clicks_one_counts(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        app.sign_up("ada").await;
        let first = intruder(&app).await;
        let token = notice(&app).await;
        app.clock.advance(Duration::from_secs(1));
        let second = from(&app, "ada", "Raft/1", "192.0.2.9").await;
        assert_eq!(notices(&app).await.len(), 2);
        let (here, there) = (app.anon(), other.anon());
        let clicks = (0..8).map(|at| disown(if at % 2 == 0 { &here } else { &there }, &token));
        let replies = futures_util::future::join_all(clicks).await;
        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 7));
        for reply in lost {
            refused(reply, 400, "invalid_link");
        }
        first.until_refused("/auth/me").await;
        // What began later went with it, and its own link: by then it would end what the owner makes of the account.
        second.until_refused("/auth/me").await;
        refused(&disown(&app.anon(), &notice(&app).await).await, 400, "invalid_link");
    }

    /// Whoever took the account has changed what they could first.
    async fn it_is_good_whatever_has_changed_meanwhile(backend: Backend) {
        for what in ["signed out", "password", "address", "no password", "no way in", "disabled"] {
            let app = TestApp::new(backend).await;
            let ada = app.sign_up("ada").await;
            let thief = intruder(&app).await;
            let token = notice(&app).await;
            let reset = match what {
                "signed out" => {
                    assert_eq!(thief.post("/auth/logout", &json!({})).await.status, 204);
                    "mailed"
                }
                "password" => {
                    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
                    private(&thief.post("/auth/password/change", &body).await, 200);
                    "mailed"
                }
                "address" => {
                    let body = json!({"email": "eve@example.org", "current_password": PASSWORD});
                    private(&thief.patch("/auth/me", &body).await, 200);
                    let change = json!({"token": mailed(&app, "eve@example.org").await});
                    assert_eq!(app.anon().post("/auth/email/verify", &change).await.status, 204);
                    "address_changed"
                }
                "no password" => {
                    app.database.tamper("UPDATE users SET password_hash = NULL");
                    app.database.tamper(
                        "INSERT INTO identities (id, provider, subject, user_id, created_at) \
                         SELECT id, 'example', '7', id, created_at - 3600000000 FROM users",
                    );
                    "no_password"
                }
                // Another such link was used before.
                "no way in" => {
                    app.database.tamper("UPDATE users SET password_hash = NULL");
                    "mailed"
                }
                _ => {
                    assert!(app.cx.disable_user(user_id(&ada)).await.unwrap());
                    "disabled"
                }
            };
            let before = app.mails().await.len();
            disowned(&disown(&app.anon(), &token).await, reset);
            refused(&thief.get("/auth/me").await, 401, "invalid_token");
            app.cx.answer_mail_requests().await.unwrap();
            let sent = app.mails().await.split_off(before);
            let resets = sent.iter().filter(|mail| mail.text.contains("/reset-password?token="));
            let to: Vec<_> = resets.map(|mail| mail.to.as_str()).collect();
            assert_eq!(to, if reset == "mailed" { vec!["ada@example.org"] } else { vec![] }, "{what}");
            assert_eq!(events(&app, "session.disowned").await.len(), 1);
        }
    }

    /// Whoever wanted to be deleted and is told of a sign-in keeps the link by which they stay.
    async fn a_wish_to_be_deleted_can_still_be_taken_back(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let thief = intruder(&app).await;
        let token = notice(&app).await;
        private(&thief.send(http::Method::DELETE, "/auth/me", Some(&json!({"current_password": PASSWORD}))).await, 202);
        disowned(&disown(&app.anon(), &token).await, "disabled");
        let keep = json!({"token": mailed(&app, "ada@example.org").await});
        assert_eq!(app.anon().post("/auth/me/keep", &keep).await.status, 204);
    }

    async fn it_runs_out_and_goes_with_its_user(backend: Backend) {
        let week = Duration::from_hours(7 * 24);
        for (wait, good) in [(week.saturating_sub(Duration::from_secs(1)), true), (week, false)] {
            let app = TestApp::new(backend).await;
            app.sign_up("ada").await;
            intruder(&app).await;
            let token = notice(&app).await;
            app.clock.advance(wait);
            let reply = disown(&app.anon(), &token).await;
            if good { disowned(&reply, "mailed") } else { refused(&reply, 400, "invalid_link") }
        }
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        intruder(&app).await;
        let token = notice(&app).await;
        app.cx.delete_user(user_id(&ada), portcullis_app::clients::By::Operator).await.unwrap();
        refused(&disown(&app.anon(), &token).await, 400, "invalid_link");
    }

    async fn no_other_link_ends_a_sign_in_and_this_does_nothing_else(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let thief = intruder(&app).await;
        let token = notice(&app).await;
        assert_eq!(app.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await.status, 202);
        let reset = mailed(&app, "ada@example.org").await;
        // Another link under its name.
        let mut forged = token.clone().into_bytes();
        let at = forged.len() - 9;
        forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
        let forged = String::from_utf8(forged).unwrap();
        for wrong in ["", "pcl_", "garbage", ada.session.as_deref().unwrap(), reset.as_str(), forged.as_str()] {
            refused(&disown(&app.anon(), wrong).await, 400, "invalid_link");
        }
        for (path, more) in [
            ("/auth/email/not-me", None),
            ("/auth/email/verify", None),
            ("/auth/email/undo", None),
            ("/auth/me/keep", None),
            ("/auth/password/reset", Some(OTHER_PASSWORD)),
        ] {
            let mut body = json!({"token": token});
            if let Some(password) = more {
                body["new_password"] = Value::from(password);
            }
            refused(&app.anon().post(path, &body).await, 400, "invalid_link");
        }
        private(&thief.get("/auth/me").await, 200);
        disowned(&disown(&app.anon(), &token).await, "mailed");
    }
}
