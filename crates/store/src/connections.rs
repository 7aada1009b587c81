//! Connections to PostgreSQL, lent to one statement or one transaction at a time. Not the pool of sqlx: that one asks
//! each connection that comes back whether it is still there, and so makes two round trips of every one.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::db::{ACQUIRE_LIMIT, RESTED, TIME_LIMIT};
use crate::error::StoreError;

/// A connection that nobody has needed for this long is closed.
const IDLE: Duration = Duration::from_mins(5);

/// So many connections at most, opened as they are needed.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Home>);

struct Home {
    options: PgConnectOptions,
    permits: Arc<Semaphore>,
    /// The one used last is lent next, so that under little load most of them rest until they are closed.
    resting: Mutex<Vec<Resting>>,
}

struct Resting {
    connection: PgConnection,
    since: Instant,
}

/// What becomes of a connection when it is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It has answered, and no transaction is open.
    Keep,
    /// A read was dropped, or failed: kept if it answers once more.
    Ask,
    /// Nobody knows what it was doing: it may be in the middle of a transaction.
    Close,
}

/// A connection on loan.
pub struct Lent {
    /// There until it is given back.
    connection: Option<(PgConnection, OwnedSemaphorePermit)>,
    fate: Fate,
    home: Arc<Home>,
}

impl Connections {
    /// Connects once, so that a wrong URL stops the start.
    pub(crate) async fn open(options: PgConnectOptions, most: u32) -> Result<Self, StoreError> {
        let permits = Arc::new(Semaphore::new(most as usize));
        let connections = Self(Arc::new(Home { options, permits, resting: Mutex::default() }));
        connections.acquire().await?.keep();
        Ok(connections)
    }

    /// A connection to write on: closed when it is dropped, unless [`Lent::keep`] has been called.
    pub(crate) async fn acquire(&self) -> Result<Lent, StoreError> {
        timeout(ACQUIRE_LIMIT, self.lend())
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("no connection has become free in time".into())))
    }

    async fn lend(&self) -> Result<Lent, StoreError> {
        let closed = |_| StoreError::Unavailable("the connections are closed".into());
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(closed)?;
        // Popped in a statement of its own: the lock is not held while anybody waits.
        let fresh = self.0.resting().pop_if(|last| last.since.elapsed() < RESTED);
        let connection = match fresh {
            Some(fresh) => fresh.connection,
            // In a box: every read would carry the room for this along.
            None => Box::pin(self.rested_or_new()).await?,
        };
        Ok(Lent { connection: Some((connection, permit)), fate: Fate::Close, home: Arc::clone(&self.0) })
    }
}

impl Connections {
    /// One that has rested may have died meanwhile, with a restarted server: nobody's request shall be the one to find
    /// out. Under load none rests that long, and none is asked.
    async fn rested_or_new(&self) -> Result<PgConnection, StoreError> {
        loop {
            let rested = self.0.resting().pop();
            let Some(Resting { mut connection, .. }) = rested else { break };
            if connection.ping().await.is_ok() {
                return Ok(connection);
            }
        }
        Ok(self.0.options.connect().await?)
    }
}

impl Home {
    /// Every change of the list is one step, so a panic elsewhere leaves it whole.
    fn resting(&self) -> MutexGuard<'_, Vec<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, connection: PgConnection) {
        let mut resting = self.resting();
        resting.push(Resting { connection, since: Instant::now() });
        resting.retain(|other| other.since.elapsed() < IDLE);
    }
}

impl Lent {
    /// It has answered, and no transaction is open: the next one may have it.
    pub(crate) const fn keep(&mut self) {
        self.fate = Fate::Keep;
    }

    /// It is only read on: if the read is dropped or fails, the connection is asked whether it is still good.
    pub(crate) const fn read_only(&mut self) {
        self.fate = Fate::Ask;
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match &self.connection {
            Some((connection, _)) => connection,
            None => unreachable!("it is there until it is dropped"),
        }
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match &mut self.connection {
            Some((connection, _)) => connection,
            None => unreachable!("it is there until it is dropped"),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some((mut connection, permit)) = self.connection.take() else { return };
        match (self.fate, Handle::try_current()) {
            (Fate::Keep, _) => self.home.put_back(connection),
            (Fate::Ask, Ok(runtime)) => {
                let home = Arc::clone(&self.home);
                runtime.spawn(async move {
                    if let Ok(Ok(())) = timeout(TIME_LIMIT, connection.ping()).await {
                        home.put_back(connection);
                    }
                    drop(permit);
                });
            }
            (Fate::Ask, Err(_)) | (Fate::Close, _) => {}
        }
    }
}
