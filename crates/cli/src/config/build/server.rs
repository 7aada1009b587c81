//! `[server]` and `[database]`.

use crate::config::database_url::DatabaseUrl;
use crate::config::entries::Entries;
use crate::config::error::ConfigError;
use crate::config::network::{self, AddressRange};
use crate::config::public_url::{self, PublicUrl};
use crate::config::secret_key::parse_secret_key;
use crate::config::sections::{DatabaseConfig, ServerConfig};

pub(super) fn server(entries: &Entries) -> Result<ServerConfig, ConfigError> {
    Ok(ServerConfig {
        listen: entries.parse("server.listen", network::socket_address)?,
        public_url: entries.parse("server.public_url", PublicUrl::parse)?,
        hosts: entries.parse_list("server.hosts", network::host)?,
        secret_key: entries.parse_optional("server.secret_key", parse_secret_key)?,
        secret_keys_accepted: entries.parse_list("server.secret_keys_accepted", parse_secret_key)?,
        trusted_proxies: entries.parse_list("server.trusted_proxies", AddressRange::parse)?,
        client_address_header: entries.parse("server.client_address_header", network::header_name)?,
        cors_origins: entries.parse_list("server.cors_origins", public_url::origin)?,
        return_urls: entries.parse_list("server.return_urls", public_url::return_url)?,
        max_connections: entries.optional_integer("server.max_connections"),
        header_timeout: entries.duration("server.header_timeout"),
        request_timeout: entries.duration("server.request_timeout"),
        shutdown_grace: entries.duration("server.shutdown_grace"),
    })
}

pub(super) fn database(entries: &Entries) -> Result<DatabaseConfig, ConfigError> {
    Ok(DatabaseConfig {
        url: entries.parse("database.url", DatabaseUrl::parse)?,
        max_connections: entries.optional_integer("database.max_connections"),
    })
}
