//! Users and sessions, put into a database through the product's own store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use portcullis_core::ids::{AccountId, SessionId, UserId};
use portcullis_core::random::Random;
use portcullis_core::refresh_token::SecretHash;
use portcullis_core::server_key::KeyId;
use portcullis_core::session::Delivery;
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Email, Role};
use portcullis_store::accounts::NewAccount;
use portcullis_store::sessions::{self, NewSession};
use portcullis_store::users::{self, Home, Insert, NewUser};
use portcullis_store::{DatabaseOptions, Store};
use tokio::task::JoinSet;
use uuid::Uuid;

/// When all of it happens; no clock is needed to measure.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
/// When nothing has run out yet.
pub(crate) const LATER: Timestamp = Timestamp::from_seconds(1_767_225_600 + 180 * 86_400);
/// What all sessions' secrets hash to.
pub(crate) const SECRET_HASH: [u8; 32] = [7; 32];
/// Sessions written at a time.
const AT_ONCE: usize = 64;

/// The id of the session of this number: version 7, in order, and easy to write in SQL.
pub(crate) fn session_id(number: usize) -> Uuid {
    Uuid::from_u64_pair(0x0192_f0c1_0000_7000, 0x8000_0000_0000_0000 | number as u64)
}

/// Opens the database, brings it up to date and fills it with users of one session each.
pub(crate) async fn store(url: &str, sessions: usize) -> Result<Arc<Store>> {
    let options = DatabaseOptions { url: url.to_owned(), max_connections: None };
    let store = Arc::new(Store::open(&options).await?);
    store.migrate(false).await?;
    let random = Arc::new(Counter::default());
    let mut tasks = JoinSet::new();
    for number in 0..sessions {
        if tasks.len() == AT_ONCE {
            tasks.join_next().await.context("a task")???;
        }
        tasks.spawn(insert(store.clone(), random.clone(), number));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(store)
}

async fn insert(store: Arc<Store>, random: Arc<Counter>, number: usize) -> Result<()> {
    let (user, session) = rows(&random, number)?;
    let inserted = store
        .write(move |tx| {
            let (user, session) = (user.clone(), session.clone());
            Box::pin(async move {
                let inserted = users::insert(tx, &user).await?;
                let session = sessions::create(tx, &session).await?;
                Ok(inserted == Insert::Done && session.is_some())
            })
        })
        .await?;
    ensure!(inserted, "user {number} was not made");
    Ok(())
}

fn rows(random: &Counter, number: usize) -> Result<(NewUser, NewSession)> {
    let email = Email::parse("email", &format!("u{number}@bench.example.org"));
    let user = NewUser {
        id: UserId::new(NOW, random),
        email: email.ok().context("an address")?,
        email_verified_at: None,
        username: None,
        name: None,
        locale: None,
        role: Role::from_stored(Role::USER),
        password_hash: None,
        must_change_password: false,
        home: Home::Own(NewAccount {
            id: AccountId::new(NOW, random),
            name: format!("u{number}'s Account"),
            display_codes: (0..4).map(|_| portcullis_core::random::display_code(random)).collect(),
            subscription: None,
        }),
        now: NOW,
    };
    let session = NewSession {
        id: SessionId::from_uuid(session_id(number)),
        user: user.id,
        epoch: 1,
        secret_hash: SecretHash(SECRET_HASH),
        key_id: KeyId(1),
        now: NOW,
        idle_ends_at: LATER,
        ends_at: LATER,
        methods: "pwd".to_owned(),
        delivery: Delivery::Body,
        device: "bench".to_owned(),
        address: "127.0.0.1".to_owned(),
        acting: None,
        status: false,
    };
    Ok((user, session))
}

/// Different bytes at every call, the same in every run (splitmix64).
#[derive(Default)]
struct Counter(AtomicU64);

impl Random for Counter {
    fn fill(&self, dest: &mut [u8]) {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        for chunk in dest.chunks_mut(8) {
            let mut word = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, session_id};
    use portcullis_core::random;

    #[test]
    fn ids_are_version_7_and_differ() {
        assert_eq!(session_id(10).to_string(), "0192f0c1-0000-7000-8000-00000000000a");
        assert_eq!(session_id(1).get_version_num(), 7);
    }

    #[test]
    fn the_counter_does_not_repeat_itself() {
        let counter = Counter::default();
        assert_ne!(random::bytes::<16>(&counter), random::bytes::<16>(&counter));
    }
}
