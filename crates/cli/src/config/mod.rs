//! The configuration: layers in, one checked [`Config`] out.
//!
//! 1. Every layer is read and its keys are looked up in one table ([`KEYS`]): defaults, the file,
//!    the environment (`PORTCULLIS_<SECTION>__<KEY>`), flags. A later layer wins.
//! 2. Secrets given as `<key>_file` are read.
//! 3. What is left is parsed, section by section, into plain Rust fields.
//!
//! The first thing wrong ends this with a [`ConfigError`], which is one line: where, key, value
//! (masked if secret), what is wrong and what to do. Nothing here asks the process for anything
//! but files: environment, flags and the working directory are arguments.

mod build;
mod claims;
mod database_url;
mod duration;
mod entries;
mod environment;
mod error;
mod file;
mod flags;
mod keys;
mod mail_server;
mod masked;
mod network;
mod origin;
mod public_url;
mod rate;
mod read_file;
mod rules;
mod secret_file;
mod secret_key;
mod sections;
mod show;
mod signing_in;
mod size;
mod suggest;
mod table;
mod text;
mod typed;
mod upstreams;
mod value;
mod webhooks;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use claims::ClaimSource;
pub use database_url::{DatabaseKind, DatabaseUrl};
pub use error::{ConfigError, Problem};
pub use keys::{KeySpec, Kind, Secrecy};
pub use mail_server::{MailServer, MailTls, Mailbox};
pub use network::AddressRange;
pub use origin::Origin;
pub use public_url::PublicUrl;
pub use rate::Rate;
pub use secret_key::{SecretKey, parse_secret_key};
pub use sections::{
    ApiTokensConfig, AuditConfig, BotsConfig, Config, CookiesConfig, CsrfConfig, DatabaseConfig, EmailConfig,
    ForwardAuthConfig, ForwardAuthStyle, GatewayConfig, GatewayCsrf, ImpersonationConfig, LogFormat,
    OutboundConfig, PasswordBlocklist, PasswordConfig, RateLimitConfig, RegistrationConfig, RegistrationMode,
    RevocationsConfig, SameSitePolicy, ServerConfig, SigningAlgorithm, StaleMode, TelemetryConfig,
    TokensConfig, WebhookConfig,
};
pub use show::{Loaded, ShownKey};
pub use signing_in::{LoginConfig, PasskeysConfig};
pub use table::KEYS;
pub use upstreams::Upstream;

/// A duration as it is written in the configuration; the error says how.
pub(crate) fn read_duration(text: &str) -> Result<std::time::Duration, String> {
    duration::parse(text).map_err(|problem| format!("{} {}; {}", text, problem.problem, problem.remedy))
}

/// What [`Config::load`] reads from.
#[derive(Debug)]
pub struct LoadInput<'a, E> {
    /// `--config FILE`; must exist. Without it `PORTCULLIS_CONFIG`, then `portcullis.toml` in `cwd`.
    pub file: Option<PathBuf>,
    /// The environment, usually `std::env::vars_os()`.
    pub env: E,
    /// Dotted key and value, as text; lists are comma-separated. The last of a key wins.
    pub flags: Vec<(String, String)>,
    /// Relative paths are taken from here.
    pub cwd: &'a Path,
}

impl Config {
    /// Reads all layers and checks them; the first thing wrong is the error.
    pub fn load<E>(input: LoadInput<'_, E>) -> Result<Loaded, ConfigError>
    where
        E: IntoIterator<Item = (OsString, OsString)>,
    {
        let variables = environment::ours(input.env)?;
        let mut entries = entries::Entries::default();
        if let Some(file) = file::find(input.file, &variables, input.cwd)? {
            file::apply(&file, &mut entries)?;
        }
        environment::apply(&variables, &mut entries)?;
        flags::apply(input.flags, &mut entries)?;
        secret_file::resolve(&mut entries, input.cwd)?;
        entries.fill_defaults();
        let config = build::config(&mut entries, input.cwd)?;
        Ok(Loaded::new(config, &entries))
    }
}
