//! The environment layer: `PORTCULLIS_<SECTION>__<KEY>`.

use std::ffi::OsString;

use super::entries::Entries;
use super::error::{ConfigError, Problem};
use super::keys::{KeySpec, Target, dotted_of};
use super::origin::Origin;
use super::suggest;
use super::table::KEYS;

/// The environment form of `--config`.
pub(super) const CONFIG: &str = "PORTCULLIS_CONFIG";
const PREFIX: &str = "PORTCULLIS_";

/// The variables that may concern us, by name, so that of several faults the same one is told
/// every time.
pub(super) fn ours(
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in env {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        match value.into_string() {
            Ok(value) => variables.push((name.to_owned(), value)),
            Err(_) if name == CONFIG || name.contains("__") => {
                let problem = Problem::new("is not UTF-8 text", "set it to UTF-8 text");
                return Err(ConfigError::at(origin(name), problem));
            }
            Err(_) => {}
        }
    }
    variables.sort_unstable();
    Ok(variables)
}

/// Puts the variables over what earlier layers left.
pub(super) fn apply(variables: &[(String, String)], entries: &mut Entries) -> Result<(), ConfigError> {
    for (name, value) in variables {
        match Target::variable(name) {
            _ if !name.contains("__") => refuse_one_underscore(name)?,
            Some(target) => entries.put_text(target, value, origin(name))?,
            None => return Err(unknown(name)),
        }
    }
    Ok(())
}

fn origin(name: &str) -> Origin {
    Origin::Environment { name: name.to_owned() }
}

fn unknown(name: &str) -> ConfigError {
    let dotted = dotted_of(name);
    let remedy = match suggest::key(&dotted) {
        Some(meant) => format!("did you mean PORTCULLIS_{}?", meant.replace('.', "__").to_ascii_uppercase()),
        None => suggest::SEE_ALL.to_owned(),
    };
    // The value is not shown: this may be a secret under a mistyped name.
    ConfigError::at(origin(name), Problem::new(format!("unknown key {dotted}"), remedy))
}

/// `PORTCULLIS_SERVER_LISTEN` is a slip that would go unnoticed. Other names with one underscore are
/// left alone: orchestrators make such variables for a service named portcullis.
fn refuse_one_underscore(name: &str) -> Result<(), ConfigError> {
    let forms = |spec: &KeySpec| {
        let env = spec.env_name();
        let file = spec.file_name().map(|_| format!("{env}_FILE"));
        [Some(env), file]
    };
    let meant = KEYS.iter().flat_map(forms).flatten().find(|env| env.replacen("__", "_", 1) == name);
    match meant {
        None => Ok(()),
        Some(meant) => {
            let problem =
                Problem::new("has one underscore after the section", format!("did you mean {meant}?"));
            Err(ConfigError::at(origin(name), problem))
        }
    }
}
