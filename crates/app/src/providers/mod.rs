//! Identity providers of others: Google, Microsoft, GitHub, any OpenID provider, any provider of plain OAuth 2.
//!
//! Here is how we speak to them, as their client; what an identity is good for here is decided elsewhere.
//!
//! 1. [`Provider::authorization_url`] says where a browser is sent (RFC 6749 §4.1.1, RFC 7636, OIDC Core §3.1.2.1).
//! 2. It comes back with a code, which [`Provider::redeem`] exchanges for an [`ExternalIdentity`]: it has the provider's
//!    word for it, checked. Tokens of the provider are forgotten with the answer; none is kept and none is logged.

mod cached;
mod doctor;
mod exchange;
mod form;
mod github;
mod id_token;
mod issuer;
mod metadata;
mod oauth2;
mod oidc;
mod person;
mod settings;

use std::sync::Arc;

use portcullis_core::time::Timestamp;
use portcullis_core::user::Email;
use thiserror::Error;

use crate::cx::Cx;
use github::GitHub;
use oidc::Oidc;

pub use settings::{
    ClientAuthentication, ClientSecret, OAuth2Settings, OidcSettings, ProfileMapping, ProviderKind,
    ProviderSettings, Tenant, Vouched,
};

/// All configured providers, in the order of their names.
#[derive(Default)]
pub struct Providers(Vec<Arc<Provider>>);

impl Providers {
    pub(crate) fn configured(settings: &[ProviderSettings]) -> Self {
        Self(settings.iter().map(|one| Arc::new(Provider::new(one))).collect())
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Provider>> {
        self.iter().find(|provider| provider.name() == name).cloned()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.iter()
    }
}

/// One configured provider, with what a node remembers of it.
pub struct Provider {
    settings: ProviderSettings,
    protocol: Protocol,
}

enum Protocol {
    Oidc(Box<Oidc>),
    GitHub(GitHub),
    OAuth2(Box<OAuth2Settings>),
}

/// What a browser is sent to a provider with.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Comes back as it is.
    pub state: &'a str,
    /// Comes back in the identity token, where there is one.
    pub nonce: &'a str,
    /// S256 of the verifier (RFC 7636 §4.2).
    pub code_challenge: &'a str,
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
    /// Whether the person is to sign in there anew, although they are signed in already.
    pub fresh: bool,
}

impl Asking<'_> {
    /// What every provider is asked (RFC 6749 §4.1.1), with a code challenge if it takes one (RFC 7636 §4.3).
    fn fields<'a>(
        &'a self,
        client: &'a ProviderSettings,
        scopes: &'a str,
        pkce: bool,
    ) -> Vec<(&'a str, &'a str)> {
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", client.client_id.as_str()),
            ("redirect_uri", self.redirect_uri),
            ("state", self.state),
        ];
        if !scopes.is_empty() {
            fields.push(("scope", scopes));
        }
        if pkce {
            fields.extend([("code_challenge", self.code_challenge), ("code_challenge_method", "S256")]);
        }
        fields
    }
}

/// What a browser came back with, and what it had been sent with.
#[derive(Clone, Copy)]
pub struct CameBack<'a> {
    /// The code.
    pub code: &'a str,
    /// Who says that it is from them (RFC 9207).
    pub iss: Option<&'a str>,
    /// Of the challenge.
    pub code_verifier: &'a str,
    /// That was sent.
    pub nonce: &'a str,
    /// That was sent.
    pub redirect_uri: &'a str,
}

/// Somebody, as a provider knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// The provider's id of them, which never becomes another person's; never an address.
    pub subject: String,
    /// Their address.
    pub email: Option<ProviderEmail>,
    /// What earlier systems may have known them by, at this provider: an address, for instance. Worth something only if
    /// the provider vouches for the address.
    pub legacy_subjects: Vec<String>,
    /// Full name.
    pub name: Option<String>,
    /// Language (BCP 47).
    pub locale: Option<String>,
    /// When they signed in there; none: the provider does not say.
    pub auth_time: Option<Timestamp>,
}

/// An address, and what a provider says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEmail {
    /// The address.
    pub address: Email,
    /// Whether the provider vouches for it being this person's, now.
    pub vouched: bool,
}

/// Why there is no identity. None carries a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProviderFault {
    /// What came back is wrong.
    #[error("{0}")]
    Refused(&'static str),
    /// The provider does not know us: the operator's to mend.
    #[error("the provider cannot be used: {0}")]
    Misconfigured(&'static str),
    /// The provider is down or slow, or does not speak as it should.
    #[error("the provider cannot be used: {0}")]
    Unavailable(String),
}

impl Provider {
    fn new(settings: &ProviderSettings) -> Self {
        let protocol = match &settings.kind {
            ProviderKind::Google { hosted_domain } => {
                Protocol::Oidc(Box::new(Oidc::google(hosted_domain.clone())))
            }
            ProviderKind::Microsoft { tenant } => Protocol::Oidc(Box::new(Oidc::microsoft(tenant.clone()))),
            ProviderKind::Oidc(settings) => Protocol::Oidc(Box::new(Oidc::any(settings))),
            ProviderKind::GitHub { url } => Protocol::GitHub(GitHub::at(url.as_deref())),
            ProviderKind::OAuth2(settings) => Protocol::OAuth2(settings.clone()),
        };
        Self { settings: settings.clone(), protocol }
    }

    /// What our URLs call it.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What people call it.
    pub fn title(&self) -> &str {
        &self.settings.title
    }

    /// Where a browser is sent.
    ///
    /// # Errors
    /// [`ProviderFault`] if the provider does not say where, or says what it must not.
    pub async fn authorization_url(&self, cx: &Cx, asking: Asking<'_>) -> Result<String, ProviderFault> {
        match &self.protocol {
            Protocol::Oidc(oidc) => oidc.authorization_url(cx, &self.settings, asking).await,
            Protocol::GitHub(github) => Ok(github.authorization_url(&self.settings, asking)),
            Protocol::OAuth2(oauth2) => Ok(oauth2.authorization_url(&self.settings, asking)),
        }
    }

    /// Who came back.
    ///
    /// # Errors
    /// [`ProviderFault::Refused`] for what no honest provider sends, or not for us; [`ProviderFault::Unavailable`] if it
    /// does not answer.
    pub async fn redeem(&self, cx: &Cx, came_back: CameBack<'_>) -> Result<ExternalIdentity, ProviderFault> {
        match &self.protocol {
            Protocol::Oidc(oidc) => oidc.redeem(cx, &self.settings, came_back).await,
            Protocol::GitHub(github) => github.redeem(cx, &self.settings, came_back).await,
            Protocol::OAuth2(oauth2) => oauth2.redeem(cx, &self.settings, came_back).await,
        }
    }
}
