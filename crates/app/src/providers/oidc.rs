//! A provider that speaks OpenID Connect: the authorization code flow (Core §3.1), with PKCE (RFC 7636).
//!
//! 1. What it publishes: the discovery document and its keys, see [`Cached`].
//! 2. `iss` on the way back is its own (RFC 9207 §2.4).
//! 3. The code is redeemed. If its token endpoint is gone, it may have moved: the document is read once more.
//! 4. The ID token: signature by its keys – fetched once more for one that we do not know – then every claim.
//! 5. An address that is not in the ID token is asked for, if there is somewhere to ask; of the same person.

use std::sync::Arc;

use portcullis_jose::{KeySet, SignedClaims, VerifyError, verify_id_token};
use serde_json::{Map, Value};

use super::cached::Cached;
use super::exchange::{Exchange, Tokens, fetch_with};
use super::form::with_query;
use super::id_token::{self, Expected};
use super::issuer::Issuer;
use super::metadata::{self, Metadata};
use super::person::Faith;
use super::{
    Asking, CameBack, ClientAuthentication, ExternalIdentity, OidcSettings, ProviderFault, ProviderSettings,
    Tenant,
};
use crate::cx::Cx;

/// What a node knows of it.
pub(super) struct Oidc {
    issuer: Issuer,
    faith: Faith,
    authentication: Option<ClientAuthentication>,
    /// Whether addresses may be missing from ID tokens and be had elsewhere.
    has_userinfo: bool,
    metadata: Cached<Metadata>,
    keys: Cached<KeySet>,
}

impl Oidc {
    pub(super) fn google(hosted_domain: Option<String>) -> Self {
        Self::new(Issuer::Exactly("https://accounts.google.com".into()), Faith::Google { hosted_domain })
    }

    pub(super) fn microsoft(tenant: Tenant) -> Self {
        Self::new(Issuer::Entra(tenant), Faith::Entra)
    }

    pub(super) fn any(settings: &OidcSettings) -> Self {
        let faith = match settings.email_vouched {
            None => Faith::AsVerified,
            Some(true) => Faith::Always,
            Some(false) => Faith::Never,
        };
        let known = Self::new(Issuer::Exactly(settings.issuer.clone()), faith);
        Self { authentication: settings.authentication, has_userinfo: true, ..known }
    }

    fn new(issuer: Issuer, faith: Faith) -> Self {
        Self {
            issuer,
            faith,
            authentication: None,
            has_userinfo: false,
            metadata: Cached::default(),
            keys: Cached::default(),
        }
    }

    pub(super) async fn authorization_url(
        &self,
        cx: &Cx,
        client: &ProviderSettings,
        asking: Asking<'_>,
    ) -> Result<String, ProviderFault> {
        let metadata = self.metadata(cx).await?;
        let scopes = client.scopes.join(" ");
        let mut fields = asking.fields(client, &scopes, true);
        fields.push(("nonce", asking.nonce));
        if let Faith::Google { hosted_domain: Some(domain) } = &self.faith {
            fields.push(("hd", domain));
        }
        if asking.fresh {
            // Google knows no `login`.
            let google = matches!(self.faith, Faith::Google { .. });
            fields.push(("prompt", if google { "select_account" } else { "login" }));
            fields.push(("max_age", "0"));
        }
        Ok(with_query(&metadata.authorization_endpoint, &fields))
    }

    pub(super) async fn redeem(
        &self,
        cx: &Cx,
        client: &ProviderSettings,
        came_back: CameBack<'_>,
    ) -> Result<ExternalIdentity, ProviderFault> {
        let done = self.steps(cx, client, came_back).await;
        if matches!(done, Err(ProviderFault::Unavailable(_))) {
            // What does not answer may have moved.
            self.metadata.doubt().await;
        }
        done
    }

    async fn steps(
        &self,
        cx: &Cx,
        client: &ProviderSettings,
        came_back: CameBack<'_>,
    ) -> Result<ExternalIdentity, ProviderFault> {
        let metadata = self.metadata(cx).await?;
        self.check_iss(&metadata, came_back.iss)?;
        let (tokens, metadata) = self.exchange(cx, client, metadata, &came_back).await?;
        let id_token = tokens.id_token.as_ref();
        let id_token = id_token.ok_or(ProviderFault::Refused("the provider gives no identity token"))?;
        let signed = self.signed(cx, &metadata, id_token).await?;
        let expected = Expected {
            issuer: &self.issuer,
            came_from: came_back.iss,
            client_id: &client.client_id,
            nonce: came_back.nonce,
            access_token: tokens.access_token.as_ref().map(|token| token.as_str()),
        };
        let subject = id_token::check(&signed, &expected, cx.clock.now())?;
        let claims = self.with_address(cx, &metadata, &tokens, signed.claims).await?;
        let person = self.faith.person(subject.subject, &claims)?;
        Ok(ExternalIdentity { auth_time: subject.auth_time, ..person })
    }

