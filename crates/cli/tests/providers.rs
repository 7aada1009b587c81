//! Identity providers through the one client for what we fetch: over sockets, with its limits.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use portcullis::outbound::Client;
use portcullis_app::providers::{Asking, CameBack, ExternalIdentity, ProviderFault, ProviderSettings};
use portcullis_core::outbound::AddressBlock;
use portcullis_testkit::{Backend, Breakage, Endpoint, FakeIdp, TestApp};

const REDIRECT_URI: &str = "http://localhost:8400/auth/oauth/acme/callback";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const FACES: [fn(&FakeIdp, &str) -> ProviderSettings; 3] = [FakeIdp::oidc, FakeIdp::github, FakeIdp::oauth2];

fn to_loopback() -> Client {
    Client::new(vec![AddressBlock { address: "127.0.0.0".parse().unwrap(), prefix: 8 }])
}

async fn scene(settings: ProviderSettings, fake: &FakeIdp, client: Client) -> TestApp {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.providers = vec![settings]).await;
    fake.keep_time(app.clock.clone());
    app.outbound.ask_by("http", Arc::new(client));
    app
}

async fn sign_in(app: &TestApp, fake: &FakeIdp) -> Result<ExternalIdentity, ProviderFault> {
    let provider = app.cx.providers.get("acme").unwrap();
    let (state, nonce) = ("a state that nobody guesses", "a nonce that nobody guesses");
    let asking = Asking { state, nonce, code_challenge: CHALLENGE, redirect_uri: REDIRECT_URI, fresh: false };
    let url = provider.authorization_url(&app.cx, asking).await?;
    let returned = fake.authorize(&url, &fake.person("7", "ada@example.org", true));
    let (code, iss) = (&*returned.code, returned.iss.as_deref());
    let back = CameBack { code, iss, code_verifier: VERIFIER, nonce, redirect_uri: REDIRECT_URI };
    provider.redeem(&app.cx, back).await
}

#[tokio::test]
async fn over_sockets_every_face_tells_who_came() {
    for face in FACES {
        let fake = FakeIdp::start().await;
        let app = scene(face(&fake, "acme"), &fake, to_loopback()).await;
        assert_eq!(sign_in(&app, &fake).await.unwrap().subject, "7");
    }
}

#[tokio::test]
async fn what_is_not_public_is_not_asked() {
    for face in FACES {
        let fake = FakeIdp::start().await;
        let app = scene(face(&fake, "acme"), &fake, Client::new(vec![])).await;
        let refused = sign_in(&app, &fake).await.unwrap_err();
        assert!(
            matches!(&refused, ProviderFault::Unavailable(text) if text.contains("outbound.allow")),
            "{refused}"
        );
        let asked =
            [Endpoint::Discovery, Endpoint::Token, Endpoint::Profile].map(|endpoint| fake.asked(endpoint));
        assert_eq!(asked, [0, 0, 0]);
    }
}

#[tokio::test]
async fn the_client_keeps_its_limits() {
    for (how, said) in [
        (Breakage::Down, "500"),
        (Breakage::Huge, "length limit exceeded"),
        (Breakage::Redirects, "302"),
        (Breakage::Garbage, "cannot be read"),
    ] {
        let fake = FakeIdp::start().await;
        let app = scene(fake.oidc("acme"), &fake, to_loopback()).await;
        fake.break_at(Endpoint::Token, how);
        let broken = sign_in(&app, &fake).await.unwrap_err();
        assert!(
            matches!(&broken, ProviderFault::Unavailable(text) if text.contains(said)),
            "{how:?}: {broken}"
        );
        assert_eq!(fake.asked(Endpoint::Nowhere), 0, "nothing is followed");
    }
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let fake = FakeIdp::start().await;
    let app = scene(fake.oidc("acme"), &fake, to_loopback().waiting(Duration::from_millis(50))).await;
    fake.break_at(Endpoint::Discovery, Breakage::Silent);
    let broken = sign_in(&app, &fake).await.unwrap_err();
    assert_eq!(broken, ProviderFault::Unavailable("no answer in time".into()));
}
