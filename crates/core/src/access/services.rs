//! Services as they are: whatever they do to a path, they guard nothing better than we do.

use proptest::prelude::*;

use super::Target;
use super::tests::{asked_for, site};

/// How many things a service may do.
const STEPS: u8 = 12;

/// Things that services do to a path before they look at it.
fn as_a_service(path: &str, step: u8) -> String {
    let decoded = |text: &str| decode_leniently(text.as_bytes());
    match step {
        0 => decoded(path),
        1 => decoded(&decoded(path)),
        2 => path.split('/').map(decoded).collect::<Vec<_>>().join("/"),
        3 => path.to_lowercase(),
        4 => path.split('/').map(|s| s.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/"),
        5 => format!("/{}", path.split('/').filter(|s| !s.is_empty()).collect::<Vec<_>>().join("/")),
        6 => path.split(['?', '#']).next().unwrap_or_default().to_owned(),
        7 => path.split('/').map(|s| s.trim_end_matches(['.', ' '])).collect::<Vec<_>>().join("/"),
        8 => path.replace('\\', "/"),
        9 => without_dot_segments(path),
        10 => path.split('\0').next().unwrap_or_default().to_owned(),
        _ => match path.rsplit_once('.') {
            Some((front, end)) if !end.contains('/') => front.to_owned(),
            _ => path.to_owned(),
        },
    }
}

fn decode_leniently(bytes: &[u8]) -> String {
    let hex = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut decoded, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, hex(at + 1), hex(at + 2)) {
            decoded.push((high << 4 | low) as u8);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// What a service enforces that has these rules itself, first match, on the path as it sees it.
fn strictness(path: &str) -> u8 {
    let under =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match () {
        () if under("/admin") || under("/public/secret") => 2,
        () if under("/public") || under("/assets") => 0,
        () => 1,
    }
}

const FRONTS: &[&str] = &["", "/", "//", "/x", "/public", "/assets", "/PUBLIC", "/public/x", "/admin"];
const CLIMBS: &[&str] = &[
    "", "/", "//", "/..", "/../", "/.", "/%2e%2e/", "/%2e.", "%2f..%2f", "%252f", "\\..\\", "/..;/", "/x/..",
];
const ENDS: &[&str] =
    &["", "admin", "/admin", "/ADMIN", "/%61dmin", "%2fadmin", "secret", "/secret", "/public/secret"];
const NOISE: &[&str] = &[
    "", "%23", "#", "%3f", "?", "%253f", ";", ";a=b", "%3b", ";x%2f", ".", "..", "%2e", "%20", "%00", "%5c",
    ".json", "/", "%2f", "x", "%25", "%",
];

/// How well a path is guarded here; `None`: it is refused.
fn guard(path: &str) -> Option<u8> {
    match asked_for(&site(), "app.example", "GET", path) {
        "public" => Some(0),
        "signed-in" => Some(1),
        "admin" => Some(2),
        _ => None,
    }
}

/// However a service reads a path: what it guards is guarded here at least as well. Administrators may do all that
/// users may, and users what everybody may.
fn check(path: &str) {
    let Some(ours) = guard(path) else { return };
    assert!(ours >= strictness(path), "{path}");
    for first in 0..STEPS {
        let once = as_a_service(path, first);
        assert!(ours >= strictness(&once), "{path} is seen as {once} after {first}");
        for second in 0..STEPS {
            let twice = as_a_service(&once, second);
            assert!(ours >= strictness(&twice), "{path} is seen as {twice} after {first}, {second}");
        }
    }
}

#[test]
fn no_reading_of_a_service_is_guarded_worse() {
    for front in FRONTS {
        for (noise, climb) in NOISE.iter().flat_map(|noise| CLIMBS.iter().map(move |climb| (noise, climb))) {
            for end in ENDS {
                let tidy = |path: String| format!("/{}", path.trim_start_matches('/'));
                check(&tidy(format!("{front}{noise}{climb}{end}")));
                check(&tidy(format!("{front}{climb}{noise}{end}")));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nor_is_one_after_many_steps(
        pieces in [FRONTS, NOISE, CLIMBS, NOISE, ENDS, NOISE].map(proptest::sample::select),
        steps in proptest::collection::vec(0..STEPS, 0..6),
    ) {
        let path = format!("/{}", pieces.concat().trim_start_matches('/'));
        if let Some(ours) = guard(&path) {
            let seen = steps.iter().fold(path.clone(), |path, step| as_a_service(&path, *step));
            prop_assert!(ours >= strictness(&seen), "{} is seen as {} after {:?}", path, seen, steps);
        }
    }

    #[test]
    fn no_text_makes_it_panic(host in "\\PC*", method in "\\PC*", path in "/\\PC*") {
        let _ = Target::new(&host, &method, &path).map(|target| site().decide(&target, None));
    }
}
