//! The gateway beside the server (`gateway.upstream`): a listener and an origin of its own in the same process. It
//! speaks to the server as it would to any other, over loopback; the server knows it by a secret made at each start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use portcullis_core::secret_token::{Kind, SecretToken};
use portcullis_gateway::Gateway;
use portcullis_web::serve::{ServeConfig, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::bind;
use crate::boot::Node;
use crate::config::Config;
use crate::failure::Failure;
use crate::gateway_settings::{self, Issuer};
use crate::output;
use crate::random::SystemRandom;

/// A gateway that is to be started.
pub(super) struct Beside {
    listener: TcpListener,
    secret: String,
}

impl Beside {
    /// Takes its address, if there is to be one.
    pub(super) fn bind(config: &Config) -> Result<Option<Self>, Failure> {
        let gateway = &config.gateway;
        if gateway.upstreams.is_empty() {
            return Ok(None);
        }
        if gateway.issuer != config.tokens.issuer {
            return Err(Failure::mend(
                format_args!("gateway.issuer = \"{}\" is another server", gateway.issuer),
                "leave it out, or run the gateway alone: portcullis gateway",
            ));
        }
        let listener = bind("gateway.listen", gateway.listen)?;
        let secret = SecretToken::new(Kind::ClientSecret, &SystemRandom).expose().to_owned();
        Ok(Some(Self { listener, secret }))
    }

    /// What the server knows it by.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Serves until `stopped`; how many connections had to be cut then.
    pub(super) fn start(
        self,
        config: &Config,
        node: &Node,
        (server, serve_config): (SocketAddr, &ServeConfig),
        mut stopped: watch::Receiver<()>,
    ) -> Result<JoinHandle<usize>, Failure> {
        let keys = gateway_settings::keys_of_server(config, &SystemRandom)?;
        let reach_at = format!("http://{}", reachable(server));
        let issuer = Issuer { reach_at: Some(reach_at), secret: Some(self.secret) };
        let settings = gateway_settings::settings(config, keys, issuer)?;
        let gateway =
            Gateway::new(settings, node.clock.clone(), Arc::new(SystemRandom)).map_err(Failure::new)?;
        let (url, address) = (&config.gateway.public_url, self.listener.local_addr());
        tracing::info!(address = ?address.ok(), url = %url, "the gateway is ready");
        // A server whose output nobody reads any more serves on.
        let _ = output::line(format_args!("The gateway is ready: {url}"));
        // An error is the end of the sender: nothing is ever sent.
        let stop = async move { drop(stopped.changed().await) };
        Ok(tokio::spawn(serve(self.listener, gateway, serve_config.clone(), stop)))
    }
}

/// Where a process reaches what it listens on itself.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}
