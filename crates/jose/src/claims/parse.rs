//! Reading claims: by hand, since serde's `flatten` buffers every member and does not see duplicates among
//! the unknown ones. Unknown members alone cost an allocation.

use std::{cell::Cell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, error::Category};

use super::{AccessClaims, Actor, TokenStatus};
use crate::{
    VerifyError,
    json::{self, Text},
    numeric_date::NumericDate,
};

/// What to report if reading stops here. serde's own errors quote the input and do not name the claim.
#[derive(Clone, Copy)]
enum Fault {
    NotAnObject,
    Claim(&'static str),
    Duplicate,
}

impl AccessClaims {
    /// Parses the payload of a token whose signature is good.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, VerifyError> {
        let fault = Cell::new(Fault::NotAnObject);
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        let claims =
            deserializer.deserialize_map(ClaimsVisitor { fault: &fault }).map_err(|error| {
                match (error.classify(), fault.get()) {
                    (Category::Data, Fault::Claim(name)) => VerifyError::Claim(name),
                    (Category::Data, Fault::Duplicate) => {
                        VerifyError::Malformed("claims have a duplicate member")
                    }
                    (Category::Data, Fault::NotAnObject) => {
                        VerifyError::Malformed("claims are not an object")
                    }
                    (Category::Syntax | Category::Eof | Category::Io, _) => {
                        VerifyError::Malformed("claims are not JSON")
                    }
                }
            })?;
        deserializer.end().map_err(|_| VerifyError::Malformed("bytes after the claims"))?;
        Ok(claims)
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccessClaims, D::Error> {
    deserializer.deserialize_map(ClaimsVisitor { fault: &Cell::new(Fault::NotAnObject) })
}

struct ClaimsVisitor<'a> {
    fault: &'a Cell<Fault>,
}

/// The claims read so far.
#[derive(Default)]
struct Draft {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<NumericDate>,
    iat: Option<NumericDate>,
    nbf: Option<NumericDate>,
    jti: Option<String>,
    sid: Option<String>,
    generation: Option<u64>,
    role: Option<String>,
    account: Option<String>,
    account_role: Option<String>,
    client_id: Option<String>,
    act: Option<Actor>,
    scope: Option<String>,
    bot: Option<bool>,
    read_only: Option<bool>,
    pwd_change: Option<bool>,
    factor_setup: Option<bool>,
    upstream: Option<bool>,
    amr: Option<Vec<String>>,
    auth_time: Option<NumericDate>,
    status: Option<TokenStatus>,
    extra: Map<String, serde_json::Value>,
}

impl<'de> Visitor<'de> for ClaimsVisitor<'_> {
    type Value = AccessClaims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of an access token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AccessClaims, A::Error> {
        let mut draft = Draft::default();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let map = &mut map;
            match name.as_str() {
                "iss" => self.read("iss", &mut draft.iss, map)?,
                "sub" => self.read("sub", &mut draft.sub, map)?,
                "aud" => self.read("aud", &mut draft.aud, map)?,
                "exp" => self.read("exp", &mut draft.exp, map)?,
                "iat" => self.read("iat", &mut draft.iat, map)?,
                "nbf" => self.read("nbf", &mut draft.nbf, map)?,
                "jti" => self.read("jti", &mut draft.jti, map)?,
                "sid" => self.read("sid", &mut draft.sid, map)?,
                "gen" => self.read("gen", &mut draft.generation, map)?,
                "role" => self.read("role", &mut draft.role, map)?,
                "account" => self.read("account", &mut draft.account, map)?,
                "account_role" => self.read("account_role", &mut draft.account_role, map)?,
                "client_id" => self.read("client_id", &mut draft.client_id, map)?,
                "act" => self.read("act", &mut draft.act, map)?,
                "scope" => self.read("scope", &mut draft.scope, map)?,
                "bot" => self.read("bot", &mut draft.bot, map)?,
                "read_only" => self.read("read_only", &mut draft.read_only, map)?,
                "pwd_change" => self.read("pwd_change", &mut draft.pwd_change, map)?,
                "factor_setup" => self.read("factor_setup", &mut draft.factor_setup, map)?,
                "upstream" => self.read("upstream", &mut draft.upstream, map)?,
                "amr" => self.read("amr", &mut draft.amr, map)?,
                "auth_time" => self.read("auth_time", &mut draft.auth_time, map)?,
                "status" => self.read("status", &mut draft.status, map)?,
                _ => {
                    // Any JSON value will do, so a duplicate is all that can be wrong with it.
                    self.fault.set(Fault::Duplicate);
                    json::insert_unique(&mut draft.extra, name, map)?;
                }
            }
            self.fault.set(Fault::NotAnObject);
        }
        self.finish(draft)
    }
}

