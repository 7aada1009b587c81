//! Following another node's writes.

use portcullis_store::Follower;
use portcullis_store::revocations::{self, Span};
use portcullis_testkit::TestStore;
use uuid::Uuid;

contract! {
    async fn a_revocation_on_another_node_is_heard(t: &TestStore) {
        let other = t.another().await;
        let mut follower = t.store.follow().await.expect("follows");
        let span = Span { now: t.now(), expires_at: t.now() };
        // PostgreSQL: the first may be sent before the listener is there; a poll covers that.
        let mut heard = false;
        for at in 0..20 {
            commit!(other, [] tx => revocations::append(tx, Uuid::from_u128(at), span)).expect("appended");
            heard = follower.next().await;
            if heard {
                break;
            }
        }
        assert!(heard, "twenty revocations and none was heard");
    }

    async fn a_nudge_is_heard(t: &TestStore) {
        let mut follower = t.store.follow().await.expect("follows");
        quiet(&mut follower).await;
        t.store.nudge();
        assert!(follower.next().await);
        assert!(!follower.next().await, "once");
    }

    async fn silence_is_a_poll(t: &TestStore) {
        let mut follower = t.store.follow().await.expect("follows");
        assert!(!quiet(&mut follower).await);
    }
}

/// Waits out what opening the store may still have caused; then nothing is heard.
async fn quiet(follower: &mut Follower) -> bool {
    for _ in 0..5 {
        if !follower.next().await {
            return false;
        }
    }
    true
}
