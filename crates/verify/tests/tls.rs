//! https: an authority of one's own is trusted when it is named, and nobody else.

mod support;

use std::sync::Arc;

use portcullis_verify::{SetupError, Verifier};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use support::{
    FakeIssuer, TestClock,
    issuer::{JWKS, METADATA},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, rustls};

struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        Self { ca }
    }

    /// A server for `name`.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.ca).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .expect("a configuration");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Answers metadata and keys over TLS, everything else with 404.
async fn serve(acceptor: TlsAcceptor, jwks: String) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("bound").port());
    let metadata = json!({"issuer": url, "jwks_uri": format!("{url}{JWKS}")}).to_string();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            // Who does not trust us hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..read]);
            let (status, body) = match request.split(' ').nth(1) {
                Some(METADATA) => ("200 OK", metadata.as_str()),
                Some(JWKS) => ("200 OK", jwks.as_str()),
                _ => ("404 Not Found", ""),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (url, server)
}

#[tokio::test]
async fn only_certificates_of_a_trusted_authority_and_for_the_right_name() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    // Only its signer is needed.
    let issuer = FakeIssuer::start().await;
    let jwks = issuer.knobs().jwks.to_string();
    let discover = async |url: &str, trusted: &Authority| {
        let builder = Verifier::builder(url).audience("me").clock(TestClock::default()).without_revocations();
        builder.root_certificate_pem(trusted.ca.pem()).discover().await
    };
    let (url, server) = serve(authority.acceptor("localhost"), jwks.clone()).await;
    let verifier = discover(&url, &authority).await.expect("trusted");
    let token = issuer.token(&[("iss", json!(url)), ("aud", json!("me"))]);
    assert!(verifier.verify(&token).await.is_ok());
    let error = discover(&url, &stranger).await.expect_err("not trusted");
    assert!(matches!(error, SetupError::Metadata(_)), "{error}");
    server.abort();
    let (url, server) = serve(authority.acceptor("other.example"), jwks).await;
    let error = discover(&url, &authority).await.expect_err("another name");
    assert!(matches!(error, SetupError::Metadata(_)), "{error}");
    server.abort();
}
