//! Reading users by id, or by a session of theirs, which every refresh does: whoever asks while a read is under way is
//! served by the next, and that is **one** statement for them all. No timer: who asks alone is read for at once.

use std::collections::HashMap;

use portcullis_core::user::User;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::db::{Db, TIME_LIMIT, on_postgres, row, within_limit};
use crate::error::StoreError;
use crate::users::{UserRow, columns};
use crate::writer::{QUEUE, answered};

/// Most users in one statement.
const BATCH: usize = 256;

macro_rules! on_sqlite {
    () => {
        "IN (SELECT unhex(value) FROM json_each($1))"
    };
}
macro_rules! on_postgres_ids {
    () => {
        "= ANY($1)"
    };
}
macro_rules! by_ids {
    ($ids:ident) => {
        concat!("SELECT id AS asked, ", columns!(), " FROM users WHERE id ", $ids!())
    };
}
/// Nothing of a session but these two has a name that a column of `users` has, too.
macro_rules! by_sessions {
    ($ids:ident) => {
        concat!(
            "SELECT asked, ",
            columns!(),
            " FROM (SELECT id AS asked, user_id AS whose FROM sessions WHERE id ",
            $ids!(),
            ") AS s JOIN users ON id = whose"
        )
    };
}

/// What users are asked for by.
#[derive(Clone, Copy)]
pub(crate) enum By {
    /// Their own id.
    User,
    /// That of a session of theirs.
    Session,
}

impl By {
    const fn sqlite(self) -> &'static str {
        match self {
            Self::User => by_ids!(on_sqlite),
            Self::Session => by_sessions!(on_sqlite),
        }
    }

    const fn postgres(self) -> &'static str {
        match self {
            Self::User => by_ids!(on_postgres_ids),
            Self::Session => by_sessions!(on_postgres_ids),
        }
    }
}

row! {
    struct AskedRow { asked: Uuid }
}

/// A user, and the id that was asked for.
struct Found(Uuid, User);

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Found
where
    UserRow: sqlx::FromRow<'r, R>,
    AskedRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self(AskedRow::from_row(row)?.asked, UserRow::from_row(row)?.into()))
    }
}

type Reply = oneshot::Sender<Result<Option<User>, StoreError>>;

/// Somebody who wants to know a user.
struct Ask {
    id: Uuid,
    reply: Reply,
}

/// The way to read users.
pub(crate) struct UserReads(mpsc::Sender<Ask>);

impl UserReads {
    pub(crate) fn start(db: &Db, by: By) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(db.clone(), by, receiver));
        Self(sender)
    }

    /// The user asked for by this id, as the database has it no earlier than now.
    pub(crate) async fn read(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        let (reply, answer) = oneshot::channel();
        answered(TIME_LIMIT, self.0.send(Ask { id, reply }), answer).await
    }
}

async fn run(db: Db, by: By, mut receiver: mpsc::Receiver<Ask>) {
    let mut asked = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut asked, BATCH).await > 0 {
        // Nobody reads for those who have gone away meanwhile, a queue full of whom an outage leaves behind.
        asked.retain(|ask| !ask.reply.is_closed());
        let ids: Vec<Uuid> = asked.iter().map(|ask| ask.id).collect();
        match read(&db, by, &ids).await {
            Ok(users) => {
                for Ask { id, reply } in asked.drain(..) {
                    let _ = reply.send(Ok(users.get(&id).cloned()));
                }
            }
            Err(error) => {
                for Ask { reply, .. } in asked.drain(..) {
                    let _ = reply.send(Err(error.repeated()));
                }
            }
        }
    }
}

async fn read(db: &Db, by: By, ids: &[Uuid]) -> Result<HashMap<Uuid, User>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<Found> = match db {
        Db::Sqlite { read, .. } => {
            let ids: Vec<String> = ids.iter().map(|id| id.as_simple().to_string()).collect();
            let ids = serde_json::Value::from(ids).to_string();
            within_limit(sqlx::query_as(by.sqlite()).bind(ids).fetch_all(read)).await?
        }
        Db::Postgres { connections, .. } => {
            on_postgres!(connections, db => sqlx::query_as(by.postgres()).bind(ids).fetch_all(db))?
        }
    };
    Ok(found.into_iter().map(|Found(asked, user)| (asked, user)).collect())
}
