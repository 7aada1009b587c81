//! Who is calling: what a verified token says.
//!
//! ```
//! use portcullis_verify::Claims;
//!
//! fn greeting(claims: &Claims) -> String {
//!     match claims.actor() {
//!         Some(actor) if claims.is_bot() => format!("bot {} of {actor}", claims.user_id()),
//!         Some(admin) => format!("{admin}, acting as {}", claims.user_id()),
//!         None => format!("{} ({})", claims.user_id(), claims.role()),
//!     }
//! }
//! ```

use std::{fmt, sync::Arc};

use http::Method;
use portcullis_jose::AccessClaims;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{VerifyError, revocations::SessionHash};

/// The claims of a token that was verified. Cheap to clone; there is no way to make one but to verify a token.
#[derive(Clone)]
pub struct Claims(Arc<Inner>);

struct Inner {
    access: AccessClaims,
    session: SessionHash,
    kind: TokenKind,
}

/// What kind of token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenKind {
    /// An access token: a JWT, minutes long.
    AccessToken,
    /// An API token: long-lived, of which only the issuer knows.
    ApiToken,
}

impl Claims {
    pub(crate) fn new(access: AccessClaims, kind: TokenKind) -> Self {
        let session = SessionHash::of(&access.sid);
        Self(Arc::new(Inner { access, session, kind }))
    }

    pub(crate) fn session_hash(&self) -> &SessionHash {
        &self.0.session
    }

    /// The user, `sub`. Of a service client's own token, the client.
    pub fn user_id(&self) -> &str {
        &self.0.access.sub
    }

    /// The session, `sid`. Of an API token and what was exchanged for one, the API token's id.
    pub fn session_id(&self) -> &str {
        &self.0.access.sid
    }

    /// The token's own id, `jti`; empty for an API token.
    pub fn token_id(&self) -> &str {
        &self.0.access.jti
    }

    /// The user's role, e.g. `user` or `admin`.
    pub fn role(&self) -> &str {
        &self.0.access.role
    }

    /// The account (organisation) the user acts in.
    pub fn account(&self) -> Option<&str> {
        self.0.access.account.as_deref()
    }

    /// The user's role in that account, e.g. `owner`.
    pub fn account_role(&self) -> Option<&str> {
        self.0.access.account_role.as_deref()
    }

    /// The client the token was issued to; may be empty for an API token.
    pub fn client_id(&self) -> &str {
        &self.0.access.client_id
    }

    /// The issuer, `iss`.
    pub fn issuer(&self) -> &str {
        &self.0.access.iss
    }

    /// Everyone the token is for, `aud`.
    pub fn audiences(&self) -> &[String] {
        &self.0.access.aud
    }

    /// The scopes; none for an unrestricted token.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.access.scope.as_deref().unwrap_or_default().split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether the token has no `scope` at all and so may do whatever its user may.
    pub fn is_unrestricted(&self) -> bool {
        self.0.access.scope.is_none()
    }

