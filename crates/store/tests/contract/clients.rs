//! Service clients.

use portcullis_core::client::{GrantTypes, ServiceClient};
use portcullis_core::ids::ClientId;
use portcullis_core::random;
use portcullis_core::scope::Scopes;
use portcullis_core::secret_token::SecretDigest;
use portcullis_store::clients;
use portcullis_testkit::TestStore;

async fn make(t: &TestStore, audiences: Option<&[&str]>) -> ServiceClient {
    let client = ServiceClient {
        id: ClientId::new(t.now(), &*t.random),
        name: "billing \u{fc}".into(),
        secret: SecretDigest(random::bytes(&*t.random)),
        grant_types: GrantTypes::from_stored("client_credentials"),
        scopes: Scopes::from_stored("users:read users:write"),
        audiences: audiences.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
        created_at: t.now(),
    };
    commit!(t.store, [client] tx => clients::insert(tx, &client)).expect("made");
    client
}

contract! {
    async fn a_client_is_told_as_it_was_made(t: &TestStore) {
        for audiences in [None, Some(&["https://a.example", "https://b.example"][..]), Some(&[])] {
            let made = make(t, audiences).await;
            let found = t.store.client(made.id).await.expect("read").expect("there");
            assert_eq!((found.id, &found.name, found.secret), (made.id, &made.name, made.secret));
            assert_eq!((&found.grant_types, &found.scopes), (&made.grant_types, &made.scopes));
            assert_eq!((&found.audiences, found.created_at), (&made.audiences, made.created_at));
        }
    }

    async fn a_revoked_one_is_gone_and_forgotten_later(t: &TestStore) {
        let (kept, revoked) = (make(t, None).await, make(t, None).await);
        let (id, now) = (revoked.id, t.now());
        let revoke = || async move { commit!(t.store, [] tx => clients::revoke(tx, id, now)).expect("answered") };
        assert_eq!((revoke().await, revoke().await), (true, false));
        assert!(t.store.client(id).await.expect("read").is_none());
        let listed = t.store.clients(None, 10).await.expect("read");
        assert_eq!(listed.iter().map(|client| client.id).collect::<Vec<_>>(), [kept.id]);
        let before = now - std::time::Duration::from_micros(1);
        assert_eq!(commit!(t.store, [] tx => clients::purge(tx, before)).expect("purged"), 0);
        assert_eq!(commit!(t.store, [] tx => clients::purge(tx, now)).expect("purged"), 1);
        assert!(t.store.client(kept.id).await.expect("read").is_some());
    }

    async fn pages_from_the_newest(t: &TestStore) {
        let mut ids = Vec::new();
        for _ in 0..3 {
            t.clock.advance(std::time::Duration::from_millis(1));
            ids.insert(0, make(t, None).await.id);
        }
        let page = async |before| {
            let found = t.store.clients(before, 2).await.expect("read");
            found.into_iter().map(|client| client.id).collect::<Vec<_>>()
        };
        assert_eq!(page(None).await, ids[..2]);
        assert_eq!(page(Some(ids[1])).await, ids[2..]);
    }
}
