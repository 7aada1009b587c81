//! Who is at the other end of the line, as far as the line tells.

use std::net::IpAddr;

/// The client of one request.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address, after trusted proxies.
    pub address: IpAddr,
    /// What its address is counted under: the IPv4 address or the IPv6 /64.
    pub block: [u8; 9],
    /// For IPv6 the /48, which may have ten times as much.
    pub wide_block: Option<[u8; 9]>,
    /// What it calls itself (`User-Agent`), cut to 200 characters.
    pub device: String,
}
