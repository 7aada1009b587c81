//! The database goes away and comes back: told at once, and over by itself.

use std::time::Duration;

use portcullis_store::{DatabaseOptions, Store, StoreError};
use portcullis_testkit::postgres::OwnCluster;
use tokio::time::timeout;

use crate::support::statement;

/// Far more than the store's own limit, far less than a hanging connection.
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_stopped_and_started_again_is_used_again() {
    let (cluster, store) = open().await;
    use_all_connections(&store).await;
    cluster.stop();
    assert_unavailable(&store).await;
    cluster.start_again();
    assert_available(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_between_two_requests_is_not_noticed() {
    let (cluster, store) = open().await;
    use_all_connections(&store).await;
    cluster.stop();
    cluster.start_again();
    assert_available(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_told_and_used_again_when_it_goes_on() {
    let (cluster, store) = open().await;
    use_all_connections(&store).await;
    cluster.pause();
    assert_unavailable(&store).await;
    cluster.resume();
    // What hung is answered or closed meanwhile; the store needs no more than its own limit for that.
    for _ in 0..20 {
        if store.ping().await.is_ok() && write(&store).await.is_ok() && rotate(&store).await.is_ok() {
            return;
        }
    }
    panic!("the server answers again and the store does not use it");
}

#[tokio::test]
async fn a_server_that_is_not_there_stops_the_start() {
    let cluster = OwnCluster::start(false);
    let url = cluster.create_database("app");
    cluster.stop();
    let opened = timeout(LIMIT, Store::open(&DatabaseOptions { url, max_connections: Some(2) })).await;
    match opened.expect("answered in time") {
        Err(StoreError::Unavailable(text)) => assert!(!text.contains("postgres:"), "{text}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened what is not there"),
    }
}

async fn open() -> (OwnCluster, Store) {
    let cluster = OwnCluster::start(false);
    let url = cluster.create_database("app");
    let store = Store::open(&DatabaseOptions { url, max_connections: Some(6) }).await.expect("opens");
    store.migrate(false).await.expect("migrates");
    (cluster, store)
}

/// Afterwards the pool and both rotating connections are open.
async fn use_all_connections(store: &Store) {
    let six = || async {
        tokio::join!(write(store), write(store), write(store), write(store), write(store), write(store))
    };
    six().await.0.expect("there");
    let (one, two) = tokio::join!(rotate(store), rotate(store));
    one.and(two).expect("there");
}

async fn assert_unavailable(store: &Store) {
    let ping = timeout(LIMIT, store.ping()).await.expect("answered in time");
    assert!(matches!(ping, Err(StoreError::Unavailable(_))), "{ping:?}");
    let written = timeout(LIMIT, write(store)).await.expect("answered in time");
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    let rotated = timeout(LIMIT, rotate(store)).await.expect("answered in time");
    assert!(matches!(rotated, Err(StoreError::Unavailable(_))), "{rotated:?}");
}

/// The first of each kind works: no caller has to pay for a connection that died while nobody used it.
async fn assert_available(store: &Store) {
    store.ping().await.expect("reads work");
    write(store).await.expect("writes work");
    rotate(store).await.expect("rotations work");
}

async fn write(store: &Store) -> Result<u64, StoreError> {
    commit!(store, [] tx => statement(tx, "UPDATE leases SET holder = ''"))
}

/// Of a session that does not exist: the answer is no, but it is an answer.
async fn rotate(store: &Store) -> Result<(), StoreError> {
    let command = portcullis_store::Rotate {
        session: uuid::Uuid::nil(),
        generation: 1,
        secret_hash: [0; 32],
        key_id: 0,
        now: 0,
        idle_ends_at: 0,
        address: String::new(),
        device: String::new(),
        carrier: portcullis_core::session::Carrier::Cookie,
        most: 1,
    };
    store.rotate(command).await.map(|none| assert!(none.is_none()))
}
