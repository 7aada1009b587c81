//! `[providers.<name>]`: who else people may sign in by.

use portcullis_app::providers::{
    ClientAuthentication, ClientSecret, OAuth2Settings, OidcSettings, ProfileMapping, ProviderKind,
    ProviderSettings, Tenant, Vouched,
};

use crate::config::entries::Entries;
use crate::config::error::{ConfigError, Problem};
use crate::config::keys::{NAME, PROVIDERS};
use crate::config::public_url;
use crate::config::table::KEYS;
use crate::config::text::{self, one_of};

/// The kinds, as they are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Google,
    Microsoft,
    GitHub,
    Facebook,
    Oidc,
    OAuth2,
}

const KINDS: [(&str, Kind); 6] = [
    ("google", Kind::Google),
    ("microsoft", Kind::Microsoft),
    ("github", Kind::GitHub),
    ("facebook", Kind::Facebook),
    ("oidc", Kind::Oidc),
    ("oauth2", Kind::OAuth2),
];

impl Kind {
    fn as_str(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// What people call it; for the last two nobody knows but the operator.
    fn title(self) -> Option<&'static str> {
        match self {
            Self::Google => Some("Google"),
            Self::Microsoft => Some("Microsoft"),
            Self::GitHub => Some("GitHub"),
            Self::Facebook => Some("Facebook"),
            Self::Oidc | Self::OAuth2 => None,
        }
    }

    /// Its own keys, beside those that every kind has.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Google => &["hosted_domain"],
            Self::Microsoft => &["tenant"],
            Self::GitHub => &["issuer"],
            Self::Facebook => &[],
            Self::Oidc => &["issuer", "client_authentication", "email_vouched"],
            Self::OAuth2 => &[
                "issuer",
                "client_authentication",
                "email_vouched",
                "authorization_endpoint",
                "token_endpoint",
                "userinfo_endpoint",
                "pkce",
                "profile.subject",
                "profile.email",
                "profile.email_verified",
                "profile.name",
                "profile.locale",
            ],
        }
    }

    fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Google | Self::Microsoft | Self::Oidc => &["openid", "email", "profile"],
            Self::GitHub => &["read:user", "user:email"],
            Self::Facebook => &["email", "public_profile"],
            Self::OAuth2 => &[],
        }
    }

    fn is_oidc(self) -> bool {
        matches!(self, Self::Google | Self::Microsoft | Self::Oidc)
    }
}

const COMMON: [&str; 5] = ["kind", "title", "client_id", "client_secret", "scopes"];
const AUTHENTICATION: [(&str, ClientAuthentication); 2] =
    [("basic", ClientAuthentication::Basic), ("post", ClientAuthentication::Post)];

pub(super) fn providers(entries: &Entries) -> Result<Vec<ProviderSettings>, ConfigError> {
    entries.providers().iter().map(|name| Table { entries, name }.read()).collect()
}

/// The keys of one provider.
struct Table<'a> {
    entries: &'a Entries,
    name: &'a str,
}

