//! The rules as tables, and a function from manifests to what breaks them.

/// A crate of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of its manifest.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// Crate, and the crates of ours it may use. What is not in the table may not exist.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("portcullis-core", &[]),
    ("portcullis-jose", &[]),
    ("portcullis-edge", &[]),
    ("portcullis-store", &["portcullis-core"]),
    ("portcullis-app", &["portcullis-core", "portcullis-jose", "portcullis-store"]),
    ("portcullis-web", &["portcullis-app", "portcullis-core", "portcullis-edge"]),
    ("portcullis-verify", &["portcullis-jose"]),
    ("portcullis-gateway", &["portcullis-core", "portcullis-edge", "portcullis-verify"]),
    (
        "portcullis",
        &[
            "portcullis-app",
            "portcullis-core",
            "portcullis-gateway",
            "portcullis-jose",
            "portcullis-store",
            "portcullis-web",
        ],
    ),
    // Examples use what is published and nothing else.
    ("axum-api", &["portcullis-verify"]),
];

/// For tests and measurements only: they may use anything, and no crate above may need them to run.
const TOOLS: &[&str] = &["portcullis-testkit", "portcullis-bench"];

/// HTTP servers and clients, and what belongs to them.
const HTTP: &[&str] = &[
    "axum",
    "axum-extra",
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "hyper-util",
    "tower",
    "tower-http",
    "reqwest",
];
/// What waits, or touches the world.
const IO: &[&str] = &["tokio", "futures-util", "async-trait", "moka", "tracing", "metrics"];

/// Crate, and what it may not name outside its tests.
const BANS: &[(&str, &[&[&str]])] = &[
    ("portcullis-core", &[HTTP, IO, &["clap", "toml", "rustls"]]),
    ("portcullis-jose", &[HTTP, IO, &["clap", "toml", "rustls"]]),
    ("portcullis-store", &[HTTP, &["clap", "toml"]]),
    ("portcullis-app", &[HTTP, &["clap", "jsonwebtoken"]]),
    ("portcullis-edge", &[IO, &["axum", "axum-extra", "hyper", "hyper-util", "reqwest", "clap", "toml"]]),
];

/// SQL and its drivers live in `portcullis-store`, tests included; anybody else's query would be one that no
/// contract test runs on both databases.
const SQL: &[&str] = &[
    "sqlx",
    "sqlx-core",
    "sqlx-postgres",
    "sqlx-sqlite",
    "libsqlite3-sys",
    "rusqlite",
    "tokio-postgres",
    "diesel",
];

/// What breaks the rules, one line each.
pub(crate) fn violations(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .flat_map(|package| package.dependencies.iter().filter_map(|used| breach(package, used)))
        .chain(
            packages
                .iter()
                .filter(|package| !is_known(&package.name))
                .map(|package| format!("{}: say in the table of directions what it may use", package.name)),
        )
        .collect()
}

fn breach(package: &Package, used: &Dependency) -> Option<String> {
    let (name, used, kind) = (package.name.as_str(), used.name.as_str(), used.kind);
    let told = |why: &str| Some(format!("{name} may not use {used}: {why}"));
    if SQL.contains(&used) && name != "portcullis-store" {
        return told("SQL lives in portcullis-store");
    }
    // Tests may use what they like otherwise, and a dev-dependency is in no build of a user's.
    if kind == Kind::Dev || TOOLS.contains(&name) {
        return None;
    }
    if TOOLS.contains(&used) {
        return told("it is for tests only");
    }
    if is_known(used) && !allowed(name).contains(&used) {
        return told("against the direction of the crates");
    }
    if banned(name).any(|banned| banned == used) {
        return told("out of place in this crate");
    }
    if used.starts_with("webauthn-rs") && name != "portcullis-app" {
        return told("passkeys are portcullis-app's, in one file");
    }
    if used == "jsonwebtoken" {
        return told("tokens are portcullis-jose's; it is the cross-check in tests");
    }
    None
}

fn is_known(name: &str) -> bool {
    TOOLS.contains(&name) || DIRECTIONS.iter().any(|(known, _)| *known == name)
}

fn allowed(name: &str) -> &'static [&'static str] {
    DIRECTIONS.iter().find(|(known, _)| *known == name).map_or(&[], |(_, allowed)| allowed)
}

fn banned(name: &str) -> impl Iterator<Item = &'static str> {
    BANS.iter().filter(move |(crate_name, _)| *crate_name == name).flat_map(|(_, groups)| groups.concat())
}

/// One crate that uses one other, and whether that is refused.
fn refused(name: &str, used: &str, kind: Kind) -> bool {
    let dependencies = vec![Dependency { name: used.to_owned(), kind }];
    !violations(&[Package { name: name.to_owned(), dependencies }]).is_empty()
}

#[test]
fn the_way_down_is_allowed() {
    for (name, used) in [
        ("portcullis", "portcullis-web"),
        ("portcullis-web", "portcullis-app"),
        ("portcullis-web", "axum"),
        ("portcullis-app", "portcullis-store"),
        ("portcullis-app", "tokio"),
        ("portcullis-app", "webauthn-rs"),
        ("portcullis-store", "sqlx"),
        ("portcullis-store", "portcullis-core"),
        ("portcullis-edge", "http"),
        ("portcullis-bench", "portcullis-app"),
    ] {
        assert!(!refused(name, used, Kind::Normal), "{name} -> {used}");
    }
    assert!(!refused("portcullis-core", "portcullis-testkit", Kind::Dev));
    assert!(!refused("portcullis-jose", "jsonwebtoken", Kind::Dev));
}

#[test]
fn the_way_up_and_what_is_out_of_place_are_refused() {
    for (name, used) in [
        ("portcullis-core", "portcullis-store"),
        ("portcullis-core", "tokio"),
        ("portcullis-core", "axum"),
        ("portcullis-jose", "http"),
        ("portcullis-store", "portcullis-app"),
        ("portcullis-store", "hyper"),
        ("portcullis-app", "portcullis-web"),
        ("portcullis-app", "sqlx"),
        ("portcullis-app", "http"),
        ("portcullis-edge", "axum"),
        ("portcullis-web", "portcullis-store"),
        ("portcullis-web", "webauthn-rs"),
        ("portcullis-core", "webauthn-rs-proto"),
        ("portcullis-web", "portcullis-testkit"),
        ("portcullis-verify", "portcullis-app"),
        ("portcullis-gateway", "portcullis-store"),
        ("portcullis", "jsonwebtoken"),
    ] {
        assert!(refused(name, used, Kind::Normal), "{name} -> {used}");
        assert!(refused(name, used, Kind::Build), "{name} -> {used} in its build script");
    }
    assert!(refused("portcullis-web", "sqlx", Kind::Dev), "SQL in a test");
    assert!(refused("portcullis-testkit", "sqlx", Kind::Normal), "SQL in the test support");
    let unknown = Package { name: "portcullis-new".to_owned(), dependencies: Vec::new() };
    assert_eq!(violations(&[unknown]).len(), 1);
}
