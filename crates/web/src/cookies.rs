//! The cookies of ours: which there are, and how they are set and taken away.
//!
//! | cookie | holds | sent to |
//! |---|---|---|
//! | `pc_refresh` | the refresh token | `cookies.path` |
//! | `pc_access` | the access token, with delivery `cookies` only | everywhere: forward-auth reads it |
//! | `pc_act_refresh`, `pc_act_access` | the same of the session in which an administrator acts as another user | the same |
//! | `pc_device` | makes the device known at the next sign-in | everywhere: pages sign in, too |
//! | `pc_flow` | shows that this browser went to a provider; always `Lax`: it comes back from another site | everywhere |
//! | `pc_registration` | shows that this browser registered, until the address is confirmed | everywhere |
//! | `pc_challenge` | the secret of a sign-in that still owes a second factor | everywhere: pages ask for it |
//! | `csrftoken` | the CSRF token, for scripts to read | everywhere: pages read it |
//!
//! The access token's cookie lives as long as the refresh token's, longer than the token in it: a browser that
//! dropped the acting one after a quarter of an hour would go on as the administrator.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use portcullis_app::owed::CHALLENGE_LIFETIME;
use portcullis_app::tokens::Tokens;
use portcullis_core::session::{Carrier, Delivery};
use portcullis_edge::cookies::{
    BadCookieScope, BadCookieValue, CookieError, CookieScope, CookieSpec, SameSite, Visibility,
};

use crate::state::WebConfig;

/// How long a device stays known: as long as browsers keep any cookie (RFC 6265bis section 5.5).
const DEVICE_SECONDS: u64 = 400 * 24 * 60 * 60;

/// As long as a flow is good.
const FLOW_SECONDS: u64 = 10 * 60;

/// The cookies of one session.
pub(crate) struct Pair {
    pub(crate) refresh: CookieSpec,
    pub(crate) access: CookieSpec,
}

/// All cookies of ours.
pub(crate) struct Cookies {
    pub(crate) own: Pair,
    pub(crate) acting: Pair,
    device: CookieSpec,
    registration: CookieSpec,
    challenge: CookieSpec,
    flow: CookieSpec,
    csrf: CookieSpec,
    /// Refresh tokens do not come to pages.
    narrow: bool,
    /// On plain http only this machine may see them.
    pub(crate) usable: bool,
}

/// What a request brought.
#[derive(Default)]
pub(crate) struct Brought {
    pub(crate) own: BroughtPair,
    pub(crate) acting: BroughtPair,
    pub(crate) device: Option<String>,
    /// What shows that it registered.
    pub(crate) registration: Option<String>,
    /// The secret of a sign-in that owes a second factor.
    pub(crate) challenge: Option<String>,
    /// What shows that it went to a provider.
    pub(crate) flow: Option<String>,
    /// To one of our pages, which stand outside of a narrow `cookies.path`.
    pub(crate) to_page: bool,
}

/// What it brought of one session.
#[derive(Default)]
pub(crate) struct BroughtPair {
    pub(crate) refresh: Option<String>,
    pub(crate) access: Option<String>,
}

impl Brought {
    /// What it asks by: while acting as another user, those of that session.
    pub(crate) const fn in_use(&self) -> &BroughtPair {
        if self.acting.is_empty() { &self.own } else { &self.acting }
    }
}

impl BroughtPair {
    /// Both tokens, as sessions with delivery `cookies` have them.
    pub(crate) const fn is_whole(&self) -> bool {
        self.refresh.is_some() && self.access.is_some()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.refresh.is_none() && self.access.is_none()
    }
}

impl Cookies {
    pub(crate) fn new(config: &WebConfig) -> Result<Self, BadCookieScope> {
        let narrow = CookieScope {
            https: config.public_url.scheme() == "https",
            same_site: config.cookie_same_site,
            path: config.cookie_path.clone(),
            domain: config.cookie_domain.clone(),
        };
        let wide = CookieScope { path: "/".to_owned(), ..narrow.clone() };
        let hidden = |name, scope| CookieSpec::new(name, Visibility::HttpOnly, scope);
        Ok(Self {
            own: Pair { refresh: hidden("pc_refresh", &narrow)?, access: hidden("pc_access", &wide)? },
            acting: Pair {
                refresh: hidden("pc_act_refresh", &narrow)?,
                access: hidden("pc_act_access", &wide)?,
            },
            device: hidden("pc_device", &wide)?,
            // Of no use to anybody else: no neighbouring host may have set it.
            registration: hidden("pc_registration", &CookieScope { domain: None, ..wide.clone() })?,
            challenge: hidden("pc_challenge", &CookieScope { domain: None, ..wide.clone() })?,
            flow: hidden("pc_flow", &CookieScope { domain: None, same_site: SameSite::Lax, ..wide.clone() })?,
            csrf: CookieSpec::new("csrftoken", Visibility::Readable, &wide)?,
            narrow: narrow.path != "/",
            usable: narrow.https || portcullis_edge::host::is_loopback(&config.public_url),
        })
    }

