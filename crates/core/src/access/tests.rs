use std::time::Duration;

use super::*;

fn rule(path: &str, require: Require) -> Rule {
    Rule { host: None, path: Prefix::parse(path).expect(path), methods: vec![], require, audience: None }
}

fn admin() -> Require {
    Require::SignedIn(vec![Requirement::Role(vec!["admin".into()])])
}

/// The rules of a site as it might be: an area for administrators, and public ones beside it.
pub(super) fn site() -> Rules {
    Rules::new(
        "default",
        vec![
            rule("/admin", admin()),
            rule("/public/secret", admin()),
            rule("/public", Require::Public),
            rule("/assets", Require::Public),
        ],
    )
}

const USER: Identity<'static> = Identity { role: "user", scopes: None, signed_in_ago: Some(Duration::ZERO) };
const ADMIN: Identity<'static> = Identity { role: "admin", ..USER };

/// `public`, `signed-in`, `admin`, or why it is nothing of these.
pub(super) fn asked_for(rules: &Rules, host: &str, method: &str, path: &str) -> &'static str {
    let target = match Target::new(host, method, path) {
        Ok(target) => target,
        Err(BadTarget::Host) => return "bad host",
        Err(BadTarget::Method) => return "bad method",
        Err(BadTarget::Path) => return "bad path",
    };
    let passes = |who| matches!(rules.decide(&target, who), Decision::Allow(_));
    match (passes(None), passes(Some(&USER)), passes(Some(&ADMIN))) {
        (true, true, true) => "public",
        (false, true, true) => "signed-in",
        (false, false, true) => "admin",
        other => panic!("{path}: {other:?}"),
    }
}

#[track_caller]
fn table(rows: &[(&str, &str)]) {
    for (path, expected) in rows {
        assert_eq!(asked_for(&site(), "app.example", "GET", path), *expected, "{path}");
    }
}

#[test]
fn plain_paths() {
    table(&[
        ("/admin", "admin"),
        ("/admin/", "admin"),
        ("/admin/x/y", "admin"),
        ("/administrator", "signed-in"),
        ("/admin-x", "signed-in"),
        ("/public", "public"),
        ("/public/", "public"),
        ("/public/a.css", "public"),
        ("/public/secret", "admin"),
        ("/public/secrets", "public"),
        ("/publicity", "signed-in"),
        ("/", "signed-in"),
        ("/other", "signed-in"),
        ("/.well-known/x", "signed-in"),
        ("/x/admin", "signed-in"),
    ]);
}

#[test]
fn another_spelling_of_a_guarded_path_is_guarded() {
    for path in [
        "/ADMIN",
        "/Admin/x",
        "/%61dmin",
        "/%61%64%6d%69%6e/x",
        "/%2561dmin",
        "/admin%2fx",
        "/admin%2Fx",
        "/admin%252fx",
        "/admin;x",
        "/admin;a=b/x",
        "/admin%3bx",
        "/admin%3fx",
        "/admin%23x",
        "/admin.",
        "/admin./x",
        "/admin%20",
        "/admin%2e",
        "/admin.json",
        "/admin.json/x",
        "/;x/admin",
        "/;/admin",
        "/%2fadmin",
        "/%20/admin",
        "/\u{66}oo/../admin",
        "/%ef%bd%81dmin",
        "/%C4%B0dmin/%2e./admin",
        "/public//secret",
        "/public/SECRET",
        "/public/%73ecret",
        "/public;x/secret",
        "/PUBLIC/secret",
        "/public%2fsecret",
        "/public/%2fsecret",
    ] {
        let asked = asked_for(&site(), "app.example", "GET", path);
        assert!(matches!(asked, "admin" | "bad path"), "{path}: {asked}");
    }
}

#[test]
fn another_spelling_of_a_public_path_is_not_public() {
    table(&[
        ("/PUBLIC", "signed-in"),
        ("/%70ublic", "signed-in"),
        ("/public;x", "signed-in"),
        ("/public%2fx", "signed-in"),
        ("/public.css", "signed-in"),
        ("/%2fpublic", "signed-in"),
        ("/x//public", "signed-in"),
        // What follows cannot lead out again.
        ("/public/a%2fb", "public"),
        ("/public/a;b", "public"),
        ("/public/a//b", "public"),
        ("/public/a%20b", "public"),
        ("/public/%e2%82%ac", "public"),
        ("/public/100%25", "public"),
        ("/public/a%3fb", "public"),
    ]);
}

