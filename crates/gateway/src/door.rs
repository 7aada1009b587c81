//! May this request pass to the app, as whom, and with a token for whom?
//!
//! By the rules of [`portcullis_core::access`], which forward-auth has, too. Without rules everything is open to
//! everybody, and the app is told who asks; `gateway.require_sign_in` closes all of it.
//!
//! Where a session cannot count – another site made the request, the issuer cannot be asked – the request goes on as
//! nobody's only to what a rule calls public: elsewhere the app would take somebody for a stranger.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use portcullis_core::access::{BadTarget, Decision, Lack, Rule, Rules, Target};
use portcullis_edge::csrf::{CsrfFailure, TrustedOrigins};
use portcullis_edge::origin::{Origin, own_origins};
use portcullis_edge::{Code, Problem, host};
use url::Url;

use crate::who::{Somebody, Who};

/// The rules of the house.
pub(crate) struct Door {
    rules: Rules,
    audiences: Vec<Arc<str>>,
    require_sign_in: bool,
    issuer: String,
    public_url: Url,
    trusted: Vec<Origin>,
    /// What is trusted where the public URL's own host is asked, whatever port a proxy makes of it: its origin, too.
    trusted_at_home: Vec<Origin>,
}

/// A request may pass.
pub(crate) struct Admitted {
    /// As whom; `None`: as nobody.
    pub(crate) who: Option<Somebody>,
    /// Audience of the token for the app.
    pub(crate) audience: Arc<str>,
    /// Even nobody may pass.
    pub(crate) public: bool,
}

/// It may not.
pub(crate) enum Stopped {
    /// A sign-in would help.
    SignIn {
        problem: Problem,
        /// How old it may be.
        max_age: Option<Duration>,
        /// The cookies are of a session that has ended, and no others can be on their way to the browser.
        gone: bool,
    },
    /// A new password would help.
    ChangePassword,
    Refused(Problem),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// A request as it is judged.
pub(crate) struct Wanted<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) host: &'a str,
    /// By its method, or as a stream both ways.
    pub(crate) changes: bool,
    /// Why the session in the cookies may not count for it.
    pub(crate) forged: Option<Problem>,
    pub(crate) now: i64,
}

impl Door {
    pub(crate) fn new(
        (audience, rules): (&str, Vec<Rule>),
        require_sign_in: bool,
        issuer: &str,
        (public_url, trusted): (&Url, &[String]),
    ) -> Result<Self, String> {
        let rules = Rules::new(audience, rules);
        let audiences: Vec<Arc<str>> = rules.audiences().map(Arc::from).collect();
        if audiences.iter().any(|audience| **audience == *issuer) {
            return Err("gateway.audience and gateway.rules must not name the issuer: an app would be handed tokens for its API".into());
        }
        let trusted = trusted.iter().map(|origin| Origin::parse(origin)).collect::<Result<Vec<_>, _>>();
        let trusted = trusted.map_err(|error| format!("csrf.trusted_origins: {error}"))?;
        let trusted_at_home = trusted.iter().cloned().chain(own_origins(public_url)).collect();
        let (issuer, public_url) = (issuer.to_owned(), public_url.clone());
        Ok(Self { rules, audiences, require_sign_in, issuer, public_url, trusted, trusted_at_home })
    }

    /// All audiences that tokens are made for, the default first.
    pub(crate) fn audiences(&self) -> &[Arc<str>] {
        &self.audiences
    }

    /// Whether a page of the same host or of a trusted origin made a request. The hosts of one gateway are sites of
    /// their own: who may write one page of one of them is nobody at the others.
    pub(crate) fn check_origin(&self, parts: &Parts, asked_host: &str) -> Result<(), CsrfFailure> {
        let asked = Url::parse(&format!("{}://{asked_host}/", self.public_url.scheme()));
        let asked = asked.as_ref().unwrap_or(&self.public_url);
        let is_home = asked.host_str() == self.public_url.host_str()
            || (host::is_loopback(asked) && host::is_loopback(&self.public_url));
        let trusted = if is_home { &self.trusted_at_home } else { &self.trusted };
        TrustedOrigins::new(asked, trusted.clone()).check(&parts.headers)
    }

