//! `portcullis key …`: the keys that sign access tokens.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use portcullis_app::Cx;
use portcullis_app::signing_keys::KeyView;
use portcullis_core::time::Timestamp;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};

use crate::args::KeyCommand;
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output;

/// More than any key in PEM.
const LONGEST: u64 = 64 * 1024;

pub(super) async fn run(loaded: &Loaded, command: KeyCommand) -> Result<(), Failure> {
    // Read before anything is opened: a wrong name should cost nothing.
    let pem = match &command {
        KeyCommand::Import { file, .. } => Some(read(file)?),
        _ => None,
    };
    let how = if pem.is_some() { How::FIRST } else { How::COMMAND };
    let cx = boot::node(loaded, how).await?.cx;
    match command {
        KeyCommand::List { json } => list(&cx, json),
        KeyCommand::Rotate { json } => {
            let before = "a new key waits already; portcullis key list shows it";
            added(cx.rotate_signing_key().await?, json, before)
        }
        KeyCommand::Import { json, .. } => {
            let pem = pem.unwrap_or_default();
            added(cx.import_signing_key(&pem).await?, json, "this key is there already")
        }
        KeyCommand::Retire { kid, json } => {
            cx.retire_signing_key(&kid).await?;
            let text = format!("{kid} is withdrawn: tokens it signed are refused from now on");
            output::either(json, &json!({ "kid": kid, "retired": true }), text)
        }
    }
}

fn list(cx: &Cx, json: bool) -> Result<(), Failure> {
    let keys = cx.key_views();
    if json {
        return output::json(&keys.iter().map(shown).collect::<Vec<_>>());
    }
    let row = |key: &KeyView| {
        let (state, from) = (key.state.to_string(), key.activates_at.to_string());
        [key.kid.clone(), key.algorithm.clone(), state, from, key.created_at.to_string()]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    output::table(["KID", "ALGORITHM", "STATE", "SIGNS FROM", "CREATED"], &rows)
}

fn shown(key: &KeyView) -> Value {
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state,
        "activates_at": key.activates_at,
        "created_at": key.created_at,
    })
}

/// Says what became of a key that should be added; `before` is for one that was not.
fn added(key: Option<(String, Timestamp)>, json: bool, before: &str) -> Result<(), Failure> {
    match key {
        Some((kid, at)) => {
            let text = format!("{kid} is published, and signs from {at} on");
            output::either(json, &json!({ "added": true, "kid": kid, "activates_at": at }), text)
        }
        None => output::either(json, &json!({ "added": false }), before),
    }
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut pem = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        io::stdin().lock().take(LONGEST).read_to_string(&mut pem)
    } else {
        File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut pem))
    };
    read.map_err(|error| {
        Failure::mend(
            format_args!("{} cannot be read: {error}", file.display()),
            "name a file with a PEM key",
        )
    })?;
    Ok(pem)
}
