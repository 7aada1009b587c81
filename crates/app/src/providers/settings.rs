//! How a provider is set, as `[providers.<name>]` says it.

use std::fmt;

use zeroize::Zeroizing;

/// One provider.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// What our URLs call it: small letters, digits, `-` and `_`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Who we are to it (RFC 6749 §2.2).
    pub client_id: String,
    /// By which it knows us.
    pub client_secret: ClientSecret,
    /// What we ask to be told.
    pub scopes: Vec<String>,
    /// What it speaks.
    pub kind: ProviderKind,
}

/// The secret that a provider has given us; Debug does not show it.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// A secret, as the provider shows it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// What a provider speaks, and how far its word goes.
#[derive(Clone, Debug)]
pub enum ProviderKind {
    /// Google.
    Google {
        /// Only people of this Google Workspace.
        hosted_domain: Option<String>,
    },
    /// Microsoft Entra ID.
    Microsoft {
        /// Whose people.
        tenant: Tenant,
    },
    /// Any OpenID provider.
    Oidc(OidcSettings),
    /// GitHub: OAuth 2, and addresses that are asked for apart.
    GitHub {
        /// Of a GitHub Enterprise Server, without a slash at its end; none: github.com.
        url: Option<String>,
    },
    /// A provider of plain OAuth 2.
    OAuth2(Box<OAuth2Settings>),
}

/// An OpenID provider.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Byte for byte as it is published.
    pub issuer: String,
    /// How we show who we are; none: as the provider publishes it.
    pub authentication: Option<ClientAuthentication>,
    /// Whether it vouches for addresses; none: as `email_verified` says.
    pub email_vouched: Option<bool>,
}

/// Whose people a Microsoft provider signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// Everybody's: of organisations and personal ones.
    Common,
    /// Of any organisation.
    Organizations,
    /// Personal accounts.
    Consumers,
    /// Of one directory: its id, in small letters.
    One(String),
}

impl Tenant {
    /// How it stands in URLs.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Common => "common",
            Self::Organizations => "organizations",
            Self::Consumers => "consumers",
            Self::One(id) => id,
        }
    }
}

/// How we show a token endpoint who we are (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// In the header.
    Basic,
    /// In the form.
    Post,
}

/// A provider of plain OAuth 2: where it is, and where its profile says what.
#[derive(Clone, Debug)]
pub struct OAuth2Settings {
    /// Where people are sent.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Where the profile is.
    pub userinfo_endpoint: String,
    /// What `iss` says on the way back, if it says something (RFC 9207); none: it is not looked at.
    pub issuer: Option<String>,
    /// How we show who we are.
    pub authentication: ClientAuthentication,
    /// Whether it is sent a code challenge (RFC 7636).
    pub pkce: bool,
    /// What makes it ask for a sign-in anew.
    pub anew: Option<(String, String)>,
    /// Where its profile says what.
    pub profile: ProfileMapping,
}

/// Where a profile says what: JSON pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileMapping {
    /// A string or a whole number that is never given to another person.
    pub subject: String,
    /// An address.
    pub email: Option<String>,
    /// Whether the provider vouches for it.
    pub vouched: Vouched,
    /// A full name.
    pub name: Option<String>,
    /// A language (BCP 47).
    pub locale: Option<String>,
}

/// When a provider vouches for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Never.
    Never,
    /// For all that it shows.
    Always,
    /// When there is `true` at this place of the profile.
    Where(String),
}

impl OAuth2Settings {
    /// Facebook: the same table as any other's, filled in.
    pub fn facebook() -> Self {
        Self {
            authorization_endpoint: "https://www.facebook.com/v23.0/dialog/oauth".into(),
            token_endpoint: "https://graph.facebook.com/v23.0/oauth/access_token".into(),
            userinfo_endpoint: "https://graph.facebook.com/v23.0/me?fields=id,name,email".into(),
            issuer: None,
            authentication: ClientAuthentication::Post,
            pkce: false,
            anew: Some(("auth_type".into(), "reauthenticate".into())),
            profile: ProfileMapping {
                subject: "/id".into(),
                email: Some("/email".into()),
                vouched: Vouched::Never,
                name: Some("/name".into()),
                locale: None,
            },
        }
    }
}
