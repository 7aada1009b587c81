//! The issuer's metadata (RFC 8414): where its keys, its revocations and its introspection endpoint are.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde::Deserialize;

use crate::{
    FetchError, MetadataError,
    core::Context,
    fetch::Limits,
    metrics::Fetch,
    url::{self, Origin},
};

const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(5) };
/// Endpoints hardly ever move; when a fetch fails they are looked up sooner.
const FRESH_FOR: Duration = Duration::from_hours(1);

const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";
const REVOCATIONS: &str = "/.well-known/portcullis/revocations";

/// Where to ask for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) jwks: String,
    pub(crate) revocations: String,
    pub(crate) introspection: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    introspection_endpoint: Option<String>,
    portcullis_revocations_endpoint: Option<String>,
}

/// The issuer, and what it last said about itself.
pub(crate) struct Issuer {
    name: String,
    origin: Origin,
    allowed: Vec<Origin>,
    known: RwLock<Option<(Arc<Metadata>, Duration)>>,
}

impl Issuer {
    pub(crate) fn new(name: String, origin: Origin, allowed: Vec<Origin>) -> Self {
        Self { name, origin, allowed, known: RwLock::new(None) }
    }

    /// What is known, however old.
    pub(crate) fn metadata(&self) -> Option<Arc<Metadata>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|(metadata, _)| metadata.clone())
    }

    /// Forgets how old the metadata is, so that the next [`Issuer::current`] fetches it again.
    pub(crate) fn doubt(&self) {
        if let Some((_, since)) = &mut *self.known.write().unwrap_or_else(PoisonError::into_inner) {
            *since = Duration::ZERO;
        }
    }

    /// The metadata, fetched if there is none or it is old. With the issuer down, the old one.
    pub(crate) async fn current(&self, context: &Context) -> Result<Arc<Metadata>, MetadataError> {
        let now = context.clock.elapsed();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((metadata, since)) if !since.is_zero() && now.saturating_sub(since) < FRESH_FOR => {
                Ok(metadata)
            }
            Some((metadata, _)) => Ok(self.fetch(context).await.unwrap_or(metadata)),
            None => self.fetch(context).await,
        }
    }

    async fn fetch(&self, context: &Context) -> Result<Arc<Metadata>, MetadataError> {
        let body = context.timed(Fetch::Metadata, self.document(context)).await?;
        let metadata = Arc::new(self.read(&body)?);
        // Zero means doubt.
        let now = context.clock.elapsed().max(Duration::from_nanos(1));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some((metadata.clone(), now));
        Ok(metadata)
    }

    /// Behind a prefix the document is where a proxy that strips the prefix puts it, or where section 3.1 does:
    /// between host and path.
    async fn document(&self, context: &Context) -> Result<bytes::Bytes, FetchError> {
        let base = self.name.trim_end_matches('/');
        let answer = context.fetcher.get(&format!("{base}{WELL_KNOWN}"), LIMITS).await;
        let host_end = base.find("://").and_then(|at| base[at + 3..].find('/').map(|slash| at + 3 + slash));
        match (answer, host_end) {
            (Err(FetchError::Status(404)), Some(at)) => {
                let url = format!("{}{WELL_KNOWN}{}", &base[..at], &base[at..]);
                context.fetcher.get(&url, LIMITS).await.map(|(_, body)| body)
            }
            (answer, _) => answer.map(|(_, body)| body),
        }
    }

    fn read(&self, body: &[u8]) -> Result<Metadata, MetadataError> {
        let document: Document =
            serde_json::from_slice(body).map_err(|error| MetadataError::Malformed(error.to_string()))?;
        if document.issuer != self.name {
            return Err(MetadataError::Issuer(document.issuer));
        }
        let revocations = document
            .portcullis_revocations_endpoint
            .unwrap_or_else(|| format!("{}{REVOCATIONS}", self.name.trim_end_matches('/')));
        Ok(Metadata {
            jwks: self.endpoint(document.jwks_uri)?,
            revocations: self.endpoint(revocations)?,
            introspection: document.introspection_endpoint.map(|url| self.endpoint(url)).transpose()?,
        })
    }

    /// A metadata document that was tampered with must not send client credentials, or the question for keys,
    /// somewhere else.
    fn endpoint(&self, url: String) -> Result<String, MetadataError> {
        match url::parse(&url) {
            Ok((_, origin)) if origin == self.origin || self.allowed.contains(&origin) => Ok(url),
            Ok(_) => Err(MetadataError::Origin(url)),
            Err(_) => Err(MetadataError::Malformed("an endpoint is not a URL".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Result<Metadata, MetadataError> {
        let issuer = "https://auth.example/tenant";
        let (_, origin) = url::parse(issuer).expect("a URL");
        let (_, other) = url::parse("https://keys.example").expect("a URL");
        Issuer::new(issuer.to_owned(), origin, vec![other]).read(document.as_bytes())
    }

    #[test]
    fn endpoints_and_their_default() {
        let metadata = read(
            r#"{"issuer":"https://auth.example/tenant","jwks_uri":"https://keys.example/k","other":[1]}"#,
        )
        .expect("sound");
        assert_eq!(metadata.jwks, "https://keys.example/k");
        assert_eq!(metadata.revocations, "https://auth.example/tenant/.well-known/portcullis/revocations");
        assert_eq!(metadata.introspection, None);
        let metadata = read(
            r#"{"issuer":"https://auth.example/tenant","jwks_uri":"https://auth.example/k",
                "introspection_endpoint":"https://auth.example:443/i","portcullis_revocations_endpoint":"https://auth.example/r"}"#,
        )
        .expect("sound");
        assert_eq!(metadata.introspection.as_deref(), Some("https://auth.example:443/i"));
        assert_eq!(metadata.revocations, "https://auth.example/r");
    }

    #[test]
    fn the_issuer_is_compared_character_by_character() {
        for name in
            ["https://auth.example/tenant/", "https://AUTH.example/tenant", "https://evil.example", ""]
        {
            let answer = read(&format!(r#"{{"issuer":"{name}","jwks_uri":"https://auth.example/k"}}"#));
            assert_eq!(answer, Err(MetadataError::Issuer(name.to_owned())));
        }
    }

    #[test]
    fn endpoints_elsewhere_and_malformed_documents_are_refused() {
        for url in [
            "https://evil.example/k",
            "http://auth.example/k",
            "https://auth.example:8443/k",
            "https://auth.example.evil/k",
        ] {
            for member in ["introspection_endpoint", "portcullis_revocations_endpoint"] {
                let answer = read(&format!(
                    r#"{{"issuer":"https://auth.example/tenant","jwks_uri":"https://auth.example/k","{member}":"{url}"}}"#
                ));
                assert_eq!(answer, Err(MetadataError::Origin(url.to_owned())));
            }
            let answer = read(&format!(r#"{{"issuer":"https://auth.example/tenant","jwks_uri":"{url}"}}"#));
            assert_eq!(answer, Err(MetadataError::Origin(url.to_owned())));
        }
        for document in [
            "",
            "[]",
            "{}",
            r#"{"issuer":"https://auth.example/tenant"}"#,
            r#"{"issuer":"https://auth.example/tenant","jwks_uri":1}"#,
            r#"{"issuer":"https://auth.example/tenant","jwks_uri":"/k"}"#,
            r#"{"issuer":"https://auth.example/tenant","issuer":"https://auth.example/tenant","jwks_uri":"https://auth.example/k"}"#,
        ] {
            assert!(matches!(read(document), Err(MetadataError::Malformed(_))), "{document}");
        }
    }
}
