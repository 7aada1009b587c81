//! An identity provider with three faces – OpenID Connect, GitHub's, plain OAuth 2 – that does all that is checked of one
//! in earnest (client, redirect URI, PKCE, single use of codes), and lies or breaks as a test says.
//!
//! ```ignore
//! let fake = FakeIdp::start().await;
//! let app = TestApp::with(backend, |setup| setup.settings.providers = vec![fake.oidc("acme")]).await;
//! fake.serve(&app);
//! let url = …; // where our `start` sends a browser
//! let back = fake.authorize(&url, &fake.person("7", "ada@example.org", true));
//! // … to our callback, with back.code and back.state
//! ```
//!
//! It listens on 127.0.0.1 for real clients; nodes of [`TestApp`] reach it without a socket.

mod answers;
mod grants;
mod tokens;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use portcullis_app::providers::{
    ClientAuthentication, ClientSecret, OAuth2Settings, OidcSettings, ProfileMapping, ProviderKind,
    ProviderSettings, Vouched,
};
use portcullis_core::time::Clock;
use portcullis_jose::{Algorithm, SigningKey};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{ManualClock, TestApp};
use grants::Grant;
pub use grants::{Person, Returned};

/// Who we are to it.
pub const CLIENT_ID: &str = "portcullis of the tests";
/// What has to be encoded in every way.
pub const CLIENT_SECRET: &str = "s3cret: +/%&=?";

/// What it lies about, in its ID token or its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// The token of another sign-in.
    Nonce,
    /// Made out to somebody else.
    Audience,
    /// Of several audiences, given to one of the others.
    AuthorizedParty,
    /// Of another issuer.
    Issuer,
    /// With a signature that is wrong in one place.
    Signature,
    /// Without any.
    AlgNone,
    /// Signed with the client secret, under the name of its key.
    ClientSecret,
    /// Signed with its public key as if that were a secret.
    PublicKeyAsSecret,
    /// Signed with a key that it does not publish.
    UnknownKey,
    /// Signed with a key that it does not publish, under the name of one that it does.
    ForeignKey,
    /// Another kind of token.
    Type,
    /// Over since a minute.
    Expired,
    /// Of the future.
    FromTheFuture,
    /// With the hash of another access token.
    AccessTokenHash,
    /// None at all.
    NoIdToken,
    /// A profile of somebody else.
    OthersProfile,
    /// `iss` of another on the way back.
    ReturnedIssuer,
    /// No `iss` on the way back, although it promises one.
    NoReturnedIssuer,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Nonce,
        Self::Audience,
        Self::AuthorizedParty,
        Self::Issuer,
        Self::Signature,
        Self::AlgNone,
        Self::ClientSecret,
        Self::PublicKeyAsSecret,
        Self::UnknownKey,
        Self::ForeignKey,
        Self::Type,
        Self::Expired,
        Self::FromTheFuture,
        Self::AccessTokenHash,
        Self::NoIdToken,
        Self::OthersProfile,
        Self::ReturnedIssuer,
        Self::NoReturnedIssuer,
    ];
}

/// How it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// Answers 500.
    Down,
    /// Never answers.
    Silent,
    /// Answers two megabytes.
    Huge,
    /// Sends to another place.
    Redirects,
    /// Answers with a page.
    Garbage,
}

impl Breakage {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Down, Self::Silent, Self::Huge, Self::Redirects, Self::Garbage];
}

/// What can be asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The discovery document.
    Discovery,
    /// Its keys.
    Keys,
    /// Where a browser is sent.
    Authorization,
    /// Where codes are redeemed.
    Token,
    /// Profiles, and lists of addresses.
    Profile,
    /// Something that is not there.
    Nowhere,
}

/// The provider. It ends with the value.
pub struct FakeIdp {
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
}

struct State {
    clock: Arc<dyn Clock>,
    key: SigningKey,
    issuer: String,
    /// Of its endpoints; more each time that they move.
    version: u32,
    grants: HashMap<String, Grant>,
    tokens: HashMap<String, Person>,
    signed_in: Option<Person>,
    forgery: Option<Forgery>,
    broken: HashMap<Endpoint, Breakage>,
    says_iss: bool,
    email_apart: bool,
    /// How long people have been signed in there, as it says; `None`: it does not say.
    signed_in_for: Option<Duration>,
    asked: HashMap<Endpoint, usize>,
    counter: u64,
}

