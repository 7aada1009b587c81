//! The one client for everything that we fetch from elsewhere by ourselves.
//!
//! 1. The host's addresses are looked up once, and every one of them is checked: one that is not public, and not in
//!    `outbound.allow`, refuses the whole request.
//! 2. We connect to one of the addresses that were checked, never to the name again.
//! 3. Without TLS only to `outbound.allow`. No redirect is followed; time and size have limits.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis_app::outbound::{Answer, Answered, Content, Outbound, OutboundError, Request};
use portcullis_core::outbound::{AddressBlock, Reach, reach};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(10);

/// The client.
pub struct Client {
    allowed: Vec<AddressBlock>,
    limit: Duration,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Client {
    /// One that also goes to `allowed`.
    pub fn new(allowed: Vec<AddressBlock>) -> Self {
        Self { allowed, limit: LIMIT, tls: OnceLock::new() }
    }

    /// One that trusts other certificates than the system does.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn trusting(self, roots: RootCertStore) -> Result<Self, String> {
        let tls = OnceLock::from(Ok(tls(roots)?));
        Ok(Self { tls, ..self })
    }

    /// One that waits for another time than ten seconds.
    #[must_use]
    pub fn waiting(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    async fn ask(&self, asked: Request<'_>) -> Result<Answer, OutboundError> {
        let (url, most) = (asked.url, asked.most);
        let url = Url::parse(url).map_err(|error| OutboundError::Failed(format!("{url}: {error}")))?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(OutboundError::Refused(format!("{url} is neither https nor http"))),
        };
        // 1. and 2.
        let tcp = connect(&self.checked(&url, secure).await?).await?;
        if !secure {
            return exchange(tcp, request(&url, asked)?, most).await;
        }
        let config = self.tls.get_or_init(|| tls(system_roots())).clone().map_err(OutboundError::Failed)?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(failed)?;
        let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(failed)?;
        exchange(stream, request(&url, asked)?, most).await
    }

    /// The addresses of a URL's host, all of which may be connected to.
    async fn checked(&self, url: &Url, secure: bool) -> Result<Vec<SocketAddr>, OutboundError> {
        let port = url.port_or_known_default().unwrap_or(443);
        let found: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain(name)) => {
                tokio::net::lookup_host((name, port)).await.map_err(failed)?.collect()
            }
            None => Vec::new(),
        };
        let refused = |address: IpAddr| match reach(address, &self.allowed) {
            Reach::Allowed => false,
            Reach::Public => !secure,
            Reach::Refused => true,
        };
        if let Some(address) = found.iter().map(SocketAddr::ip).find(|address| refused(*address)) {
            let text = format!("{address}: add it to outbound.allow if it may be fetched from");
            return Err(OutboundError::Refused(text));
        }
        Ok(found)
    }
}

impl Outbound for Client {
    fn send<'a>(&'a self, request: Request<'a>) -> Answered<'a> {
        let done = tokio::time::timeout(self.limit, self.ask(request));
        Box::pin(async {
            done.await.unwrap_or_else(|_| Err(OutboundError::Failed("no answer in time".into())))
        })
    }
}

fn failed(error: impl std::fmt::Display) -> OutboundError {
    OutboundError::Failed(error.to_string())
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, OutboundError> {
    let mut last = OutboundError::Failed("the name has no address".into());
    for address in addresses {
        match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = failed(format_args!("{address}: {error}")),
            Err(_) => last = failed(format_args!("{address}: no connection in time")),
        }
    }
    Err(last)
}

fn request(url: &Url, asked: Request<'_>) -> Result<http::Request<Full<Bytes>>, OutboundError> {
    let mut request = http::Request::builder()
        .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")));
    let (method, kind, body) = match asked.content {
        Content::Nothing => (Method::GET, None, Bytes::new()),
        Content::Json(body) => (Method::POST, Some("application/json"), body),
        Content::Form(form) => (Method::POST, Some("application/x-www-form-urlencoded"), form.into()),
    };
    if let Some(kind) = kind {
        request = request.header(CONTENT_TYPE, kind);
    }
    for (name, value) in asked.headers {
        request = request.header(*name, value);
    }
    request.method(method).body(Full::new(body)).map_err(failed)
}

/// One request on a connection of its own.
async fn exchange<S>(
    stream: S,
    request: http::Request<Full<Bytes>>,
    most: usize,
) -> Result<Answer, OutboundError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let asked = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status().as_u16();
        if most == 0 {
            return Ok(Answer { status, body: Bytes::new() });
        }
        let body = Limited::new(response.into_body(), most).collect().await.map_err(failed)?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    // Both here, so that the connection ends with whoever waits for it.
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => answer,
        ended = connection => match ended {
            Ok(()) => asked.await,
            Err(error) => Err(failed(error)),
        },
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// With the provider named here: a process may have two, or none, installed as default.
fn tls(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    if roots.is_empty() {
        return Err("this system has no root certificates".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
