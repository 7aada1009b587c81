//! What can be told of a provider before anybody comes by it.

use super::{Protocol, Provider, ProviderFault};
use crate::cx::Cx;
use crate::doctor::Check;

const NAME: &str = "provider";

impl Provider {
    /// Whether it publishes what it must; those of plain OAuth 2 publish nothing.
    async fn check(&self, cx: &Cx) -> Check {
        let named = |what: &str| format!("{}: {what}", self.name());
        let checked = match &self.protocol {
            Protocol::Oidc(oidc) => oidc.check(cx).await,
            Protocol::GitHub(_) | Protocol::OAuth2(_) => {
                return Check::ok(NAME, named("configured; it shows nothing before somebody comes by it"));
            }
        };
        match checked {
            Ok(()) => Check::ok(NAME, named("its discovery document and keys are there")),
            Err(fault @ (ProviderFault::Refused(_) | ProviderFault::Misconfigured(_))) => {
                let remedy = format!("Correct providers.{}; see docs/providers.md.", self.name());
                Check::fault(NAME, named(&fault.to_string()), remedy)
            }
            Err(fault @ ProviderFault::Unavailable(_)) => Check::warning(
                NAME,
                named(&fault.to_string()),
                format!("Nobody can sign in by it. Wait, or correct providers.{}.", self.name()),
            ),
        }
    }
}

impl Cx {
    pub(crate) async fn check_providers(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for provider in self.providers.iter() {
            checks.push(provider.check(self).await);
        }
        checks
    }
}