#[test]
fn what_is_read_in_too_many_ways_is_no_path() {
    for path in [
        "",
        "admin",
        "*",
        "http://app.example/public",
        "//app.example/public",
        "/public/../admin",
        "/public/..",
        "/public/./x",
        "/public/.",
        "/public/.../x",
        "/public/..x",
        "/public/...admin",
        "/public/%2e.x",
        "/public/%2e%2e/admin",
        "/public/%2E./admin",
        "/public/.%2e%2fadmin",
        "/public/%252e%252e/admin",
        "/public/%25252e%25252e/admin",
        "/public/%2525252525252e/admin",
        "/public/..;/admin",
        "/public/..;a=b/admin",
        "/public/..%3b/admin",
        "/public/..%00/admin",
        "/public/%2e%2e%20/admin",
        "/public\\..\\admin",
        "/public/..\\admin",
        "/public%5c..%5cadmin",
        "/public/x%5cy",
        "/public/%255c",
        "/public%00",
        "/public%0a",
        "/public%0d%0aX",
        "/public%09",
        "/public%7f",
        "/public%c2%85",
        "/public%",
        "/public%2",
        "/public%zz",
        "/public%u002e",
        "/public%c0%ae%c0%ae/admin",
        "/public/%c0%af",
        "/public/%ff",
        "/public/\u{ff0e}\u{ff0e}/admin",
        "/public/%ef%bc%8e%ef%bc%8e/admin",
        "/public/%e2%80%a5/admin",
        "/public%23/../admin",
        "/public%3f/../admin",
        "/public%3f%2f..%2fadmin",
        "/public%253f/%2e%2e/admin",
        "/public#/../admin",
        "/public?x",
        "/public x",
        "/public\tx",
        "/public\u{7f}",
        "/p\u{fc}blic",
        "/a;x%2fy/b",
        "/a%3bx%2fy/b",
        "/a;x%3fy/b",
    ] {
        assert_eq!(asked_for(&site(), "app.example", "GET", path), "bad path", "{path:?}");
    }
}

#[test]
fn methods() {
    let read = Rule { methods: vec!["GET".into()], ..rule("/", Require::Public) };
    let preflight = Rule { methods: vec!["OPTIONS".into()], ..rule("/", Require::Public) };
    let rules = Rules::new("default", vec![read, preflight, rule("/", admin())]);
    for (method, expected) in [
        ("GET", "public"),
        ("HEAD", "public"),
        ("OPTIONS", "public"),
        ("POST", "admin"),
        ("DELETE", "admin"),
        ("CONNECT", "admin"),
        ("PROPFIND", "admin"),
        ("M-SEARCH", "admin"),
        ("get", "bad method"),
        ("Get", "bad method"),
        ("", "bad method"),
        ("GET ", "bad method"),
        ("GET,POST", "bad method"),
        ("G\u{cb}T", "bad method"),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", "bad method"),
    ] {
        assert_eq!(asked_for(&rules, "app.example", method, "/x"), expected, "{method}");
    }
}

#[test]
fn hosts() {
    let at = |host: &str, require| Rule { host: HostPattern::parse(host).ok(), ..rule("/", require) };
    let rules = Rules::new("default", vec![at("open.example", Require::Public), at("*.example", admin())]);
    for (host, expected) in [
        ("open.example", "public"),
        ("OPEN.example.:443", "public"),
        ("other.example", "admin"),
        ("x.open.example", "admin"),
        ("open.example.org", "signed-in"),
        ("127.0.0.1", "signed-in"),
        ("open.example, evil.example", "bad host"),
        ("open.example@evil.example", "bad host"),
        ("open.example/", "bad host"),
        ("open.example#", "bad host"),
        ("", "bad host"),
    ] {
        assert_eq!(asked_for(&rules, host, "GET", "/"), expected, "{host}");
    }
}

fn decide(require: Vec<Requirement>, who: Option<Identity<'_>>) -> Decision {
    let rules = Rules::new("default", vec![rule("/", Require::SignedIn(require))]);
    rules.decide(&Target::new("a", "GET", "/").expect("plain"), who.as_ref())
}

