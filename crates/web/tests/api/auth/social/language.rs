//! The language in which a newcomer is written to.

use portcullis_app::providers::ProviderKind;
use portcullis_testkit::app::Browser;
use portcullis_testkit::{Actor, FakeIdp, Person, TestApp};
use serde_json::Value;

use super::{ada, arrived, back, sent, world, world_with};
use crate::on_both;
use crate::pages::sent_on;
use crate::support::{made, private};

async fn locale(actor: &Actor) -> Value {
    let me = actor.get("/auth/me").await;
    private(&me, 200);
    me.json["locale"].clone()
}

/// Somebody who comes by way of `plain`.
async fn by_plain(app: &TestApp, fake: &FakeIdp, person: &Person) -> Actor {
    let browser: Browser = app.browser();
    let url = sent(&browser, "/auth/oauth/plain/start").await;
    sent_on(&back(&browser, "plain", &fake.authorize(&url, person)).await, "/account");
    app.anon().bearing(Some(&browser.value("pc_access")))
}

on_both! {
    async fn is_the_one_that_the_provider_tells(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = arrived(&app, &fake, &fake.person("ada-there", "ada@example.org", false)).await;
        assert_eq!(locale(&user).await, "de");
        app.deliver_mail().await;
        let mails = app.mails().await;
        assert_eq!(mails[0].subject, "Bestätigen Sie Ihre E-Mail-Adresse");
        assert_eq!(locale(&by_plain(&app, &fake, &fake.person("7", "bob@example.org", true)).await).await, "de");
    }

    async fn of_whoever_is_there_stays(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = made(&app, "ada", |_| {}).await;
        app.import_identity("acme", "ada-there", user.id).await;
        assert_eq!(locale(&arrived(&app, &fake, &ada(&fake)).await).await, Value::Null);
    }

    async fn is_not_told_by_what_is_none(backend: Backend) {
        // The profile's name stands where its language should.
        let (app, fake) = world_with(backend, |setup| {
            let plain = setup.settings.providers.iter_mut().find(|provider| provider.name == "plain");
            let ProviderKind::OAuth2(settings) = &mut plain.unwrap().kind else { panic!("another kind") };
            settings.profile.locale = Some("/user/display".into());
        })
        .await;
        for (subject, told, kept) in [
            ("1", Some("pt-BR"), Value::from("pt-BR")),
            // As some providers write it.
            ("2", Some("de_AT"), Value::from("de-AT")),
            ("3", Some("no language, but words"), Value::Null),
            ("4", Some("x".repeat(36).as_str()), Value::Null),
            ("5", Some("de<b>"), Value::Null),
            ("6", None, Value::Null),
        ] {
            let person = fake.person(subject, &format!("n{subject}@example.org"), true);
            let person = Person { name: told.map(str::to_owned), ..person };
            assert_eq!(locale(&by_plain(&app, &fake, &person).await).await, kept, "{told:?}");
        }
    }
}
