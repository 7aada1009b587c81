//! What browsers do by themselves: cookies, CSRF, requests across origins.

mod acting;
mod clearing;
mod cors;
mod csrf;
mod delivery;
mod identity;
mod planted;
mod replaced;

use portcullis_testkit::app::{Browser, Cookie};
use portcullis_testkit::{Reply, TestApp};

/// What the answer sets and clears, in order of names.
pub(crate) fn set(reply: &Reply) -> Vec<Cookie> {
    let lines = reply.headers.get_all("set-cookie").iter();
    let mut set: Vec<_> = lines.map(|line| Cookie::parse(line.to_str().unwrap())).collect();
    set.sort_by(|one, other| one.name.cmp(&other.name));
    set
}

/// The names of what the answer sets.
pub(crate) fn set_names(reply: &Reply) -> Vec<String> {
    set(reply).into_iter().filter(|cookie| cookie.max_age != Some(0)).map(|cookie| cookie.name).collect()
}

/// The names of what the answer clears.
pub(crate) fn cleared_names(reply: &Reply) -> Vec<String> {
    let cleared = set(reply).into_iter().filter(|cookie| cookie.max_age == Some(0));
    cleared
        .map(|cookie| {
            assert!(cookie.value.is_empty());
            cookie.name
        })
        .collect()
}

/// A browser in which `name`, who is new, has signed in.
pub(crate) async fn signed_in(app: &TestApp, name: &str, delivery: &str) -> Browser {
    app.sign_up(name).await;
    let mut browser = app.browser();
    browser.sign_in(name, delivery).await;
    browser
}
