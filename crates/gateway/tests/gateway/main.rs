//! The gateway as browsers and apps see it: a real issuer on a socket, a scripted app, a browser with a cookie jar.

mod access;
mod browser;
mod factors;
mod headers;
mod house;
mod outage;
mod refresh;
mod sign_in;
mod streams;
mod upstream;
mod wire;
