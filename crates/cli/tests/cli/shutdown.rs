//! Signals.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::{Answer, Place, Server, post_head};

const BODY: &str = r#"{"email":"eve@example.org","password":"x"}"#;

/// A request whose body the server waits for.
fn running_request(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    let head = post_head("/auth/login", BODY.len());
    stream.write_all(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes()).expect("the server reads");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).expect("an interim answer");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[test]
fn sigterm_and_sigint_end_with_0() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let server = place.serve();
        server.signal(signal);
        assert_eq!(server.ended().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_running_request_is_finished() {
    let place = Place::new();
    let server = place.serve();
    let mut stream = running_request(&server);
    server.signal("TERM");
    stream.write_all(BODY.as_bytes()).expect("the server reads");
    assert_eq!(Answer::read(stream).status, 401);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new().env("PORTCULLIS_SERVER__SHUTDOWN_GRACE", "10m");
    let server = place.serve();
    let running = running_request(&server);
    server.signal("TERM");
    server.signal("INT");
    assert_eq!(server.ended().code(), Some(1));
    drop(running);
}
