//! A node, a provider, and a browser between them.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_app::providers::{
    Asking, CameBack, ExternalIdentity, Provider, ProviderFault, ProviderSettings,
};
use portcullis_testkit::{Backend, FakeIdp, Person, Returned, TestApp};
use url::Url;

pub(crate) const STATE: &str = "a state that nobody guesses";
pub(crate) const NONCE: &str = "a nonce that nobody guesses";
pub(crate) const REDIRECT_URI: &str = "http://localhost:8400/auth/oauth/acme/callback";
/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) fn asking(fresh: bool) -> Asking<'static> {
    Asking { state: STATE, nonce: NONCE, code_challenge: CHALLENGE, redirect_uri: REDIRECT_URI, fresh }
}

pub(crate) fn came_back(code: &str) -> CameBack<'_> {
    CameBack { code, iss: None, code_verifier: VERIFIER, nonce: NONCE, redirect_uri: REDIRECT_URI }
}

/// A node with these providers.
pub(crate) async fn node(providers: Vec<ProviderSettings>) -> TestApp {
    TestApp::with(Backend::Sqlite, |setup| setup.settings.providers = providers).await
}

/// The query of a URL.
pub(crate) fn query(url: &str) -> HashMap<String, String> {
    Url::parse(url).expect("a URL").query_pairs().into_owned().collect()
}

/// A node whose one provider is the fake.
pub(crate) struct Scene {
    pub(crate) fake: FakeIdp,
    pub(crate) app: TestApp,
    pub(crate) provider: Arc<Provider>,
}

impl Scene {
    /// By its OpenID Connect.
    pub(crate) async fn oidc() -> Self {
        Self::of(|fake| fake.oidc("acme")).await
    }

    pub(crate) async fn of(settings: impl FnOnce(&FakeIdp) -> ProviderSettings) -> Self {
        let fake = FakeIdp::start().await;
        let app = node(vec![settings(&fake)]).await;
        fake.serve(&app);
        let provider = app.cx.providers.get("acme").expect("it is configured");
        Self { fake, app, provider }
    }

    pub(crate) fn ada(&self) -> Person {
        self.fake.person("7", "ada@example.org", true)
    }

    pub(crate) async fn url(&self) -> Result<String, ProviderFault> {
        self.provider.authorization_url(&self.app.cx, asking(false)).await
    }

    /// As far as the way back.
    pub(crate) async fn go(&self, person: &Person) -> Returned {
        self.fake.authorize(&self.url().await.expect("it says where"), person)
    }

    pub(crate) async fn redeem(&self, returned: &Returned) -> Result<ExternalIdentity, ProviderFault> {
        let back = CameBack { iss: returned.iss.as_deref(), ..came_back(&returned.code) };
        self.provider.redeem(&self.app.cx, back).await
    }

    /// The whole way.
    pub(crate) async fn sign_in(&self) -> Result<ExternalIdentity, ProviderFault> {
        self.redeem(&self.go(&self.ada()).await).await
    }
}
