//! `[[webhooks.endpoints]]` and `audit.retention`: what is refused, and how it is shown.

use portcullis_core::audit::KindFilter;

use crate::support::{Given, printed};

const GOOD: &str = "name = \"crm\"\nurl = \"https://crm.example.com/hooks\"\n\
    secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";
const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn one(endpoint: &str) -> Given {
    Given::toml(&format!("[[webhooks.endpoints]]\n{endpoint}"))
}

fn error(endpoint: &str) -> String {
    let line = one(endpoint).error();
    assert!(!line.contains(SECRET), "{line}");
    let rest = line.strip_prefix("portcullis.toml:1: webhooks.endpoints = […]: endpoint 1: ");
    rest.unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[test]
fn endpoints_are_read_and_their_secrets_never_shown() {
    let given = one(&format!("{GOOD}kinds = [\"user.*\", \"login.failed\"]"));
    let loaded = given.loaded();
    let webhook = &loaded.config.webhooks[0];
    assert_eq!((webhook.name.as_str(), webhook.url.as_str()), ("crm", "https://crm.example.com/hooks"));
    let kinds = ["user.*", "login.failed"].map(|text| KindFilter::parse(text).expect("a filter"));
    assert_eq!((webhook.secrets.len(), &webhook.kinds[..]), (1, &kinds[..]));
    let shown = printed(&loaded);
    let line = "webhooks.endpoints = [{kinds = [\"user.*\",\"login.failed\"],name = \"crm\",\
        secret = \"********\",url = \"https://crm.example.com/hooks\"}]  # portcullis.toml:1";
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
    assert!(!shown.contains(SECRET) && !format!("{:?}", loaded.config).contains(SECRET));
    assert!(Given::nothing().good().webhooks.is_empty());
}

#[test]
fn secrets_may_be_several_and_stand_in_a_file() {
    let head = "name = \"crm\"\nurl = \"https://crm.example.com/\"\n";
    let two = format!("{head}secret = [\"whsec_{SECRET}\", \"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]");
    assert_eq!(one(&two).good().webhooks[0].secrets.len(), 2);
    let in_file = format!("{head}secret_file = \"secrets\"");
    let with = |text: &str| one(&in_file).with("secrets", text);
    let good = format!("whsec_{SECRET}\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    assert_eq!(with(&good).good().webhooks[0].secrets.len(), 2);
    for (given, told) in [
        (with("\n"), "secret_file = \"secrets\": is a file with nothing in it; write the secret into it"),
        (with(SECRET), "secret_file = \"secrets\": secret is not whsec_ and base64 of 24 to 64 bytes; "),
        (one(&in_file), "secret_file = \"secrets\": cannot be read: "),
    ] {
        let line = given.error();
        assert!(line.contains(told) && !line.contains(SECRET), "{line}");
    }
}

#[test]
fn each_fault_names_its_endpoint_and_key() {
    let without =
        |key: &str| GOOD.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n");
    for (endpoint, line) in [
        (without("name"), "has no name; name it, such as name = \"crm\""),
        (without("url"), "has no url; write one such as \"https://crm.example.com/hooks\""),
        (without("secret"), "has no secret; make one with: echo whsec_$(openssl rand -base64 32)"),
        (format!("{GOOD}secret_file = \"x\""), "has both secret and secret_file; keep one of the two"),
        (format!("{GOOD}kind = \"x\""), "unknown key kind; did you mean kinds?"),
        (
            format!("{GOOD}kinds = [\"sessions\"]"),
            "kinds: \"sessions\" is no kind of event; write one such as \"session.started\", or \"session.*\" for all \
             that begin so",
        ),
        (format!("{GOOD}kinds = []"), "kinds is empty; give a value or leave the key out"),
        (
            format!("{}\nname = \"C R M\"", without("name")),
            "name = \"C R M\" is no name; use 1 to 40 small letters, digits, - and _",
        ),
        (
            format!("{}\nurl = \"ftp://x\"", without("url")),
            "url is no URL to send to; write one such as \"https://crm.example.com/hooks\"",
        ),
        (
            format!("{}\nsecret = \"{SECRET}\"", without("secret")),
            "secret is not whsec_ and base64 of 24 to 64 bytes; make one with: echo whsec_$(openssl rand -base64 32)",
        ),
    ] {
        assert_eq!(error(&endpoint), line);
    }
    let twice = Given::toml(&format!("[[webhooks.endpoints]]\n{GOOD}[[webhooks.endpoints]]\n{GOOD}")).error();
    assert!(twice.contains("endpoint 2: has the name of endpoint 1; give it one of its own"), "{twice}");
    let text = Given::nothing().env("PORTCULLIS_WEBHOOKS__ENDPOINTS", "https://x").error();
    assert!(text.contains("cannot be given as text; write [[webhooks.endpoints]]"), "{text}");
}

#[test]
fn retention() {
    let retention = |text: &str| Given::nothing().flag("audit.retention", text);
    assert_eq!(Given::nothing().good().audit.retention, None);
    assert_eq!(retention("off").good().audit.retention, None);
    let year = std::time::Duration::from_hours(365 * 24);
    assert_eq!(retention("365d").good().audit.retention, Some(year));
    for wrong in ["1h", "0", "soon"] {
        assert!(retention(wrong).load().is_err(), "{wrong}");
    }
}
