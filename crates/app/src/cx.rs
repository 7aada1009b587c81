//! What every use case is given.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use portcullis_core::audit::{Event, EventKind};
use portcullis_core::ids::{ClientId, EventId};
use portcullis_core::random::{self, Random};
use portcullis_core::server_key::KeyRing;
use portcullis_core::time::Clock;
use portcullis_store::Store;
use serde_json::Map;

use crate::attempts::Turns;
use crate::audit_chain::Chaining;
use crate::bearer::Caller;
use crate::clients::KnownClient;
use crate::hashing::Hasher;
use crate::lifetime::LongestLifetime;
use crate::limits::Memory;
use crate::mail::{MailParts, Mailroom};
use crate::node::Walk;
use crate::outbound::Outbound;
use crate::providers::Providers;
use crate::revoked::Revoked;
use crate::runtime::InForce;
use crate::scanning_keys::ScanningKeys;
use crate::server_keys::KnownServerKeys;
use crate::settings::Settings;
use crate::signing_keys::SigningKeys;
use crate::status_lists::StatusLists;
use crate::token_use::Uses;

/// Caches forget what was not used for this long.
const CACHE_IDLE: Duration = Duration::from_secs(30);
const CACHED_TOKENS: u64 = 16_384;
const CACHED_CLIENTS: u64 = 1_024;

/// What a node is made of.
pub struct Parts {
    /// The database, migrated.
    pub store: Store,
    /// Server keys.
    pub ring: KeyRing,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Arc<dyn Random>,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Fetches from elsewhere.
    pub outbound: Arc<dyn Outbound>,
    /// Mail.
    pub mail: MailParts,
    /// Settings.
    pub settings: Settings,
}

/// The context of every use case: one per node.
pub struct Cx {
    /// The database.
    pub store: Store,
    /// Settings.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Server keys.
    pub ring: KeyRing,
    /// Revocations this node knows of.
    pub revoked: Revoked,
    /// Who else people may sign in by.
    pub providers: Providers,
    /// Names this node among those of its database.
    pub(crate) node: String,
    pub(crate) hasher: Hasher,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) mailroom: Mailroom,
    pub(crate) in_force: InForce,
    pub(crate) scanning_keys: ScanningKeys,
    pub(crate) keys: SigningKeys,
    pub(crate) status_lists: StatusLists,
    pub(crate) known_server_keys: KnownServerKeys,
    pub(crate) longest: LongestLifetime,
    pub(crate) purged_to: Walk,
    pub(crate) swept_to: Walk,
    pub(crate) chaining: Chaining,
    pub(crate) limits: Memory,
    pub(crate) turns: Turns,
    pub(crate) uses: Uses,
    pub(crate) callers: Cache<[u8; 32], Arc<Caller>>,
    pub(crate) clients: Cache<ClientId, KnownClient>,
}

impl Cx {
    /// A context that has read nothing from the store yet; see [`Self::start`].
    pub fn new(parts: Parts) -> Self {
        let node = u64::from_be_bytes(random::bytes(&*parts.random)).to_string();
        Self {
            node,
            store: parts.store,
            in_force: InForce::configured(&parts.settings),
            providers: Providers::configured(&parts.settings.providers),
            settings: parts.settings,
            clock: parts.clock,
            random: parts.random,
            ring: parts.ring,
            revoked: Revoked::default(),
            hasher: parts.hasher,
            outbound: parts.outbound,
            mailroom: Mailroom::new(parts.mail.templates, parts.mail.mailer),
            scanning_keys: ScanningKeys::default(),
            keys: SigningKeys::default(),
            status_lists: StatusLists::default(),
            known_server_keys: KnownServerKeys::default(),
            longest: LongestLifetime::default(),
            purged_to: Walk::default(),
            swept_to: Walk::default(),
            chaining: Chaining::default(),
            limits: Memory::default(),
            turns: Turns::default(),
            uses: Uses::default(),
            callers: Cache::builder().max_capacity(CACHED_TOKENS).time_to_idle(CACHE_IDLE).build(),
            clients: Cache::builder().max_capacity(CACHED_CLIENTS).time_to_idle(CACHE_IDLE).build(),
        }
    }

    /// An event that happens now.
    pub(crate) fn event(&self, kind: EventKind) -> Event {
        let at = self.clock.now();
        Event {
            id: EventId::new(at, &*self.random),
            at,
            kind,
            actor: None,
            user: None,
            session: None,
            address: None,
            detail: Map::new(),
        }
    }

    /// Lets go of what caches and counters need no more.
    pub(crate) fn tidy(&self) {
        let now = self.clock.now();
        self.limits.forget(now);
        self.revoked.forget(now);
        self.callers.run_pending_tasks();
        self.clients.run_pending_tasks();
    }
}
