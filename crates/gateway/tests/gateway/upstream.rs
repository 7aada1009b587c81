//! The app behind: a scripted server that remembers what it was asked.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) type AppBody = BoxBody<Bytes, Infallible>;
type Answering = Pin<Box<dyn Future<Output = Response<AppBody>> + Send>>;
type Script = Arc<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>;

/// What the app was asked, in order.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// An app, gone with the value.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl App {
    /// One that answers with what it was sent.
    pub(crate) async fn echo() -> Self {
        Self::start(echo).await
    }

    /// One that does what the test says.
    pub(crate) async fn start<F, A>(script: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<AppBody>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let script: Script = Arc::new(move |request| Box::pin(script(request)));
        let task = tokio::spawn(accept(listener, script, seen.clone()));
        Self { address, seen, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("unpoisoned").clone()
    }
}

async fn accept(listener: TcpListener, script: Script, seen: Arc<Mutex<Vec<Seen>>>) {
    // Connections go with the app.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (script, seen) = (script.clone(), seen.clone());
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                seen.lock().expect("unpoisoned").push(Seen {
                    path: request.uri().path().to_owned(),
                    authorization: request
                        .headers()
                        .get("authorization")
                        .map(|value| value.to_str().expect("ASCII").to_owned()),
                });
                let answering = script(request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            let http = auto::Builder::new(TokioExecutor::new());
            let _ = http.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

/// A text.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<AppBody> {
    let mut response = Response::new(Full::from(text.into()).boxed());
    *response.status_mut() = status;
    response
}

/// Method, target, headers and body of a request, as JSON. Headers that came more than once are joined.
pub(crate) async fn echo(request: Request<Incoming>) -> Response<AppBody> {
    let (head, body) = request.into_parts();
    let body = body.collect().await;
    let mut headers = serde_json::Map::new();
    for name in head.headers.keys() {
        let values: Vec<_> =
            head.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        headers.insert(name.to_string(), values.join("|").into());
    }
    let (body, trailers) = match body {
        Ok(collected) => {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            (String::from_utf8_lossy(&collected.to_bytes()).into_owned(), trailers)
        }
        Err(error) => (format!("broken: {error}"), http::HeaderMap::new()),
    };
    let told = json!({
        "method": head.method.as_str(), "target": head.uri.to_string(), "version": format!("{:?}", head.version),
        "headers": headers, "body": body, "trailers": trailers.keys().map(ToString::to_string).collect::<Vec<_>>(),
        "sum": trailers.get("x-sum").and_then(|sum| sum.to_str().ok()),
    });
    let mut response = text(StatusCode::OK, told.to_string());
    response.headers_mut().insert("content-type", "application/json".parse().expect("a type"));
    response
}
