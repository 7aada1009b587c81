//! The service behind the proxy: it remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it answers.
pub(super) const HELLO: &str = "hello from the service";

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Seen {
    /// All values of a header, with `_` taken for `-`, as many servers do.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let of = |known: &str| known.to_lowercase().replace('_', "-") == name;
        self.headers.iter().filter(|(known, _)| of(known)).map(|(_, value)| value.clone()).collect()
    }

    /// The only value of a header.
    #[track_caller]
    pub(super) fn one(&self, name: &str) -> String {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {self:?}");
        all[0].clone()
    }

    /// No header that says who asks, or what, has one of these values.
    #[track_caller]
    pub(super) fn holds_no(&self, values: &[&str]) {
        let lies = self.headers.iter().find(|(_, value)| values.contains(&value.as_str()));
        assert_eq!(lies, None, "{self:?}");
    }
}

type Requests = Arc<Mutex<Vec<Seen>>>;

pub(super) struct Service {
    pub(super) port: u16,
    requests: Requests,
    task: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Service {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let requests = Requests::default();
        let task = tokio::spawn(serve(listener, requests.clone()));
        Self { port, requests, task }
    }

    /// All requests since the last look.
    pub(super) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.requests.lock().expect("no panic"))
    }
}

async fn serve(listener: TcpListener, requests: Requests) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, requests.clone()));
    }
}

async fn answer(mut stream: TcpStream, requests: Requests) {
    let mut bytes = Vec::new();
    let seen = loop {
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer).await {
            Ok(1..) if bytes.len() > 1 << 20 => return,
            Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
            _ => return,
        }
        if let Some(seen) = parse(&String::from_utf8_lossy(&bytes)) {
            break seen;
        }
    };
    requests.lock().expect("no panic").push(seen);
    let text =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{HELLO}", HELLO.len());
    let _ = stream.write_all(text.as_bytes()).await;
}

fn parse(text: &str) -> Option<Seen> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0_usize);
    (body.len() >= length).then(|| Seen { method, target, headers, body: body.to_owned() })
}
