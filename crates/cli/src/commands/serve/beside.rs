//! What a node does beside answering requests.

use std::net::SocketAddr;

use portcullis_web::metrics::{self, Recorder};
use portcullis_web::serve::{ServeConfig, serve};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::boot::Node;
use crate::failure::Failure;

/// A prober and a scraper or two: more is a mistake.
const METRICS_CONNECTIONS: u32 = 64;

/// The metrics, recorded from now on, and where they will be served.
pub(crate) struct Metrics {
    recorder: Recorder,
    listener: TcpListener,
}

/// Records metrics for a listener of their own (`telemetry.listen`).
pub(crate) fn metrics(address: SocketAddr) -> Result<Metrics, Failure> {
    let listener = super::bind("telemetry.listen", address)?;
    let recorder = metrics::install().ok_or_else(|| {
        Failure::mend("metrics cannot be recorded", "turn them off with telemetry.listen = \"off\"")
    })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "metrics are served at /metrics");
    }
    Ok(Metrics { recorder, listener })
}

/// Starts all of it. It ends when the set is dropped.
pub(super) fn start(node: &Node, metrics: Option<Metrics>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(node.cx.clone().follow());
    tasks.spawn(node.cx.clone().keep_house());
    tasks.spawn(node.cx.clone().write_behind());
    tasks.spawn(node.cx.clone().send_mail());
    tasks.spawn(node.cx.clone().answer_mail());
    if node.cx.store.engine() == "postgres" {
        let (cx, clock) = (node.cx.clone(), node.clock.clone());
        tasks.spawn(async move { clock.keep_right(&cx.store).await });
    }
    serve_metrics(metrics, &mut tasks);
    tasks
}

/// Serves the metrics, if there are to be any.
pub(crate) fn serve_metrics(metrics: Option<Metrics>, tasks: &mut JoinSet<()>) {
    if let Some(Metrics { recorder, listener }) = metrics {
        let config = ServeConfig { max_connections: METRICS_CONNECTIONS, ..ServeConfig::default() };
        let router = recorder.router();
        tasks.spawn(async move {
            // Until the process ends: what happens while it stops is worth seeing, too.
            serve(listener, router, config, std::future::pending()).await;
        });
        tasks.spawn(recorder.upkeep());
    }
}
