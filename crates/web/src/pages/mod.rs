//! Our pages: plain forms that work without a script, and without a line of script or style in them (CSP).
//!
//! A page is one file: its strings, its form, what it does. [`opened`] says who opens it and where they want to go
//! from there, [`form`] renders what is asked and what was wrong with it, [`html`] turns any refusal into a page.
//!
//! 1. `GET` shows the form. With it goes the CSRF token of the session whose cookies came along.
//! 2. `POST` to the very same URL does it, and sends on with 303. What goes wrong shows the form again, with the
//!    status that the API would answer, and everything in it but passwords.

pub(crate) mod account;
pub(crate) mod assets;
pub(crate) mod dev_mail;
pub(crate) mod docs;
pub(crate) mod error;
pub(crate) mod factor;
pub(crate) mod factors;
pub(crate) mod forgot_password;
mod form;
pub(crate) mod home;
mod html;
pub(crate) mod invite;
pub(crate) mod keep_account;
mod mailed;
pub(crate) mod not_me;
mod opened;
pub(crate) mod passkeys;
pub(crate) mod password;
pub(crate) mod provider;
pub(crate) mod renew;
pub(crate) mod reset_password;
pub(crate) mod set_up;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod sign_up;
pub(crate) mod step_up;
pub(crate) mod undo_email;
pub(crate) mod verify_email;
mod visit;
