//! Bots: made under a cap, signed in as by their owner, gone with them.

use portcullis_core::ids::UserId;
use portcullis_core::session::{Acting, ActingMode, EndCause};
use portcullis_core::user::{Role, User};
use portcullis_store::api_tokens as tokens;
use portcullis_store::bots::{self, Made, NewBot};
use portcullis_store::sessions::{ActingFrom, Asker, End, NewSession};
use portcullis_store::users::Disabled;
use portcullis_store::{Store, sessions, users};
use portcullis_testkit::TestStore;

use crate::api_tokens::new_token;
use crate::support::{create, judged, make_session, make_user, new_session, number, parallel};

/// A bot that `owner` asks for in a session of theirs.
async fn new_bot(t: &TestStore, owner: &User) -> NewBot {
    let owner = Asker { user: owner.id, session: make_session(t, owner).await.0.id };
    let role = Role::from_stored(Role::USER);
    NewBot { id: UserId::new(t.now(), &*t.random), owner, name: "helper".into(), role, now: t.now(), most: 5 }
}

async fn insert(store: &Store, new: &NewBot) -> Made {
    commit!(store, [new] tx => bots::insert(tx, &new)).expect("answered, not an error")
}

pub(crate) async fn make_bot(t: &TestStore, owner: &User) -> User {
    let new = new_bot(t, owner).await;
    assert_eq!(insert(&t.store, &new).await, Made::Done);
    t.store.bot(new.id, owner.id).await.expect("read").expect("made just now")
}

/// A session of `bot` that its owner starts from a session of theirs.
pub(crate) async fn bot_session(t: &TestStore, bot: &User, owner: &User) -> NewSession {
    let session = make_session(t, owner).await.0.id;
    let acting = Acting { actor: owner.id, mode: ActingMode::Bot };
    NewSession { acting: Some(ActingFrom { acting, session }), ..new_session(t, bot) }
}

/// Disables `user` and ends their sessions, as one write.
async fn disable(t: &TestStore, user: UserId) {
    let now = t.now();
    commit!(t.store, [] tx => async move {
        assert_eq!(users::disable(tx, user, now).await?, Disabled::Done);
        sessions::end_all(tx, user, None, now, EndCause::UserDisabled).await
    })
    .expect("committed");
}

