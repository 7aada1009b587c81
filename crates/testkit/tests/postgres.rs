//! The harness itself: what tests of the product rely on.

use portcullis_testkit::postgres::{OwnCluster, fresh_database, query, shared};

#[test]
fn every_database_is_empty_and_its_own() {
    let (one, two) = (fresh_database(), fresh_database());
    query(&one.url, "CREATE TABLE t (n bigint); INSERT INTO t VALUES (42)").expect("a superuser");
    assert_eq!(query(&one.url, "SELECT n FROM t").expect("there"), "42");
    let error = query(&two.url, "SELECT n FROM t").expect_err("the other one is empty");
    assert!(error.to_string().contains("does not exist"), "{error}");
    let encoding = "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()";
    assert_eq!(query(&two.url, encoding).expect("there"), "UTF8|C");
}

#[test]
fn a_dropped_database_is_gone() {
    let kept = fresh_database();
    let dropped = fresh_database().name.clone();
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{dropped}'");
    assert_eq!(query(&kept.url, &count).expect("there"), "0");
}

#[test]
fn a_cluster_of_ones_own_stops_and_starts_on_the_same_address() {
    let cluster = OwnCluster::start(false);
    let url = cluster.create_database("app");
    assert_eq!(url, cluster.url("app"));
    query(&url, "CREATE TABLE t (n bigint); INSERT INTO t VALUES (1)").expect("running, over TCP");

    cluster.stop();
    query(&url, "SELECT n FROM t").expect_err("stopped");
    query(&cluster.socket_url("app"), "SELECT n FROM t").expect_err("stopped");

    cluster.start_again();
    assert_eq!(query(&url, "SELECT n FROM t").expect("running again"), "1");
    assert_eq!(query(&cluster.socket_url("app"), "SELECT n FROM t").expect("by socket too"), "1");
}

#[test]
fn what_was_committed_survives_a_hard_kill() {
    let cluster = OwnCluster::start(true);
    let url = cluster.create_database("app");
    assert_eq!(query(&url, "SHOW fsync").expect("running"), "on");
    query(&url, "CREATE TABLE t (n bigint); INSERT INTO t VALUES (7)").expect("committed");

    cluster.kill_hard();
    query(&url, "SELECT n FROM t").expect_err("dead");

    cluster.start_again();
    assert_eq!(query(&url, "SELECT n FROM t").expect("recovered"), "7");
}

#[test]
fn a_paused_cluster_answers_what_was_asked_once_it_goes_on() {
    let cluster = OwnCluster::start(false);
    cluster.pause();
    let url = cluster.url("postgres");
    let asked = std::thread::spawn(move || query(&url, "SELECT 5"));
    cluster.resume();
    assert_eq!(asked.join().expect("no panic").expect("answered"), "5");
}

#[test]
fn tcp_needs_the_password() {
    let cluster = OwnCluster::start(false);
    let url = cluster.url("postgres");
    let (_, address) = url.split_once('@').expect("user and address");
    let error =
        query(&format!("postgres://postgres:wrong@{address}"), "SELECT 1").expect_err("wrong password");
    assert!(error.to_string().contains("password authentication failed"), "{error}");
}

#[test]
fn a_shared_cluster_is_found_again_until_it_is_stopped() {
    let state = tempfile::tempdir().expect("a directory");
    let first = shared::start(state.path()).expect("starts");
    assert_eq!(shared::start(state.path()).expect("found"), first);
    assert!(shared::stop(state.path()).expect("stops"));
    query(&first, "SELECT 1").expect_err("stopped");
    assert!(!shared::stop(state.path()).expect("nothing left"));
}
