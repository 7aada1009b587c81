mod jwks;
mod metadata;
mod revocations;
mod revocations_nodes;
mod revocations_waiting;
mod status_list;
