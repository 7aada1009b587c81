//! The shared code before a site that is not open yet. Who has entered it carries a MAC over it, so that another code
//! shuts everybody out again.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use hyper::body::Incoming;
use moka::sync::Cache;
use portcullis_core::server_key::{KeyRing, Purpose, ServerKey};
use portcullis_edge::client_address::block_64;
use portcullis_edge::{Code, Problem};
use subtle::ConstantTimeEq as _;

use super::Asked;
use super::fields::Fields;
use crate::answer::{self, Answer};
use crate::gateway::Inner;
use crate::pages::{AccessCode as Page, page};

/// Wrong codes per address and minute.
const MOST_WRONG: u32 = 10;
const MINUTE: Duration = Duration::from_mins(1);
const MOST_ADDRESSES: u64 = 100_000;
/// How long it is remembered that somebody knows the code, in seconds.
const LIFE: u64 = 30 * 24 * 60 * 60;

/// The code, and who guesses.
pub(crate) struct AccessCode {
    code: String,
    wrong: Cache<[u8; 9], Arc<AtomicU32>>,
}

impl AccessCode {
    pub(crate) fn new(code: String) -> Self {
        let wrong = Cache::builder().max_capacity(MOST_ADDRESSES).time_to_live(MINUTE).build();
        Self { code, wrong }
    }

    /// Whether a cookie says that its bearer knows the code.
    pub(crate) fn is_known(&self, cookie: Option<&str>, keys: &KeyRing, now: i64) -> bool {
        let read = |cookie: &str| {
            let (until, mac) = cookie.split_once('.')?;
            Some((until.parse::<i64>().ok()?, URL_SAFE_NO_PAD.decode(mac).ok()?))
        };
        cookie.and_then(read).is_some_and(|(until, mac)| {
            let right = |key: &ServerKey| {
                key.mac_matches(Purpose::AccessCode, &self.parts(&until.to_be_bytes()), &mac)
            };
            until > now && keys.iter().any(right)
        })
    }

    fn cookie(&self, keys: &KeyRing, now: i64) -> String {
        let until = now.saturating_add_unsigned(LIFE);
        let mac = keys.current().mac(Purpose::AccessCode, &self.parts(&until.to_be_bytes()));
        format!("{until}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    fn parts<'a>(&'a self, until: &'a [u8; 8]) -> [&'a [u8]; 2] {
        [until, self.code.as_bytes()]
    }

    /// Whether this is the code; too many wrong ones are not looked at.
    fn try_code(&self, code: &str, address: IpAddr) -> Result<bool, Problem> {
        let wrong = self.wrong.get_with(block_64(address), Arc::default);
        if wrong.load(Relaxed) >= MOST_WRONG {
            return Err(Problem::new(Code::RateLimited).retry_after(MINUTE.as_secs()));
        }
        let right = bool::from(self.code.as_bytes().ct_eq(code.as_bytes()));
        if !right {
            wrong.fetch_add(1, Relaxed);
        }
        Ok(right)
    }
}

impl Inner {
    /// `POST /auth/access-code`
    pub(super) async fn enter_access_code(&self, asked: Asked, body: Incoming) -> Result<Answer, Problem> {
        let access = self.access_code.as_ref().ok_or(Code::NotFound)?;
        let mut fields = Fields::read(&asked.parts.headers, body, self.limits.patience).await?;
        self.door.check_origin(&asked.parts, &asked.host)?;
        let place = self.place(&asked, fields.take("return_to").as_deref());
        let code = fields.take("code").unwrap_or_default();
        if !access.try_code(&code, asked.client.address)? {
            let message = Some("That is not the code.");
            return Ok(page(StatusCode::FORBIDDEN, &Page { return_to: &place, message }));
        }
        let mut response = answer::see_other(&place);
        let cookie = access.cookie(&self.keys, self.doorman.keeper.now());
        let line = self.jar.access_code.set(&cookie, Some(LIFE));
        answer::set(response.headers_mut(), line.iter());
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> KeyRing {
        KeyRing::new(ServerKey::new(&[byte; 32]).expect("long enough"), vec![])
    }

    #[test]
    fn who_knows_the_code_is_known_for_a_while() {
        let access = AccessCode::new("sesame".into());
        let cookie = access.cookie(&keys(1), 1000);
        let known = |access: &AccessCode, keys: &KeyRing, now| access.is_known(Some(&cookie), keys, now);
        assert!(known(&access, &keys(1), 1000) && known(&access, &keys(1), 1000 + LIFE as i64 - 1));
        assert!(!known(&access, &keys(1), 1000 + LIFE as i64), "too long ago");
        assert!(!known(&access, &keys(2), 1000), "another key");
        assert!(!known(&AccessCode::new("other".into()), &keys(1), 1000), "another code");
        for garbage in [None, Some(""), Some("9999999999."), Some("x.y"), Some("9999999999.AAAA")] {
            assert!(!access.is_known(garbage, &keys(1), 0), "{garbage:?}");
        }
    }

    #[test]
    fn guessing_ends_after_ten() {
        let access = AccessCode::new("sesame".into());
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for _ in 0..MOST_WRONG {
            assert!(!access.try_code("x", one).expect("looked at"));
        }
        assert_eq!(access.try_code("sesame", one).expect_err("too many").code(), Code::RateLimited);
        assert!(access.try_code("sesame", other).expect("looked at"));
    }
}
