//! A provider of plain OAuth 2: its endpoints and where its profile says what stand in the settings, all of it, and no
//! line here is for one provider.
//!
//! There is no signed word about who came: what counts is that the profile was shown to us, over TLS, for a token that
//! this code was exchanged for (RFC 6749 §4.1).

use serde_json::Value;

use super::exchange::{Exchange, fetch_with};
use super::form::with_query;
use super::id_token::is_subject;
use super::person::{address, says_yes, shown};
use super::{
    Asking, CameBack, ExternalIdentity, OAuth2Settings, ProfileMapping, ProviderEmail, ProviderFault,
    ProviderSettings, Vouched,
};
use crate::cx::Cx;

impl OAuth2Settings {
    pub(super) fn authorization_url(&self, client: &ProviderSettings, asking: Asking<'_>) -> String {
        let scopes = client.scopes.join(" ");
        let mut fields = asking.fields(client, &scopes, self.pkce);
        if let Some((name, value)) = self.anew.as_ref().filter(|_| asking.fresh) {
            fields.push((name, value));
        }
        with_query(&self.authorization_endpoint, &fields)
    }

    pub(super) async fn redeem(
        &self,
        cx: &Cx,
        client: &ProviderSettings,
        came_back: CameBack<'_>,
    ) -> Result<ExternalIdentity, ProviderFault> {
        check_iss(self.issuer.as_deref(), came_back.iss)?;
        let exchange =
            Exchange { endpoint: &self.token_endpoint, authentication: self.authentication, pkce: self.pkce };
        let tokens = exchange.redeem(&*cx.outbound, client, &came_back).await?;
        let profile =
            fetch_with(&*cx.outbound, &self.userinfo_endpoint, tokens.access_token.as_ref()).await?;
        self.profile.read(&profile)
    }
}

/// RFC 9207 §2.4. Whose issuer nobody has told us is known by its own redirect URI (RFC 9700 §4.4.2.2).
pub(super) fn check_iss(known: Option<&str>, iss: Option<&str>) -> Result<(), ProviderFault> {
    match (known, iss) {
        (Some(known), Some(iss)) if known != iss => {
            Err(ProviderFault::Refused("the answer is from another provider: its iss is not this one's"))
        }
        _ => Ok(()),
    }
}

impl ProfileMapping {
    /// Who a profile is of.
    pub(super) fn read(&self, profile: &Value) -> Result<ExternalIdentity, ProviderFault> {
        let at = |place: &Option<String>| place.as_deref().and_then(|place| profile.pointer(place));
        let subject = profile.pointer(&self.subject).and_then(id);
        let email = at(&self.email).and_then(Value::as_str).and_then(address);
        let vouched = match &self.vouched {
            Vouched::Never => false,
            Vouched::Always => true,
            Vouched::Where(place) => says_yes(profile.pointer(place)),
        };
        Ok(ExternalIdentity {
            subject: subject.ok_or(ProviderFault::Refused("the provider's profile names nobody"))?,
            email: email.map(|address| ProviderEmail { address, vouched }),
            legacy_subjects: Vec::new(),
            name: shown(at(&self.name)),
            locale: shown(at(&self.locale)),
            auth_time: None,
        })
    }
}

/// A string or a whole number.
pub(super) fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
        _ => return None,
    };
    is_subject(&text).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(vouched: Vouched) -> ProfileMapping {
        ProfileMapping {
            subject: "/data/id".into(),
            email: Some("/data/mails/0/address".into()),
            vouched,
            name: Some("/data/name".into()),
            locale: Some("/lang".into()),
        }
    }

    #[test]
    fn a_profile_is_read_where_the_settings_say() {
        let profile = json!({
            "data": {"id": 77, "mails": [{"address": "ada@example.org", "ok": true}], "name": " Ada "}, "lang": "de",
        });
        let read = mapping(Vouched::Where("/data/mails/0/ok".into())).read(&profile).expect("somebody");
        let email = read.email.expect("an address");
        assert_eq!(
            (read.subject.as_str(), email.address.as_str(), email.vouched),
            ("77", "ada@example.org", true)
        );
        assert_eq!((read.name.as_deref(), read.locale.as_deref()), (Some("Ada"), Some("de")));
        let vouched =
            |vouched| mapping(vouched).read(&profile).expect("somebody").email.expect("one").vouched;
        assert!(vouched(Vouched::Always));
        assert!(!vouched(Vouched::Never));
        assert!(!vouched(Vouched::Where("/data/mails/1/ok".into())));
        assert!(!vouched(Vouched::Where("/data/name".into())));
    }

    #[test]
    fn a_profile_without_an_id_is_nobodys() {
        for id in [
            json!(null),
            json!(""),
            json!(" 7"),
            json!(true),
            json!(1.5),
            json!([7]),
            json!({"id": 7}),
            json!("x".repeat(256)),
            json!("a\u{0}b"),
        ] {
            let read = mapping(Vouched::Always).read(&json!({"data": {"id": id}}));
            assert_eq!(read, Err(ProviderFault::Refused("the provider's profile names nobody")), "{id}");
        }
        assert!(mapping(Vouched::Always).read(&json!([])).is_err());
    }

    #[test]
    fn ids_are_text() {
        assert_eq!(id(&json!("00aF")).as_deref(), Some("00aF"));
        assert_eq!(id(&json!(18_446_744_073_709_551_615_u64)).as_deref(), Some("18446744073709551615"));
        assert_eq!(id(&json!(1e20)), None);
    }
}
