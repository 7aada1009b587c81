//! Test support for Portcullis, never part of a release: real databases that are thrown away afterwards, a
//! clock that tests move, and a source of bytes that are the same in every run.
//!
//! Here lives what a test needs and a server does not. No rule of the product may live here, and no crate
//! may depend on this one but as a dev-dependency (`tests/architecture.rs` holds that).

pub mod app;
pub mod authenticator;
pub mod clock;
pub mod database;
pub mod fake_idp;
pub mod http_client;
pub mod mailer;
pub mod outbound;
pub mod postgres;
pub mod random;
pub mod server;
pub mod smtp_sink;

pub use app::{Actor, PASSWORD, Reply, Setup, TestApp};
pub use authenticator::Authenticator;
pub use clock::ManualClock;
pub use database::{Backend, Database, TestStore};
pub use fake_idp::{Breakage, Endpoint, FakeIdp, Forgery, Person, Returned};
pub use http_client::HttpClient;
pub use mailer::{RecordingMailer, SentMail};
pub use outbound::FakeOutbound;
pub use random::SeededRandom;
pub use server::{Installation, RunningServer, eventually};
pub use smtp_sink::{Received, SmtpSink, SmtpState};