#[test]
fn requirements() {
    let role = || Requirement::Role(vec!["admin".into(), "support".into()]);
    let scope = || Requirement::Scope("files:read".into());
    let fresh = || Requirement::Fresh(Duration::from_mins(10));
    let scoped = |scopes| Identity { scopes: Some(scopes), ..USER };
    let aged = |seconds| Identity { signed_in_ago: Some(Duration::from_secs(seconds)), ..USER };
    let allow = || Decision::Allow(AudienceId(0));
    let stale = || Decision::Fresh { max_age: Duration::from_mins(10) };
    let rows = [
        (vec![], None, Decision::SignIn),
        (vec![], Some(USER), allow()),
        (vec![role()], Some(USER), Decision::Forbidden(Lack::Role)),
        (vec![role()], Some(ADMIN), allow()),
        (vec![role()], Some(Identity { role: "support", ..USER }), allow()),
        (vec![role()], Some(Identity { role: "Admin", ..USER }), Decision::Forbidden(Lack::Role)),
        (vec![scope()], Some(USER), allow()),
        (vec![scope()], Some(scoped("mail files:read")), allow()),
        (
            vec![scope()],
            Some(scoped("files:readwrite")),
            Decision::Forbidden(Lack::Scope("files:read".into())),
        ),
        (vec![scope()], Some(scoped("")), Decision::Forbidden(Lack::Scope("files:read".into()))),
        (vec![fresh()], Some(aged(600)), allow()),
        (vec![fresh()], Some(aged(601)), stale()),
        (vec![fresh()], Some(Identity { signed_in_ago: None, ..USER }), stale()),
        (vec![fresh(), role()], Some(aged(601)), Decision::Forbidden(Lack::Role)),
        (vec![role(), fresh()], Some(aged(601)), Decision::Forbidden(Lack::Role)),
        (vec![fresh(), role()], None, Decision::SignIn),
    ];
    for (at, (require, who, expected)) in rows.into_iter().enumerate() {
        assert_eq!(decide(require, who), expected, "row {at}");
    }
}

#[test]
fn of_two_ages_the_shorter_is_asked_for() {
    let fresh = |minutes| Require::SignedIn(vec![Requirement::Fresh(Duration::from_mins(minutes))]);
    let rules = Rules::new("default", vec![rule("/pay", fresh(5)), rule("/", fresh(60))]);
    let old = Identity { signed_in_ago: None, ..USER };
    for (path, minutes) in [("/pay", 5), ("/PAY", 5), ("/x", 60)] {
        let target = Target::new("a", "GET", path).expect(path);
        let max_age = Duration::from_mins(minutes);
        assert_eq!(rules.decide(&target, Some(&old)), Decision::Fresh { max_age }, "{path}");
    }
}

#[test]
fn the_rule_that_ends_the_search_names_the_audience() {
    let of = |path, audience: Option<&str>| Rule {
        audience: audience.map(str::to_owned),
        ..rule(path, Require::SIGNED_IN)
    };
    let rules = Rules::new("default", vec![of("/a", Some("A")), of("/b", Some("B")), of("/c", Some("A"))]);
    for (path, audience) in [
        ("/a", "A"),
        ("/b/x", "B"),
        ("/c", "A"),
        ("/d", "default"),
        ("/A", "default"),
        ("/b.json", "default"),
    ] {
        let target = Target::new("a", "GET", path).expect(path);
        let Decision::Allow(id) = rules.decide(&target, Some(&USER)) else { panic!("{path} is refused") };
        assert_eq!(rules.audience(id), audience, "{path}");
    }
}

#[test]
fn prefixes() {
    for (text, same) in [("/admin/", "/admin"), ("/", "/"), ("/a/b.c/~x", "/a/b.c/~x")] {
        assert_eq!(Prefix::parse(text), Prefix::parse(same));
        assert!(Prefix::parse(text).is_ok(), "{text}");
    }
    assert_eq!(Prefix::parse("/"), Ok(Prefix::ROOT));
    for (text, error) in [
        ("", BadPrefix::NoSlash),
        ("admin", BadPrefix::NoSlash),
        ("/a b", BadPrefix::Character),
        ("/a%20b", BadPrefix::Character),
        ("/a;b", BadPrefix::Character),
        ("/a?b", BadPrefix::Character),
        ("/\u{fc}", BadPrefix::Character),
        ("//a", BadPrefix::Segment),
        ("/a//b", BadPrefix::Segment),
        ("/a/../b", BadPrefix::Segment),
        ("/a/.", BadPrefix::Segment),
        ("/a.", BadPrefix::Segment),
        ("/..a", BadPrefix::Segment),
    ] {
        assert_eq!(Prefix::parse(text), Err(error), "{text}");
    }
}
