//! What handlers take from a request, with our errors.

mod bearer;
mod body;
mod client;
mod id;

pub(crate) use bearer::{
    Acting, AnySession, MustChangeToo, Own, OwnMustChangeToo, OwnSession, OwnSessionMustChangeToo,
};
pub(crate) use body::{BodyOrForm, JsonBody, RawJson, optional_json};
pub(crate) use client::{ClientInfo, Disbelieved, address};
pub(crate) use id::{PathId, QueryString};
