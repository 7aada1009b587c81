//! The wire: HTTP/2 to the app, trailers, smuggling, limits, lost connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::browser::HOST_NAME;
use crate::house::House;
use crate::upstream::App;

/// Sends bytes as they are and reads the answer until the connection ends.
async fn raw(house: &House, request: &str) -> String {
    let mut stream = TcpStream::connect(house.at).await.expect("connects");
    stream.write_all(request.replace("HOST", HOST_NAME).as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A reset after the answer is an end, too.
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("it ends");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_may_speak_http_2() {
    let house = House::with(App::echo().await, |config| {
        let url = config.targets[0].url.as_str().replace("http://", "h2c://");
        config.targets[0].url = url.parse().expect("a URL");
    })
    .await;
    let browser = house.signed_in("ada").await;
    let seen = browser.post("/x", &serde_json::json!({"a": 1})).await;
    assert_eq!(
        (seen.json["version"].as_str(), seen.json["body"].as_str()),
        (Some("HTTP/2.0"), Some(r#"{"a":1}"#))
    );
    assert!(seen.app_saw("x-auth-user").is_some());
    assert_eq!(seen.json["target"], format!("http://{HOST_NAME}/x"), "the client's host stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_and_chunks_pass() {
    let house = House::new().await;
    let answer = raw(
        &house,
        "POST / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""body":"abcde""#) && answer.contains(r#""sum":"5""#), "{answer}");
    assert!(answer.contains(r#""transfer-encoding":"chunked""#), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_says_who_they_are_after_the_body() {
    let house = House::new().await;
    let answer = raw(
        &house,
        "POST / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nTrailer: X-Sum, X-Auth-User, x_auth_role\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\nX-Auth-User: root\r\nx_auth_role: admin\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains(r#""trailers":["x-sum"]"#) && answer.contains(r#""trailer":"x-sum""#),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_for_us_has_its_time() {
    let house = House::with(App::echo().await, |config| config.request_timeout = Duration::ZERO).await;
    for path in ["/auth/login", "/auth/logout", "/auth/logout/all", "/auth/refresh"] {
        // Eight bytes are promised, and none comes.
        let half = format!(
            "POST {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: 8\r\n\r\n"
        );
        let answer = raw(&house, &half).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_requests_are_refused() {
    let house = House::new().await;
    for head in [
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        "GET / HTTP/1.1\r\nHost: HOST\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX-A: b\r\n c\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(house.at).await.expect("connects");
        stream.write_all(head.replace("HOST", HOST_NAME).as_bytes()).await.expect("sent");
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.expect("an answer");
        assert_eq!(&status[..10], b"HTTP/1.1 4", "{head}");
    }
    assert!(house.app.seen().is_empty(), "the app has seen none of them");
    // RFC 9112 section 6.3: of two lengths the chunks count, and only they go on.
    let both = "POST / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Length: 5\r\n\
                Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    let answer = raw(&house, both).await;
    assert!(answer.contains(r#""body":"ab""#) && !answer.contains(r#""content-length":""#), "{answer}");
    assert!(
        raw(
            &house,
            "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nConnection: close\r\n\r\n"
        )
        .await
        .starts_with("HTTP/1.1 4")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_are_refused_where_that_is_wanted() {
    let house = House::with(App::echo().await, |config| config.max_body = Some(1000)).await;
    let browser = house.browser();
    let body = |size: usize| Some(("text/plain", "x".repeat(size)));
    assert_eq!(browser.send(Method::POST, "/", body(1000)).await.status, 200);
    browser.send(Method::POST, "/", body(1001)).await.refused(413, "body_too_large");
    let chunk = "x".repeat(600);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n{chunk}\r\n258\r\n{chunk}\r\n0\r\n\r\n"
    );
    assert!(raw(&house, &chunked).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_gone_or_slow_is_told_as_such() {
    let house = House::with(App::echo().await, |config| {
        config.targets[0].url = "http://127.0.0.1:9".parse().expect("a URL");
    })
    .await;
    house.browser().get("/").await.refused(502, "bad_gateway");
    let slow = App::start(|_| std::future::pending()).await;
    let house = House::with(slow, |config| config.upstream_timeout = Duration::from_millis(50)).await;
    house.browser().get("/").await.refused(504, "gateway_timeout");
}

/// An app that closes each connection after its first answer without saying so, when it is asked again.
async fn forgetful() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("bound");
    let requests = Arc::<AtomicUsize>::default();
    let counted = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                let _ = stream.read(&mut buffer).await;
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                // The next request on this connection is read and left without an answer.
                if matches!(stream.read(&mut buffer).await, Ok(1..)) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (at, requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_may_be_done_twice_is_sent_again() {
    let (at, requests) = forgetful().await;
    let house = House::with(App::echo().await, |config| {
        config.targets[0].url = format!("http://{at}").parse().expect("a URL");
    })
    .await;
    let browser = house.browser();
    assert_eq!(browser.get("/").await.status, 200);
    let again = browser.get("/").await;
    assert_eq!((again.status, requests.load(Ordering::SeqCst)), (200, 3), "lost once, sent again");
    let lost = browser.send(Method::POST, "/", Some(("text/plain", "pay".into()))).await;
    lost.refused(502, "bad_gateway");
    assert_eq!(requests.load(Ordering::SeqCst), 4, "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_kept_on_both_sides() {
    let connections = Arc::<AtomicUsize>::default();
    let house = House::new().await;
    let mut stream = TcpStream::connect(house.at).await.expect("connects");
    for _ in 0..5 {
        stream
            .write_all(format!("GET / HTTP/1.1\r\nHost: {HOST_NAME}\r\n\r\n").as_bytes())
            .await
            .expect("open");
        let mut answer = Bytes::new();
        while !answer.ends_with(b"}") {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.expect("an answer");
            assert!(read > 0, "it stays open");
            answer = [&answer, &buffer[..read]].concat().into();
        }
        connections.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(house.app.seen().len(), 5);
}
