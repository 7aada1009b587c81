//! The claims of an access token (RFC 9068 section 2.2, and what Portcullis adds), and how they are written.
//! How they are read, strictly, is in `claims/parse.rs`.

mod parse;

use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value};

/// The claims of an access token. What is absent is not written: no `null`, no `false`, no empty list.
///
/// Read with [`verify`](crate::verify), or by serde under the same rules: every claim has its type, required
/// ones are present, no member stands twice at any depth.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a claim of its own, as on the wire")]
pub struct AccessClaims {
    /// The issuer.
    pub iss: String,
    /// The user (or, of a service client's token, the client).
    pub sub: String,
    /// Who the token is for; written as a string when there is one.
    #[serde(serialize_with = "audience")]
    pub aud: Vec<String>,
    /// From this second on the token is expired (Unix time).
    pub exp: i64,
    /// When the token was made (Unix time).
    pub iat: i64,
    /// From this second on the token is valid (Unix time).
    pub nbf: i64,
    /// The token's own id.
    pub jti: String,
    /// The session; of an exchanged token the API token's id, of a client's token the client's.
    pub sid: String,
    /// The generation of the session's refresh chain this token came with: `gen`.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// The user's role.
    pub role: String,
    /// The account the user acts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The user's role in that account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_role: Option<String>,
    /// The client the token was issued to (RFC 8693 section 4.3).
    pub client_id: String,
    /// Who really acts, when it is not `sub` (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The scopes, separated by spaces (RFC 8693 section 4.2); absent: unrestricted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `sub` is a bot, a user owned by another.
    #[serde(skip_serializing_if = "is_false")]
    pub bot: bool,
    /// Unsafe methods must be refused.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// The user must change the password first; resource servers refuse the token.
    #[serde(skip_serializing_if = "is_false")]
    pub pwd_change: bool,
    /// What the user must do first is to set up a second factor. Stands beside `pwd_change`, so that whoever knows only
    /// that refuses the token, too.
    #[serde(skip_serializing_if = "is_false")]
    pub factor_setup: bool,
    /// Made for a service behind a proxy of the issuer's: the issuer itself takes it from nobody.
    #[serde(skip_serializing_if = "is_false")]
    pub upstream: bool,
    /// How the user proved to be who it is (RFC 8176).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// When the user did so (Unix time).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Where a status list tells whether the token still holds (draft-ietf-oauth-status-list section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<TokenStatus>,
    /// Claims of the operator's, beside the ones above. Names that are [reserved](AccessClaims::is_reserved)
    /// fail to serialise.
    #[serde(flatten, serialize_with = "extra_claims")]
    pub extra: Map<String, Value>,
}

/// The one who really acts: `{"sub": …}`. An actor of the actor is history and is not kept (RFC 8693
/// section 4.1: only the outermost decides).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// The actor's user id.
    pub sub: String,
}

/// A place in a status list: `{"status_list": {"idx": …, "uri": …}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenStatus {
    /// The place in the list, from 0.
    pub idx: u64,
    /// The list.
    pub uri: String,
}

impl Serialize for TokenStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Status<'a> {
            status_list: Place<'a>,
        }
        #[derive(Serialize)]
        struct Place<'a> {
            idx: u64,
            uri: &'a str,
        }
        Status { status_list: Place { idx: self.idx, uri: &self.uri } }.serialize(serializer)
    }
}

impl AccessClaims {
    /// Every claim that is a field here.
    const RESERVED: [&str; 23] = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "sid",
        "gen",
        "role",
        "account",
        "account_role",
        "client_id",
        "act",
        "scope",
        "bot",
        "read_only",
        "pwd_change",
        "factor_setup",
        "upstream",
        "amr",
        "auth_time",
        "status",
    ];

    /// Whether a claim of this name is a field of its own, and so cannot stand in `extra`.
    pub fn is_reserved(name: &str) -> bool {
        Self::RESERVED.contains(&name)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// RFC 7519 section 4.1.3: one audience may be a plain string, which every verifier understands.
fn audience<S: Serializer>(audiences: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audiences {
        [one] => serializer.serialize_str(one),
        several => serializer.collect_seq(several),
    }
}

/// A second member of the same name would make the token unreadable; better no token.
fn extra_claims<S: Serializer>(extra: &Map<String, Value>, serializer: S) -> Result<S::Ok, S::Error> {
    if extra.keys().any(|name| AccessClaims::is_reserved(name)) {
        return Err(S::Error::custom("an operator's claim has a reserved name"));
    }
    extra.serialize(serializer)
}

impl<'de> Deserialize<'de> for AccessClaims {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse::deserialize(deserializer)
    }
}
