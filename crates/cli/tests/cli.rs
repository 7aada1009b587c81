//! The binary as an operator meets it: real processes in directories of their own.
#![cfg(unix)]

#[path = "cli/support.rs"]
mod support;

#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/backup.rs"]
mod backup;
#[path = "cli/clients.rs"]
mod clients;
#[path = "cli/config_commands.rs"]
mod config_commands;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/email.rs"]
mod email;
#[path = "cli/factors.rs"]
mod factors;
#[path = "cli/first_start.rs"]
mod first_start;
#[path = "cli/gateway.rs"]
mod gateway;
#[path = "cli/invites.rs"]
mod invites;
#[path = "cli/keys.rs"]
mod keys;
#[path = "cli/postgres.rs"]
mod postgres;
#[path = "cli/sessions.rs"]
mod sessions;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/shutdown.rs"]
mod shutdown;
#[path = "cli/tokens.rs"]
mod tokens;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/users.rs"]
mod users;
#[path = "cli/webhooks.rs"]
mod webhooks;
