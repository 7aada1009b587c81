//! `portcullis serve`, which is also what happens without a command.
//!
//! 1. Listen first: an address in use ends the start before anything was touched.
//! 2. Boot, and serve; the URL is printed when requests are answered.
//! 3. Beside it: follow the database, do periodic work, keep the clock right, serve the metrics.
//! 4. SIGTERM or SIGINT: readiness fails at once, running requests finish, pending writes commit, exit 0. A second
//!    signal ends the process at once.

pub(super) mod beside;
mod gateway;
pub(super) mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use portcullis_app::Cx;
use portcullis_web::serve::{ServeConfig, listen, serve};
use portcullis_web::{App, ForwardStyle, Readiness, SameSite, WebConfig, app};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::args::ServeArgs;
use crate::boot::{self, How};
use crate::config::{Config, ForwardAuthStyle, Loaded, SameSitePolicy};
use crate::failure::Failure;
use crate::{open_files, output, set_up_link};

/// Proxies keep their connections: more than these are a mistake.
const PROXY_CONNECTIONS: u32 = 4_096;
/// Writes are given this long to commit once nobody asks for any more.
const LAST_WRITES: Duration = Duration::from_secs(5);

pub(super) async fn run(loaded: &Loaded, args: &ServeArgs) -> Result<(), Failure> {
    let config = &loaded.config;
    let limit = open_files::raise();
    let max_connections = open_files::max_connections(config.server.max_connections, limit);
    let listener = bind("server.listen", config.server.listen)?;
    let proxies =
        config.forward_auth.listen.map(|address| bind("forward_auth.listen", address)).transpose()?;
    let gateway = gateway::Beside::bind(config)?;
    let metrics = config.telemetry.listen.map(beside::metrics).transpose()?;
    let workers = available_parallelism().unwrap_or(std::num::NonZero::<usize>::MIN);
    let how = How { create: true, migrate: !args.no_migrate, hashing_workers: workers };
    let node = boot::node(loaded, how).await?;
    let mut web_config = web_config(config);
    web_config.gateway_secret = gateway.as_ref().map(|gateway| gateway.secret().to_owned());
    let app = app(node.cx.clone(), web_config).map_err(Failure::new)?;
    for warning in app.warnings() {
        tracing::warn!("{warning}");
    }
    if let Some(page) = app.kept_mail_page() {
        tracing::info!(page, "email.url is not set: mails are kept, and shown to administrators");
    } else if config.email.server.is_none() {
        tracing::warn!("email.url is not set: mails are kept in the outbox, and nobody gets them");
    }
    let asked = &config.forward_auth;
    if !asked.rules.is_empty() && asked.listen.is_none() && asked.secret.is_none() {
        tracing::warn!(
            "forward_auth.rules are set, but nobody can ask: set forward_auth.listen or .secret, too"
        );
    }
    let _beside = beside::start(&node, metrics);
    let address = listener.local_addr().unwrap_or(config.server.listen);
    let serve_config = ServeConfig {
        header_timeout: config.server.header_timeout,
        shutdown_grace: config.server.shutdown_grace,
        max_connections,
        ..ServeConfig::default()
    };
    let stop = stop(app.readiness())?;
    let (stopping, stopped) = watch::channel(());
    let gateway =
        gateway.map(|gateway| gateway.start(config, &node, (address, &serve_config), stopped.clone()));
    let gateway = gateway.transpose()?;
    let proxies = proxies.map(|listener| tokio::spawn(for_proxies(listener, &app, &serve_config, stopped)));
    let stop = async move {
        stop.await;
        drop(stopping);
    };
    let serving = tokio::spawn(serve(listener, app, serve_config, stop));
    announce(config, address);
    // Only once requests are answered: it writes to the database, which may take its time.
    set_up_link::offer(&node.cx, config).await;
    let ended = |error| Failure::new(format_args!("the server has stopped: {error}"));
    let mut cut = serving.await.map_err(ended)?;
    if let Some(proxies) = proxies {
        cut += proxies.await.map_err(ended)?;
    }
    if let Some(gateway) = gateway {
        cut += gateway.await.map_err(ended)?;
    }
    if cut > 0 {
        tracing::warn!(connections = cut, "requests outlasted server.shutdown_grace and were cut");
    }
    commit_pending(&node.cx).await;
    tracing::info!("stopped");
    Ok(())
}

