//! What handlers take from a request, with our errors.

mod bearer;
mod body;
mod browser;
mod client;
mod id;

pub(crate) use bearer::{
    Acting, AnySession, Known, MustChangeToo, Own, OwnFactorToo, OwnMustChangeToo, OwnSession,
    OwnSessionMustChangeToo, Registrar, Steward, may_change_credentials, may_change_factors,
    may_end_sessions, visitor,
};
pub(crate) use body::{BodyOrForm, FormBody, JsonBody, OptionalJson, RawJson, optional_json};
pub(crate) use browser::{Admitted, Browser, handover};
pub(crate) use client::{ClientInfo, Disbelieved, address};
pub(crate) use id::{PathId, PathIds, QueryString};
