//! The directions of ARCHITECTURE.md, held by a test: who may depend on whom, what no crate but one may name,
//! how long a file may be, and that every crate says what lives in it.

mod architecture_rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use architecture_rules::{Dependency, Kind, Package, violations};
use serde_json::Value;

/// Half of the files should be under 120 lines; this is where a file has become two.
const LONGEST_FILE: usize = 500;

#[test]
fn crates_depend_only_in_the_allowed_directions() {
    let packages = workspace();
    for name in ["portcullis-core", "portcullis-store", "portcullis-app", "portcullis-web", "portcullis"] {
        assert!(packages.iter().any(|package| package.name == name), "{name} was not read");
    }
    let found = violations(&packages);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_source_file_is_longer_than_the_house_measure() {
    let files = sources();
    assert!(files.len() > 30, "only {} files found", files.len());
    let long: Vec<_> = files
        .iter()
        .filter(|file| !is_test(file))
        .map(|file| (code_lines(&read(file)), file))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .collect();
    assert!(long.is_empty(), "over {LONGEST_FILE} lines without their tests: {long:#?}");
}

/// Pages are made of what the API offers, and never the other way round: what both need lives beside them.
#[test]
fn the_api_knows_of_no_page() {
    let api: Vec<_> =
        sources().into_iter().filter(|file| file.starts_with(root().join("crates/web/src/api"))).collect();
    assert!(api.len() > 30, "only {api:?} found");
    let known: Vec<_> = api.iter().filter(|file| read(file).contains("pages::")).collect();
    assert!(known.is_empty(), "they name pages: {known:#?}");
}

#[test]
fn every_crate_opens_with_what_lives_in_it() {
    let roots: Vec<_> = sources()
        .into_iter()
        .filter(|file| file.ends_with("src/lib.rs") || file.ends_with("src/main.rs"))
        .collect();
    assert!(roots.len() >= 8, "only {roots:?} found");
    for root in roots {
        let text = read(&root);
        let opening: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(!opening.is_empty(), "{} does not open with `//!`", root.display());
        assert_ne!(opening, ["//! Placeholder."], "{} does not say what lives there", root.display());
    }
}

#[test]
fn tests_at_the_end_of_a_file_do_not_count() {
    assert_eq!(code_lines("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
    assert_eq!(code_lines("#[cfg(test)]\nfn helper() {}\na\n"), 3);
    assert_eq!(code_lines("a\nb"), 2);
}

/// Lines before the test module that closes a file.
fn code_lines(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let tests = lines.windows(2).position(|two| two[0] == "#[cfg(test)]" && two[1].starts_with("mod tests"));
    tests.unwrap_or(lines.len())
}

/// A file of tests only: `tests.rs`, or anything in a directory `tests`.
fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Every Rust file of the workspace's crates, relative to the workspace.
fn sources() -> Vec<PathBuf> {
    let root = root();
    let mut left = vec![root.join("crates"), root.join("bench")];
    let mut files = Vec::new();
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.expect("a readable directory").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// What the manifests say. Without the resolved graph, which needs every platform's crates downloaded.
fn workspace() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--no-deps"])
        .current_dir(root())
        .output()
        .expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    list(&metadata, "packages").iter().map(package).collect()
}

fn package(metadata: &Value) -> Package {
    let dependencies = list(metadata, "dependencies").iter().map(dependency).collect();
    Package { name: text(metadata, "name"), dependencies }
}

fn dependency(metadata: &Value) -> Dependency {
    let kind = match metadata["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some("dev") => Kind::Dev,
        Some(other) => panic!("unknown kind of dependency {other}"),
    };
    Dependency { name: text(metadata, "name"), kind }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key}"))
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key}")).to_owned()
}
