//! Whether a node is well: the checks behind readiness and `portcullis doctor`.

use std::time::Duration;

use portcullis_core::signing_key::KeyState;
use serde::Serialize;

use crate::cx::Cx;
use crate::fault::Fault;

/// How far our clock may be from the database's.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(10);

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Well.
    Ok,
    /// Works, but should be looked at.
    Warning,
    /// Does not work.
    Fault,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub health: Health,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, health: Health::Ok, seen: seen.into(), remedy: None }
    }

    /// Worth a look.
    pub fn warning(name: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, health: Health::Warning, seen: seen.into(), remedy: Some(remedy.into()) }
    }

    /// Does not work.
    pub fn fault(name: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, health: Health::Fault, seen: seen.into(), remedy: Some(remedy.into()) }
    }
}

impl Cx {
    /// What readiness asks: store reachable, migrations current, keys loaded, clock right.
    pub async fn readiness(&self) -> Vec<Check> {
        let mut checks = vec![self.check_store().await];
        if checks[0].health == Health::Ok {
            checks.push(self.check_schema().await);
            checks.push(self.check_clock().await);
        }
        checks.push(self.check_signing());
        checks.push(self.check_revocations());
        checks
    }

    /// All that can be told from here.
    pub async fn doctor(&self) -> Vec<Check> {
        let mut checks = self.readiness().await;
        if checks[0].health == Health::Ok {
            match self.check_server_key_use().await {
                Ok(more) => checks.extend(more),
                Err(error) => {
                    checks.push(Check::fault(
                        "server keys",
                        error.to_string(),
                        "See the check of the store.",
                    ));
                }
            }
            checks.push(self.check_audit().await);
            checks.extend(self.check_webhooks().await);
        }
        if checks[0].health == Health::Ok {
            checks.push(self.check_outbox().await);
        }
        checks.push(self.check_limits());
        checks.push(self.check_settings().await);
        checks.extend(self.check_providers().await);
        checks
    }

    async fn check_store(&self) -> Check {
        match self.store.ping().await {
            Ok(()) => Check::ok("store", format!("{} answers", self.store.engine())),
            Err(error) => {
                Check::fault("store", error.to_string(), "Start the database, or correct database.url.")
            }
        }
    }

    async fn check_schema(&self) -> Check {
        match self.store.pending_migrations().await {
            Ok(pending) if pending.is_empty() => Check::ok("schema", "current"),
            Ok(pending) => Check::fault(
                "schema",
                format!("not applied: {}", pending.join(", ")),
                "Run `portcullis migrate`.",
            ),
            // Migrations expand first and contract later: a node of the version before goes on working.
            Err(error) => Check::warning("schema", error.to_string(), "Start the newer version here, too."),
        }
    }

    async fn check_clock(&self) -> Check {
        let theirs = match self.store.database_clock().await {
            Ok(Some(theirs)) => theirs,
            Ok(None) => return Check::ok("clock", "the database shares ours"),
            Err(error) => return Check::fault("clock", error.to_string(), "See the check of the store."),
        };
        let ours = self.clock.now();
        let apart = ours.since(theirs).max(theirs.since(ours));
        let seen = format!("{} ms from the database's", apart.as_millis());
        if apart < CLOCK_TOLERANCE {
            Check::ok("clock", seen)
        } else {
            Check::fault("clock", seen, "Set the clock of this machine and of the database's by NTP.")
        }
    }

    /// Without news of revocations every token is answered 503: such a node wants no requests.
    fn check_revocations(&self) -> Check {
        let age = self.revoked.staleness();
        if age <= self.settings.max_staleness {
            return Check::ok("revocations", format!("{} known", self.revoked.len()));
        }
        let seen = format!("no news from the database for {} s", age.as_secs());
        Check::fault("revocations", seen, "See the check of the store; if it is well, restart this node.")
    }

    fn check_signing(&self) -> Check {
        if let Err(error) = self.signer() {
            return Check::fault(
                "signing keys",
                error.to_string(),
                "Give this node the server key, or run `portcullis key rotate`.",
            );
        }
        let views = self.key_views();
        let count = |state| views.iter().filter(|key| key.state == state).count();
        let seen =
            format!("1 current, {} next, {} retiring", count(KeyState::Next), count(KeyState::Retiring));
        match self.unopened_key() {
            None => Check::ok("signing keys", seen),
            Some(kid) => Check::warning(
                "signing keys",
                format!("{seen}; {kid} is sealed under a server key that this node lacks"),
                "Add that key to server.secret_keys_accepted.",
            ),
        }
    }

