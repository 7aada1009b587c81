//! What we fetch from elsewhere goes through one client, which `cli` makes: addresses are checked before they are
//! connected to ([`portcullis_core::outbound`]), nothing is followed to another place, time and size have limits.

use std::pin::Pin;

use bytes::Bytes;
use thiserror::Error;

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutboundError {
    /// We do not go there.
    #[error("not allowed: {0}")]
    Refused(String),
    /// The other side did not answer, or not with what was asked for.
    #[error("{0}")]
    Failed(String),
}

/// What came back, later.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Result<Bytes, OutboundError>> + Send + 'a>>;

/// Something asked of somebody.
#[derive(Clone)]
pub struct Request<'a> {
    /// Of whom.
    pub url: &'a str,
    /// Headers beside those of every request.
    pub headers: &'a [(&'static str, String)],
    /// What is sent along, which decides the method.
    pub content: Content,
    /// Longest body of an answer, in bytes; 0: nobody wants to read it.
    pub most: usize,
}

/// What is sent along.
#[derive(Clone)]
pub enum Content {
    /// Nothing: `GET`.
    Nothing,
    /// `POST` of JSON.
    Json(Bytes),
    /// `POST` of `application/x-www-form-urlencoded`.
    Form(String),
}

/// Something to be sent to somebody, as JSON.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// To whom.
    pub url: &'a str,
    /// Headers beside those of every request.
    pub headers: &'a [(&'static str, String)],
    /// The body.
    pub body: Bytes,
    /// Longest body of an answer, in bytes; 0: nobody wants to read it.
    pub most: usize,
}

/// An answer, whatever it says. Nothing is followed to another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, for instance.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// What was answered, later.
pub type Answered<'a> = Pin<Box<dyn Future<Output = Result<Answer, OutboundError>> + Send + 'a>>;

/// The one way out.
pub trait Outbound: Send + Sync {
    /// The answer to a request.
    fn send<'a>(&'a self, request: Request<'a>) -> Answered<'a>;

    /// The body of a 200 to `GET url`, at most `most` bytes.
    fn get<'a>(&'a self, url: &'a str, most: usize) -> Fetched<'a> {
        let answered = self.send(Request { url, headers: &[], content: Content::Nothing, most });
        Box::pin(async {
            let Answer { status, body } = answered.await?;
            match status {
                200 => Ok(body),
                other => Err(OutboundError::Failed(format!("answered {other}"))),
            }
        })
    }

    /// The answer to `POST`.
    fn post<'a>(&'a self, post: Post<'a>) -> Answered<'a> {
        let Post { url, headers, body, most } = post;
        self.send(Request { url, headers, content: Content::Json(body), most })
    }
}