    /// What a request brings.
    ///
    /// # Errors
    /// Two of one name, or one that cannot be read.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Result<Brought, CookieError> {
        let read = |spec: &CookieSpec| spec.read(headers).map(|found| found.map(str::to_owned));
        let pair = |pair: &Pair| -> Result<BroughtPair, CookieError> {
            Ok(BroughtPair { refresh: read(&pair.refresh)?, access: read(&pair.access)? })
        };
        Ok(Brought {
            own: pair(&self.own)?,
            acting: pair(&self.acting)?,
            device: read(&self.device)?,
            registration: read(&self.registration)?,
            challenge: read(&self.challenge)?,
            flow: read(&self.flow)?,
            to_page: false,
        })
    }

    /// The access token by which a request asks, and in which cookie it came. While acting it is that session's, or none that is any good: one that
    /// went astray must not turn whoever acts back into themselves.
    ///
    /// # Errors
    /// As [`Self::read`], of those that are read.
    pub(crate) fn access<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> Result<Option<(&'a str, Carrier)>, CookieError> {
        let own = self.own.access.read(headers)?;
        match (self.acting.access.read(headers)?, self.acting.refresh.read(headers)?) {
            (Some(acting), _) => Ok(Some((acting, Carrier::ActingCookie))),
            (None, Some(_)) => Ok(Some(("", Carrier::ActingCookie))),
            (None, None) => Ok(own.map(|own| (own, Carrier::Cookie))),
        }
    }

    /// Sets the cookies of `tokens`, and takes away what the browser holds in their place.
    ///
    /// # Errors
    /// An access token that is too long: its claims are the operator's. The other cookies are set all the same.
    pub(crate) fn hand_over(
        &self,
        out: &mut HeaderMap,
        tokens: &Tokens,
        csrf_token: &str,
        brought: &Brought,
    ) -> Result<(), BadCookieValue> {
        let acts = Carrier::of(&tokens.grant) == Carrier::ActingCookie;
        let pair = if acts { &self.acting } else { &self.own };
        let seconds = tokens.refresh_expires_in.as_secs();
        add(out, pair.refresh.set(&tokens.refresh_token, Some(seconds))?);
        let held = if acts { &brought.acting } else { &brought.own };
        let mut done = Ok(());
        if tokens.grant.delivery == Delivery::Cookies {
            done = pair.access.set(&tokens.access_token, Some(seconds)).map(|line| add(out, line));
        } else if held.access.is_some() {
            add(out, pair.access.clear());
        }
        if let Some(device) = &tokens.device_token {
            add(out, self.device.set(device, Some(DEVICE_SECONDS))?);
        }
        self.set_csrf_token(out, csrf_token, seconds)?;
        if !acts {
            self.clear_acting(out, brought);
        }
        done
    }

    /// Sets the CSRF token for scripts to read.
    ///
    /// # Errors
    /// Never: it is base62.
    pub(crate) fn set_csrf_token(
        &self,
        out: &mut HeaderMap,
        token: &str,
        seconds: u64,
    ) -> Result<(), BadCookieValue> {
        add(out, self.csrf.set(token, Some(seconds))?);
        Ok(())
    }

    /// Sets what shows that this browser registered.
    ///
    /// # Errors
    /// Never: it is base62.
    pub(crate) fn set_registration(
        &self,
        out: &mut HeaderMap,
        secret: &str,
        seconds: u64,
    ) -> Result<(), BadCookieValue> {
        add(out, self.registration.set(secret, Some(seconds))?);
        Ok(())
    }

    /// What keeps the secret of a sign-in that owes a second factor in the browser.
    ///
    /// # Errors
    /// Never: it is base62.
    pub(crate) fn keep_challenge(&self, secret: &str) -> Result<HeaderValue, BadCookieValue> {
        self.challenge.set(secret, Some(CHALLENGE_LIFETIME.as_secs()))
    }

    /// Takes that away, if the browser holds it.
    pub(crate) fn forget_challenge(&self, out: &mut HeaderMap, brought: &Brought) {
        if brought.challenge.is_some() {
            add(out, self.challenge.clear());
        }
    }

    /// Sets what shows that this browser went to a provider.
    ///
    /// # Errors
    /// Never: it is base62.
    pub(crate) fn set_flow(&self, out: &mut HeaderMap, secret: &str) -> Result<(), BadCookieValue> {
        add(out, self.flow.set(secret, Some(FLOW_SECONDS))?);
        Ok(())
    }

    /// Takes it away: the browser is back.
    pub(crate) fn clear_flow(&self, out: &mut HeaderMap) {
        add(out, self.flow.clear());
    }

    /// Takes away the cookies of acting as another user; what is left is the administrator's own.
    pub(crate) fn clear_acting(&self, out: &mut HeaderMap, brought: &Brought) {
        clear(out, &self.acting, &brought.acting, self.hides(brought));
    }

    /// Takes away every cookie of a session that the browser holds. The device stays known.
    pub(crate) fn clear_all(&self, out: &mut HeaderMap, brought: &Brought) {
        clear(out, &self.own, &brought.own, self.hides(brought));
        clear(out, &self.acting, &brought.acting, self.hides(brought));
        add(out, self.csrf.clear());
    }

    /// Whether the browser may hold refresh tokens that it did not bring: one left behind would count at `/auth`.
    const fn hides(&self, brought: &Brought) -> bool {
        self.narrow && brought.to_page
    }
}

fn clear(out: &mut HeaderMap, pair: &Pair, brought: &BroughtPair, hidden: bool) {
    if brought.refresh.is_some() || hidden {
        add(out, pair.refresh.clear());
    }
    if brought.access.is_some() {
        add(out, pair.access.clear());
    }
}

fn add(out: &mut HeaderMap, line: HeaderValue) {
    out.append(SET_COOKIE, line);
}
