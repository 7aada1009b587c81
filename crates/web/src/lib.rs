//! The server's HTTP face.
//!
//! Here live the table of routes, the layers, the handlers and our pages. A handler takes the request apart,
//! calls one use case of `app` and answers. What may not live here: rules, SQL.

mod api;
mod app;
mod cookies;
mod cors;
mod extract;
mod failure;
pub mod metrics;
mod oauth;
mod pages;
pub mod paths;
mod place;
mod provider_flow;
mod qr_code;
mod return_urls;
mod routes;
pub mod serve;
mod state;

pub use api::verify::Style as ForwardStyle;
pub use app::{App, app};
pub use portcullis_edge::cookies::SameSite;
pub use state::{Readiness, WebConfig};
