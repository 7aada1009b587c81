mod accounts;
mod audit;
mod audit_chain;
mod clients;
mod settings;
mod users;
mod webhooks;
