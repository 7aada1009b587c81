//! `portcullis key …`, and keys from the configuration.

use serde_json::{Value, json};

use crate::support::Place;

/// Made for this test only.
const EC: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgS2CKHNkCJ8QTGnld
kbdEY6Q0MkVBtFCENyXT7442sqahRANCAAQvPWd3MExJaCJQej3GvWeAs33VR5KM
DCmDw2mMpIvsDJL84EhgTN30p7eDcGv1b05dtcVScILGhSOOgGjX/oGx
-----END PRIVATE KEY-----
";
/// Made for this test only.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIFh4Fv2+Txb1msiv7sxkno7uRGGdDxhMF9yk3q7r2jST
-----END PRIVATE KEY-----
";

/// Algorithm and state of each key, in the order in which they sign.
fn list(place: &Place) -> Vec<(String, String)> {
    let keys = place.run(&["key", "list", "--json"]).ok().json();
    let text = |key: &Value, name: &str| key[name].as_str().expect("text").to_owned();
    keys.as_array().expect("a list").iter().map(|key| (text(key, "algorithm"), text(key, "state"))).collect()
}

fn pairs(keys: &[(&str, &str)]) -> Vec<(String, String)> {
    keys.iter().map(|(algorithm, state)| ((*algorithm).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn rotate_list_and_retire() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    assert_eq!(list(&place), pairs(&[("ES256", "current")]));
    let added = place.run(&["key", "rotate", "--json"]).ok().json();
    assert_eq!(added["added"], true);
    assert_eq!(list(&place), pairs(&[("ES256", "current"), ("ES256", "next")]));
    assert_eq!(place.run(&["key", "rotate", "--json"]).ok().json(), json!({ "added": false }));
    let next = added["kid"].as_str().expect("a name");
    let keys = place.run(&["key", "list", "--json"]).ok().json();
    assert_eq!(keys[1]["activates_at"], added["activates_at"]);
    let current = keys[0]["kid"].as_str().expect("a name");
    let line = place.run(&["key", "retire", current]).failed(1);
    assert!(line.contains("run `portcullis key rotate` first"), "{line}");
    place.run(&["key", "retire", next]).ok();
    assert_eq!(list(&place), pairs(&[("ES256", "current")]));
    let line = place.run(&["key", "retire", "none"]).failed(1);
    assert_eq!(line, "there is no signing key none in use; portcullis key list shows all");
}

#[test]
fn import_from_a_file_and_from_standard_input() {
    let place = Place::new();
    place.user("ada@example.org", &[]);
    place.write("ec.pem", EC);
    assert_eq!(place.run(&["key", "import", "ec.pem", "--json"]).ok().json()["added"], true);
    assert_eq!(place.run(&["key", "import", "ec.pem", "--json"]).ok().json()["added"], false);
    place.run_with(&["key", "import", "-"], ED25519).ok();
    assert_eq!(list(&place), pairs(&[("ES256", "current"), ("ES256", "next"), ("EdDSA", "next")]));
    assert!(place.run_with(&["key", "import", "-"], "sesame").failed(1).starts_with("no PEM block found"));
    let line = place.run(&["key", "import", "absent.pem"]).failed(1);
    assert!(
        line.starts_with("absent.pem cannot be read: ") && line.ends_with("; name a file with a PEM key")
    );
}

#[test]
fn a_key_from_the_configuration_decides_the_algorithm() {
    let place = Place::new().env("PORTCULLIS_TOKENS__PRIVATE_KEY", ED25519.replace('\n', "\\n"));
    place.user("ada@example.org", &[]);
    assert_eq!(list(&place), pairs(&[("EdDSA", "current")]));
    let place = place.env("PORTCULLIS_TOKENS__ALGORITHM", "RS256");
    assert_eq!(
        place.run(&["key", "list"]).failed(1),
        "environment PORTCULLIS_TOKENS__ALGORITHM: tokens.algorithm = \"RS256\": is not the algorithm of \
         tokens.private_key, which is EdDSA; leave it out, or give a key that fits"
    );
}

#[test]
fn hs256_is_had_by_asking_for_it() {
    let place = Place::new().env("PORTCULLIS_TOKENS__ALGORITHM", "HS256");
    place.user("ada@example.org", &[]);
    assert_eq!(list(&place), pairs(&[("HS256", "current")]));
}
