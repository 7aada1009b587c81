//! The JOSE header of a compact JWS (RFC 7515 section 4): three members are read, none is trusted.

use std::{cell::Cell, fmt};

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Map;

use crate::{
    VerifyError,
    json::{self, Text},
};

/// What a header says. `jku`, `jwk`, `x5u`, `x5c` and `x5t` may stand in it and are not looked at: a token
/// does not choose the key that it is verified with (RFC 8725 section 3.10).
pub(crate) struct Header<'de> {
    alg: Option<Text<'de>>,
    kid: Option<Text<'de>>,
    typ: Option<Text<'de>>,
}

impl<'de> Header<'de> {
    pub(crate) fn parse(bytes: &'de [u8]) -> Result<Self, VerifyError> {
        let fault = Cell::new("header is not a JSON object");
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let header = deserializer
            .deserialize_map(HeaderVisitor { fault: &fault })
            .map_err(|_| VerifyError::Malformed(fault.get()))?;
        deserializer.end().map_err(|_| VerifyError::Malformed("bytes after the header"))?;
        Ok(header)
    }

    pub(crate) fn alg(&self) -> Option<&str> {
        self.alg.as_ref().map(Text::as_str)
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_ref().map(Text::as_str)
    }

    /// RFC 9068 section 2.1; media types are case-insensitive and `application/` may be left out
    /// (RFC 7515 section 4.1.9).
    pub(crate) fn is_access_token(&self) -> bool {
        self.typ.as_ref().is_some_and(|typ| {
            let typ = typ.as_str();
            typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
        })
    }

    /// Whether it says to be a JWT and no more (RFC 7519 section 5.1), or says nothing.
    pub(crate) fn is_plain_jwt(&self) -> bool {
        self.typ.as_ref().is_none_or(|typ| {
            let typ = typ.as_str();
            typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("application/jwt")
        })
    }
}

/// `fault` holds what to report if reading stops here: serde's own errors would quote the token.
struct HeaderVisitor<'a> {
    fault: &'a Cell<&'static str>,
}

impl<'de> Visitor<'de> for HeaderVisitor<'_> {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'de>, A::Error> {
        let mut header = Header { alg: None, kid: None, typ: None };
        let mut others = Map::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            match name.as_str() {
                "alg" => self.read("header alg", &mut header.alg, &mut map)?,
                "kid" => self.read("header kid", &mut header.kid, &mut map)?,
                "typ" => self.read("header typ", &mut header.typ, &mut map)?,
                // No extension is understood, so every `crit` names one that is not (section 4.1.11);
                // `b64` would change what is signed (RFC 7797).
                "crit" => return Err(self.refuse("header has crit")),
                "b64" => return Err(self.refuse("header has b64")),
                _ => {
                    self.fault.set("header has a malformed or duplicate member");
                    json::insert_unique(&mut others, name, &mut map)?;
                }
            }
            self.fault.set("header is not a JSON object");
        }
        Ok(header)
    }
}

impl HeaderVisitor<'_> {
    fn read<'de, A: MapAccess<'de>>(
        &self,
        fault: &'static str,
        slot: &mut Option<Text<'de>>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        self.fault.set(fault);
        match slot.replace(map.next_value()?) {
            None => Ok(()),
            Some(_) => Err(self.refuse("header has a malformed or duplicate member")),
        }
    }

    fn refuse<E: serde::de::Error>(&self, fault: &'static str) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }
}