impl Table<'_> {
    fn read(&self) -> Result<ProviderSettings, ConfigError> {
        self.check_name()?;
        let kind = self.need("kind", |word| one_of(word, &KINDS), "allowed: google, microsoft, github, …")?;
        self.check_keys(kind)?;
        let title = self.optional("title", title)?;
        let title = title.or_else(|| kind.title().map(str::to_owned)).unwrap_or_else(|| self.name.to_owned());
        Ok(ProviderSettings {
            name: self.name.to_owned(),
            title,
            client_id: self.need("client_id", credential, REGISTER)?,
            client_secret: ClientSecret::new(self.need("client_secret", credential, REGISTER)?),
            scopes: self.scopes(kind)?,
            kind: self.kind(kind)?,
        })
    }

    fn kind(&self, kind: Kind) -> Result<ProviderKind, ConfigError> {
        const TENANT: &str = r#"write tenant = "common" for everybody, or your directory's id"#;
        const ISSUER: &str = "give it, as its discovery document has it";
        Ok(match kind {
            Kind::Google => ProviderKind::Google { hosted_domain: self.optional("hosted_domain", domain)? },
            Kind::Microsoft => ProviderKind::Microsoft { tenant: self.need("tenant", tenant, TENANT)? },
            Kind::GitHub => ProviderKind::GitHub { url: self.optional("issuer", secure_origin)? },
            Kind::Facebook => ProviderKind::OAuth2(Box::new(OAuth2Settings::facebook())),
            Kind::Oidc => ProviderKind::Oidc(OidcSettings {
                issuer: self.need("issuer", foreign_issuer, ISSUER)?,
                authentication: self.authentication()?,
                email_vouched: self.entries.optional_boolean(&self.key("email_vouched")),
            }),
            Kind::OAuth2 => ProviderKind::OAuth2(Box::new(self.oauth2()?)),
        })
    }

    fn oauth2(&self) -> Result<OAuth2Settings, ConfigError> {
        const ENDPOINT: &str = "give it, as the provider's documentation has it";
        const SUBJECT: &str = r#"say where the profile has the person's id, such as "/id""#;
        Ok(OAuth2Settings {
            authorization_endpoint: self.need("authorization_endpoint", endpoint, ENDPOINT)?,
            token_endpoint: self.need("token_endpoint", endpoint, ENDPOINT)?,
            userinfo_endpoint: self.need("userinfo_endpoint", endpoint, ENDPOINT)?,
            issuer: self.optional("issuer", secure_issuer)?,
            authentication: self.authentication()?.unwrap_or(ClientAuthentication::Basic),
            pkce: self.entries.optional_boolean(&self.key("pkce")).unwrap_or(true),
            anew: Some(("prompt".to_owned(), "login".to_owned())),
            profile: ProfileMapping {
                subject: self.need("profile.subject", pointer, SUBJECT)?,
                email: self.optional("profile.email", pointer)?,
                vouched: self.vouched()?,
                name: self.optional("profile.name", pointer)?,
                locale: self.optional("profile.locale", pointer)?,
            },
        })
    }

    fn vouched(&self) -> Result<Vouched, ConfigError> {
        const EMAIL: &str = "profile.email";
        let place = self.optional("profile.email_verified", pointer)?;
        let always = self.entries.optional_boolean(&self.key("email_vouched"));
        let (vouched, key) = match (always, place) {
            (Some(_), Some(_)) => {
                let problem = "and profile.email_verified say both whether addresses are vouched for";
                return Err(self.fault("email_vouched", Problem::new(problem, "keep one of the two")));
            }
            (Some(true), None) => (Vouched::Always, "email_vouched"),
            (_, Some(place)) => (Vouched::Where(place), "profile.email_verified"),
            (_, None) => return Ok(Vouched::Never),
        };
        if self.entries.get(&self.key(EMAIL)).is_none() {
            let remedy = "say where the profile has the address, in profile.email";
            return Err(self.fault(key, Problem::new("vouches for no address", remedy)));
        }
        Ok(vouched)
    }

    fn authentication(&self) -> Result<Option<ClientAuthentication>, ConfigError> {
        self.optional("client_authentication", |word| one_of(word, &AUTHENTICATION))
    }

    fn scopes(&self, kind: Kind) -> Result<Vec<String>, ConfigError> {
        const KEY: &str = "scopes";
        let given = self.entries.parse_list(&self.key(KEY), scope)?;
        if given.is_empty() {
            return Ok(kind.scopes().iter().map(|&scope| scope.to_owned()).collect());
        }
        if kind.is_oidc() && !given.iter().any(|scope| scope == "openid") {
            let problem = format!("lacks openid, without which kind = {} tells nothing", kind.as_str());
            return Err(self.fault(KEY, Problem::new(problem, "add \"openid\"")));
        }
        Ok(given)
    }

    /// It is part of URLs, and of a column that identities are found by.
    fn check_name(&self) -> Result<(), ConfigError> {
        let fits = (1..=40).contains(&self.name.len())
            && self.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        if fits {
            return Ok(());
        }
        let problem = Problem::new(
            "is under a name that no provider can have",
            "use 1 to 40 small letters, digits, - and _, such as [providers.google]",
        );
        Err(self.fault(self.first_key(), problem))
    }

    /// A key that its kind does not read would be believed to do something.
    fn check_keys(&self, kind: Kind) -> Result<(), ConfigError> {
        let set = own_keys().find(|key| {
            let known = COMMON.contains(key) || kind.keys().contains(key);
            !known && self.entries.get(&self.key(key)).is_some()
        });
        let Some(key) = set else { return Ok(()) };
        let problem = format!("is nothing that kind = {} has", kind.as_str());
        Err(self.fault(key, Problem::new(problem, "leave it out")))
    }

    fn first_key(&self) -> &'static str {
        own_keys().find(|key| self.entries.get(&self.key(key)).is_some()).unwrap_or("kind")
    }

    fn key(&self, key: &str) -> String {
        format!("{PROVIDERS}{}.{key}", self.name)
    }

    fn fault(&self, key: &str, problem: Problem) -> ConfigError {
        self.entries.fault(&self.key(key), problem)
    }

    fn optional<T>(
        &self,
        key: &str,
        parser: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Option<T>, ConfigError> {
        self.entries.parse_optional(&self.key(key), parser)
    }

    /// A fault of a key that is not there is told where the provider begins.
    fn need<T>(
        &self,
        key: &str,
        parser: impl Fn(&str) -> Result<T, Problem>,
        remedy: &str,
    ) -> Result<T, ConfigError> {
        self.optional(key, parser)?.ok_or_else(|| {
            let problem = format!("needs {key} beside it, for the provider {}", self.name);
            self.fault(self.first_key(), Problem::new(problem, remedy))
        })
    }
}

