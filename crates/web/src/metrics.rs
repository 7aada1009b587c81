//! Metrics: handles made once, so that a request costs two additions. Served on a listener of their own.

use std::time::Duration;

use axum::Router;
use http::StatusCode;
use metrics::{Counter, Histogram, counter, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::paths;

/// Upper bounds of the buckets, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// How often samples are folded into buckets; without it they pile up until somebody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// What collects metrics.
#[derive(Clone)]
pub struct Recorder(PrometheusHandle);

/// Installs the recorder of this process. `None`: there is one already.
pub fn install() -> Option<Recorder> {
    let builder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS);
    let recorder = builder.ok()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    Some(Recorder(handle))
}

impl Recorder {
    /// `GET /metrics`
    #[expect(clippy::disallowed_methods, reason = "a listener of its own, not part of the API's table")]
    pub fn router(&self) -> Router {
        let handle = self.0.clone();
        Router::new().route("/metrics", axum::routing::get(move || std::future::ready(handle.render())))
    }

    /// Folds samples until it is dropped.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.run_upkeep();
        }
    }
}

struct OneRoute {
    requests: [Counter; CLASSES.len()],
    duration: Histogram,
}

/// Counters and durations of every route.
pub(crate) struct RouteMetrics {
    /// In the order of [`paths::ALL`], then one for all else.
    routes: Vec<OneRoute>,
}

impl RouteMetrics {
    pub(crate) fn new() -> Self {
        let one = |route: &'static str| OneRoute {
            requests: CLASSES
                .map(|class| counter!("portcullis_http_requests_total", "route" => route, "status" => class)),
            duration: histogram!("portcullis_http_request_seconds", "route" => route),
        };
        Self { routes: paths::ALL.iter().copied().chain(["none"]).map(one).collect() }
    }

    pub(crate) fn count(&self, route: Option<usize>, status: StatusCode, took: Duration) {
        let route = &self.routes[route.unwrap_or(paths::ALL.len())];
        let class = usize::from((status.as_u16() / 100).clamp(2, 5)) - 2;
        route.requests[class].increment(1);
        route.duration.record(took.as_secs_f64());
    }
}
