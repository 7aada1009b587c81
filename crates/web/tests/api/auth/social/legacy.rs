//! Identities that were imported from a system that knew people of Google by their address.

use portcullis_app::outbound::{Content, Outbound as _, Request};
use portcullis_app::providers::{ClientSecret, ProviderKind, ProviderSettings};
use portcullis_testkit::{Actor, Backend, FakeIdp, Person, Reply, TestApp};

use super::{APP, brought};
use crate::on_both;
use crate::support::{events, made, private, refused};

const GOOGLE: &str = "https://accounts.google.com";
/// Where its endpoints are.
const ENDPOINTS: &str = "https://idp.example";
const DOCUMENT: &str = "/.well-known/openid-configuration";

/// A node that takes the fake provider for Google.
async fn world(backend: Backend) -> (TestApp, FakeIdp) {
    let fake = FakeIdp::start().await;
    let app = TestApp::with(backend, |setup| {
        setup.settings.providers = vec![ProviderSettings {
            name: "google".into(),
            title: "Google".into(),
            client_id: portcullis_testkit::fake_idp::CLIENT_ID.into(),
            client_secret: ClientSecret::new(portcullis_testkit::fake_idp::CLIENT_SECRET),
            scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
            kind: ProviderKind::Google { hosted_domain: None },
        }];
        setup.web.return_urls = vec![APP.into()];
    })
    .await;
    fake.serve(&app);
    fake.change_issuer(GOOGLE);
    let url = format!("{}{DOCUMENT}", fake.url());
    let request = Request { url: &url, headers: &[], content: Content::Nothing, most: 65_536 };
    let document = app.outbound.send(request).await.expect("published").body;
    let document = String::from_utf8_lossy(&document).replace(&fake.url(), ENDPOINTS);
    app.outbound.answer(&format!("{GOOGLE}{DOCUMENT}"), document);
    app.outbound.place(ENDPOINTS, fake.router());
    (app, fake)
}

async fn bring(actor: &Actor, fake: &FakeIdp, person: &Person) -> Reply {
    let begun = actor.get(&format!("/auth/oauth/google/start?redirect_uri={APP}")).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    let url = begun.json["authorization_url"].as_str().unwrap().replace(ENDPOINTS, &fake.url());
    let returned = fake.authorize(&url, person);
    actor.post("/auth/google/callback", &brought(&begun.json, &returned)).await
}

on_both! {
    /// 000: `python-social-auth` keeps the address as the person's id, and addresses change hands.
    async fn the_address_becomes_the_subject_at_the_first_sign_in(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = made(&app, "somebody", |_| {}).await;
        app.import_identity("google", "ada@gmail.com", user.id).await;
        let ada = fake.person("1234567890", "ada@gmail.com", true);
        let reply = bring(&app.anon(), &fake, &ada).await;
        private(&reply, 200);
        assert_eq!(reply.json["user"]["id"], user.id.to_string());
        let [identity] = &app.cx.store.identities(user.id).await.unwrap()[..] else { panic!() };
        assert_eq!(identity.subject, "1234567890");
        assert_eq!(events(&app, "identity.renamed").await.len(), 1);
        // From now on the address says nothing.
        let moved = fake.person("1234567890", "countess@gmail.com", true);
        assert_eq!(bring(&app.anon(), &fake, &moved).await.json["user"]["id"], user.id.to_string());
        let heir = bring(&app.anon(), &fake, &fake.person("99", "ada@gmail.com", true)).await;
        assert_ne!(heir.json["user"]["id"], user.id.to_string());
    }

    async fn not_without_the_providers_word(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = made(&app, "ada", |_| {}).await;
        app.import_identity("google", "ada@example.org", user.id).await;
        let doubtful = fake.person("99", "ada@example.org", false);
        refused(&bring(&app.anon(), &fake, &doubtful).await, 409, "link_required");
        assert_eq!(app.cx.store.identities(user.id).await.unwrap()[0].subject, "ada@example.org");
    }
}