    /// Whether it publishes what it must.
    pub(super) async fn check(&self, cx: &Cx) -> Result<(), ProviderFault> {
        let metadata = self.metadata(cx).await?;
        if self.keys(cx, &metadata.jwks_uri).await?.is_empty() {
            return Err(ProviderFault::Refused(
                "it publishes no key of a kind that we know (RS256, ES256, EdDSA)",
            ));
        }
        Ok(())
    }

    /// Step 1.
    async fn metadata(&self, cx: &Cx) -> Result<Arc<Metadata>, ProviderFault> {
        let (outbound, place) = (cx.outbound.clone(), self.issuer.place());
        let fetch = async move { metadata::fetch(&*outbound, &place).await };
        self.metadata.get(cx.clock.now(), fetch).await
    }

    async fn keys(&self, cx: &Cx, url: &str) -> Result<Arc<KeySet>, ProviderFault> {
        let (outbound, url) = (cx.outbound.clone(), url.to_owned());
        let fetch = async move { metadata::fetch_keys(&*outbound, &url).await };
        self.keys.get(cx.clock.now(), fetch).await
    }

    /// Step 2. Where the issuer is not known yet, the ID token's is compared.
    fn check_iss(&self, metadata: &Metadata, iss: Option<&str>) -> Result<(), ProviderFault> {
        match (iss, self.issuer.known()) {
            (Some(iss), Some(known)) if iss != known => {
                Err(ProviderFault::Refused("the answer is from another provider: its iss is not this one's"))
            }
            (None, _) if metadata.says_iss => {
                Err(ProviderFault::Refused("the answer does not say who it is from: it has no iss"))
            }
            _ => Ok(()),
        }
    }

    /// Step 3.
    async fn exchange(
        &self,
        cx: &Cx,
        client: &ProviderSettings,
        metadata: Arc<Metadata>,
        came_back: &CameBack<'_>,
    ) -> Result<(Tokens, Arc<Metadata>), ProviderFault> {
        let fault = match self.redeem_at(cx, client, &metadata, came_back).await {
            Err(fault @ ProviderFault::Unavailable(_)) => fault,
            done => return done.map(|tokens| (tokens, metadata)),
        };
        self.metadata.doubt().await;
        let newer = self.metadata(cx).await?;
        if newer.token_endpoint == metadata.token_endpoint {
            return Err(fault);
        }
        let tokens = self.redeem_at(cx, client, &newer, came_back).await?;
        Ok((tokens, newer))
    }

    async fn redeem_at(
        &self,
        cx: &Cx,
        client: &ProviderSettings,
        metadata: &Metadata,
        came_back: &CameBack<'_>,
    ) -> Result<Tokens, ProviderFault> {
        let authentication = self.authentication.unwrap_or(metadata.authentication);
        let exchange = Exchange { endpoint: &metadata.token_endpoint, authentication, pkce: true };
        exchange.redeem(&*cx.outbound, client, came_back).await
    }

    /// Step 4, without the claims.
    async fn signed(&self, cx: &Cx, metadata: &Metadata, token: &str) -> Result<SignedClaims, ProviderFault> {
        let keys = self.keys(cx, &metadata.jwks_uri).await?;
        let verified = match verify_id_token(token, &keys) {
            Err(VerifyError::UnknownKey) => {
                // The keys may have been changed, and where they are, too.
                self.metadata.doubt().await;
                self.keys.doubt().await;
                let newer = self.metadata(cx).await?;
                verify_id_token(token, &*self.keys(cx, &newer.jwks_uri).await?)
            }
            verified => verified,
        };
        verified.map_err(|error| ProviderFault::Refused(wrong(&error)))
    }

    /// Step 5 (Core §5.3.2: the subject must be the ID token's, else nothing of the answer may be used).
    async fn with_address(
        &self,
        cx: &Cx,
        metadata: &Metadata,
        tokens: &Tokens,
        mut claims: Map<String, Value>,
    ) -> Result<Map<String, Value>, ProviderFault> {
        let Some(url) = metadata.userinfo_endpoint.as_deref().filter(|_| self.has_userinfo) else {
            return Ok(claims);
        };
        if claims.contains_key("email") || tokens.access_token.is_none() {
            return Ok(claims);
        }
        let told = fetch_with(&*cx.outbound, url, tokens.access_token.as_ref()).await?;
        let Value::Object(told) = told else {
            return Err(ProviderFault::Refused("the provider's profile is none"));
        };
        if id_token::subject(&told) != id_token::subject(&claims) {
            return Err(ProviderFault::Refused("the provider's profile is of somebody else"));
        }
        // What is signed counts more, but for a word about an address that it does not name.
        claims.remove("email_verified");
        for (name, value) in told {
            claims.entry(name).or_insert(value);
        }
        Ok(claims)
    }
}

fn wrong(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::UnknownKey => "the identity token is signed with a key that is not the provider's",
        VerifyError::Signature => "the signature of the identity token is wrong",
        VerifyError::Algorithm => {
            "the identity token is signed by an algorithm that its key is not for, or not at all"
        }
        VerifyError::Type => "what came in place of an identity token is another kind of token",
        VerifyError::TooLarge => "the identity token is too large",
        _ => "the identity token is malformed",
    }
}
