//! What the audit log says of somebody whom a provider knows and who is not signed in.

use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::{ada, arrived, bring, world};
use crate::on_both;
use crate::support::{events, private, refused, user_id};

/// From now on, whoever is found by an identity changes right after that.
fn moves_meanwhile(app: &TestApp, backend: Backend) {
    let change = "UPDATE users SET credential_epoch = credential_epoch + 1 WHERE id = NEW.user_id;";
    app.database.tamper(&match backend {
        Backend::Sqlite => format!("CREATE TRIGGER meanwhile AFTER UPDATE ON identities BEGIN {change} END"),
        Backend::Postgres => format!(
            "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {change} RETURN NEW; END $$; \
             CREATE TRIGGER meanwhile AFTER UPDATE ON identities FOR EACH ROW EXECUTE FUNCTION meanwhile()"
        ),
    });
}

on_both! {
    async fn who_is_disabled_is_told_from_who_has_changed_meanwhile(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = arrived(&app, &fake, &ada(&fake)).await;
        moves_meanwhile(&app, backend);
        refused(&bring(&app.anon(), &fake, &ada(&fake)).await, 401, "invalid_credentials");
        app.database.tamper(match backend {
            Backend::Sqlite => "DROP TRIGGER meanwhile",
            Backend::Postgres => "DROP TRIGGER meanwhile ON identities",
        });
        private(&bring(&app.anon(), &fake, &ada(&fake)).await, 200);
        app.cx.disable_user(user_id(&user)).await.unwrap();
        refused(&bring(&app.anon(), &fake, &ada(&fake)).await, 401, "invalid_credentials");
        let failed = events(&app, "login.failed").await;
        let reasons: Vec<_> = failed.iter().map(|event| &event["detail"]["reason"]).collect();
        assert_eq!(reasons, [&json!("changed in between"), &json!("disabled")]);
        assert!(failed.iter().all(|event| event["user"] == json!(user.user)), "{failed:?}");
    }
}
