//! Scripts and styles. Pages name them by what they hold, so that they may be kept for a year and a new version is
//! seen at once; under their plain names they are there, too, and kept for five minutes.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use portcullis_edge::code::Code;

use crate::failure::Failure;
use crate::paths;

const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const FOR_FIVE_MINUTES: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A file of ours.
struct Asset {
    name: &'static str,
    /// By what it holds.
    exact_name: String,
    /// The path of that name.
    place: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(
        (stem, extension): (&str, &str),
        name: &'static str,
        kind: &'static str,
        text: &'static str,
    ) -> Self {
        let exact_name = format!("{stem}-{:016x}.{extension}", digest(text));
        Self { name, place: paths::ASSET.replace("{name}", &exact_name), exact_name, kind, text }
    }
}

static STYLESHEET: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../assets/portcullis.css");
    Asset::new(("portcullis", "css"), "portcullis.css", "text/css; charset=utf-8", text)
});

static SET_UP_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../assets/setup.js");
    Asset::new(("setup", "js"), "setup.js", "text/javascript; charset=utf-8", text)
});

static PASSKEYS_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("../../assets/passkeys.js");
    Asset::new(("passkeys", "js"), "passkeys.js", "text/javascript; charset=utf-8", text)
});

/// FNV-1a: tells versions apart, and proves nothing.
fn digest(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Where the stylesheet is.
pub(crate) fn stylesheet() -> &'static str {
    &STYLESHEET.place
}

/// Where the script of the set-up page is.
pub(crate) fn set_up_script() -> &'static str {
    &SET_UP_SCRIPT.place
}

/// Where the script of the pages with passkeys is.
pub(crate) fn passkeys_script() -> &'static str {
    &PASSKEYS_SCRIPT.place
}

/// Scripts and styles of our pages.
#[utoipa::path(get, path = paths::ASSET, tag = "pages", params(("name" = String, Path)),
    responses((status = 200, description = "A file")))]
pub(crate) async fn asset(name: Result<Path<String>, PathRejection>) -> Response {
    // A name that is no text names nothing.
    let name = name.map_or_else(|_| String::new(), |Path(name)| name);
    let mut assets = [&*STYLESHEET, &*SET_UP_SCRIPT, &*PASSKEYS_SCRIPT].into_iter();
    let Some(asset) = assets.find(|asset| name == asset.name || name == asset.exact_name) else {
        return Failure::new(Code::NotFound).into_response();
    };
    let mut response = Response::new(Body::from(asset.text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(CACHE_CONTROL, if name == asset.exact_name { FOR_A_YEAR } else { FOR_FIVE_MINUTES });
    response
}
