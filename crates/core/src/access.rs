//! Access rules for what stands behind a proxy: who may ask for which host, path and method. Forward-auth and the
//! gateway decide by the same rules.
//!
//! 1. Rules are tried in order; the first that covers the request decides. Where none does, a signed-in user is
//!    asked for: nothing is public that no rule calls public.
//! 2. We see a path as it was sent, and do not know how the service behind reads it: decoded once or twice, with
//!    `//` merged, `;parameters` cut off, small and capital letters alike. So a path is not normalised but read
//!    twice. **Strictly**, byte for byte: only then does a rule end the search. **Loosely**, in the way that most
//!    services could come to: then what the rule asks for is asked for too, and the search goes on.
//! 3. Hence another spelling of a path can only add demands. What no loose reading covers – dot segments,
//!    backslashes, control characters, broken or endless escapes – is no path here ([`BadTarget::Path`]).

mod host;
mod path;
mod require;
#[cfg(test)]
mod services;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

pub use host::{BadHost, Host, HostPattern};
pub use path::{BadPrefix, Path, Prefix};
pub use require::{Identity, Lack, Require, Requirement};

/// Why a request cannot be judged. It must be refused, whatever the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadTarget {
    /// No host, or none that can be read.
    #[error("the host cannot be read")]
    Host,
    /// Not a method in capitals.
    #[error("the method cannot be read")]
    Method,
    /// Services disagree on what this path names.
    #[error("the path can be read in more than one way")]
    Path,
}

/// What is asked for, as it was sent.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    host: Host<'a>,
    method: &'a str,
    path: Path<'a>,
}

impl<'a> Target<'a> {
    /// From the host with or without a port, the method, and the path as it stands in the request line, without
    /// its query.
    pub fn new(host: &'a str, method: &'a str, path: &'a str) -> Result<Self, BadTarget> {
        let host = Host::parse(host).ok_or(BadTarget::Host)?;
        if !is_method(method) {
            return Err(BadTarget::Method);
        }
        Ok(Self { host, method, path: Path::parse(path).ok_or(BadTarget::Path)? })
    }
}

/// Whether this is a method as clients send it. Methods are case-sensitive (RFC 9110 section 9.1), services are
/// not always: `get` is refused, so that no rule on `GET` can be passed by.
pub fn is_method(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'))
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which hosts; `None`: all.
    pub host: Option<HostPattern>,
    /// Which paths.
    pub path: Prefix,
    /// Which methods; none: all. `GET` covers `HEAD`.
    pub methods: Vec<String>,
    /// What is asked for.
    pub require: Require,
    /// Audience of the token for the service behind; `None`: the default.
    pub audience: Option<String>,
}

enum Cover {
    No,
    Perhaps,
    Surely,
}

impl Rule {
    fn covers(&self, target: &Target<'_>) -> Cover {
        let host = self.host.as_ref().is_none_or(|pattern| pattern.matches(&target.host));
        let wanted = |known: &String| known == target.method || (known == "GET" && target.method == "HEAD");
        if !host || !(self.methods.is_empty() || self.methods.iter().any(wanted)) {
            return Cover::No;
        }
        match (target.path.is_surely_under(&self.path), target.path.may_be_under(&self.path)) {
            (true, _) => Cover::Surely,
            (false, true) => Cover::Perhaps,
            (false, false) => Cover::No,
        }
    }
}

/// The name of an audience in [`Rules`]: cheap to copy and to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AudienceId(usize);

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may pass, with a token for this audience if there is a user.
    Allow(AudienceId),
    /// Only with a user.
    SignIn,
    /// Not with this user.
    Forbidden(Lack),
    /// Only soon after a sign-in.
    Fresh {
        /// How long ago that may be.
        max_age: Duration,
    },
}

/// All rules, in order.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<(Rule, AudienceId)>,
    /// The first is the default.
    audiences: Vec<Arc<str>>,
}

impl Rules {
    /// The rules, with the audience of those that name none and of what no rule covers.
    pub fn new(default_audience: &str, rules: Vec<Rule>) -> Self {
        let mut audiences: Vec<Arc<str>> = vec![default_audience.into()];
        let mut id = |audience: Option<&str>| {
            let Some(audience) = audience else { return AudienceId(0) };
            let known = audiences.iter().position(|known| **known == *audience);
            AudienceId(known.unwrap_or_else(|| {
                audiences.push(audience.into());
                audiences.len() - 1
            }))
        };
        let rules = rules.into_iter().map(|rule| {
            let audience = id(rule.audience.as_deref());
            (rule, audience)
        });
        Self { rules: rules.collect(), audiences }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The text of an audience.
    pub fn audience(&self, id: AudienceId) -> &str {
        &self.audiences[id.0]
    }

    /// All audiences, the default first.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(|audience| &**audience)
    }

    /// What is to be done with a request of `who`, or of nobody.
    pub fn decide(&self, target: &Target<'_>, who: Option<&Identity<'_>>) -> Decision {
        let mut refusal = None;
        for (rule, audience) in &self.rules {
            match rule.covers(target) {
                Cover::No => {}
                Cover::Perhaps => refusal = require::worse(refusal, rule.require.refuses(who)),
                Cover::Surely => {
                    let refusal = require::worse(refusal, rule.require.refuses(who));
                    return refusal.unwrap_or(Decision::Allow(*audience));
                }
            }
        }
        let refusal = require::worse(refusal, Require::SIGNED_IN.refuses(who));
        refusal.unwrap_or(Decision::Allow(AudienceId(0)))
    }
}
