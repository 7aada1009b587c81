//! A reverse proxy that keeps people signed in: it stands in front of an app, serves sign-in and sign-out itself, and
//! tells the app with each request who asks. The browser holds sealed cookies and never sees a token, the app holds
//! no session and never sees a cookie of ours.
//!
//! Lives here: the cookies and what is in them, the sessions that stand behind (one refresh at a time), the endpoints
//! under `/auth/*`, the rules at the door, and the hop to the app. May not live here: the store, use cases or the
//! server's face; the issuer is spoken to over HTTP alone, so that a gateway runs in the same process or far away.
//!
//! # One request
//!
//! 1. `shape`: what two servers could read in two ways ends here.
//! 2. `/auth/*` is ours (`auth`); all else is the app's.
//! 3. `who`: the bearer, else the session in the cookie, refreshed if it is about to expire (`keeper`).
//! 4. `door`: access rules, read-only sessions, forged requests.
//! 5. `pass`: a token for the app's audience, made once per access token.
//! 6. `hop`: to the app and back, once more after a 401 that a newer token could mend.
//! 7. When the answer's head is written: the newest cookies, if the browser's are older.

mod answer;
mod auth;
mod body;
mod config;
mod door;
mod forwarded;
mod gateway;
mod guard;
mod headers;
mod hop;
mod issuer;
mod jar;
mod keeper;
mod known;
mod pages;
mod pass;
mod paths;
mod proxy;
mod route;
mod session;
mod shape;
mod throttle;
mod tls;
mod tunnel;
mod upload;
mod who;

pub use body::Body;
pub use config::{Csrf, GatewayConfig, Target};
pub use gateway::{Gateway, StartError};
pub use issuer::GATEWAY_SECRET;
