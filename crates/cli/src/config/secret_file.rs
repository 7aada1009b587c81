//! `<key>_file`: secrets that stand in files of their own.

use std::path::Path;

use super::entries::{Entries, Entry, SecretFile};
use super::error::{ConfigError, Problem, quoted};
use super::keys::{KeySpec, Kind};
use super::read_file;
use super::value::Value;

/// Reads every secret that was given as a file; the entry then looks as if given in place.
pub(super) fn resolve(entries: &mut Entries, cwd: &Path) -> Result<(), ConfigError> {
    for (name, spec, file) in entries.take_files() {
        // Whatever the layers: a key given twice is a key whose owner believes in the wrong one.
        if let Some(entry) = entries.get(&name) {
            let problem = format!("{name} is given too ({})", entry.origin);
            return Err(fault(&name, &file, Problem::new(problem, "keep one of the two")));
        }
        let value = read(spec, &cwd.join(&file.path)).map_err(|problem| fault(&name, &file, problem))?;
        entries.put(name, Entry { value, origin: file.origin, file: Some(file.path) });
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

fn fault(name: &str, file: &SecretFile, problem: Problem) -> ConfigError {
    ConfigError::about(&file.origin, &format!("{name}_file"), quoted(&file.path), problem)
}
