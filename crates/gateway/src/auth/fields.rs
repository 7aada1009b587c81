//! The body of a request for us: JSON, or the form of a page.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use portcullis_edge::{Code, Problem, form};
use serde_json::{Map, Value};

/// As everywhere in our API.
const MOST: usize = 64 * 1024;

/// A body, read.
pub(super) enum Fields {
    /// Of a page: people want to see a page again.
    Form(Map<String, Value>),
    /// Whatever it is.
    Other(Bytes),
}

impl Fields {
    /// Collects and reads a body. It is read before anything is known of who sends it, and so takes no longer than
    /// `patience`.
    pub(super) async fn read(
        headers: &HeaderMap,
        body: Incoming,
        patience: Duration,
    ) -> Result<Self, Problem> {
        let whole = tokio::time::timeout(patience, Limited::new(body, MOST).collect()).await;
        let whole = whole.map_err(|_| Code::RequestTimeout)?.map_err(|error| {
            let too_large = error.is::<LengthLimitError>();
            Problem::new(if too_large { Code::BodyTooLarge } else { Code::RequestTimeout })
        })?;
        let bytes = whole.to_bytes();
        if !is_form(headers) {
            return Ok(Self::Other(bytes));
        }
        match form::parse(&bytes).map_err(Problem::from)? {
            Value::Object(fields) => Ok(Self::Form(fields)),
            _ => Err(Code::MalformedForm.into()),
        }
    }

    /// A field of a form, which the issuer never sees.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        match self {
            Self::Form(fields) => match fields.remove(name) {
                Some(Value::String(text)) => Some(text),
                _ => None,
            },
            Self::Other(_) => None,
        }
    }

    /// A field of a form.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        match self {
            Self::Form(fields) => fields.get(name)?.as_str(),
            Self::Other(_) => None,
        }
    }

    pub(super) const fn is_form(&self) -> bool {
        matches!(self, Self::Form(_))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}
