mod accounts;
mod clients;
mod settings;
mod users;
