//! Streams both ways: events one by one, WebSockets, large bodies; all end with their session.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::browser::{Browser, HOST_NAME, OWN_ORIGIN};
use crate::house::House;
use crate::upstream::{App, AppBody, echo, text};

type Events = mpsc::UnboundedSender<&'static str>;

/// An app whose `/events` says what the test says, when it says it.
async fn events() -> (App, mpsc::UnboundedReceiver<Events>) {
    let (tell, told) = mpsc::unbounded_channel();
    let app = App::start(move |request| {
        let tell = tell.clone();
        async move {
            if request.uri().path() != "/events" {
                return echo(request).await;
            }
            let (send, mut events) = mpsc::unbounded_channel::<&'static str>();
            tell.send(send).expect("the test waits");
            let stream = futures_util::stream::poll_fn(move |cx| {
                events
                    .poll_recv(cx)
                    .map(|event| event.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
            });
            let mut response: Response<AppBody> =
                Response::new(StreamBody::new(stream).boxed_unsync_infallible());
            response.headers_mut().insert("content-type", "text/event-stream".parse().expect("a type"));
            response
        }
    });
    (app.await, told)
}

/// `BoxBody` wants `Sync`, which a stream of a closure is.
trait BoxedUnsync {
    fn boxed_unsync_infallible(self) -> AppBody;
}

impl<B> BoxedUnsync for B
where
    B: hyper::body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
{
    fn boxed_unsync_infallible(self) -> AppBody {
        self.boxed()
    }
}

async fn open(browser: &Browser, path: &str) -> Response<Incoming> {
    browser.open(Request::builder().uri(path).body(Full::default()).expect("a request")).await
}

async fn next(response: &mut Response<Incoming>) -> Option<Result<Bytes, hyper::Error>> {
    let next = tokio::time::timeout(Duration::from_secs(5), response.body_mut().frame()).await;
    next.expect("something happens").map(|frame| frame.map(|frame| frame.into_data().expect("data")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_one_by_one() {
    let (app, mut told) = events().await;
    let house = House::with(app, |_| {}).await;
    let browser = house.signed_in("ada").await;
    let mut response = open(&browser, "/events").await;
    let events = told.recv().await.expect("asked");
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        events.send(event).expect("open");
        assert_eq!(next(&mut response).await.expect("an event").expect("whole"), event);
    }
    drop(events);
    assert!(next(&mut response).await.is_none(), "its end is an end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_is_not_waited_for() {
    let (app, mut told) = events().await;
    let house = House::with(app, |_| {}).await;
    let response = open(&house.browser(), "/events").await;
    let events = told.recv().await.expect("asked");
    drop(response);
    tokio::time::timeout(Duration::from_secs(10), events.closed()).await.expect("the app is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_session() {
    let (app, mut told) = events().await;
    let house = House::with(app, |_| {}).await;
    let (ada, bob) = (house.signed_in("ada").await, house.signed_in("bob").await);
    let (mut of_ada, mut of_bob) = (open(&ada, "/events").await, open(&bob, "/events").await);
    let (_to_ada, to_bob) = (told.recv().await.expect("asked"), told.recv().await.expect("asked"));
    // Longer than any access token lives: the session goes on, and so does the stream.
    house.expire_access_tokens();
    assert_eq!(ada.with_csrf().await.post("/auth/logout", &json!({})).await.status, 204);
    assert!(next(&mut of_ada).await.expect("not an end").is_err(), "cut off");
    to_bob.send("data: 1\n\n").expect("open");
    assert_eq!(next(&mut of_bob).await.expect("an event").expect("whole"), "data: 1\n\n");
}

/// An app that echoes over a WebSocket, as far as bytes go.
async fn sockets() -> App {
    App::start(|mut request: Request<Incoming>| async move {
        if !request.headers().contains_key("upgrade") {
            return echo(request).await;
        }
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut socket = TokioIo::new(upgrade.await.expect("an upgrade"));
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                if socket.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        });
        let mut response = text(StatusCode::SWITCHING_PROTOCOLS, "");
        let user = request.headers().get("x-auth-user").cloned();
        let headers = response.headers_mut();
        headers.insert("connection", "upgrade".parse().expect("a value"));
        headers.insert("upgrade", "websocket".parse().expect("a value"));
        headers.insert("sec-websocket-accept", "x".parse().expect("a value"));
        if let Some(user) = user {
            headers.insert("x-user", user);
        }
        response
    })
    .await
}

/// Asks for a WebSocket; the connection and the head of the answer.
async fn connect(house: &House, browser: &Browser, origin: &str, upgrade: &str) -> (TcpStream, String) {
    let cookies: Vec<String> =
        browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut stream = TcpStream::connect(house.at).await.expect("connects");
    let head = format!(
        "GET /socket HTTP/1.1\r\nHost: {HOST_NAME}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {upgrade}\r\n\
         Sec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\nOrigin: {origin}\r\nCookie: {}\r\n\r\n",
        cookies.join("; ")
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
    (stream, String::from_utf8(answer).expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_go_both_ways_until_their_session_ends() {
    let house = House::with(sockets().await, |_| {}).await;
    let browser = house.signed_in("ada").await;
    let (mut stream, head) = connect(&house, &browser, OWN_ORIGIN, "websocket").await;
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("sec-websocket-accept: x"), "{head}");
    assert!(head.contains("x-user: "), "the app knows who it is: {head}");
    let mut buffer = [0; 5];
    for word in [b"hello", b"again"] {
        stream.write_all(word).await.expect("open");
        stream.read_exact(&mut buffer).await.expect("an echo");
        assert_eq!(&buffer, word);
    }
    assert_eq!(browser.with_csrf().await.post("/auth/logout", &json!({})).await.status, 204);
    let end = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.expect("it ends");
    assert!(matches!(end, Ok(0) | Err(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_sites_open_no_websocket_and_nobody_anything_else() {
    let house = House::with(sockets().await, |_| {}).await;
    let browser = house.signed_in("ada").await;
    let (_, head) = connect(&house, &browser, "https://evil.example", "websocket").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (_, head) = connect(&house, &browser, OWN_ORIGIN, "h2c").await;
    assert!(head.starts_with("HTTP/1.1 200"), "a plain request: {head}");
    let (_, head) = connect(&house, &house.browser(), "https://evil.example", "websocket").await;
    assert!(head.starts_with("HTTP/1.1 101"), "without a session it is the app's matter: {head}");
}
