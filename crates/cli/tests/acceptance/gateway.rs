//! The gateway as a process: alone and beside the server, through crashes and starts, and with bodies that no memory
//! holds.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use portcullis_testkit::{Backend, HttpClient, Installation, PASSWORD, Reply, RunningServer, eventually};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::process::peak_kib;
use crate::support::{BINARY, register};

const ORIGIN: [(&str, &str); 1] = [("Origin", "http://localhost:8080")];
const GIB: u64 = 1 << 30;

crate::on_both!(beside_the_server, alone_through_crashes);

/// An app that tells who it was told. `POST /count` counts, `GET /much` sends a GiB.
async fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let (mut head, mut rest) = (Vec::new(), Vec::new());
        while rest.is_empty() && !head.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            head.extend_from_slice(&buffer[..read]);
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                rest = head.split_off(end + 4);
                break;
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .into_iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let length: u64 = header("content-length").map_or(0, |length| length.parse().expect("a length"));
        let mut seen = rest.len() as u64;
        while seen < length {
            seen += stream.read(&mut buffer).await? as u64;
        }
        if head.starts_with("GET /much") {
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n").as_bytes()).await?;
            for _ in 0..GIB / buffer.len() as u64 {
                stream.write_all(&buffer).await?;
            }
            continue;
        }
        let told = json!({ "user": header("x-auth-user"), "seen": seen }).to_string();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len());
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Cookies of an answer, as they are sent back.
fn cookies(reply: &Reply) -> String {
    let lines = reply.headers.get_all("set-cookie").iter();
    let pairs = lines.map(|line| line.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned());
    pairs.collect::<Vec<_>>().join("; ")
}

async fn sign_in(gateway: &RunningServer, email: &str) -> String {
    let body = json!({ "email": email, "password": PASSWORD });
    let reply = gateway.client().send("POST", "/auth/login", &ORIGIN, Some(&body)).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    cookies(&reply)
}

async fn ask(client: &mut HttpClient, path: &str, cookies: &str) -> Reply {
    client.send("GET", path, &[("Cookie", cookies)], None).await.expect("an answer")
}

async fn ready(gateway: &mut HttpClient) {
    eventually(Duration::from_secs(10), "the gateway is ready", async || {
        (gateway.get("/auth/gateway/ready").await.ok()?.status == 200).then_some(())
    })
    .await;
}

async fn beside_the_server(backend: Backend) {
    let app = app().await;
    let port = portcullis_testkit::postgres::free_port();
    let installation = Installation::fresh(BINARY, backend)
        .env("PORTCULLIS_GATEWAY__UPSTREAM", &format!("http://{app}"))
        .env("PORTCULLIS_GATEWAY__LISTEN", &format!("127.0.0.1:{port}"))
        .env("PORTCULLIS_GATEWAY__REQUIRE_SIGN_IN", "true");
    let mut server = installation.serve().await;
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let mut browser = HttpClient::new(at);
    register(&mut server.client(), "ada@example.org").await;
    ready(&mut browser).await;
    assert_eq!(ask(&mut browser, "/", "").await.status, 401);
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let reply = browser.send("POST", "/auth/login", &ORIGIN, Some(&body)).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let cookies = cookies(&reply);
    assert!(ask(&mut browser, "/", &cookies).await.json["user"].is_string());
    // The key follows from the server's: a new process knows the cookies.
    server.signal("TERM").await;
    assert!(server.ended().await.success(), "{}", server.log());
    server.start_again().await;
    let mut browser = HttpClient::new(at);
    ready(&mut browser).await;
    let seen = ask(&mut browser, "/", &cookies).await;
    assert!(seen.json["user"].is_string(), "{}", seen.text());
    let log = server.log();
    assert!(!log.contains("share one address"), "{log}");
}

async fn alone_through_crashes(backend: Backend) {
    let app = app().await;
    let installation = Installation::fresh(BINARY, backend);
    let mut issuer = installation.serve().await;
    register(&mut issuer.client(), "ada@example.org").await;
    // Its own directory, and nothing of the server's.
    let outside = Installation::new(BINARY);
    let (upstream, reach_at) = (format!("http://{app}"), format!("http://{}", issuer.address()));
    let mut gateway =
        outside.gateway(&["--upstream", &upstream], &[("PORTCULLIS_GATEWAY__REACH_AT", &reach_at)]).await;
    let key = std::fs::metadata(outside.path("data/gateway_key")).expect("a key was made");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let cookies = sign_in(&gateway, "ada@example.org").await;
    assert!(ask(&mut gateway.client(), "/", &cookies).await.json["user"].is_string());
    eventually(Duration::from_secs(10), "the warning", async || {
        gateway.log().contains("server.trusted_proxies of the issuer").then_some(())
    })
    .await;

    issuer.kill().await;
    for _ in 0..3 {
        let seen = ask(&mut gateway.client(), "/", &cookies).await;
        assert!(seen.json["user"].is_string() && seen.header("set-cookie").is_none(), "{}", seen.text());
    }
    let me = ask(&mut gateway.client(), "/auth/me", &cookies).await;
    assert_eq!((me.status, me.header("set-cookie")), (503, None), "{}", me.text());

    issuer.start_again().await;
    gateway.kill().await;
    gateway.start_again().await;
    let seen = ask(&mut gateway.client(), "/", &cookies).await;
    assert!(seen.json["user"].is_string(), "{}", seen.text());
    gateway.signal("TERM").await;
    assert!(gateway.ended().await.success(), "{}", gateway.log());
}

/// A GiB up and a GiB down, as somebody, with less memory than a hundredth part of that would need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gib_passes_without_being_held() {
    const MOST_KIB: i64 = 48 * 1024;
    let app = app().await;
    let installation = Installation::new(BINARY);
    let mut issuer = installation.serve().await;
    register(&mut issuer.client(), "ada@example.org").await;
    let (upstream, reach_at) = (format!("http://{app}"), format!("http://{}", issuer.address()));
    let outside = Installation::new(BINARY);
    let gateway =
        outside.gateway(&["--upstream", &upstream], &[("PORTCULLIS_GATEWAY__REACH_AT", &reach_at)]).await;
    let cookies = sign_in(&gateway, "ada@example.org").await;
    ask(&mut gateway.client(), "/", &cookies).await;
    let before = peak_kib(gateway.pid());

    let mut stream = TcpStream::connect(gateway.address()).await.expect("connects");
    let head = |method: &str, path: &str, length: u64| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:8080\r\nOrigin: http://localhost:8080\r\n\
             Cookie: {cookies}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    stream.write_all(head("POST", "/count", GIB).as_bytes()).await.expect("open");
    let mut buffer = vec![0; 256 * 1024];
    for _ in 0..GIB / buffer.len() as u64 {
        stream.write_all(&buffer).await.expect("open");
    }
    let read = stream.read(&mut buffer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&buffer[..read]).into_owned();
    assert!(answer.contains(&format!("\"seen\":{GIB}")) && !answer.contains("\"user\":null"), "{answer}");

    stream.write_all(head("GET", "/much", 0).as_bytes()).await.expect("open");
    let mut seen = 0;
    while seen < GIB {
        let read = stream.read(&mut buffer).await.expect("more");
        assert!(read > 0, "it ended after {seen} bytes");
        seen += read as u64;
    }
    let grown = peak_kib(gateway.pid()) - before;
    assert!(grown < MOST_KIB, "it has grown by {grown} KiB");
    assert!(issuer.runs());
}
