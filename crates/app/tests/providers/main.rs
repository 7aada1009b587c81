//! We as the client of identity providers: against a fake one that lies and breaks as it is told, and against answers as
//! the large providers document them.

mod breakages;
mod changes;
mod faces;
mod forgeries;
mod recorded;
mod support;
