//! GitHub: plain OAuth 2, but addresses are asked for apart. A profile shows the one that its owner has made public, which
//! may be any; of their addresses we take the primary one, and GitHub vouches for it if they have verified it.

use serde::Deserialize;
use serde_json::Value;

use super::exchange::{Exchange, answered, ask_with, fetch_with, unreadable};
use super::form::with_query;
use super::oauth2::{check_iss, id};
use super::person::{address, shown};
use super::{
    Asking, CameBack, ClientAuthentication, ExternalIdentity, ProviderEmail, ProviderFault, ProviderSettings,
};
use crate::cx::Cx;
use crate::outbound::Answer;

/// Where it is.
pub(super) struct GitHub {
    web: String,
    api: String,
}

#[derive(Deserialize)]
struct ListedAddress {
    email: String,
    primary: bool,
    verified: bool,
}

/// Mail to these reaches nobody: they stand for addresses that their owners keep private.
const NO_REPLY: &str = "noreply.github.com";

impl GitHub {
    pub(super) fn at(url: Option<&str>) -> Self {
        match url {
            None => Self { web: "https://github.com".into(), api: "https://api.github.com".into() },
            Some(url) => Self { web: url.to_owned(), api: format!("{url}/api/v3") },
        }
    }

    pub(super) fn authorization_url(&self, client: &ProviderSettings, asking: Asking<'_>) -> String {
        let scopes = client.scopes.join(" ");
        let mut fields = asking.fields(client, &scopes, true);
        if asking.fresh {
            fields.push(("prompt", "select_account"));
        }
        with_query(&format!("{}/login/oauth/authorize", self.web), &fields)
    }

    pub(super) async fn redeem(
        &self,
        cx: &Cx,
        client: &ProviderSettings,
        came_back: CameBack<'_>,
    ) -> Result<ExternalIdentity, ProviderFault> {
        check_iss(Some(&format!("{}/login/oauth", self.web)), came_back.iss)?;
        let endpoint = format!("{}/login/oauth/access_token", self.web);
        let exchange =
            Exchange { endpoint: &endpoint, authentication: ClientAuthentication::Post, pkce: true };
        let token = exchange.redeem(&*cx.outbound, client, &came_back).await?.access_token;
        let profile = fetch_with(&*cx.outbound, &format!("{}/user", self.api), token.as_ref()).await?;
        // By its number: names can be given up, and taken by somebody else.
        let subject = profile.get("id").filter(|id| id.is_u64()).and_then(id);
        let subject = subject.ok_or(ProviderFault::Refused("the provider's profile names nobody"))?;
        let addresses = format!("{}/user/emails?per_page=100", self.api);
        let email = read_addresses(&ask_with(&*cx.outbound, &addresses, token.as_ref()).await?)?;
        let name = shown(profile.get("name")).or_else(|| shown(profile.get("login")));
        Ok(ExternalIdentity {
            subject,
            email,
            legacy_subjects: Vec::new(),
            name,
            locale: None,
            auth_time: None,
        })
    }
}

/// The primary one. None where we may not see them: an app without the permission, a scope that was not granted.
fn read_addresses(answer: &Answer) -> Result<Option<ProviderEmail>, ProviderFault> {
    match answer.status {
        200 => {}
        401 | 403 | 404 => return Ok(None),
        status => return Err(answered("list of addresses", status)),
    }
    let listed: Vec<Value> =
        serde_json::from_slice(&answer.body).map_err(|_| unreadable("list of addresses"))?;
    let listed = listed.into_iter().filter_map(|one| serde_json::from_value::<ListedAddress>(one).ok());
    let primary = listed.filter(|one| one.primary).find_map(|one| {
        let address = address(&one.email).filter(|address| !is_private(address.key()))?;
        Some(ProviderEmail { address, vouched: one.verified })
    });
    Ok(primary)
}

fn is_private(address: &str) -> bool {
    let domain = address.rsplit('@').next().unwrap_or_default();
    domain == NO_REPLY || domain.strip_suffix(NO_REPLY).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &Value) -> Result<Option<(String, bool)>, ProviderFault> {
        let read = read_addresses(&Answer { status, body: body.to_string().into() });
        read.map(|email| email.map(|email| (email.address.as_str().to_owned(), email.vouched)))
    }

    fn one(email: &str, primary: bool, verified: bool) -> Value {
        json!({"email": email, "primary": primary, "verified": verified, "visibility": null})
    }

    #[test]
    fn the_primary_address_counts_and_no_other() {
        let found = |email: &str, vouched| Ok(Some((email.to_owned(), vouched)));
        for (listed, expected) in [
            (json!([one("a@x.org", false, true), one("b@x.org", true, true)]), found("b@x.org", true)),
            (json!([one("a@x.org", false, true), one("b@x.org", true, false)]), found("b@x.org", false)),
            (json!([one("a@x.org", false, true)]), Ok(None)),
            (json!([]), Ok(None)),
            (json!([one("7+ada@users.noreply.github.com", true, true)]), Ok(None)),
            (json!([one("ada@USERS.noreply.github.com", true, true)]), Ok(None)),
            (json!([one("ada@noreply.github.com", true, true)]), Ok(None)),
            (json!([one("ada@mynoreply.github.com", true, true)]), found("ada@mynoreply.github.com", true)),
            (json!([one("no address", true, true)]), Ok(None)),
            (json!([{"email": "b@x.org", "primary": "yes", "verified": "yes"}]), Ok(None)),
        ] {
            assert_eq!(read(200, &listed), expected, "{listed}");
        }
    }

    #[test]
    fn what_may_not_be_seen_is_not_there_and_what_cannot_be_read_is_a_fault() {
        for status in [401, 403, 404] {
            assert_eq!(read(status, &json!({"message": "no"})), Ok(None));
        }
        for (status, body) in [(500, json!([])), (302, json!([])), (200, json!({})), (200, json!("x"))] {
            assert!(matches!(read(status, &body), Err(ProviderFault::Unavailable(_))), "{status} {body}");
        }
    }
}
