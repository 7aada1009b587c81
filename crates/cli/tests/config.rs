//! The configuration as an operator meets it: layers, secrets, errors, what is shown, the reference page.

#[path = "config/support.rs"]
mod support;

#[path = "config/defaults.rs"]
mod defaults;
#[path = "config/docs.rs"]
mod docs;
#[path = "config/errors.rs"]
mod errors;
#[path = "config/files.rs"]
mod files;
#[path = "config/fuzz.rs"]
mod fuzz;
#[path = "config/gateway.rs"]
mod gateway;
#[path = "config/layers.rs"]
mod layers;
#[path = "config/passkeys.rs"]
mod passkeys;
#[path = "config/providers.rs"]
mod providers;
#[path = "config/rules.rs"]
mod rules;
#[path = "config/secrets.rs"]
mod secrets;
#[path = "config/show.rs"]
mod show;
#[path = "config/values.rs"]
mod values;
#[path = "config/webhooks.rs"]
mod webhooks;
