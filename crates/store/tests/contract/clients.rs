//! Service clients.

use portcullis_core::client::{GrantTypes, ServiceClient};
use portcullis_core::ids::ClientId;
use portcullis_core::random;
use portcullis_core::scope::Scopes;
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::session::EndCause;
use portcullis_core::user::Role;
use portcullis_store::sessions::{Asker, End};
use portcullis_store::{clients, sessions, users};
use portcullis_testkit::TestStore;

use crate::support::{make_session, make_user};

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
    assert!(insert(t, &client, None).await);
    client
}

async fn insert(t: &TestStore, client: &ServiceClient, asker: Option<Asker>) -> bool {
    commit!(t.store, [client] tx => clients::insert(tx, &client, asker)).expect("answered, not an error")
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

    async fn only_an_administrator_in_a_session_of_theirs_makes_one(t: &TestStore) {
        let (root, ada) = (make_user(t, "root").await, make_user(t, "ada").await);
        let made = make(t, None).await;
        let next = || ServiceClient { id: ClientId::new(t.now(), &*t.random), ..made.clone() };
        let (own, foreign) = (make_session(t, &root).await.0, make_session(t, &ada).await.0);
        let asker = Asker { user: root.id, session: own.id };
        let (user, now) = (root.id, t.now());
        let set_role = async |role: &'static str| {
            let role = Role::from_stored(role);
            commit!(t.store, [role] tx => users::set_role(tx, user, &role, now)).expect("answered");
        };
        assert!(!insert(t, &next(), Some(asker)).await, "no administrator");
        set_role(Role::ADMIN).await;
        assert!(!insert(t, &next(), Some(Asker { session: foreign.id, ..asker })).await, "another's session");
        assert!(insert(t, &next(), Some(asker)).await);
        let id = own.id;
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        assert!(!insert(t, &next(), Some(asker)).await, "a session that has ended");
        assert_eq!(t.store.clients(None, 10).await.expect("read").len(), 2);
    }

    async fn no_client_is_made_after_the_role_is_gone(t: &TestStore) {
        let mut made = 0;
        for round in 0..6 {
            let root = make_user(t, &format!("root{round}")).await;
            let (user, now) = (root.id, t.now());
            commit!(t.store, [] tx => users::set_role(tx, user, &Role::from_stored(Role::ADMIN), now)).expect("set");
            let asker = Asker { user, session: make_session(t, &root).await.0.id };
            let model = make(t, None).await;
            let wanted: Vec<_> =
                (0..6).map(|_| ServiceClient { id: ClientId::new(now, &*t.random), ..model.clone() }).collect();
            let asking = crate::support::parallel(6, |at| {
                let (store, new) = (t.store.clone(), wanted[at].clone());
                async move { commit!(store, [new] tx => clients::insert(tx, &new, Some(asker))).expect("answered") }
            });
            // Whoever is told that one was made was an administrator when it was: so says the database, which
            // counts those that are there when the role goes.
            let count = "SELECT COUNT(*) FROM service_clients";
            let demoting = async {
                commit!(t.store, [] tx => async move {
                    users::set_role(tx, user, &Role::from_stored(Role::USER), now).await?;
                    crate::support::count(tx, count).await
                })
            };
            let (done, counted) = tokio::join!(asking, demoting);
            made += 1 + done.into_iter().filter(|done| *done).count() as i64;
            assert_eq!(counted.expect("committed"), made);
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
