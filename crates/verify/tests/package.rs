//! That both published crates can be packaged as they stand, and carry sources and nothing else.

use std::process::Command;

/// Offline: what is in the lock file has been fetched to build this test.
fn cargo(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).args(["--allow-dirty", "--offline"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn both_crates_are_packaged() {
    let target = tempfile::tempdir().expect("a directory");
    let dir = target.path().to_str().expect("UTF-8");
    cargo(&[
        "package",
        "-p",
        "portcullis-jose",
        "-p",
        "portcullis-verify",
        "--no-verify",
        "--target-dir",
        dir,
    ]);
    for name in ["portcullis-jose", "portcullis-verify"] {
        let file = format!("package/{name}-{}.crate", env!("CARGO_PKG_VERSION"));
        assert!(target.path().join(&file).is_file(), "{file}");
    }
}

#[test]
fn nothing_is_carried_but_sources() {
    const MADE_BY_CARGO: [&str; 4] = [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml", "Cargo.toml.orig"];
    for name in ["portcullis-jose", "portcullis-verify"] {
        let list = cargo(&["package", "-p", name, "--list"]);
        let source = |file: &str| file.starts_with("src/") && file.split('.').next_back() == Some("rs");
        let others: Vec<_> = list
            .lines()
            .map(|file| file.replace('\\', "/"))
            .filter(|file| !source(file) && file != "README.md" && !MADE_BY_CARGO.contains(&file.as_str()))
            .collect();
        assert!(others.is_empty(), "{name}: {others:?}");
        assert!(list.lines().any(|file| file == "README.md") && list.lines().count() > 10, "{name}");
    }
}
