//! `portcullis gateway`: the gateway alone, in front of an app, with its issuer elsewhere.
//!
//! Nothing of the server is needed here but the sections `[gateway]`, `[csrf]`, `[revocations]`, `[telemetry]`, and of
//! `[server]` what is about connections and proxies. There is no database.

use std::sync::Arc;

use portcullis_gateway::Gateway;
use portcullis_web::serve::{ServeConfig, serve};
use tokio::task::JoinSet;

use crate::clock::SystemClock;
use crate::config::{Config, Loaded};
use crate::failure::Failure;
use crate::gateway_settings::{self, Issuer};
use crate::random::SystemRandom;
use crate::{open_files, output};

use super::serve::{beside, bind, signals};

pub(super) async fn run(loaded: &Loaded) -> Result<(), Failure> {
    let config = &loaded.config;
    if config.gateway.upstreams.is_empty() {
        return Err(Failure::usage("the gateway needs an app: give --upstream URL, or set gateway.upstream"));
    }
    let limit = open_files::raise();
    let max_connections = open_files::max_connections(config.server.max_connections, limit) / 2;
    let listener = bind("gateway.listen", config.gateway.listen)?;
    let address = listener.local_addr().unwrap_or(config.gateway.listen);
    let metrics = config.telemetry.listen.map(beside::metrics).transpose()?;
    let keys = gateway_settings::keys(config, &SystemRandom)?;
    let reach_at = config.gateway.reach_at.clone();
    let issuer = Issuer { reach_at, secret: None };
    let gateway = gateway_settings::settings(config, keys, issuer)?;
    let gateway = Gateway::new(gateway, Arc::new(SystemClock::default()), Arc::new(SystemRandom))
        .map_err(Failure::new)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(gateway.clone().warn_if_disbelieved());
    beside::serve_metrics(metrics, &mut tasks);
    let serve_config = ServeConfig {
        header_timeout: config.server.header_timeout,
        shutdown_grace: config.server.shutdown_grace,
        max_connections: max_connections.max(1),
        ..ServeConfig::default()
    };
    let stop = stop()?;
    let serving = tokio::spawn(serve(listener, gateway, serve_config, stop));
    announce(config, address);
    let cut =
        serving.await.map_err(|error| Failure::new(format_args!("the gateway has stopped: {error}")))?;
    if cut > 0 {
        tracing::warn!(connections = cut, "requests outlasted server.shutdown_grace and were cut");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Completes at the first signal. The second one needs no grace.
fn stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut signals = signals::Signals::listen()?;
    Ok(async move {
        let name = signals.next().await;
        tracing::info!(signal = name, "stopping: running requests finish, no new ones are taken");
        tokio::spawn(async move {
            let name = signals.next().await;
            tracing::warn!(signal = name, "stopped at once");
            std::process::exit(1);
        });
    })
}

fn announce(config: &Config, address: std::net::SocketAddr) {
    let url = &config.gateway.public_url;
    tracing::info!(%address, url = %url, issuer = config.gateway.issuer, version = env!("CARGO_PKG_VERSION"), "ready");
    // A gateway whose output nobody reads any more serves on.
    let _ = output::line(format_args!("The gateway is ready: {url}"));
}
