//! Service clients (RFC 6749 §2): programs that ask for tokens in their own name.

use std::collections::BTreeSet;
use std::fmt;

use crate::ids::ClientId;
use crate::scope::Scopes;
use crate::secret_token::SecretDigest;
use crate::time::Timestamp;
use crate::validation::FieldError;

/// A grant that a client may use at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantType {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8693.
    TokenExchange,
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ClientCredentials, Self::TokenExchange];

    /// As `grant_type` says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }
}

/// The grants that a client may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantTypes(BTreeSet<GrantType>);

impl GrantTypes {
    /// From a list, as in JSON. An empty one is right for a client that only introspects.
    pub fn parse_list<S: AsRef<str>>(field: &'static str, words: &[S]) -> Result<Self, FieldError> {
        let known = |word: &S| {
            let found = GrantType::ALL.into_iter().find(|grant| grant.as_str() == word.as_ref());
            found.ok_or_else(|| {
                let all = GrantType::ALL.map(GrantType::as_str).join("` or `");
                FieldError::new(field, "unknown", format!("Use `{all}`."))
            })
        };
        words.iter().map(known).collect::<Result<_, _>>().map(Self)
    }

    /// From a stored row: what is unknown there is no grant.
    pub fn from_stored(text: &str) -> Self {
        let words = text.split_ascii_whitespace();
        let grants = words.filter_map(|word| GrantType::ALL.into_iter().find(|grant| grant.as_str() == word));
        Self(grants.collect())
    }

    /// Whether `grant` is among them.
    pub fn contains(&self, grant: GrantType) -> bool {
        self.0.contains(&grant)
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|grant| grant.as_str())
    }
}

impl fmt::Display for GrantTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(" "))
    }
}

/// A service client.
#[derive(Clone, Debug)]
pub struct ServiceClient {
    /// `client_id`.
    pub id: ClientId,
    /// What operators call it.
    pub name: String,
    /// Digest of its secret.
    pub secret: SecretDigest,
    /// The grants that it may use.
    pub grant_types: GrantTypes,
    /// The scopes that it may ask for.
    pub scopes: Scopes,
    /// The audiences whose tokens it may ask for and look into; `None`: all of the installation's.
    pub audiences: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ServiceClient {
    /// Whether tokens for `audience` are its business.
    pub fn serves(&self, audience: &str) -> bool {
        self.audiences.as_ref().is_none_or(|all| all.iter().any(|one| one == audience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_go_both_ways() {
        let grants =
            GrantTypes::parse_list("grant_types", &["client_credentials", "client_credentials"]).expect("ok");
        assert_eq!(grants.to_string(), "client_credentials");
        assert_eq!(GrantTypes::from_stored(&grants.to_string()), grants);
        assert!(!grants.contains(GrantType::TokenExchange));
        assert!(GrantTypes::parse_list("grant_types", &["password"]).is_err());
        assert_eq!(GrantTypes::from_stored("password"), GrantTypes::default());
    }
}
