//! The one client for what we fetch: where it goes, and where it does not.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::outbound::Client;
use portcullis_app::outbound::{Content, Outbound, OutboundError, Post, Request};
use portcullis_core::outbound::AddressBlock;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// A server that answers every connection with `answer` (nothing: it is silent), and how many there were.
async fn server(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 2_000];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
            assert!(request.starts_with("get /keys?a=b http/1.1\r\n"), "{request}");
            assert!(request.contains(&format!("host: 127.0.0.1:{}", address.port())), "{request}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            open.push(stream);
        }
    });
    (address, count)
}

fn to_loopback() -> Client {
    Client::new(vec![AddressBlock { address: "127.0.0.0".parse().unwrap(), prefix: 8 }])
}

async fn get(client: &Client, url: &str) -> Result<Vec<u8>, OutboundError> {
    client.get(url, 1_000).await.map(|body| body.to_vec())
}

#[tokio::test]
async fn what_is_allowed_is_fetched() {
    let (address, count) = server(OK).await;
    assert_eq!(get(&to_loopback(), &format!("http://{address}/keys?a=b#c")).await.unwrap(), b"hi");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_not_public_is_never_connected_to() {
    let (address, count) = server(OK).await;
    let port = address.port();
    let client = Client::new(Vec::new());
    for host in
        ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"]
    {
        for scheme in ["http", "https"] {
            let error = get(&client, &format!("{scheme}://{host}:{port}/keys?a=b")).await.unwrap_err();
            assert!(matches!(error, OutboundError::Refused(_)), "{host}: {error}");
        }
    }
    for url in [
        "http://169.254.169.254/",
        "https://10.0.0.1/",
        "http://1.1.1.1/",
        "ftp://1.1.1.1/",
        "file:///etc/passwd",
    ] {
        let error = get(&client, url).await.unwrap_err();
        assert!(matches!(error, OutboundError::Refused(_)), "{url}: {error}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn another_answer_than_a_small_200_is_none() {
    const MOVED: &str = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    for (answer, said) in [
        (MOVED, "302"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        ("garbage\r\n\r\n", ""),
    ] {
        let (address, count) = server(answer).await;
        let error = get(&to_loopback(), &format!("http://{address}/keys?a=b")).await.unwrap_err();
        assert!(matches!(&error, OutboundError::Failed(text) if text.contains(said)), "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "nothing is followed");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_none_and_silence_ends() {
    let (address, _) = server(OK).await;
    let url = format!("http://{address}/keys?a=b");
    assert!(to_loopback().get(&url, 1).await.is_err());
    assert!(to_loopback().get(&url, 2).await.is_ok());
    let (silent, _) = server("").await;
    let client = to_loopback().waiting(Duration::from_millis(50));
    let error = get(&client, &format!("http://{silent}/keys?a=b")).await.unwrap_err();
    assert_eq!(error, OutboundError::Failed("no answer in time".into()));
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_name_the_host() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
    for (certificate, trusted, good) in
        [(&made, &made, true), (&made, &other, false), (&other, &other, false)]
    {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut request = [0; 2_000];
            if stream.read(&mut request).await.is_ok() {
                let _ = stream.write_all(OK.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let mut roots = rustls::RootCertStore::empty();
        roots.add(trusted.cert.der().clone()).unwrap();
        let client = to_loopback().trusting(roots).unwrap();
        let answer = get(&client, &format!("https://{address}/keys")).await;
        assert_eq!(answer.is_ok(), good, "{answer:?}");
    }
}

/// A server that answers one connection with `answer` and tells what it was sent.
async fn told(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"{\"a\":1}") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, asked)
}

fn post<'a>(url: &'a str, headers: &'a [(&'static str, String)], most: usize) -> Post<'a> {
    Post { url, headers, body: "{\"a\":1}".into(), most }
}

#[tokio::test]
async fn what_is_sent_arrives_with_its_headers_and_the_answer_is_told() {
    for (answer, most, expected) in [
        (OK, 100, Some((200, "hi"))),
        (OK, 1, None),
        (OK, 0, Some((200, ""))),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad", 100, Some((500, "bad"))),
        // Nothing is followed.
        ("HTTP/1.1 307 There\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 100, Some((307, ""))),
        ("garbage\r\n\r\n", 100, None),
    ] {
        let (address, asked) = told(answer).await;
        let (url, headers) = (format!("http://{address}/hook?x=1"), [("webhook-id", "one".to_owned())]);
        let answered = to_loopback().post(post(&url, &headers, most)).await;
        let request = asked.await.unwrap().to_ascii_lowercase();
        assert!(request.starts_with("post /hook?x=1 http/1.1\r\n"), "{request}");
        for line in ["webhook-id: one", "content-type: application/json", "content-length: 7"] {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
        }
        let answered = answered.ok().map(|answer| (answer.status, answer.body));
        assert_eq!(answered, expected.map(|(status, body)| (status, body.into())), "{answer}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_what_is_not_public() {
    let (address, count) = server(OK).await;
    for url in [format!("http://{address}/"), format!("https://{address}/"), "http://1.1.1.1/".to_owned()] {
        let error = Client::new(Vec::new()).post(post(&url, &[], 100)).await.unwrap_err();
        assert!(matches!(error, OutboundError::Refused(_)), "{url}: {error}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn forms_and_headers_of_a_get_arrive_as_they_are() {
    let headers = [("authorization", "Bearer one".to_owned())];
    for (content, start, end) in [
        (Content::Nothing, "GET /a?b=c HTTP/1.1\r\n", ""),
        (Content::Form("a=%20&b={\"a\":1}".into()), "POST /a?b=c HTTP/1.1\r\n", "a=%20&b={\"a\":1}"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a?b=c", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|four| four == b"\r\n\r\n") || !request.ends_with(end.as_bytes()) {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let is_form = matches!(content, Content::Form(_));
        let request = Request { url: &url, headers: &headers, content, most: 100 };
        let answer = to_loopback().send(request).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (401, &b"{}"[..]), "whatever it says");
        let asked = asked.await.unwrap();
        assert!(asked.starts_with(start), "{asked}");
        assert!(
            asked.contains("authorization: Bearer one\r\n") && asked.contains("accept: application/json\r\n")
        );
        assert_eq!(asked.contains("content-type: application/x-www-form-urlencoded\r\n"), is_form, "{asked}");
    }
}