    async fn check_server_key_use(&self) -> Result<Vec<Check>, Fault> {
        let current = self.ring.current().id();
        let check = |usage: crate::server_keys::KeyUse| {
            let seen = format!(
                "{}: {} signing keys, {} live sessions, {} second factors, {} parts of the audit chain",
                usage.id, usage.signing_keys, usage.sessions, usage.factors, usage.audit
            );
            match (usage.held, usage.id == current) {
                (true, true) => Check::ok("server key", format!("{seen} (current)")),
                (true, false) if usage.is_free() => Check::warning(
                    "server key",
                    format!("{seen} (accepted)"),
                    "Nothing needs it any more: drop it from server.secret_keys_accepted on every node.",
                ),
                (true, false) => Check::ok("server key", format!("{seen} (accepted)")),
                (false, _) if usage.is_free() => Check::ok("server key", format!("{seen} (dropped)")),
                (false, _) if usage.may_be_missing() => Check::warning(
                    "server key",
                    format!("{seen}; not held"),
                    "Add that key to server.secret_keys_accepted until the current one has taken over.",
                ),
                (false, _) => Check::fault(
                    "server key",
                    format!("{seen}; not held"),
                    "Add that key to server.secret_keys_accepted.",
                ),
            }
        };
        Ok(self.server_key_use().await?.into_iter().map(check).collect())
    }

    /// Mails that wait, and those that nobody got.
    async fn check_outbox(&self) -> Check {
        const NAME: &str = "outbox";
        match self.store.count_mails().await {
            Ok((waiting, 0)) => Check::ok(NAME, format!("{waiting} mails wait, none was given up")),
            Ok((waiting, failed)) => Check::warning(
                NAME,
                format!("{failed} mails were given up, {waiting} wait"),
                "See `portcullis email list --state failed`, mend what it says, then `portcullis email retry ID`.",
            ),
            Err(error) => Check::fault(NAME, error.to_string(), "Run `portcullis migrate`."),
        }
    }

    async fn check_audit(&self) -> Check {
        match self.audit_state().await {
            Ok(state) => {
                let at = state.checkpoint.map_or("none".to_owned(), |at| at.to_string());
                let seen =
                    format!("{} entries, {} events wait, last checkpoint: {at}", state.seq, state.waiting);
                Check::ok("audit chain", seen)
            }
            Err(error) => Check::fault("audit chain", error.to_string(), "See the check of the store."),
        }
    }

    async fn check_webhooks(&self) -> Option<Check> {
        let waiting = match self.store.waiting_deliveries().await {
            Ok(waiting) if waiting.is_empty() && self.settings.webhooks.is_empty() => return None,
            Ok(waiting) => waiting,
            Err(error) => {
                return Some(Check::fault("webhooks", error.to_string(), "See the check of the store."));
            }
        };
        let (waits, dead) = waiting.iter().fold((0, 0), |(w, d), one| (w + one.waiting, d + one.dead));
        let endpoints = self.settings.webhooks.len();
        let seen = format!("{endpoints} endpoints, {waits} messages wait, {dead} are dead");
        let stray = waiting.iter().find(|one| self.webhook(&one.endpoint).is_none());
        Some(match stray {
            _ if dead > 0 => Check::warning(
                "webhooks",
                seen,
                "portcullis webhook list --dead tells why; portcullis webhook retry sends them again.",
            ),
            Some(stray) => Check::warning(
                "webhooks",
                format!("{seen}; nobody sends to {}", stray.endpoint),
                "Name it in webhooks.endpoints again, or run: portcullis webhook drop ENDPOINT",
            ),
            None => Check::ok("webhooks", seen),
        })
    }

    /// What stands above the configuration: who looks for why a key has no effect finds it here.
    async fn check_settings(&self) -> Check {
        let found = async { Ok::<_, Fault>((self.list_settings().await?, self.unknown_settings().await?)) };
        let (views, unknown) = match found.await {
            Ok(found) => found,
            Err(error) => return Check::fault("settings", error.to_string(), "See the check of the store."),
        };
        let set = views.iter().filter(|view| view.set.is_some());
        let set: Vec<_> = set
            .map(|view| format!("{} = {} (configured: {})", view.setting.name, view.value, view.default))
            .collect();
        let seen = if set.is_empty() { "as configured".to_owned() } else { set.join(", ") };
        if unknown.is_empty() {
            return Check::ok("settings", seen);
        }
        Check::warning(
            "settings",
            format!("{seen}; not understood by this version: {}", unknown.join(", ")),
            "Start the newer version here, too, or set them again.",
        )
    }

    fn check_limits(&self) -> Check {
        match self.settings.rates {
            Some(rates) => {
                Check::ok("rate limits", format!("login {}, register {}", rates.login, rates.register))
            }
            None => Check::warning(
                "rate limits",
                "off; only wrong passwords are slowed down",
                "Set rate_limit.enabled = true unless something in front of this server limits requests.",
            ),
        }
    }
}
