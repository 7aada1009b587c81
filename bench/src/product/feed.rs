//! Services that wait for revocations: what they cost while nothing happens.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use super::Server;
use super::tokens::Target;
use crate::client::{self, Client};
use crate::driver::runtime;
use crate::json;
use crate::options::Options;

const PATH: &str = "/.well-known/portcullis/revocations";
const CLIENTS: usize = 1_000;
/// Source addresses, each with its share of what one address may hold.
const SOURCES: usize = 8;
/// Until all of them wait.
const SETTLE: Duration = Duration::from_secs(3);

/// What they cost.
pub(crate) struct Waiting {
    pub(crate) clients: f64,
    pub(crate) before_mib: f64,
    pub(crate) after_mib: f64,
    /// Cores that the server used while they waited.
    pub(crate) cpu: f64,
    pub(crate) seconds: f64,
}

/// A thousand clients that wait.
pub(crate) fn wait(target: Target, server: &Server, options: &Options) -> Result<Waiting> {
    runtime()?.block_on(async {
        let mut client = Client::new(target.address);
        let reply = client.send(&client::get(PATH, "")).await?;
        ensure!(reply.status == 200, "GET {PATH}: {}", reply.status);
        let cursor = json::text(reply.body, "cursor").context("a cursor")?;
        let cursor = String::from_utf8_lossy(cursor).into_owned();
        tokio::time::sleep(SETTLE).await;
        let before_mib = server.pss_mib()?;
        let request = client::get(&format!("{PATH}?after={cursor}&wait=30"), "");
        let mut waiting = JoinSet::new();
        for number in 0..CLIENTS {
            let source = Ipv4Addr::new(127, 0, 0, 2 + (number % SOURCES) as u8);
            let (mut client, request) = (Client::from_source(target.address, source), request.clone());
            waiting.spawn(async move { client.send(&request).await.map(|reply| reply.status) });
        }
        tokio::time::sleep(SETTLE).await;
        let length = options.window();
        let (begun, from) = (target.watched.read(), tokio::time::Instant::now());
        tokio::time::sleep(length).await;
        let seconds = from.elapsed().as_secs_f64();
        let used = target.watched.read().server.saturating_sub(begun.server);
        let after_mib = server.pss_mib()?;
        ensure!(waiting.try_join_next().is_none(), "a client was answered though nothing happened");
        let cpu = used.as_secs_f64() / seconds;
        Ok(Waiting { clients: CLIENTS as f64, before_mib, after_mib, cpu, seconds })
    })
}
