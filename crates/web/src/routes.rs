//! The whole table of routes. The `OpenAPI` document is made of the same lines.

use axum::Router;
use axum::routing::{any, get};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::Web;
use crate::{api, oauth, pages, paths};

/// Every route of the server.
pub(crate) fn table() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(api::register::register))
        .routes(routes!(api::login::login))
        .routes(routes!(api::refresh::refresh))
        .routes(routes!(api::csrf::csrf))
        .routes(routes!(api::logout::logout))
        .routes(routes!(api::logout::logout_all))
        .routes(routes!(api::me::get_me, api::me::patch_me, api::own_data::delete_me))
        .routes(routes!(api::own_data::export))
        .routes(routes!(api::own_data::keep))
        .routes(routes!(api::sessions::list))
        .routes(routes!(api::sessions::revoke))
        .routes(routes!(api::tokens::list, api::tokens::create))
        .routes(routes!(api::tokens::current, api::tokens::revoke_current))
        .routes(routes!(api::tokens::pattern))
        .routes(routes!(api::secret_scanning::report))
        .routes(routes!(api::tokens::update, api::tokens::revoke))
        .routes(routes!(api::bots::list, api::bots::create))
        .routes(routes!(api::bots::update, api::bots::delete))
        .routes(routes!(api::bots::tokens))
        .routes(routes!(api::impersonation::stop))
        .routes(routes!(api::impersonation::start))
        .routes(routes!(api::users::list, api::users::create))
        .routes(routes!(api::users::get, api::users::delete))
        .routes(routes!(api::users::disable))
        .routes(routes!(api::users::enable))
        .routes(routes!(api::clients::list, api::clients::create))
        .routes(routes!(api::clients::revoke))
        .routes(routes!(api::settings::list))
        .routes(routes!(api::settings::set, api::settings::unset))
        .routes(routes!(oauth::token::token))
        .routes(routes!(oauth::introspect::introspect))
        .routes(routes!(oauth::revoke::revoke))
        .routes(routes!(api::password::change))
        .routes(routes!(api::password_reset::forgot))
        .routes(routes!(api::password_reset::verify_reset_token))
        .routes(routes!(api::password_reset::reset))
        .routes(routes!(api::email::verification_status))
        .routes(routes!(api::email::send_verification))
        .routes(routes!(api::email::verify))
        .routes(routes!(api::email::undo))
        .routes(routes!(api::config::config))
        .routes(routes!(api::verify::verify))
        .routes(routes!(api::setup::setup))
        .routes(routes!(api::jwks::jwks))
        .routes(routes!(api::metadata::metadata))
        .routes(routes!(api::revocations::feed, api::revocations::preflight))
        .routes(routes!(api::status_list::status_list))
        .routes(routes!(api::openapi::openapi))
        .routes(routes!(api::health::live))
        .routes(routes!(api::health::ready))
        .routes(routes!(pages::home::home))
        .routes(routes!(pages::sign_in::show, pages::sign_in::submit))
        .routes(routes!(pages::renew::renew))
        .routes(routes!(pages::sign_up::show, pages::sign_up::submit))
        .routes(routes!(pages::sign_out::show, pages::sign_out::submit))
        .routes(routes!(pages::account::show, pages::account::submit))
        .routes(routes!(pages::password::show, pages::password::submit))
        .routes(routes!(pages::forgot_password::show, pages::forgot_password::submit))
        .routes(routes!(pages::reset_password::show, pages::reset_password::submit))
        .routes(routes!(pages::verify_email::show, pages::verify_email::submit))
        .routes(routes!(pages::undo_email::show, pages::undo_email::submit))
        .routes(routes!(pages::keep_account::show, pages::keep_account::submit))
        .routes(routes!(pages::error::show))
        .routes(routes!(pages::set_up::show))
        .routes(routes!(pages::docs::docs))
        .routes(routes!(pages::docs::problems))
        .routes(routes!(pages::assets::asset))
}

/// The few routes of `forward_auth.listen`. Envoy asks with the method that it was asked with.
#[expect(clippy::disallowed_methods, reason = "both are declared and documented above")]
pub(crate) fn forward_auth() -> Router<Web> {
    Router::new()
        .route(paths::VERIFY, any(api::verify::verify_inside))
        .route(paths::LIVE, get(api::health::live))
}
