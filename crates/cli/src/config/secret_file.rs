//! `<key>_file`: secrets that stand in files of their own.

use std::path::Path;

use super::entries::{Entries, Entry, SecretFile};
use super::error::{ConfigError, Problem, quoted};
use super::keys::{KeySpec, Kind};
use super::read_file;
use super::value::Value;

/// Reads every secret that was given as a file; the entry then looks as if given in place.
pub(super) fn resolve(entries: &mut Entries, cwd: &Path) -> Result<(), ConfigError> {
    for (spec, file) in entries.take_files() {
        // Whatever the layers: a key given twice is a key whose owner believes in the wrong one.
        if let Some(entry) = entries.get(spec.name) {
            let problem = format!("{} is given too ({})", spec.name, entry.origin);
            return Err(fault(spec, &file, Problem::new(problem, "keep one of the two")));
        }
        let value = read(spec, &cwd.join(&file.path)).map_err(|problem| fault(spec, &file, problem))?;
        entries.put(spec, Entry { value, origin: file.origin, file: Some(file.path) });
    }
    Ok(())
}

fn read(spec: &KeySpec, path: &Path) -> Result<Value, Problem> {
    let text = read_file::read(path, read_file::SECRET)?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err(Problem::new("is a file with nothing in it", "write the secret into it"));
    }
    if spec.kind == Kind::List {
        return Ok(Value::Secrets(text.lines().filter(|line| !line.is_empty()).map(Into::into).collect()));
    }
    Value::from_text(spec, text)
}

fn fault(spec: &KeySpec, file: &SecretFile, problem: Problem) -> ConfigError {
    ConfigError::about(&file.origin, &format!("{}_file", spec.name), quoted(&file.path), problem)
}
