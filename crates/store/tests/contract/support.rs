//! What the cases share: the macros, and the shortest way to a user, a session, a rotation.

use std::time::Duration;

use portcullis_core::ids::{AccountId, SessionId, UserId};
use portcullis_core::random;
use portcullis_core::refresh_token::{SecretHash, SessionSecret};
use portcullis_core::server_key::KeyId;
use portcullis_core::session::{Carrier, Delivery, Grant};
use portcullis_core::user::{Email, Role, User, Username};
use portcullis_store::accounts::NewAccount;
use portcullis_store::sessions::{self, Judged, NewSession};
use portcullis_store::users::{self, Home, Insert, NewUser};
use portcullis_store::{Rotate, Store, StoreError, Tx};
use portcullis_testkit::TestStore;
use tokio::task::JoinSet;

/// Idle time of the sessions made here.
pub(crate) const IDLE: Duration = Duration::from_hours(1);
/// Absolute lifetime of the sessions made here.
pub(crate) const LIFE: Duration = Duration::from_hours(24);

/// Cases that hold on both databases: each becomes two tests.
macro_rules! contract {
    ($($(#[$meta:meta])* async fn $name:ident($t:ident: &$kit:ident) $body:block)+) => {$(
        $(#[$meta])*
        async fn $name($t: &$kit) $body

        mod $name {
            use portcullis_testkit::{Backend, TestStore};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(&TestStore::new(Backend::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name(&TestStore::new(Backend::Postgres).await).await;
            }
        }
    )+};
}

/// `commit!(store, [a, b] tx => users::insert(tx, &a))`: one write, with clones of `a` and `b` in it.
macro_rules! commit {
    ($store:expr, [$($captured:ident),*] $tx:ident => $work:expr) => {{
        $(let $captured = $captured.to_owned();)*
        $store
            .write(move |$tx| {
                $(let $captured = $captured.to_owned();)*
                Box::pin(async move { $work.await })
            })
            .await
    }};
}

/// [`commit!`] of one single statement.
macro_rules! commit_one {
    ($store:expr, $tx:ident => $work:expr) => {
        $store.write_one(move |$tx| Box::pin(async move { $work.await })).await
    };
}

/// Runs `count` pieces of work side by side; results in the order of their numbers.
pub(crate) async fn parallel<T, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let one = work(number);
        tasks.spawn(async move { (number, one.await) });
    }
    let mut results = tasks.join_all().await;
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// One statement, as somebody with the database in hand would run it.
pub(crate) async fn statement(tx: &mut Tx, sql: &'static str) -> Result<u64, StoreError> {
    let done = match tx {
        Tx::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await?.rows_affected(),
        Tx::Postgres(connection) => sqlx::raw_sql(sql).execute(&mut **connection).await?.rows_affected(),
    };
    Ok(done)
}

/// [`statement`] in a write of its own.
pub(crate) async fn execute(store: &Store, sql: &'static str) -> u64 {
    commit!(store, [] tx => statement(tx, sql)).expect("the database takes it")
}

/// A number that the database answers with.
pub(crate) async fn number(store: &Store, sql: &'static str) -> i64 {
    commit!(store, [] tx => count(tx, sql)).expect("the database answers")
}

/// The same, inside of a write.
pub(crate) async fn count(tx: &mut Tx, sql: &'static str) -> Result<i64, StoreError> {
    Ok(match tx {
        Tx::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await?,
        Tx::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(&mut **connection).await?,
    })
}

/// An account that is not made yet.
pub(crate) fn new_account(t: &TestStore, name: &str) -> NewAccount {
    NewAccount {
        id: AccountId::new(t.now(), &*t.random),
        name: name.into(),
        display_codes: vec![random::display_code(&*t.random)],
        subscription: None,
    }
}

/// A user named `name`, with an address and a user name of that name.
pub(crate) fn new_user(t: &TestStore, name: &str) -> NewUser {
    NewUser {
        id: UserId::new(t.now(), &*t.random),
        email: Email::parse("email", &format!("{name}@Example.org")).expect("a valid address"),
        email_verified_at: None,
        username: Some(Username::parse("username", name).expect("a valid user name")),
        name: Some(format!("{name} of Example")),
        locale: None,
        role: Role::from_stored(Role::USER),
        password_hash: Some("$argon2id$of-old".into()),
        must_change_password: false,
        home: Home::Own(new_account(t, &format!("{name}'s Account"))),
        now: t.now(),
    }
}

pub(crate) async fn insert(store: &Store, new: &NewUser) -> Result<Insert, StoreError> {
    commit!(store, [new] tx => users::insert(tx, &new))
}

/// [`new_user`], made.
pub(crate) async fn make_user(t: &TestStore, name: &str) -> User {
    let new = new_user(t, name);
    assert_eq!(insert(&t.store, &new).await.expect("inserted"), Insert::Done);
    t.store.user(new.id).await.expect("read").expect("made just now")
}

/// A session of `user` that is not made yet.
pub(crate) fn new_session(t: &TestStore, user: &User) -> NewSession {
    NewSession {
        id: SessionId::new(t.now(), &*t.random),
        user: user.id,
        epoch: user.credential_epoch,
        secret_hash: SessionSecret::new(&*t.random).hash(),
        key_id: KeyId(7),
        now: t.now(),
        idle_ends_at: t.now() + IDLE,
        ends_at: t.now() + LIFE,
        methods: "pwd otp".into(),
        delivery: Delivery::Cookie,
        device: "Firefox on Linux".into(),
        address: "192.0.2.1".into(),
        acting: None,
        status: false,
    }
}

pub(crate) async fn create(
    store: &Store,
    new: &NewSession,
) -> Result<Option<(Grant, Vec<uuid::Uuid>)>, StoreError> {
    commit!(store, [new] tx => sessions::create(tx, &new))
}

/// [`new_session`], made: what it was made from, and what its first token says.
pub(crate) async fn make_session(t: &TestStore, user: &User) -> (NewSession, Grant) {
    let new = new_session(t, user);
    let (grant, _) = create(&t.store, &new).await.expect("committed").expect("the epoch holds");
    (new, grant)
}

/// A session that was made, as a refresh token would be judged by it.
pub(crate) async fn judged(t: &TestStore, id: SessionId) -> Judged {
    t.store.judged(id).await.expect("read").expect("there")
}

/// How the refresh tokens of a session travel.
pub(crate) fn carrier(session: &NewSession) -> Carrier {
    match session.delivery {
        Delivery::Body => Carrier::Body,
        Delivery::Cookie | Delivery::Cookies => Carrier::cookie(session.acting.map(|from| from.acting.mode)),
    }
}

/// The rotation of generation `generation` of a session, now.
pub(crate) fn rotation(t: &TestStore, session: &NewSession, generation: i64) -> Rotate {
    Rotate {
        session: session.id.uuid(),
        generation,
        secret_hash: session.secret_hash.0,
        key_id: 8,
        now: t.now().micros(),
        idle_ends_at: (t.now() + IDLE).micros(),
        address: "2001:db8::2".into(),
        device: "Firefox 2 on Linux".into(),
        carrier: carrier(session),
        most: 20,
    }
}

/// The digest of nobody's secret.
pub(crate) const NO_SECRET: SecretHash = SecretHash([0; 32]);
