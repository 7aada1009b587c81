mod clients;
mod settings;
mod users;
