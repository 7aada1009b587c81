//! The last layer: values given on the command line.

use super::entries::Entries;
use super::error::{ConfigError, Problem};
use super::keys::Target;
use super::origin::Origin;
use super::suggest;

/// Puts flags over what earlier layers left.
pub(super) fn apply(flags: Vec<(String, String)>, entries: &mut Entries) -> Result<(), ConfigError> {
    for (key, value) in flags {
        let target = Target::dotted(&key);
        let origin = Origin::Flag { key: key.clone() };
        match target {
            Some(target) => entries.put_text(target, &value, origin)?,
            None => {
                let remedy = match suggest::key(&key) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => "portcullis config show lists every key".to_owned(),
                };
                return Err(ConfigError::at(origin, Problem::new(format!("unknown key {key}"), remedy)));
            }
        }
    }
    Ok(())
}
