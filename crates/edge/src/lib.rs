//! What every HTTP face of Portcullis shares: the server, the gateway and whatever comes next.
//!
//! Lives here: refusals in RFC 9457 form and the one table of their codes, request ids, the client's
//! address behind proxies, what a request knows of its connection, the `Host` check, security headers, the `Authorization` header, cookies, the
//! Origin half of the CSRF rules, and strict parsing of request bodies.
//!
//! May not live here: a web framework, a rule about users or sessions, the store, a clock or a source of
//! randomness. Everything is a plain function over `http` types, so that each face fits it in as it likes.

pub mod authorization;
pub mod body;
pub mod client_address;
pub mod code;
pub mod connection;
pub mod cookies;
pub mod csrf;
pub mod form;
pub mod host;
pub mod json;
pub mod origin;
pub mod problem;
pub mod proxies;
pub mod request_id;
pub mod security_headers;

pub use code::{CODES, Code, CodeInfo};
pub use problem::{FieldError, Problem};
