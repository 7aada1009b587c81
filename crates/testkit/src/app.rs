//! The whole server in this process, without a socket: a [`TestApp`] is one node, its actors speak HTTP to it.
//!
//! ```ignore
//! let app = TestApp::new(Backend::Sqlite).await;
//! let alice = app.sign_up("alice").await;
//! let reply = alice.get("/auth/me").await;
//! assert_eq!(reply.status, 200);
//! ```

mod actor;
mod browser;
mod jar;
mod reply;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use portcullis_app::forward_auth::{ForwardAuth, Stale};
use portcullis_app::hashing::{HashParams, Hasher, HasherConfig};
use portcullis_app::mail::{EmailSettings, MailParts, Mailer, Templates};
use portcullis_app::node::StartError;
use portcullis_app::passkeys::RelyingParty;
use portcullis_app::settings::{ApiTokenRules, Lifetimes, LoginRules, RegistrationRules, Settings};
use portcullis_app::{Cx, Parts};
use portcullis_core::access::Rules;
use portcullis_core::mail::Mail;
use portcullis_core::password::PasswordPolicy;
use portcullis_core::registration::Mode;
use portcullis_core::server_key::{KeyRing, ServerKey};
use portcullis_core::time::Clock as _;
use portcullis_core::user::Role;
use portcullis_jose::Algorithm;
use portcullis_store::runtime_settings::{self, Change};
use portcullis_web::{App, ForwardStyle, SameSite, WebConfig};
use serde_json::Map;
use tokio::task::JoinHandle;

pub use actor::{Actor, PASSWORD};
pub use browser::{Browser, OWN_ORIGIN};
pub use jar::{Cookie, Jar};
pub use reply::Reply;

use crate::{Backend, Database, FakeOutbound, ManualClock, RecordingMailer, SeededRandom, SentMail};

/// The secret that forward-auth asks for in tests.
pub const FORWARD_SECRET: &str = "forward-secret-of-the-tests";

/// How a test's node is set.
pub struct Setup {
    /// Settings of the use cases. Rate limits are off unless a test turns them on.
    pub settings: Settings,
    /// Settings of the HTTP face.
    pub web: WebConfig,
    /// Bytes of the current server key, then of accepted ones.
    pub server_keys: Vec<[u8; 32]>,
    /// Longest wait for a password hash.
    pub max_queue_wait: Duration,
    /// What mails say.
    pub mail_templates: Templates,
    /// Whether mails are sent; else they are kept in the outbox.
    pub sends_mail: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let issuer = "http://localhost:8400";
        Self {
            settings: Settings {
                issuer: issuer.into(),
                audiences: vec![issuer.into()],
                claims: Map::new(),
                plan_claims: vec![],
                algorithm: Algorithm::Es256,
                private_key: None,
                key_rotation: None,
                lifetimes: Lifetimes {
                    access: Duration::from_mins(15),
                    refresh: Duration::from_hours(30 * 24),
                    session: Duration::from_hours(180 * 24),
                    grace: Duration::from_mins(1),
                },
                registration: RegistrationRules {
                    mode: Mode::Open,
                    allowed_domains: vec![],
                    refused_domains: vec![],
                    default_plan: None,
                    trial_days: None,
                    hook: None,
                },
                email_verification: true,
                require_email_verification: false,
                default_role: Role::from_stored(Role::USER),
                password_policy: PasswordPolicy::default(),
                rates: None,
                max_staleness: Duration::from_mins(1),
                api_tokens: ApiTokenRules { per_user: 20, default_days: 90, max_days: 365 },
                login: LoginRules { require_factor: vec![], trust_device_for: Duration::from_hours(30 * 24) },
                bots_per_user: 5,
                scanning_keys_url: None,
                status_lists: None,
                impersonation: Duration::from_hours(1),
                impersonation_notify: true,
                notify_new_device: true,
                relying_party: Some(relying_party(issuer)),
                forward_auth: ForwardAuth {
                    rules: Rules::new(&format!("{issuer}/upstream"), vec![]),
                    stale: Stale::Serve,
                },
                gateway_audiences: vec![],
                deletion_grace: Duration::from_hours(30 * 24),
                email: EmailSettings::at(issuer),
                audit_retention: None,
                webhooks: vec![],
            },
            web: WebConfig {
                public_url: issuer.parse().expect("a URL"),
                hosts: vec![],
                trusted_proxies: vec![],
                client_address_header: "X-Forwarded-For".into(),
                request_timeout: Duration::from_secs(30),
                forward_secret: Some(FORWARD_SECRET.into()),
                gateway_secret: None,
                forward_style: ForwardStyle::Traefik,
                return_urls: vec![],
                trusted_origins: vec![],
                cors_origins: vec![],
                cookie_same_site: SameSite::Lax,
                cookie_path: "/".into(),
                cookie_domain: None,
                password_min_length: 15,
                password_max_length: 128,
                version: "test",
            },
            server_keys: vec![[1; 32]],
            max_queue_wait: Duration::from_secs(20),
            mail_templates: Templates::default(),
            sends_mail: true,
        }
    }
}

/// Us at `origin`, as passkeys know us.
fn relying_party(origin: &str) -> RelyingParty {
    RelyingParty::new("localhost", "Portcullis", &[origin.into()]).expect("its host is the id")
}

