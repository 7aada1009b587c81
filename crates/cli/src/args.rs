//! The command line: what may be asked of the binary.

mod audit;
mod email;
mod invite;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use portcullis_core::ids::{ApiTokenId, ClientId, SessionId};

pub use audit::{AuditCommand, EventArgs, WebhookCommand};
pub use email::{EmailCommand, ListedState, PreviewFormat};
pub use invite::{CreateInvite, InviteCommand};

/// Accounts, sessions and tokens for your services, in one binary. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// Configuration file, instead of ./portcullis.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Flags of `serve`, which may be left out.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// The process's command line. Wrong usage ends the process with code 2, `--help` with 0.
    pub fn read() -> Self {
        let cli = Self::parse();
        if cli.command.is_some() && cli.serve != ServeArgs::default() {
            let text = "--listen and --no-migrate are flags of `serve`: write them behind it";
            Self::command().error(ErrorKind::ArgumentConflict, text).exit();
        }
        cli
    }
}

/// Flags of `serve`.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct ServeArgs {
    /// Address and port to listen on (`server.listen`)
    // The alias is what an error about the key calls this flag.
    #[arg(long, alias = "server.listen", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Do not apply missing migrations
    #[arg(long)]
    pub no_migrate: bool,
}

/// Flags of `gateway`.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayArgs {
    /// URL of the app (`gateway.upstream`)
    #[arg(long, alias = "gateway.upstream", value_name = "URL")]
    pub upstream: Option<String>,
    /// Address and port to listen on (`gateway.listen`)
    #[arg(long, alias = "gateway.listen", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// URL that browsers reach the gateway under (`gateway.public_url`)
    #[arg(long, alias = "gateway.public_url", value_name = "URL")]
    pub public_url: Option<String>,
    /// URL of the issuer (`gateway.issuer`)
    #[arg(long, alias = "gateway.issuer", value_name = "URL")]
    pub issuer: Option<String>,
}

impl GatewayArgs {
    /// As configuration keys.
    pub(crate) fn flags(&self) -> Vec<(String, String)> {
        let all = [
            ("gateway.upstream", self.upstream.clone()),
            ("gateway.listen", self.listen.map(|address| address.to_string())),
            ("gateway.public_url", self.public_url.clone()),
            ("gateway.issuer", self.issuer.clone()),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// One command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (also without a command)
    Serve(ServeArgs),
    /// Stand in front of an app and keep its users signed in
    Gateway(GatewayArgs),
    /// Apply missing migrations to the database
    Migrate {
        /// Only tell which are missing
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make and change users; they are named by e-mail address, user name or id
    #[command(subcommand)]
    User(UserCommand),
    /// List users' second factors, and remove those of who has lost them
    #[command(subcommand)]
    Factor(FactorCommand),
    /// List and end sessions
    #[command(subcommand)]
    Session(SessionCommand),
    /// Make, list and revoke users' API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make, list and revoke service clients
    #[command(subcommand)]
    Client(ClientCommand),
    /// List and change what can be changed without a restart
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Make, list and revoke invites
    #[command(subcommand)]
    Invite(InviteCommand),
    /// List and change the keys that sign access tokens
    #[command(subcommand)]
    Key(KeyCommand),
    /// Try out mail, and look after the outbox
    #[command(subcommand)]
    Email(EmailCommand),
    /// Read the audit log, and tell whether somebody has changed it
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look after messages to webhooks that have not arrived
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Delete what has run out (a server does so by itself)
    Purge {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy the embedded database to a new file, also while it is being served
    Backup {
        /// Where to; must not exist
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Look for what is wrong or risky, with remedies
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check and show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// `portcullis user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user; the password is asked for
    Create(CreateUser),
    /// List all users
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep a user from signing in, and end their sessions
    Disable(OneUser),
    /// Let a disabled user sign in again
    Enable(OneUser),
    /// Delete a user for good, with all that is their own
    Delete(OneUser),
    /// Change a user's role
    SetRole {
        /// E-mail address, user name or id
        user: String,
        /// For example user or admin
        role: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set a user's password, and end their sessions
    SetPassword {
        /// E-mail address, user name or id
        user: String,
        /// The password must be changed at the next sign-in
        #[arg(long)]
        must_change_password: bool,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `portcullis user create`
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Args, Debug)]
pub struct CreateUser {
    /// E-mail address
    #[arg(long)]
    pub email: String,
    /// Full name
    #[arg(long)]
    pub name: Option<String>,
    /// User name
    #[arg(long)]
    pub username: Option<String>,
    /// Role; by default `registration.default_role`
    #[arg(long, conflicts_with = "admin")]
    pub role: Option<String>,
    /// The same as --role admin
    #[arg(long)]
    pub admin: bool,
    /// The password must be changed at the first sign-in
    #[arg(long)]
    pub must_change_password: bool,
    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A command about one user.
#[derive(Args, Debug)]
pub struct OneUser {
    /// E-mail address, user name or id
    pub user: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `portcullis factor …`
#[derive(Debug, Subcommand)]
pub enum FactorCommand {
    /// List a user's second factors
    List(OneUser),
    /// Remove all second factors of a user, who is told by mail
    Reset(OneUser),
}

/// `portcullis session …`
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List a user's live sessions
    List {
        /// E-mail address, user name or id
        #[arg(long)]
        user: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End one session, or all of a user's
    Revoke {
        /// The session's id
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        id: Option<SessionId>,
        /// E-mail address, user name or id
        #[arg(long, requires = "all")]
        user: Option<String>,
        /// All of the user's sessions
        #[arg(long, requires = "user")]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `portcullis token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make an API token for a user; it is shown once
    Create {
        /// E-mail address, user name or id
        #[arg(long)]
        user: String,
        /// What the token is called
        #[arg(long)]
        name: String,
        /// Lifetime in days; by default `api_tokens.default_days`
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<i64>,
        /// What it may do, once for each; by default whatever the user may
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List a user's live API tokens
    List {
        /// E-mail address, user name or id
        #[arg(long)]
        user: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke an API token, and what was exchanged for it
    Revoke {
        /// The token's id
        id: ApiTokenId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `portcullis client …`
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Make a service client; its secret is shown once
    Create {
        /// What it is called
        #[arg(long)]
        name: String,
        /// A grant that it may use, once for each; none: it may only introspect
        #[arg(long = "grant-type", value_name = "GRANT")]
        grant_types: Vec<String>,
        /// A scope that it may ask for, once for each
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// An audience that it serves, once for each; by default all
        #[arg(long = "audience", value_name = "AUDIENCE")]
        audiences: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the service clients
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a service client, and the access tokens it has got
    Revoke {
        /// `client_id`
        id: ClientId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `portcullis settings …`
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// List the runtime settings: what is in force, and what is configured
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set one, on every node within seconds
    Set {
        /// Which
        name: String,
        /// The value
        value: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let one be as configured again
    Unset {
        /// Which
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `portcullis key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List the keys in use
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Publish a new key, which signs once every verifier knows it
    Rotate {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Publish a key of your own
    Import {
        /// PEM file, or - for standard input
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a key at once: tokens it signed are refused from now on
    Retire {
        /// The key's id
        kid: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `portcullis config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the server would take the configuration
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show every key, its value (secrets masked) and where it came from
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
