//! What every method of the store promises, on both databases. Each case is written once, by `contract!`, and
//! runs twice: `…::sqlite` and `…::postgres`. One file per noun; what is about the store as a whole (writes,
//! outages, two nodes) has files of its own.

#[macro_use]
mod support;

mod acting;
mod api_tokens;
mod api_tokens_change;
mod audit;
mod audit_chain;
mod audit_keeping;
mod bots;
mod chain;
mod clients;
mod credentials;
mod deletions;
mod disowned;
mod factors;
mod follow;
mod identities;
mod invites;
mod keys;
mod leases;
mod limits;
mod links;
mod login_challenges;
mod maintenance;
mod members;
mod migrations;
mod new_session;
mod nodes;
mod outage;
mod outbox;
mod passkeys;
mod races;
mod revocations;
mod rotate;
mod rotate_many;
mod runtime_settings;
mod sessions;
mod set_up;
mod slow_downs;
mod status_indexes;
mod totp;
mod users;
mod webhooks;
mod write_one;
mod writes;
