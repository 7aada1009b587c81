//! Who is at the other end of the line.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;

use axum::extract::FromRequestParts;
use http::HeaderName;
use http::header::USER_AGENT;
use http::request::Parts;
use portcullis_app::client::Client;
use portcullis_edge::client_address::{ClientAddress, block_48, block_64};
use subtle::ConstantTimeEq as _;

use crate::serve::PeerAddress;
use crate::state::Web;

const GATEWAY_SECRET: HeaderName = HeaderName::from_static("x-portcullis-gateway");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Longest name of a device that is kept.
const MAX_DEVICE: usize = 200;

/// Where this request comes from, after trusted proxies.
pub(crate) fn address(parts: &Parts, web: &Web) -> IpAddr {
    found(parts, web).address
}

fn found(parts: &Parts, web: &Web) -> ClientAddress {
    match of_own_gateway(parts, web) {
        Some(address) => ClientAddress { address, forwarded_untrusted: false },
        None => web.client_address.resolve(peer(parts), &parts.headers),
    }
}

/// A gateway in this process shows a secret that no other can have, and names its client in one entry.
fn of_own_gateway(parts: &Parts, web: &Web) -> Option<IpAddr> {
    let (secret, shown) = (web.config.gateway_secret.as_ref()?, parts.headers.get(GATEWAY_SECRET)?);
    let ours = bool::from(secret.as_bytes().ct_eq(shown.as_bytes()));
    let named = parts.headers.get(FORWARDED_FOR).filter(|_| ours)?;
    named.to_str().ok()?.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether a proxy names a client and is not believed.
pub(crate) struct Disbelieved(pub(crate) bool);

impl FromRequestParts<Web> for Disbelieved {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        Ok(Self(found(parts, web).forwarded_untrusted))
    }
}

fn peer(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<PeerAddress>();
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip())
}

/// The client of this request.
pub(crate) struct ClientInfo(pub(crate) Client);

impl FromRequestParts<Web> for ClientInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        let (peer, found) = (peer(parts), found(parts, web));
        if found.forwarded_untrusted && !web.untrusted_proxy_seen.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                peer.address = %peer,
                "a proxy seems to be in front, but is not in server.trusted_proxies: all its clients share one address"
            );
        }
        let agent = parts.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let device = agent.iter().flat_map(|agent| agent.chars()).filter(|c| !c.is_control());
        Ok(Self(Client {
            address: found.address,
            block: block_64(found.address),
            wide_block: block_48(found.address),
            device: device.take(MAX_DEVICE).collect(),
        }))
    }
}