/// Proxies ask here until the signal, like everybody else.
fn for_proxies(
    listener: TcpListener,
    app: &App,
    config: &ServeConfig,
    mut stopped: watch::Receiver<()>,
) -> impl Future<Output = usize> + Send + 'static {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "forward-auth is answered at /auth/verify, without a secret");
    }
    let config =
        ServeConfig { max_connections: config.max_connections.min(PROXY_CONNECTIONS), ..config.clone() };
    // An error is the end of the sender: nothing is ever sent.
    serve(listener, app.forward_auth(), config, async move { drop(stopped.changed().await) })
}

pub(super) fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    listen(address).map_err(|error| {
        Failure::mend(
            format_args!("{key} = \"{address}\": cannot listen there: {error}"),
            "stop what listens there, or choose another address",
        )
    })
}

/// Completes at the first signal. The second one needs no grace.
fn stop(readiness: Readiness) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut signals = signals::Signals::listen()?;
    Ok(async move {
        let name = signals.next().await;
        readiness.stop();
        tracing::info!(signal = name, "stopping: running requests finish, no new ones are taken");
        tokio::spawn(async move {
            let name = signals.next().await;
            tracing::warn!(signal = name, "stopped at once");
            std::process::exit(1);
        });
    })
}

fn announce(config: &Config, address: SocketAddr) {
    let url = &config.server.public_url;
    tracing::info!(%address, url = %url, version = env!("CARGO_PKG_VERSION"), "ready");
    // A server whose output nobody reads any more serves on.
    let _ = output::line(format_args!("Portcullis is ready: {url}"));
    if url.url().port_or_known_default() != Some(address.port()) || !address.ip().is_loopback() {
        let _ = output::line(format_args!("Listening on {address}"));
    }
}

fn web_config(config: &Config) -> WebConfig {
    let server = &config.server;
    WebConfig {
        public_url: server.public_url.url().clone(),
        hosts: server.hosts.clone(),
        trusted_proxies: server.trusted_proxies.iter().map(ToString::to_string).collect(),
        client_address_header: server.client_address_header.clone(),
        request_timeout: server.request_timeout,
        forward_secret: config.forward_auth.secret.as_ref().map(|secret| secret.expose_secret().to_owned()),
        gateway_secret: None,
        forward_style: match config.forward_auth.style {
            ForwardAuthStyle::Nginx => ForwardStyle::Nginx,
            ForwardAuthStyle::Traefik => ForwardStyle::Traefik,
            ForwardAuthStyle::Caddy => ForwardStyle::Caddy,
            ForwardAuthStyle::Envoy => ForwardStyle::Envoy,
        },
        return_urls: server.return_urls.clone(),
        trusted_origins: config.csrf.trusted_origins.clone(),
        cors_origins: server.cors_origins.clone(),
        cookie_same_site: match config.cookies.same_site {
            SameSitePolicy::Lax => SameSite::Lax,
            SameSitePolicy::Strict => SameSite::Strict,
            SameSitePolicy::None => SameSite::None,
        },
        cookie_path: config.cookies.path.clone(),
        cookie_domain: config.cookies.domain.clone(),
        password_min_length: config.password.min_length,
        password_max_length: config.password.max_length,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// An empty write comes behind everything that waits.
async fn commit_pending(cx: &Arc<Cx>) {
    if tokio::time::timeout(LAST_WRITES, cx.leave()).await.is_err() {
        tracing::warn!("the database takes too long to take leave of");
    }
    let behind_all = cx.store.write(|_| Box::pin(async { Ok(()) }));
    match tokio::time::timeout(LAST_WRITES, behind_all).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the last writes may not have been committed"),
        Err(_) => tracing::warn!("the last writes took too long and may not have been committed"),
    }
}
