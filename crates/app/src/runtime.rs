//! Runtime settings on a node: what is in force, read from memory, and how it is changed.
//!
//! 1. At the start and about once a second while it runs, a node reads the overrides and lays them over its
//!    configuration ([`Cx::follow`]). Who changes one on this node has it in force before they are answered.
//! 2. A change is checked (`core`), written under the guard that an administrator asks, and audited in one transaction.
//! 3. What a node cannot read – an override of a newer version, a value that this one refuses – is left aside: the
//!    configuration stands. `doctor` tells of it.

use std::sync::{Arc, PoisonError, RwLock};

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::runtime::{Runtime, SETTINGS, Setting, setting};
use portcullis_core::validation::FieldError;
use portcullis_store::audit;
use portcullis_store::runtime_settings::{self, Change, Changed, Override};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::clients::By;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::settings::Settings;

/// What is in force on this node.
pub struct InForce {
    now: RwLock<Arc<Runtime>>,
    /// Held while the overrides are read, so that no older reading takes the place of a newer one.
    reading: Mutex<()>,
}

impl InForce {
    pub(crate) fn configured(settings: &Settings) -> Self {
        Self { now: RwLock::new(Arc::new(configured(settings))), reading: Mutex::default() }
    }
}

/// What the configuration says.
fn configured(settings: &Settings) -> Runtime {
    Runtime {
        registration_mode: settings.registration.mode,
        email_verification_enabled: settings.email_verification,
        require_email_verification: settings.require_email_verification,
        default_role: settings.default_role.clone(),
        max_api_tokens_per_user: settings.api_tokens.per_user,
        max_bots_per_user: settings.bots_per_user,
        impersonation_notify: settings.impersonation_notify,
        notify_new_device: settings.notify_new_device,
    }
}

/// One setting, as operators see it.
pub struct SettingView {
    /// Which.
    pub setting: &'static Setting,
    /// What is in force.
    pub value: Value,
    /// What the configuration of this node says.
    pub default: Value,
    /// What overrides it.
    pub set: Option<Override>,
}

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum SettingError {
    /// There is no such setting.
    #[error("there is no setting of this name")]
    Unknown,
    /// The value is none that it takes.
    #[error("{}", .0.message)]
    Invalid(FieldError),
    /// Who asks is no administrator any more, or their session has ended.
    #[error("the administrator has changed meanwhile")]
    Moved,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Cx {
    /// The runtime settings in force: from memory, for one piece of work. Ask again for the next.
    pub fn runtime(&self) -> Arc<Runtime> {
        self.in_force.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the overrides.
    pub(crate) async fn reload_runtime(&self) -> Result<(), Fault> {
        let _reading = self.in_force.reading.lock().await;
        let mut now = configured(&self.settings);
        for one in self.store.runtime_settings().await? {
            let taken = setting(&one.name).map(|setting| setting.apply(&mut now, &one.value));
            if !matches!(taken, Some(Ok(()))) {
                tracing::debug!(setting.name = one.name, "a runtime setting is not understood here");
            }
        }
        let mut slot = self.in_force.now.write().unwrap_or_else(PoisonError::into_inner);
        if **slot != now {
            tracing::info!(settings = ?now, "the runtime settings have changed");
            *slot = Arc::new(now);
        }
        Ok(())
    }

    /// Every setting, in the order of [`SETTINGS`], as the database has it now.
    pub async fn list_settings(&self) -> Result<Vec<SettingView>, Fault> {
        let set = self.store.runtime_settings().await?;
        let default = configured(&self.settings);
        let view = |setting: &'static Setting| {
            let set = set.iter().find(|set| set.name == setting.name).cloned();
            let mut now = default.clone();
            let set = set.filter(|set| setting.apply(&mut now, &set.value).is_ok());
            SettingView { setting, value: setting.value(&now), default: setting.value(&default), set }
        };
        Ok(SETTINGS.iter().map(view).collect())
    }

    /// Overrides of the database that this node leaves aside, by name.
    pub(crate) async fn unknown_settings(&self) -> Result<Vec<String>, Fault> {
        let mut scratch = configured(&self.settings);
        let mut unknown = |set: &Override| {
            setting(&set.name).is_none_or(|setting| setting.apply(&mut scratch, &set.value).is_err())
        };
        let all = self.store.runtime_settings().await?;
        Ok(all.into_iter().filter(|set| unknown(set)).map(|set| set.name).collect())
    }

    /// Sets a setting, or unsets it (`None`): then it is as configured. It is in force here when this returns, and on
    /// every other node about a second later.
    pub async fn change_setting(
        &self,
        name: &str,
        value: Option<Value>,
        by: By<'_>,
    ) -> Result<SettingView, SettingError> {
        let setting = setting(name).ok_or(SettingError::Unknown)?;
        let default = configured(&self.settings);
        let mut now = default.clone();
        if let Some(value) = &value {
            setting.apply(&mut now, value).map_err(SettingError::Invalid)?;
        }
        if !now.require_email_verification && !self.settings.registration.allowed_domains.is_empty() {
            let message = "registration.allowed_domains holds nobody off who may claim any address.";
            return Err(SettingError::Invalid(FieldError::new("value", "contradiction", message)));
        }
        let asker = match by {
            By::Administrator(caller, _) => Some(caller.asker().ok_or(SettingError::Moved)?),
            By::Operator => None,
        };
        let change = Change { name: setting.name, value, asker, now: self.clock.now() };
        let event = self.setting_event(setting, &change, &now, by);
        match self.write_setting(change, event, setting.value(&default)).await? {
            Changed::NoAsker => return Err(SettingError::Moved),
            Changed::From(_) | Changed::Not => {}
        }
        // Committed: if it cannot be read just now, it is in force a moment later.
        if let Err(error) = self.reload_runtime().await {
            tracing::warn!(%error, "a changed setting is read later");
        }
        let views = self.list_settings().await?;
        views.into_iter().find(|view| view.setting.name == name).ok_or(SettingError::Unknown)
    }

    /// What the audit log says of a change, but for what was before.
    fn setting_event(&self, setting: &Setting, change: &Change, now: &Runtime, by: By<'_>) -> Event {
        let mut event = self.event(EventKind::SettingChanged);
        match by {
            By::Administrator(caller, client) => {
                (event.actor, event.address) = (Some(caller.user), Some(client.address));
            }
            By::Operator => {
                event.detail.insert("by".into(), "operator".into());
            }
        }
        event.detail.insert("setting".into(), setting.name.into());
        event.detail.insert("to".into(), setting.value(now));
        if change.value.is_none() {
            event.detail.insert("unset".into(), true.into());
        }
        event
    }

    async fn write_setting(&self, change: Change, event: Event, default: Value) -> Result<Changed, Fault> {
        let done = self.store.write(move |tx| {
            let (change, mut event, default) = (change.clone(), event.clone(), default.clone());
            Box::pin(async move {
                let changed = runtime_settings::change(tx, &change).await?;
                if let Changed::From(before) = &changed {
                    event.detail.insert("from".into(), before.clone().unwrap_or(default));
                    audit::append(tx, &event).await?;
                }
                Ok(changed)
            })
        });
        Ok(done.await?)
    }
}
