mod accounts;
mod audit;
mod audit_chain;
mod clients;
mod webhooks;