impl Drop for FakeIdp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeIdp {
    /// One that listens.
    ///
    /// # Panics
    /// If this machine has no port left.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        let shared = Arc::new(Shared {
            address,
            state: Mutex::new(State {
                clock: Arc::new(ManualClock::new()),
                key,
                issuer: format!("http://{address}"),
                version: 1,
                grants: HashMap::new(),
                tokens: HashMap::new(),
                signed_in: None,
                forgery: None,
                broken: HashMap::new(),
                says_iss: true,
                email_apart: false,
                signed_in_for: Some(Duration::from_secs(10)),
                asked: HashMap::new(),
                counter: 0,
            }),
        });
        let router = answers::router(shared.clone());
        let serving = async move { axum::serve(listener, router).await.expect("it serves") };
        Self { server: tokio::spawn(serving), shared }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Where it is, without a slash; also its issuer, until it says something else.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// From now on this node reaches it, and both have the same time.
    pub fn serve(&self, app: &TestApp) {
        self.keep_time(app.clock.clone());
        app.outbound.place(&self.url(), self.router());
    }

    /// What answers, for other clients of this process.
    pub fn router(&self) -> Router {
        answers::router(self.shared.clone())
    }

    /// From now on it has this time.
    pub fn keep_time(&self, clock: Arc<dyn Clock>) {
        self.state().clock = clock;
    }

    /// Somebody who has an account with it. GitHub's face needs a number for `subject`.
    pub fn person(&self, subject: &str, email: &str, verified: bool) -> Person {
        Person {
            subject: subject.to_owned(),
            email: Some((email.to_owned(), verified)),
            name: Some(format!("Name of {subject}")),
        }
    }

    /// What a browser comes back with in which this person is signed in there and agrees. The URL is where it was sent.
    ///
    /// # Panics
    /// If that is not how a browser is sent to it.
    pub fn authorize(&self, url: &str, person: &Person) -> Returned {
        self.shared.authorize(url, person).unwrap_or_else(|fault| panic!("{fault}: {url}"))
    }

    /// Where a browser comes back to if the person does not agree (RFC 6749 §4.1.2.1).
    ///
    /// # Panics
    /// If that is not how a browser is sent to it.
    pub fn deny(&self, url: &str) -> String {
        self.shared.deny(url).unwrap_or_else(|fault| panic!("{fault}: {url}"))
    }

    /// From now on browsers that come by themselves are this person's, who agrees to everything.
    pub fn sign_in(&self, person: &Person) {
        self.state().signed_in = Some(person.clone());
    }

    /// From now on it lies so; `None`: no more.
    pub fn forge(&self, forgery: impl Into<Option<Forgery>>) {
        self.state().forgery = forgery.into();
    }

    /// From now on this is broken.
    pub fn break_at(&self, endpoint: Endpoint, how: Breakage) {
        self.state().broken.insert(endpoint, how);
    }

    /// From now on everything works.
    pub fn mend(&self) {
        self.state().broken.clear();
    }

    /// From now on it signs with another key, and publishes no other.
    ///
    /// # Panics
    /// If there is no randomness.
    pub fn rotate_keys(&self, algorithm: Algorithm) {
        let key = SigningKey::generate(algorithm).expect("a key");
        self.state().key = key;
    }

    /// From now on its document says that it is somebody else's.
    pub fn change_issuer(&self, issuer: &str) {
        issuer.clone_into(&mut self.state().issuer);
    }

    /// From now on its endpoints are elsewhere, and nowhere where they were.
    pub fn move_endpoints(&self) {
        self.state().version += 1;
    }

    /// Whether it says who it is on the way back (RFC 9207), and promises to.
    pub fn say_iss(&self, says: bool) {
        self.state().says_iss = says;
    }

    /// Whether addresses are in its profiles alone, and not in its ID tokens.
    pub fn keep_email_apart(&self, apart: bool) {
        self.state().email_apart = apart;
    }

    /// Since when people are signed in there, as its ID tokens say from now on (`auth_time`); `None`: they do not.
    pub fn say_signed_in(&self, ago: impl Into<Option<Duration>>) {
        self.state().signed_in_for = ago.into();
    }

    /// How often somebody has asked for it.
    pub fn asked(&self, endpoint: Endpoint) -> usize {
        self.state().asked.get(&endpoint).copied().unwrap_or_default()
    }

    /// A provider's settings: its OpenID Connect.
    pub fn oidc(&self, name: &str) -> ProviderSettings {
        let kind = OidcSettings { issuer: self.url(), authentication: None, email_vouched: None };
        settings(name, &["openid", "email", "profile"], ProviderKind::Oidc(kind))
    }

    /// The same of its GitHub.
    pub fn github(&self, name: &str) -> ProviderSettings {
        let kind = ProviderKind::GitHub { url: Some(format!("{}/github", self.url())) };
        settings(name, &["read:user", "user:email"], kind)
    }

    /// The same of its plain OAuth 2, whose profile vouches for addresses where it says so.
    pub fn oauth2(&self, name: &str) -> ProviderSettings {
        let base = format!("{}/plain", self.url());
        let kind = OAuth2Settings {
            authorization_endpoint: format!("{base}/authorize?realm=all"),
            token_endpoint: format!("{base}/token"),
            userinfo_endpoint: format!("{base}/me?fields=all"),
            issuer: None,
            authentication: ClientAuthentication::Basic,
            pkce: true,
            anew: Some(("prompt".into(), "login".into())),
            profile: ProfileMapping {
                subject: "/user/id".into(),
                email: Some("/user/contact/email".into()),
                vouched: Vouched::Where("/user/contact/confirmed".into()),
                name: Some("/user/display".into()),
                locale: Some("/user/lang".into()),
            },
        };
        settings(name, &["profile"], ProviderKind::OAuth2(Box::new(kind)))
    }
}

fn settings(name: &str, scopes: &[&str], kind: ProviderKind) -> ProviderSettings {
    ProviderSettings {
        name: name.to_owned(),
        title: format!("Title of {name}"),
        client_id: CLIENT_ID.to_owned(),
        client_secret: ClientSecret::new(CLIENT_SECRET),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        kind,
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl State {
    /// Something that nobody has had before.
    fn next(&mut self, what: &str) -> String {
        self.counter += 1;
        format!("{what}-{}", self.counter)
    }
}
