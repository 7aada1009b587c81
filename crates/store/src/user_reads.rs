//! Reading users by id, which every refresh does: whoever asks while a read is under way is served by the next, and
//! that is **one** statement for them all. No timer: who asks alone is read for at once.

use std::collections::HashMap;

use portcullis_core::user::User;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::db::{Db, TIME_LIMIT, on_postgres, within_limit};
use crate::error::StoreError;
use crate::users::{UserRow, columns};
use crate::writer::{QUEUE, answered};

/// Most users in one statement.
const BATCH: usize = 256;

macro_rules! by_ids {
    ($ids:literal) => {
        concat!("SELECT ", columns!(), " FROM users WHERE id ", $ids)
    };
}
const SQLITE: &str = by_ids!("IN (SELECT unhex(value) FROM json_each($1))");
const POSTGRES: &str = by_ids!("= ANY($1)");

type Reply = oneshot::Sender<Result<Option<User>, StoreError>>;

/// Somebody who wants to know a user.
struct Ask {
    id: Uuid,
    reply: Reply,
}

/// The way to read users by id.
pub(crate) struct UserReads(mpsc::Sender<Ask>);

impl UserReads {
    pub(crate) fn start(db: &Db) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(db.clone(), receiver));
        Self(sender)
    }

    /// The user with this id, as the database has it no earlier than now.
    pub(crate) async fn read(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        let (reply, answer) = oneshot::channel();
        answered(TIME_LIMIT, self.0.send(Ask { id, reply }), answer).await
    }
}

async fn run(db: Db, mut receiver: mpsc::Receiver<Ask>) {
    let mut asked = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut asked, BATCH).await > 0 {
        // Nobody reads for those who have gone away meanwhile, a queue full of whom an outage leaves behind.
        asked.retain(|ask| !ask.reply.is_closed());
        let ids: Vec<Uuid> = asked.iter().map(|ask| ask.id).collect();
        match by_ids(&db, &ids).await {
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

async fn by_ids(db: &Db, ids: &[Uuid]) -> Result<HashMap<Uuid, User>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<UserRow> = match db {
        Db::Sqlite { read, .. } => {
            let ids: Vec<String> = ids.iter().map(|id| id.as_simple().to_string()).collect();
            let ids = serde_json::Value::from(ids).to_string();
            within_limit(sqlx::query_as(SQLITE).bind(ids).fetch_all(read)).await?
        }
        Db::Postgres { connections, .. } => {
            on_postgres!(connections, db => sqlx::query_as(POSTGRES).bind(ids).fetch_all(db))?
        }
    };
    Ok(rows.into_iter().map(|row| (row.id, User::from(row))).collect())
}
