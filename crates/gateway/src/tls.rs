//! TLS towards issuer and apps: the system's roots, one provider.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// A configuration; without `needed`, a machine without certificates is none the worse.
pub(crate) fn config(needed: bool) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if needed {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("no root certificates found: install `ca-certificates`".to_owned());
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| format!("TLS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
