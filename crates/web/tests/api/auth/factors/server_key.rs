//! The secrets of factors under a server key that changes.

use portcullis_testkit::TestApp;

use super::{challenge, set_up, show, sign_in};
use crate::on_both;
use crate::support::{events, private, refused};

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

on_both! {
    async fn go_over_to_the_new_one_and_nobody_notices(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        // A node that has only the new key cannot start while a secret needs the old one.
        let early = app.try_another(|setup| setup.server_keys = vec![NEW]).await;
        assert!(early.is_err_and(|error| error.to_string().contains("1 second factors")));
        let both = app.another(|setup| setup.server_keys = vec![NEW, OLD]).await;
        sign_in(&both, "ada", &phone).await;
        both.cx.keep_house_once("test").await.unwrap();
        for usage in both.cx.server_key_use().await.unwrap() {
            assert_eq!(usage.factors, i64::from(usage.id == both.cx.ring.current().id()));
        }
        // The node of before has not got the new key: a fault of ours, which counts as no guess.
        let open = challenge(&app.anon(), "ada").await;
        refused(&show(&app.anon(), &open, "totp", &phone.next(&app)).await, 503, "key_unavailable");
        assert!(events(&app, "factor.failed").await.is_empty());
        private(&show(&both.anon(), &open, "totp", &phone.code(&both, 0)).await, 200);
    }
}
