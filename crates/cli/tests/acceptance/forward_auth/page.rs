//! The configurations of the documentation, with this test's addresses in place of theirs. What is replaced must stand
//! there, so that the page and the test cannot part.

use super::proxy::Kind;

const PAGE: &str = include_str!("../../../../../docs/forward-auth.md");

/// Ports on loopback.
pub(super) struct Places {
    pub(super) proxy: u16,
    pub(super) listener: u16,
    pub(super) service: u16,
}

/// The block under `<!-- proxy:name -->`.
fn block(name: &str) -> String {
    let (_, rest) = PAGE.split_once(&format!("<!-- proxy:{name} -->\n```")).expect("the page has this block");
    let (_, rest) = rest.split_once('\n').expect("the fence names a language");
    rest.split_once("\n```").expect("the block ends").0.to_owned() + "\n"
}

fn replaced(text: &str, changes: &[(&str, String)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not on the page");
        text.replace(from, to)
    })
}

/// `portcullis.toml`
pub(super) fn portcullis(kind: Kind, places: &Places) -> String {
    replaced(
        &block("portcullis"),
        &[
            ("\"https://app.example.com\"", format!("\"http://app.example.com:{}\"", places.proxy)),
            ("127.0.0.1:8401", format!("127.0.0.1:{}", places.listener)),
            ("style = \"nginx\"", format!("style = \"{}\"", kind.name())),
        ],
    )
}

/// The proxy's own, in plain http.
pub(super) fn proxy(kind: Kind, places: &Places) -> String {
    let block = replaced(
        &block(kind.name()),
        &[
            ("127.0.0.1:8401", format!("127.0.0.1:{}", places.listener)),
            ("127.0.0.1:3000", format!("127.0.0.1:{}", places.service)),
        ],
    );
    match kind {
        Kind::Nginx => {
            let listen = format!("listen 127.0.0.1:{};", places.proxy);
            let plain: Vec<_> = block.lines().filter(|line| !line.trim_start().starts_with("ssl_")).collect();
            replaced(&plain.join("\n"), &[("listen 443 ssl;", listen)])
        }
        Kind::Caddy => {
            let site = format!("\nhttp://app.example.com:{} {{\n\tbind 127.0.0.1\n", places.proxy);
            replaced(&block, &[("\napp.example.com {\n", site)])
        }
    }
}