/// The keys that a provider may have, in the order of the table.
fn own_keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|spec| spec.name.strip_prefix(PROVIDERS)?.strip_prefix(NAME)?.strip_prefix('.'))
}

const REGISTER: &str = "register this server with the provider, which then shows it; see docs/providers.md";

fn title(text: &str) -> Result<String, Problem> {
    let plain = text.trim() == text && text.chars().count() <= 40 && !text.chars().any(char::is_control);
    if plain {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no name to be shown", "use 1 to 40 characters"))
}

/// What a provider has given us (RFC 6749 appendices A.1 and A.2).
fn credential(text: &str) -> Result<String, Problem> {
    if text.len() <= 1024 && text.bytes().all(|b| (b' '..=b'~').contains(&b)) && text.trim() == text {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is not what a provider gives out", "copy it once more, without spaces around it"))
}

/// RFC 6749 §3.3.
fn scope(text: &str) -> Result<String, Problem> {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no scope", r#"write each by itself, such as ["openid", "email"]"#))
}

fn domain(text: &str) -> Result<String, Problem> {
    text::domain(text).map_err(|problem| {
        Problem::new(problem.problem, r#"write your Workspace's domain, such as "example.com""#)
    })
}

fn tenant(text: &str) -> Result<Tenant, Problem> {
    match text {
        "common" => return Ok(Tenant::Common),
        "organizations" => return Ok(Tenant::Organizations),
        "consumers" => return Ok(Tenant::Consumers),
        _ => {}
    }
    // By its id alone: a domain's name may be given to another directory.
    let id = uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    id.map(|id| Tenant::One(id.to_string())).ok_or_else(|| {
        Problem::new(
            "is no tenant",
            "allowed: common, organizations, consumers, or the id of a directory, as the portal shows it",
        )
    })
}

/// An https URL, or one of this machine: what is sent there is worth a sign-in.
fn secure(text: &str) -> Result<(), Problem> {
    let url = url::Url::parse(text).ok();
    if url.is_some_and(|url| url.scheme() == "https" || public_url::is_loopback(&url)) {
        return Ok(());
    }
    Err(Problem::new("is not https", "write https://; http:// is for this machine alone"))
}

fn secure_issuer(text: &str) -> Result<String, Problem> {
    let issuer = public_url::issuer(text)?;
    secure(text).map(|()| issuer)
}

/// Of a provider without a kind of its own: these mean something else by their claims than others do.
fn foreign_issuer(text: &str) -> Result<String, Problem> {
    let issuer = secure_issuer(text)?;
    let host = url::Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    let kind = match host.as_deref() {
        Some("accounts.google.com") => "google",
        Some("login.microsoftonline.com" | "sts.windows.net") => "microsoft",
        _ => return Ok(issuer),
    };
    let problem = "has a kind of its own, which knows how far to believe it about addresses";
    Err(Problem::new(problem, format!("write kind = \"{kind}\"")))
}

fn secure_origin(text: &str) -> Result<String, Problem> {
    let origin = public_url::origin(text)?;
    secure(text).map(|()| origin)
}

/// A URL of a provider's, which may have a query (RFC 6749 §3.1).
fn endpoint(text: &str) -> Result<String, Problem> {
    let remedy = r#"write one such as "https://login.example.com/oauth/token""#;
    let problem = |problem: Problem| Problem::new(problem.problem, remedy);
    let plain = text.split_once('?').map_or(text, |(plain, _)| plain);
    public_url::issuer(plain).map_err(problem)?;
    if text.contains('#') || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::new("is no URL of an endpoint", remedy));
    }
    secure(text).map(|()| text.to_owned())
}

/// RFC 6901 §3.
fn pointer(text: &str) -> Result<String, Problem> {
    let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if text.starts_with('/') && escaped {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no JSON pointer", r#"write one such as "/id" or "/data/user/email""#))
}