    /// Whether the token is good for this scope: unrestricted, or it names the scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.is_unrestricted() || self.scopes().any(|own| own == scope)
    }

    /// Who really acts, when it is not the user: the owner of a bot, or an administrator acting as the user.
    pub fn actor(&self) -> Option<&str> {
        self.0.access.act.as_ref().map(|actor| actor.sub.as_str())
    }

    /// Whether the user is a bot, owned by the [`actor`](Claims::actor).
    pub fn is_bot(&self) -> bool {
        self.0.access.bot
    }

    /// Whether an administrator is acting as the user.
    pub fn is_acting(&self) -> bool {
        self.actor().is_some() && !self.is_bot()
    }

    /// Whether only safe methods are allowed; the layer has seen to it.
    pub fn is_read_only(&self) -> bool {
        self.0.access.read_only
    }

    /// Whether an access token or an API token was presented.
    pub fn kind(&self) -> TokenKind {
        self.0.kind
    }

    /// The generation of the session's refresh chain.
    pub fn generation(&self) -> u64 {
        self.0.access.generation
    }

    /// When the token was made (Unix time).
    pub fn issued_at(&self) -> i64 {
        self.0.access.iat
    }

    /// From when on it is valid (Unix time).
    pub fn not_before(&self) -> i64 {
        self.0.access.nbf
    }

    /// From when on it has expired (Unix time).
    pub fn expires_at(&self) -> i64 {
        self.0.access.exp
    }

    /// When the user proved to be who it is (Unix time).
    pub fn authenticated_at(&self) -> Option<i64> {
        self.0.access.auth_time
    }

    /// How the user did (RFC 8176), e.g. `pwd`, `otp`.
    pub fn methods(&self) -> &[String] {
        &self.0.access.amr
    }

    /// A claim of the operator's (`tokens.claims` of the issuer), as it is.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.access.extra.get(name)
    }

    /// A claim of the operator's as a type; none if it is absent or of another type.
    ///
    /// ```
    /// # fn example(claims: &portcullis_verify::Claims) {
    /// let legacy_id: Option<u64> = claims.claim_as("user_id");
    /// # }
    /// ```
    pub fn claim_as<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.claim(name).and_then(|value| T::deserialize(value).ok())
    }

    /// All claims, as portcullis-jose has them.
    pub fn as_access_claims(&self) -> &AccessClaims {
        &self.0.access
    }

    /// That the user has this role, for use with `?` in a handler.
    ///
    /// # Errors
    /// [`VerifyError::Forbidden`].
    pub fn require_role(&self, role: &str) -> Result<(), VerifyError> {
        if self.role() == role { Ok(()) } else { Err(VerifyError::Forbidden) }
    }

    /// That the token is good for this scope, for use with `?` in a handler.
    ///
    /// # Errors
    /// [`VerifyError::InsufficientScope`].
    pub fn require_scope(&self, scope: &str) -> Result<(), VerifyError> {
        if self.has_scope(scope) {
            Ok(())
        } else {
            Err(VerifyError::InsufficientScope { needed: scope.to_owned() })
        }
    }

    /// That a request with this method may be made: a read-only token needs a safe one (RFC 9110 section 9.2.1). The
    /// layer has seen to it; this is for who calls [`Verifier::verify`](crate::Verifier::verify) directly.
    ///
    /// # Errors
    /// [`VerifyError::ReadOnlySession`].
    pub fn require_method(&self, method: &Method) -> Result<(), VerifyError> {
        // Not `Method::is_safe`: a method that is not known here is not taken for safe.
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method);
        if safe || !self.is_read_only() { Ok(()) } else { Err(VerifyError::ReadOnlySession) }
    }

    pub(crate) fn must_set_up_factor(&self) -> bool {
        self.0.access.factor_setup
    }

    pub(crate) fn must_change_password(&self) -> bool {
        self.0.access.pwd_change
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("user_id", &self.user_id())
            .field("session_id", &self.session_id())
            .field("role", &self.role())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_jose::Actor;

    use super::*;

    fn claims(change: impl FnOnce(&mut AccessClaims)) -> Claims {
        let mut access =
            AccessClaims { sub: "u".into(), sid: "s".into(), role: "user".into(), ..AccessClaims::default() };
        change(&mut access);
        Claims::new(access, TokenKind::AccessToken)
    }

    #[test]
    fn no_scope_is_unrestricted_and_an_empty_one_is_none() {
        let unrestricted = claims(|_| ());
        assert!(unrestricted.is_unrestricted() && unrestricted.has_scope("a"));
        let none = claims(|claims| claims.scope = Some(String::new()));
        assert!(!none.is_unrestricted() && !none.has_scope("") && none.scopes().next().is_none());
        let some = claims(|claims| claims.scope = Some("a:b  c".into()));
        assert_eq!(some.scopes().collect::<Vec<_>>(), ["a:b", "c"]);
        for (scope, expected) in [("a:b", true), ("c", true), ("a", false), ("", false), ("a:b  c", false)] {
            assert_eq!(some.has_scope(scope), expected, "{scope}");
            assert_eq!(some.require_scope(scope).is_ok(), expected, "{scope}");
        }
    }

    #[test]
    fn roles_are_exact() {
        let admin = claims(|claims| claims.role = "admin".into());
        assert!(admin.require_role("admin").is_ok());
        for role in ["Admin", "admi", "", "user"] {
            assert_eq!(admin.require_role(role), Err(VerifyError::Forbidden));
        }
    }

    #[test]
    fn a_read_only_token_is_good_for_safe_methods() {
        let writer = claims(|_| ());
        let reader = claims(|claims| claims.read_only = true);
        for (method, safe) in [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("TRACE", true),
            ("POST", false),
            ("PUT", false),
            ("PATCH", false),
            ("DELETE", false),
            ("CONNECT", false),
            ("PROPFIND", false),
            ("get", false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            assert!(writer.require_method(&method).is_ok());
            assert_eq!(reader.require_method(&method).is_ok(), safe, "{method}");
        }
    }

    #[test]
    fn bots_and_administrators_are_told_apart() {
        let act = Some(Actor { sub: "o".into() });
        let bot = claims(|claims| (claims.act, claims.bot) = (act.clone(), true));
        assert_eq!((bot.actor(), bot.is_bot(), bot.is_acting()), (Some("o"), true, false));
        let acting = claims(|claims| claims.act = act);
        assert_eq!((acting.actor(), acting.is_bot(), acting.is_acting()), (Some("o"), false, true));
        assert!(!claims(|_| ()).is_acting());
    }

    #[test]
    fn claims_of_the_operators_come_typed() {
        let claims = claims(|claims| {
            claims.extra.insert("user_id".into(), 42.into());
        });
        assert_eq!(claims.claim_as::<u64>("user_id"), Some(42));
        assert_eq!(claims.claim_as::<String>("user_id"), None);
        assert_eq!(claims.claim_as::<u64>("other"), None);
        assert_eq!(claims.claim("user_id"), Some(&Value::from(42)));
    }
}