impl ClaimsVisitor<'_> {
    fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
        &self,
        name: &'static str,
        slot: &mut Option<T>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        self.fault.set(Fault::Claim(name));
        if slot.replace(map.next_value()?).is_none() {
            return Ok(());
        }
        self.fault.set(Fault::Duplicate);
        Err(A::Error::custom(json::DUPLICATE))
    }

    fn finish<E: serde::de::Error>(&self, draft: Draft) -> Result<AccessClaims, E> {
        Ok(AccessClaims {
            iss: self.text("iss", draft.iss)?,
            sub: self.text("sub", draft.sub)?,
            aud: self.required("aud", draft.aud)?.0,
            exp: self.required("exp", draft.exp)?.0,
            iat: self.required("iat", draft.iat)?.0,
            nbf: self.required("nbf", draft.nbf)?.0,
            jti: self.text("jti", draft.jti)?,
            sid: self.text("sid", draft.sid)?,
            generation: self.required("gen", draft.generation)?,
            role: self.required("role", draft.role)?,
            account: draft.account,
            account_role: draft.account_role,
            client_id: self.required("client_id", draft.client_id)?,
            act: draft.act,
            scope: draft.scope,
            bot: draft.bot.unwrap_or(false),
            read_only: draft.read_only.unwrap_or(false),
            pwd_change: draft.pwd_change.unwrap_or(false),
            factor_setup: draft.factor_setup.unwrap_or(false),
            upstream: draft.upstream.unwrap_or(false),
            amr: draft.amr.unwrap_or_default(),
            auth_time: draft.auth_time.map(|date| date.0),
            status: draft.status,
            extra: draft.extra,
        })
    }

    fn required<T, E: serde::de::Error>(&self, name: &'static str, value: Option<T>) -> Result<T, E> {
        value.ok_or_else(|| {
            self.fault.set(Fault::Claim(name));
            E::missing_field(name)
        })
    }

    /// A name that must name someone or something.
    fn text<E: serde::de::Error>(&self, name: &'static str, value: Option<String>) -> Result<String, E> {
        self.required(name, value.filter(|text| !text.is_empty()))
    }
}

/// `aud`: a string, or an array of strings (RFC 7519 section 4.1.3).
struct Audience(Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E>(self, audience: &str) -> Result<Audience, E> {
        Ok(Audience(vec![audience.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audience, A::Error> {
        let mut audiences = Vec::new();
        while let Some(audience) = seq.next_element()? {
            audiences.push(audience);
        }
        Ok(Audience(audiences))
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Through a value: rare, and the check for duplicates reaches what else stands in `act`.
        match json::Unique::deserialize(deserializer)?.0 {
            serde_json::Value::Object(mut members) => match members.remove("sub") {
                Some(serde_json::Value::String(sub)) if !sub.is_empty() => Ok(Self { sub }),
                _ => Err(D::Error::custom("an actor needs a sub")),
            },
            _ => Err(D::Error::custom("an actor is an object")),
        }
    }
}

impl<'de> Deserialize<'de> for TokenStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Through a value, as an actor. Other mechanisms may stand beside the list.
        let serde_json::Value::Object(mut members) = json::Unique::deserialize(deserializer)?.0 else {
            return Err(D::Error::custom("a status is an object"));
        };
        let Some(serde_json::Value::Object(mut place)) = members.remove("status_list") else {
            return Err(D::Error::custom("a status needs a status_list"));
        };
        match (place.get("idx").and_then(serde_json::Value::as_u64), place.remove("uri")) {
            (Some(idx), Some(serde_json::Value::String(uri))) if !uri.is_empty() => Ok(Self { idx, uri }),
            _ => Err(D::Error::custom("a place in a status list needs idx and uri")),
        }
    }
}
