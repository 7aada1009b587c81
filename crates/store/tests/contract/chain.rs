//! What the store reads back: every state a session can be in, and columns that hold what we never write.

use portcullis_core::session::{EndCause, SessionState};
use portcullis_store::StoreError;
use portcullis_store::sessions::{self, End};
use portcullis_testkit::{Backend, TestStore};

use crate::support::{execute, judged, make_session, make_user, rotation};

contract! {
    async fn every_cause_of_an_end_reads_back(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let causes = [
            EndCause::Logout,
            EndCause::LogoutEverywhere,
            EndCause::Revoked,
            EndCause::RevokedByOperator,
            EndCause::Reused,
            EndCause::PasswordChanged,
            EndCause::UserDisabled,
            EndCause::Displaced,
        ];
        for cause in causes {
            let (new, _) = make_session(t, &ada).await;
            let (id, now) = (new.id, t.now());
            commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, cause)).expect("ended");
            let chain = judged(t, id).await.chain;
            assert_eq!(chain.state, SessionState::Ended { at: now, cause });
        }
    }

    async fn impossible_columns_of_a_chain_are_an_error_that_names_them(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (new, _) = make_session(t, &ada).await;
        let short = match t.database.backend() {
            Backend::Sqlite => "UPDATE sessions SET secret_hash = x'00'",
            Backend::Postgres => "UPDATE sessions SET secret_hash = '\\x00'",
        };
        let cases = [
            ("end_cause", "UPDATE sessions SET ended_at = 1, end_cause = 'whim'"),
            ("end_cause", "UPDATE sessions SET ended_at = 1, end_cause = NULL"),
            ("window_count", "UPDATE sessions SET ended_at = NULL, window_count = -1"),
            ("key_id", "UPDATE sessions SET key_id = 4294967296"),
            ("generation", "UPDATE sessions SET generation = 4294967296"),
            ("secret_hash", short),
        ];
        for (wrong, sql) in cases {
            execute(&t.store, sql).await;
            match t.store.judged(new.id).await.expect_err(wrong) {
                StoreError::Corrupt { table: "sessions", column, id } => {
                    assert_eq!((column, id), (wrong, new.id.to_string()));
                }
                other => panic!("{wrong}: {other}"),
            }
        }
    }

    async fn impossible_columns_of_a_grant_are_an_error_of_that_session_alone(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (broken, _) = make_session(t, &ada).await;
        execute(&t.store, "UPDATE sessions SET delivery = 'pigeon'").await;
        let (sound, _) = make_session(t, &ada).await;
        let error = t.store.judged(broken.id).await.expect_err("unknown delivery");
        assert!(matches!(error, StoreError::Corrupt { column: "delivery", .. }), "{error}");
        let (one, two) =
            tokio::join!(t.store.rotate(rotation(t, &broken, 1)), t.store.rotate(rotation(t, &sound, 1)),);
        assert!(matches!(one.expect_err("unknown delivery"), StoreError::Corrupt { .. }));
        assert!(two.expect("rotated").is_some());
    }
}