contract! {
    async fn a_bot_is_a_member_of_its_owners_account(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let bot = make_bot(t, &ada).await;
        assert_eq!((bot.owner, bot.is_bot(), bot.profile.name.as_deref()), (Some(ada.id), true, Some("helper")));
        let (account, _) = ada.account.clone().expect("of its own");
        assert_eq!(bot.account, Some((account, Role::from_stored("member"))));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM memberships").await, 2);
        assert_eq!(t.store.bots(ada.id).await.expect("read").len(), 1);
    }

    async fn of_twelve_side_by_side_as_many_are_made_as_may_be(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let nodes = [t.store.clone(), t.another().await];
        let mut asked = Vec::new();
        for _ in 0..12 {
            asked.push(new_bot(t, &ada).await);
        }
        let made = parallel(12, |at| {
            let (store, new) = (nodes[at % 2].clone(), asked[at].clone());
            async move { insert(&store, &new).await }
        })
        .await;
        assert_eq!(made.iter().filter(|made| **made == Made::Done).count(), 5);
        assert_eq!(made.iter().filter(|made| **made == Made::TooMany).count(), 7);
        assert_eq!(t.store.bots(ada.id).await.expect("read").len(), 5);
    }

    async fn nobody_and_no_bot_and_no_disabled_user_owns_bots(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let (bot, asked) = (make_bot(t, &ada).await, new_bot(t, &ada).await);
        let as_bot = bot_session(t, &bot, &ada).await;
        create(&t.store, &as_bot).await.expect("committed").expect("made");
        let owned_by = |user, session| NewBot { owner: Asker { user, session }, ..asked.clone() };
        assert_eq!(insert(&t.store, &owned_by(bot.id, as_bot.id)).await, Made::NoOwner);
        assert_eq!(insert(&t.store, &owned_by(bot.id, asked.owner.session)).await, Made::NoOwner);
        assert_eq!(insert(&t.store, &owned_by(asked.id, asked.owner.session)).await, Made::NoOwner);
        disable(t, ada.id).await;
        assert_eq!(insert(&t.store, &asked).await, Made::NoOwner);
    }

    async fn none_is_made_from_a_session_that_has_ended(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let asked = new_bot(t, &ada).await;
        let (id, now) = (asked.owner.session, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        assert_eq!(insert(&t.store, &asked).await, Made::NoOwner);
        assert_eq!(insert(&t.store, &new_bot(t, &ada).await).await, Made::Done, "from another one");
    }

    async fn a_bot_has_no_api_tokens(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let new = new_token(t, &make_bot(t, &ada).await);
        let made = commit!(t.store, [new] tx => tokens::insert(tx, &new)).expect("answered");
        assert_eq!(made, tokens::Made::Moved);
    }

    async fn only_its_owner_names_and_deletes_it(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let (id, now) = (make_bot(t, &ada).await.id, t.now());
        assert!(t.store.bot(id, bob.id).await.expect("read").is_none());
        let rename = |owner| async move { commit!(t.store, [] tx => bots::rename(tx, id, owner, "new", now)) };
        let delete = |owner| async move { commit!(t.store, [] tx => bots::delete(tx, id, owner)) };
        assert!(!rename(bob.id).await.expect("answered"));
        assert!(delete(bob.id).await.expect("answered").is_none());
        assert!(rename(ada.id).await.expect("renamed"));
        let bot = t.store.bot(id, ada.id).await.expect("read").expect("there");
        assert_eq!((bot.profile.name.as_deref(), bot.version), (Some("new"), 2));
        assert!(delete(ada.id).await.expect("deleted").is_some());
        assert!(delete(ada.id).await.expect("answered").is_none());
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM memberships").await, 2, "those of the two");
    }

    async fn deleting_tells_the_live_sessions_and_takes_all(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let bot = make_bot(t, &ada).await;
        let (live, ended) = (bot_session(t, &bot, &ada).await, bot_session(t, &bot, &ada).await);
        for new in [&live, &ended] {
            create(&t.store, new).await.expect("committed").expect("made");
        }
        let (id, owner, now, gone) = (bot.id, ada.id, t.now(), ended.id);
        commit!(t.store, [] tx => sessions::end(tx, End::Any(gone), now, EndCause::Logout)).expect("ended");
        let told = commit!(t.store, [] tx => bots::delete(tx, id, owner)).expect("deleted");
        assert_eq!(told, Some(vec![live.id.uuid()]));
        assert!(t.store.judged(live.id).await.expect("read").is_none());
        assert!(create(&t.store, &bot_session(t, &bot, &ada).await).await.expect("answered").is_none());
    }

    async fn the_owner_must_be_there_and_in_a_session_of_theirs(t: &TestStore) {
        let (ada, bob) = (make_user(t, "ada").await, make_user(t, "bob").await);
        let bot = make_bot(t, &ada).await;
        let good = bot_session(t, &bot, &ada).await;
        let (grant, _) = create(&t.store, &good).await.expect("committed").expect("made");
        assert_eq!(grant.acting, Some(Acting { actor: ada.id, mode: ActingMode::Bot }));
        let from = good.acting.expect("by its owner");
        let bobs = make_session(t, &bob).await.0.id;
        let foreign = NewSession { acting: Some(ActingFrom { session: bobs, ..from }), ..new_session(t, &bot) };
        assert!(create(&t.store, &foreign).await.expect("answered").is_none());
        let (id, now) = (from.session, t.now());
        commit!(t.store, [] tx => sessions::end(tx, End::Any(id), now, EndCause::Logout)).expect("ended");
        let late = NewSession { acting: Some(from), ..new_session(t, &bot) };
        assert!(create(&t.store, &late).await.expect("answered").is_none());
        let goes_on = judged(t, good.id).await.chain.state;
        assert_eq!(goes_on, portcullis_core::session::SessionState::Live, "a bot goes on without its owner");
    }

    async fn no_bot_outlives_the_disabling_of_its_owner(t: &TestStore) {
        for round in 0..6 {
            let ada = make_user(t, &format!("ada{round}")).await;
            let bot = make_bot(t, &ada).await;
            let mut asked = Vec::new();
            for _ in 0..6 {
                asked.push(bot_session(t, &bot, &ada).await);
            }
            let signing_in = parallel(6, |at| {
                let (store, new) = (t.store.clone(), asked[at].clone());
                async move { create(&store, &new).await.expect("answered, not an error").is_some() }
            });
            tokio::join!(signing_in, disable(t, ada.id));
            assert_eq!(number(&t.store, "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL").await, 0);
            assert!(create(&t.store, &asked[0]).await.expect("answered").is_none());
        }
    }

    async fn a_disabled_bot_gets_no_session(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let bot = make_bot(t, &ada).await;
        let new = bot_session(t, &bot, &ada).await;
        disable(t, bot.id).await;
        assert!(create(&t.store, &NewSession { epoch: 2, ..new }).await.expect("answered").is_none());
    }
}