/// One node, following its database.
pub struct TestApp {
    /// Its context.
    pub cx: Arc<Cx>,
    /// Its HTTP face.
    pub app: App,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its database, shared with other nodes of the test.
    pub database: Arc<Database>,
    /// What it finds outside.
    pub outbound: Arc<FakeOutbound>,
    /// What its mails are sent through. They leave by [`TestApp::deliver_mail`].
    pub mailer: Arc<RecordingMailer>,
    random: Arc<SeededRandom>,
    follower: JoinHandle<()>,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl TestApp {
    /// A node with defaults, on a database of its own.
    pub async fn new(backend: Backend) -> Self {
        Self::with(backend, |_| {}).await
    }

    /// A node whose setup `change` has changed.
    pub async fn with(backend: Backend, change: impl FnOnce(&mut Setup)) -> Self {
        Self::over(Database::fresh(backend), change).await
    }

    /// A node on a database that the test has made, for instance in a cluster of its own.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn over(database: Database, change: impl FnOnce(&mut Setup)) -> Self {
        let (database, clock) = (Arc::new(database), Arc::new(ManualClock::new()));
        let made = Self::on(database, clock, Arc::new(SeededRandom::default()), change).await;
        made.expect("the node starts")
    }

    /// One more node on the same database, with the same clock.
    ///
    /// # Panics
    /// If it does not start; see [`Self::try_another`].
    pub async fn another(&self, change: impl FnOnce(&mut Setup)) -> Self {
        self.try_another(change).await.expect("the node starts")
    }

    /// One more node that may refuse to start.
    pub async fn try_another(&self, change: impl FnOnce(&mut Setup)) -> Result<Self, StartError> {
        Self::on(self.database.clone(), self.clock.clone(), self.random.clone(), change).await
    }

    async fn on(
        database: Arc<Database>,
        clock: Arc<ManualClock>,
        random: Arc<SeededRandom>,
        change: impl FnOnce(&mut Setup),
    ) -> Result<Self, StartError> {
        let mut setup = Setup::default();
        change(&mut setup);
        let store = database.open().await;
        store.migrate(false).await.expect("migrations apply");
        let mut keys = setup.server_keys.iter().map(|key| ServerKey::new(key).expect("long enough"));
        let ring = KeyRing::new(keys.next().expect("a current key"), keys.collect());
        let params = HashParams { memory_kib: 8, iterations: 1, parallelism: 1 };
        let workers = NonZeroUsize::new(2).expect("not zero");
        let hasher = HasherConfig { params, workers, max_queue_wait: setup.max_queue_wait };
        let outbound = Arc::new(FakeOutbound::default());
        let mailer = Arc::new(RecordingMailer::default());
        let mail = MailParts {
            templates: setup.mail_templates,
            mailer: setup.sends_mail.then(|| mailer.clone() as Arc<dyn Mailer>),
        };
        let cx = Arc::new(Cx::new(Parts {
            store,
            ring,
            clock: clock.clone(),
            random: random.clone(),
            hasher: Hasher::start(hasher).expect("threads"),
            outbound: outbound.clone(),
            mail,
            settings: setup.settings,
        }));
        cx.start().await?;
        let follower = tokio::spawn(cx.clone().follow());
        let app = portcullis_web::app(cx.clone(), setup.web).expect("the setup is usable");
        Ok(Self { cx, app, clock, database, outbound, mailer, random, follower })
    }

    /// Writes a mail into the outbox.
    ///
    /// # Panics
    /// If the database cannot be reached.
    pub async fn enqueue_mail(&self, mail: &Mail) {
        let mail = mail.clone();
        let written = self.cx.store.write(move |tx| {
            let mail = mail.clone();
            Box::pin(async move { portcullis_store::outbox::enqueue(tx, &mail).await })
        });
        written.await.expect("the outbox is written");
    }

    /// Sends what is due in the outbox: what a server does by itself, at once and here.
    ///
    /// # Panics
    /// If the database cannot be reached.
    pub async fn deliver_mail(&self) {
        self.cx.deliver_mail().await.expect("the outbox is read");
    }

    /// Sends what is due, and all mails that this node has ever sent, in that order.
    pub async fn mails(&self) -> Vec<SentMail> {
        self.deliver_mail().await;
        self.mailer.taken()
    }

    /// From now on it hears of nothing by itself, as a node that is cut off from its database.
    pub async fn cut_off(&mut self) {
        self.follower.abort();
        // An error: it was aborted. From here on it reads no more.
        let _ = (&mut self.follower).await;
    }

    /// A runtime setting as a newer version may have left it in the database: not checked.
    ///
    /// # Panics
    /// If the database does not take it.
    pub async fn leave_setting(&self, name: &'static str, value: serde_json::Value) {
        let change = Change { name, value: Some(value), asker: None, now: self.clock.now() };
        let done = self.cx.store.write(move |tx| {
            let change = change.clone();
            Box::pin(async move { runtime_settings::change(tx, &change).await })
        });
        done.await.expect("written");
    }

    /// Somebody who presents nothing.
    pub fn anon(&self) -> Actor {
        Actor::new(self.app.clone())
    }

    /// A browser with a page of ours in it, and no cookie yet.
    pub fn browser(&self) -> Browser {
        Browser::new(self.anon())
    }

    /// Somebody who has just signed up and in: `<name>@example.org` with [`PASSWORD`].
    ///
    /// # Panics
    /// If that is refused.
    pub async fn sign_up(&self, name: &str) -> Actor {
        let mut actor = self.anon();
        let body = serde_json::json!({
            "email": format!("{name}@example.org"), "password": PASSWORD, "name": name, "delivery": "body",
        });
        let reply = actor.post("/auth/register", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        actor.take_tokens(&reply);
        // The mail that asks them to verify their address is not what tests look for.
        self.deliver_mail().await;
        self.mailer.forget();
        actor
    }

    /// Signs in once more as `name`: another session.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn sign_in(&self, name: &str) -> Actor {
        let mut actor = self.anon();
        let body = serde_json::json!({"email": format!("{name}@example.org"), "password": PASSWORD});
        let reply = actor.post("/auth/login", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        actor.take_tokens(&reply);
        actor
    }
}
