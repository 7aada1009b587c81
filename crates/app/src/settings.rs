//! What an installation is set to, as the use cases read it. Made by the binary from the configuration. What stands in
//! [`portcullis_core::runtime`], too, is only the default: use cases read it by [`crate::Cx::runtime`].

use std::time::Duration;

use portcullis_core::audit::KindFilter;
use portcullis_core::password::PasswordPolicy;
use portcullis_core::rate::Rate;
use portcullis_core::registration::{Domain, Mode};
use portcullis_core::session::RotationRules;
use portcullis_core::standard_webhook::WebhookSecret;
use portcullis_core::subscription::Plan;
use portcullis_core::user::Role;
use portcullis_jose::{Algorithm, SigningKey};
use serde_json::{Map, Value};

use crate::forward_auth::ForwardAuth;
use crate::mail::EmailSettings;
use crate::passkeys::RelyingParty;

/// All settings.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// `iss` of our tokens.
    pub issuer: String,
    /// `aud` of our tokens; the issuer alone by default.
    pub audiences: Vec<String>,
    /// Claims of the operator's own, the same in every token.
    pub claims: Map<String, Value>,
    /// Claims that say what the account in use has subscribed to.
    pub plan_claims: Vec<(String, PlanClaim)>,
    /// Algorithm of generated signing keys.
    pub algorithm: Algorithm,
    /// A signing key of the operator's.
    pub private_key: Option<SigningKey>,
    /// Age at which a signing key is replaced.
    pub key_rotation: Option<Duration>,
    /// Lifetimes.
    pub lifetimes: Lifetimes,
    /// Who may register.
    pub registration: RegistrationRules,
    /// Whether people are asked to show that an address is theirs.
    pub email_verification: bool,
    /// Whether nobody signs in before they have.
    pub require_email_verification: bool,
    /// Role of who registers.
    pub default_role: Role,
    /// Rules for new passwords.
    pub password_policy: PasswordPolicy,
    /// Rate limits; `None`: off.
    pub rates: Option<Rates>,
    /// Without contact to the database for this long, tokens are answered 503: a revocation may be missed.
    pub max_staleness: Duration,
    /// Second factors at sign-in.
    pub login: LoginRules,
    /// API tokens.
    pub api_tokens: ApiTokenRules,
    /// Most bots of one user.
    pub bots_per_user: u32,
    /// Where the keys of scanners of source code are, who report API tokens; `None`: nobody does.
    pub scanning_keys_url: Option<String>,
    /// Where status lists are published, without the number of the list; `None`: they are off.
    pub status_lists: Option<String>,
    /// Longest time for which an administrator may act as another user.
    pub impersonation: Duration,
    /// Users are told by mail when an administrator acts in their name.
    pub impersonation_notify: bool,
    /// Users are told by mail of a sign-in from a device that was not seen before.
    pub notify_new_device: bool,
    /// Us, as passkeys know us; `None`: they need a host name, and we have none.
    pub relying_party: Option<RelyingParty>,
    /// Who may ask for what behind a proxy.
    pub forward_auth: ForwardAuth,
    /// Audiences of the services behind gateways, beside those of forward-auth's rules.
    pub gateway_audiences: Vec<String>,
    /// How long users who want to be deleted may change their mind.
    pub deletion_grace: Duration,
    /// Mail.
    pub email: EmailSettings,
    /// How long audit events are kept; `None`: for ever.
    pub audit_retention: Option<Duration>,
    /// Who is told of audit events.
    pub webhooks: Vec<Webhook>,
}

/// Somebody who is told of audit events.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What the operator calls it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it knows us by; several while they are changed.
    pub secrets: Vec<WebhookSecret>,
    /// What it is told of; empty: everything.
    pub kinds: Vec<KindFilter>,
}

impl Webhook {
    /// Whether it is told of events of this kind.
    pub fn takes(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted.takes(kind))
    }
}

/// What a claim says of the account in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanClaim {
    /// The plan, while it has not expired.
    Plan,
    /// How far the subscription is, `expired` too.
    Status,
}

/// Who may register, and what they get.
#[derive(Clone, Debug)]
pub struct RegistrationRules {
    /// Who may.
    pub mode: Mode,
    /// Only addresses of these domains; none: of all.
    pub allowed_domains: Vec<Domain>,
    /// No addresses of these domains.
    pub refused_domains: Vec<Domain>,
    /// What the account of whoever registers subscribes to, unless an invite says otherwise.
    pub default_plan: Option<Plan>,
    /// Days for which that is on trial; `None`: it is active at once.
    pub trial_days: Option<u32>,
    /// The service that is asked before anybody is made.
    pub hook: Option<RegistrationHook>,
}

/// A service of the operator's that says who may register.
#[derive(Clone, Debug)]
pub struct RegistrationHook {
    /// Where it is asked.
    pub url: String,
    /// By which it knows us.
    pub secret: WebhookSecret,
}

/// What a sign-in asks for beside the first proof.
#[derive(Clone, Debug, Default)]
pub struct LoginRules {
    /// Roles whose users must have a second factor.
    pub require_factor: Vec<Role>,
    /// How long a device on which a factor was shown is asked for none, if its user wants that; zero: never.
    pub trust_device_for: Duration,
}

/// How many API tokens there may be, and how long they live.
#[derive(Clone, Copy, Debug)]
pub struct ApiTokenRules {
    /// Most live ones of one user.
    pub per_user: u32,
    /// Lifetime in days where none is asked for.
    pub default_days: u32,
    /// Longest lifetime in days.
    pub max_days: u32,
}

/// How long things live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Of an access token.
    pub access: Duration,
    /// Of a refresh token that is not used.
    pub refresh: Duration,
    /// Of a session, however it is used.
    pub session: Duration,
    /// For which the refresh token before the current one gets the same successor.
    pub grace: Duration,
}

/// Rate limits.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Sign-ins, per address.
    pub login: Rate,
    /// Registrations, per address.
    pub register: Rate,
    /// Rotations, per session.
    pub refresh: Rate,
    /// Replays, per session.
    pub refresh_replays: Rate,
    /// Refresh tokens with a wrong MAC, per address.
    pub refresh_forgeries: Rate,
    /// Changes of password, per address.
    pub password_change: Rate,
    /// Links to set a new password that are asked for, per address.
    pub password_forgot: Rate,
    /// Links to set a new password that are used, per address.
    pub password_reset: Rate,
    /// Links that verify an address, or undo its change, that are used, per address.
    pub email_verify: Rate,
    /// Links that verify an address that are asked for, per address.
    pub send_verification: Rate,
    /// API tokens by password, per address.
    pub token_create: Rate,
    /// Failures at the OAuth endpoints, per address.
    pub oauth_token: Rate,
}

impl Settings {
    /// What rotation may do.
    pub fn rotation_rules(&self) -> RotationRules {
        // The row counts per minute; another period is scaled to it.
        let per_minute = self.rates.map(|rates| {
            let minutes = rates.refresh.per.as_secs_f64() / 60.0;
            (f64::from(rates.refresh.count) / minutes.max(f64::MIN_POSITIVE)).ceil().max(1.0) as u32
        });
        RotationRules { grace: self.lifetimes.grace, per_minute }
    }
}
