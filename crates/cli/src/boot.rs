//! From a configuration to a node, the same way for the server and for every command.
//!
//! 1. The server keys, see [`crate::server_keys`]: before the database, which would be worth nothing without.
//! 2. The database: opened, migrated, its clock taken over.
//! 3. The context of the use cases, which then reads what it must know ([`Cx::start`]).

use std::num::NonZeroUsize;
use std::sync::Arc;

use portcullis_app::hashing::{HashParams, Hasher, HasherConfig};
use portcullis_app::mail::MailParts;
use portcullis_app::{Cx, Parts};
use portcullis_core::outbound::AddressBlock;
use portcullis_store::{DatabaseOptions, Store, StoreError};

use crate::clock::SystemClock;
use crate::config::{AddressRange, Config, Loaded};
use crate::failure::Failure;
use crate::outbound::Client;
use crate::random::SystemRandom;
use crate::{files, server_keys, settings};

/// What the caller may do to get a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct How {
    /// Make an embedded database, and its key, if there is none.
    pub create: bool,
    /// Apply missing migrations.
    pub migrate: bool,
    /// Threads of each lane of password hashing.
    pub hashing_workers: NonZeroUsize,
}

impl How {
    /// A command that works on what is there.
    pub const COMMAND: Self = Self { create: false, migrate: false, hashing_workers: NonZeroUsize::MIN };
    /// A command that an installation may begin with.
    pub const FIRST: Self = Self { create: true, migrate: true, ..Self::COMMAND };
}

/// A node, not serving yet.
pub struct Node {
    /// The context of its use cases.
    pub cx: Arc<Cx>,
    /// Its clock.
    pub clock: Arc<SystemClock>,
}

/// A node that has read what it must know.
pub async fn node(loaded: &Loaded, how: How) -> Result<Node, Failure> {
    // Boxed: all settings go through it, and would be part of whatever waits for a node.
    let node = Box::pin(prepare(loaded, how)).await?;
    if !how.migrate {
        refuse_old_schema(&node.cx.store).await?;
    }
    node.cx.start().await?;
    Ok(node)
}

/// A node that has read nothing yet.
pub async fn prepare(loaded: &Loaded, how: How) -> Result<Node, Failure> {
    let config = &loaded.config;
    let settings = settings::settings(loaded)?;
    let ring = server_keys::ring(config, how.create, &SystemRandom)?;
    let store = open(config, how.create).await?;
    if how.migrate {
        let applied = store.migrate(false).await.map_err(|error| at_database(config, error))?;
        if !applied.is_empty() {
            tracing::info!(migrations = applied.join(" "), "the schema is current now");
        }
    }
    let clock = Arc::new(SystemClock::default());
    clock.measure(&store).await.map_err(|error| at_database(config, error))?;
    let hasher = Hasher::start(hasher_config(config, how.hashing_workers))?;
    let parts = Parts {
        store,
        ring,
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        hasher,
        outbound: Arc::new(outbound(config)),
        mail: MailParts::default(),
        settings,
    };
    Ok(Node { cx: Arc::new(Cx::new(parts)), clock })
}

fn outbound(config: &Config) -> Client {
    let block = |range: &AddressRange| AddressBlock { address: range.address, prefix: range.prefix };
    Client::new(config.outbound.allow.iter().map(block).collect())
}

/// Opens the database. An embedded one is made for the owner's eyes alone.
pub async fn open(config: &Config, create: bool) -> Result<Store, Failure> {
    if let Some(path) = config.database.url.sqlite_path() {
        if create {
            make_database_file(&path)?;
        } else if !path.exists() {
            return Err(server_keys::no_database(&path));
        }
    }
    let options = DatabaseOptions {
        url: config.database.url.expose().to_owned(),
        max_connections: config.database.max_connections,
    };
    Store::open(&options).await.map_err(|error| at_database(config, error))
}

/// SQLite gives its other files the rights of the first, so that one is made here, empty.
fn make_database_file(path: &std::path::Path) -> Result<(), Failure> {
    let made = files::private_directory(files::directory_of(path)).and_then(|()| files::create_private(path));
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(Failure::mend(
            format_args!("{} cannot be made: {error}", path.display()),
            "let the user who runs portcullis write there, or correct database.url",
        )),
        _ => Ok(()),
    }
}

/// Without migrating, a schema that is behind would fail somewhere later, with less to say.
async fn refuse_old_schema(store: &Store) -> Result<(), Failure> {
    let what = match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => return Ok(()),
        Ok(pending) => format!("the database lacks migrations: {}", pending.join(", ")),
        Err(StoreError::Statement(_)) => "the database has no schema yet".to_owned(),
        Err(error) => return Err(error.into()),
    };
    Err(Failure::mend(what, "run: portcullis migrate"))
}

fn at_database(config: &Config, error: StoreError) -> Failure {
    match error {
        StoreError::Schema(_) => error.into(),
        _ => Failure::mend(
            format_args!("database.url = \"{}\": {error}", config.database.url.masked()),
            "start the database, or correct database.url",
        ),
    }
}

fn hasher_config(config: &Config, workers: NonZeroUsize) -> HasherConfig {
    let password = &config.password;
    HasherConfig {
        params: HashParams {
            memory_kib: password.memory_kib,
            iterations: password.iterations,
            parallelism: password.parallelism,
        },
        workers,
        max_queue_wait: password.max_queue_wait,
    }
}
