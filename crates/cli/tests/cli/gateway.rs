//! `portcullis gateway`, and the gateway beside the server: what keeps it from starting.

use crate::support::Place;

const APP: &str = "http://127.0.0.1:3000";

#[test]
fn it_needs_an_app() {
    let ran = Place::new().run(&["gateway"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("give --upstream URL, or set gateway.upstream"), "{}", ran.stderr);
    let ran = Place::new().run(&["gateway", "--upstream", "127.0.0.1:3000"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("gateway.upstream") && ran.stderr.contains("write scheme, host and port"),
        "{}",
        ran.stderr
    );
}

#[test]
fn it_has_an_origin_of_its_own() {
    let place = Place::new();
    let flags = ["gateway", "--upstream", APP, "--listen", "127.0.0.1:0"];
    let ran = place.run(&[&flags[..], &["--public-url", "http://localhost:8400"]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("is the issuer's, too; give the gateway a host name or a port of its own"),
        "{}",
        ran.stderr
    );
    let plain = place.run(&[&flags[..], &["--issuer", "http://auth.example.com"]].concat());
    assert_eq!(plain.code, Some(1), "{}", plain.stderr);
    assert!(
        plain.stderr.contains("gateway.issuer") && plain.stderr.contains("is not https"),
        "{}",
        plain.stderr
    );
}

#[test]
fn beside_the_server_it_is_the_servers() {
    let place = Place::new()
        .env("PORTCULLIS_GATEWAY__UPSTREAM", APP)
        .env("PORTCULLIS_GATEWAY__ISSUER", "https://auth.example.com");
    let ran = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("is another server; leave it out"), "{}", ran.stderr);
    assert!(!place.path("data").exists(), "nothing was touched");
}
