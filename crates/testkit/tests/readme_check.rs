//! `scripts/readme-check`: a page that holds passes, and each way in which one may not is found.

use std::path::Path;
use std::process::Command;

use portcullis_testkit::postgres::shared;

/// Whether the page held, and everything that was printed.
fn check(page: &str) -> (bool, String) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(here.join("../../scripts/readme-check"))
        .arg(here.join("tests/fixtures").join(page))
        .output()
        .expect("Python 3 and git are there (./test says how to install what is missing)");
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).expect("UTF-8"))
}

#[test]
fn a_page_that_holds_passes_and_its_server_is_ended() {
    let (held, printed) = check("page-holds.md");
    assert!(held, "{printed}");
    assert!(printed.ends_with("page-holds.md: 3 blocks hold\n"), "{printed}");

    let target = shared::default_state_dir().parent().expect("the target directory").to_owned();
    let pid = target.join("page-check/page-holds/checkout/server.pid");
    let pid = std::fs::read_to_string(pid).expect("the server left it");
    let alive = Command::new("sh").args(["-c", &format!("kill -0 {} 2>/dev/null", pid.trim())]).status();
    assert!(!alive.expect("a shell").success(), "the server lives on");
}

#[test]
fn a_command_that_fails_in_the_middle_of_a_block_fails_the_page() {
    let (held, printed) = check("page-fails.md");
    assert!(!held, "{printed}");
    assert!(printed.contains("ok      first"), "{printed}");
    assert!(printed.contains("FAILED  broken: a command failed (exit status 1)"), "{printed}");
    assert!(printed.ends_with("--- what it printed\nbefore\n\n"), "{printed}");
}

#[test]
fn output_that_was_promised_and_did_not_come_fails_the_page() {
    let (held, printed) = check("page-lies.md");
    assert!(!held, "{printed}");
    assert!(printed.contains("expected in its output, and not there: what was promised"), "{printed}");
}

#[test]
fn a_page_that_runs_nothing_fails() {
    let (held, printed) = check("page-unmarked.md");
    assert!(!held, "{printed}");
    assert!(printed.contains("no block is marked"), "{printed}");
}
