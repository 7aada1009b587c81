//! The last layer: values given on the command line.

use super::entries::Entries;
use super::error::{ConfigError, Problem};
use super::keys::Target;
use super::origin::Origin;
use super::suggest;

/// Puts flags over what earlier layers left.
pub(super) fn apply(flags: Vec<(String, String)>, entries: &mut Entries) -> Result<(), ConfigError> {
    for (key, value) in flags {
        let origin = Origin::Flag { key: key.clone() };
        let Some(target) = Target::dotted(&key) else {
            let meant = suggest::key(&key).map(|meant| format!("did you mean {meant}?"));
            let remedy = meant.unwrap_or_else(|| suggest::SEE_ALL.to_owned());
            return Err(ConfigError::at(origin, Problem::new(format!("unknown key {key}"), remedy)));
        };
        entries.put_text(target, &value, origin)?;
    }
    Ok(())
}