    /// What becomes of a request.
    pub(crate) fn judge(&self, who: Who, wanted: Wanted<'_>) -> Result<Admitted, Stopped> {
        let closed = self.require_sign_in;
        if self.rules.is_empty() {
            return match who {
                Who::Somebody(somebody) => self.open(somebody, wanted),
                Who::Nobody | Who::Gone { .. } if !closed => Ok(self.nobody(false)),
                who => Err(stop(who)),
            };
        }
        let method = wanted.parts.method.as_str();
        let target = Target::new(wanted.host, method, wanted.parts.uri.path()).map_err(unreadable)?;
        let public = !closed && matches!(self.rules.decide(&target, None), Decision::Allow(_));
        match who {
            Who::Somebody(somebody) if public && wanted.forged.is_some() && somebody.session.is_some() => {
                Ok(self.nobody(true))
            }
            Who::Somebody(somebody) => {
                self.pass(somebody, &target, wanted).map(|admitted| Admitted { public, ..admitted })
            }
            Who::Refused(problem) => Err(problem.into()),
            _ if public => Ok(self.nobody(true)),
            who => Err(stop(who)),
        }
    }

    fn nobody(&self, public: bool) -> Admitted {
        Admitted { who: None, audience: self.audiences[0].clone(), public }
    }

    /// Without rules.
    fn open(&self, somebody: Somebody, wanted: Wanted<'_>) -> Result<Admitted, Stopped> {
        let somebody = sound(somebody, wanted)?;
        self.admit(somebody, self.audiences[0].clone())
    }

    fn pass(&self, somebody: Somebody, target: &Target<'_>, wanted: Wanted<'_>) -> Result<Admitted, Stopped> {
        let now = wanted.now;
        let somebody = sound(somebody, wanted)?;
        match self.rules.decide(target, Some(&somebody.principal.as_rules_see(now))) {
            Decision::Allow(audience) => {
                let audience = self.rules.audience(audience);
                let known = self.audiences.iter().find(|known| ***known == *audience);
                self.admit(somebody, known.cloned().unwrap_or_else(|| audience.into()))
            }
            Decision::Forbidden(Lack::Role) => Err(Problem::new(Code::Forbidden).into()),
            Decision::Forbidden(Lack::Scope(scope)) => Err(Problem::insufficient_scope(&scope).into()),
            Decision::Fresh { max_age } => Err(Stopped::SignIn {
                problem: Problem::new(Code::FreshLoginRequired).extra("max_age", max_age.as_secs()),
                max_age: Some(max_age),
                gone: false,
            }),
            Decision::SignIn => {
                Err(Stopped::SignIn { problem: Code::MissingToken.into(), max_age: None, gone: false })
            }
        }
    }

    /// A token that was narrowed to one app opens no other (RFC 9068 section 4).
    fn admit(&self, somebody: Somebody, audience: Arc<str>) -> Result<Admitted, Stopped> {
        let meant = |aud: &String| *aud == self.issuer || **aud == *audience;
        // The token that an API token was exchanged for is for the default audience, and can be had for any other.
        let by_session = somebody.session.is_some() || somebody.principal.is_api_token();
        if !by_session && !somebody.principal.claims.audiences().iter().any(meant) {
            let detail = "This token is for another service. Sign in or refresh without `audience`.";
            return Err(Problem::new(Code::WrongAudience).detail(detail).into());
        }
        Ok(Admitted { who: Some(somebody), audience, public: false })
    }
}

/// What holds whatever the rules say.
fn sound(somebody: Somebody, wanted: Wanted<'_>) -> Result<Somebody, Stopped> {
    if let Some(problem) = wanted.forged.filter(|_| somebody.session.is_some()) {
        return Err(problem.into());
    }
    if wanted.changes && somebody.principal.claims.is_read_only() {
        return Err(Problem::new(Code::ReadOnlySession).into());
    }
    if somebody.principal.lacks_all_scopes() {
        let detail = "This token was narrowed to no scope at all. Use one that has what it needs.";
        return Err(Problem::new(Code::InsufficientScope).detail(detail).into());
    }
    Ok(somebody)
}

/// What stops somebody who cannot count for anybody.
fn stop(who: Who) -> Stopped {
    let sign_in = |code: Code, gone| Stopped::SignIn { problem: code.into(), max_age: None, gone };
    match who {
        Who::Gone { superseded } => sign_in(Code::InvalidToken, !superseded),
        Who::Nobody | Who::Somebody(_) => sign_in(Code::MissingToken, false),
        Who::MustChange => Stopped::ChangePassword,
        Who::Unknown(problem) | Who::Refused(problem) => Stopped::Refused(problem),
    }
}

fn unreadable(error: BadTarget) -> Problem {
    Problem::new(Code::MalformedRequest).detail(match error {
        BadTarget::Host => "The host cannot be read.",
        BadTarget::Method => "The method cannot be read.",
        BadTarget::Path => {
            "This path can be read in more than one way. Send it without dot segments, backslashes, control \
             characters and escapes of escapes."
        }
    })
}
