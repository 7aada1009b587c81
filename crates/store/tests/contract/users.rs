//! Users: made once, found by what they sign in with, changed only by who has read the latest.

use std::time::Duration;

use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::user::{Login, Profile, Role, User, Username};
use portcullis_store::accounts::NewAccount;
use portcullis_store::users::{self, Home, Insert, ProfileUpdate};
use portcullis_store::{Store, StoreError};
use portcullis_testkit::TestStore;

use crate::support::{insert, make_session, make_user, new_account, new_user, number, parallel};

contract! {
    async fn a_new_user_reads_back_as_written(t: &TestStore) {
        let mut new = new_user(t, "Ada");
        new.email_verified_at = Some(t.now());
        new.must_change_password = true;
        new.locale = Some("de-AT".into());
        assert_eq!(insert(&t.store, &new).await.expect("inserted"), Insert::Done);
        let user = t.store.user(new.id).await.expect("read").expect("there");
        assert_eq!(
            (user.id, user.email.as_str(), user.email.key()),
            (new.id, "Ada@Example.org", "ada@example.org")
        );
        assert_eq!(user.email_verified_at, Some(t.now()));
        assert_eq!(user.username, new.username);
        assert_eq!(user.profile, Profile { name: new.name, locale: new.locale, ..Profile::default() });
        assert_eq!((user.role.as_str(), user.must_change_password), (Role::USER, true));
        assert_eq!(user.account, Some(new.home.membership()));
        assert_eq!((user.credential_epoch, user.version), (1, 1));
        assert_eq!((user.disabled_at, user.created_at, user.last_login_at), (None, t.now(), None));
        let credentials = t.store.credentials(new.id).await.expect("read").expect("there");
        assert_eq!(credentials.password_hash, new.password_hash);
        assert_eq!(credentials.user.id, new.id);
    }

    async fn a_user_has_a_membership_in_an_account_of_their_own(t: &TestStore) {
        make_user(t, "ada").await;
        let sql = "SELECT COUNT(*) FROM users AS u JOIN memberships AS m ON m.user_id = u.id \
            JOIN accounts AS a ON a.id = m.account_id AND a.id = u.account_id \
            WHERE m.role = 'owner' AND a.name = 'ada''s Account' AND LENGTH(a.display_code) = 8";
        assert_eq!(number(&t.store, sql).await, 1);
    }

    async fn who_does_not_exist_is_not_found(t: &TestStore) {
        make_user(t, "ada").await;
        let nobody = UserId::new(t.now(), &*t.random);
        assert!(t.store.user(nobody).await.expect("read").is_none());
        assert!(t.store.credentials(nobody).await.expect("read").is_none());
        assert!(t.store.find_login(&Login::new("bob")).await.expect("read").is_none());
        assert!(t.store.find_login(&Login::new("bob@example.org")).await.expect("read").is_none());
    }

    async fn whoever_asks_at_once_gets_their_own_answer(t: &TestStore) {
        let (ada, eve) = (make_user(t, "ada").await, make_user(t, "eve").await);
        let nobody = UserId::new(t.now(), &*t.random);
        let ids = [ada.id, nobody, eve.id];
        let asked = (0..300).map(|at| t.store.user(ids[at % 3]));
        let answers = futures_util::future::join_all(asked).await;
        for (at, answer) in answers.into_iter().enumerate() {
            let found = answer.expect("read").map(|user| user.id);
            assert_eq!(found, Some(ids[at % 3]).filter(|id| *id != nobody), "{at}");
        }
    }

    async fn whoever_asks_at_once_by_sessions_does_too(t: &TestStore) {
        let (ada, eve) = (make_user(t, "ada").await, make_user(t, "eve").await);
        let mut asked = Vec::new();
        for user in [&ada, &ada, &eve] {
            asked.push((make_session(t, user).await.0.id, Some(user.id)));
        }
        asked.push((SessionId::new(t.now(), &*t.random), None));
        let asking = (0..300).map(|at| t.store.user_of_session(asked[at % 4].0));
        let answers = futures_util::future::join_all(asking).await;
        for (at, answer) in answers.into_iter().enumerate() {
            let found = answer.expect("read");
            assert_eq!(found.as_ref().map(|user| user.id), asked[at % 4].1, "{at}");
            let created = found.map(|user| (user.created_at, user.version));
            assert_eq!(created, asked[at % 4].1.map(|_| (ada.created_at, ada.version)), "columns of the user");
        }
    }

    async fn a_login_finds_by_address_and_by_user_name_in_any_case(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        for login in ["ada", "ADA", "ada@example.org", " Ada@EXAMPLE.org "] {
            let found = t.store.find_login(&Login::new(login)).await.expect("read").expect(login);
            assert_eq!(found.user.id, ada.id, "{login}");
        }
    }

    async fn an_imported_user_name_with_an_at_sign_is_found_after_addresses(t: &TestStore) {
        let ada = make_user(t, "ada").await;
        let mut imported = new_user(t, "bob");
        imported.username = Some(Username::from_stored("Bob@Old".into(), "bob@old".into()));
        insert(&t.store, &imported).await.expect("inserted");
        let mut thief = new_user(t, "thief");
        thief.username = Some(Username::from_stored("ada@example.org".into(), "ada@example.org".into()));
        insert(&t.store, &thief).await.expect("inserted");
        let find = async |login: &str| {
            t.store.find_login(&Login::new(login)).await.expect("read").expect("found").user.id
        };
        assert_eq!(find("bob@old").await, imported.id);
        assert_eq!(find("ada@example.org").await, ada.id);
    }

    async fn an_address_and_a_user_name_are_taken_once_whatever_the_case(t: &TestStore) {
        make_user(t, "ada").await;
        assert_eq!(insert(&t.store, &new_user(t, "ADA")).await.expect("answered"), Insert::EmailTaken);
        let mut other = new_user(t, "Ada");
        other.email = new_user(t, "other").email;
        assert_eq!(insert(&t.store, &other).await.expect("answered"), Insert::UsernameTaken);
        assert_eq!(t.store.count_users().await.expect("counted"), 1);
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM accounts").await, 1);
    }

    async fn of_twenty_with_one_address_one_is_made(t: &TestStore) {
        let outcomes = race(t, |t, at| users::NewUser {
            email: new_user(t, "same").email,
            ..new_user(t, &format!("u{at}"))
        })
        .await;
        let count = |which| outcomes.iter().filter(|outcome| **outcome == which).count();
        assert_eq!((count(Insert::Done), count(Insert::EmailTaken)), (1, 19));
        assert_eq!(number(&t.store, "SELECT COUNT(*) FROM memberships").await, 1);
    }

    async fn of_twenty_with_one_user_name_one_is_made(t: &TestStore) {
        let outcomes = race(t, |t, at| users::NewUser {
            username: new_user(t, "same").username,
            ..new_user(t, &format!("u{at}"))
        })
        .await;
        let count = |which| outcomes.iter().filter(|outcome| **outcome == which).count();
        assert_eq!((count(Insert::Done), count(Insert::UsernameTaken)), (1, 19));
    }

    async fn users_without_a_user_name_do_not_collide(t: &TestStore) {
        for name in ["ada", "bob"] {
            let new = users::NewUser { username: None, ..new_user(t, name) };
            assert_eq!(insert(&t.store, &new).await.expect("inserted"), Insert::Done);
        }
    }

    async fn a_taken_display_code_gives_way_to_the_next(t: &TestStore) {
        let with_codes = |name: &str, codes: &[&str]| {
            let display_codes = codes.iter().map(|code| (*code).to_owned()).collect();
            let home = Home::Own(NewAccount { display_codes, ..new_account(t, name) });
            users::NewUser { home, ..new_user(t, name) }
        };
        let ada = with_codes("ada", &["AAAAAAAA"]);
        insert(&t.store, &ada).await.expect("inserted");
        let bob = with_codes("bob", &["AAAAAAAA", "BBBBBBBB"]);
        assert_eq!(insert(&t.store, &bob).await.expect("inserted"), Insert::Done);
        assert_eq!(
            number(&t.store, "SELECT COUNT(*) FROM accounts WHERE display_code = 'BBBBBBBB'").await,
            1
        );
        let eve = with_codes("eve", &["AAAAAAAA", "BBBBBBBB"]);
        let error = insert(&t.store, &eve).await.expect_err("no code is free");
        assert!(matches!(error, StoreError::Statement(_)), "{error}");
        assert!(t.store.user(eve.id).await.expect("read").is_none(), "nothing of her stays");
    }

    async fn users_page_by_id(t: &TestStore) {
        let mut ids = Vec::new();
        for name in ["ada", "bob", "cyd", "dan", "eve"] {
            t.clock.advance(Duration::from_secs(1));
            ids.push(make_user(t, name).await.id);
        }
        let first = t.store.users(None, 3).await.expect("read");
        assert_eq!(first.iter().map(|user| user.id).collect::<Vec<_>>(), ids[..3]);
        let rest = t.store.users(Some(first[2].id), 3).await.expect("read");
        assert_eq!(rest.iter().map(|user| user.id).collect::<Vec<_>>(), ids[3..]);
        assert_eq!(t.store.count_users().await.expect("counted"), 5);
    }

    async fn a_profile_is_written_by_who_has_read_the_latest(t: &TestStore) {
        let read = make_user(t, "ada").await;
        let profile = Profile {
            name: Some("Ada L.".into()),
            phone: Some("+44 20".into()),
            job_title: Some("Countess".into()),
            timezone: Some("Europe/London".into()),
            locale: Some("en-GB".into()),
        };
        let changed = User { profile: profile.clone(), username: None, ..read.clone() };
        assert_eq!(update(&t.store, &changed).await.expect("written"), ProfileUpdate::Done);
        let now = t.store.user(read.id).await.expect("read").expect("there");
        assert_eq!((now.profile.clone(), now.username.clone(), now.version), (profile, None, 2));
        assert_eq!(update(&t.store, &read).await.expect("answered"), ProfileUpdate::Moved);
        assert_eq!(t.store.user(read.id).await.expect("read").expect("there").profile, now.profile);
    }

    async fn a_user_name_of_somebody_else_is_refused_and_ones_own_is_kept(t: &TestStore) {
        make_user(t, "ada").await;
        let bob = make_user(t, "bob").await;
        let username = Some(Username::parse("username", "ADA").expect("valid"));
        let renamed = User { username, ..bob.clone() };
        assert_eq!(update(&t.store, &renamed).await.expect("answered"), ProfileUpdate::UsernameTaken);
        let same = User { username: Some(Username::parse("username", "BOB").expect("valid")), ..bob.clone() };
        assert_eq!(update(&t.store, &same).await.expect("written"), ProfileUpdate::Done);
        let now = t.store.user(bob.id).await.expect("read").expect("there");
        assert_eq!(now.username.expect("kept").as_str(), "BOB");
    }

    async fn of_twenty_who_take_one_user_name_one_gets_it(t: &TestStore) {
        let mut everybody = Vec::new();
        for at in 0..20 {
            everybody.push(make_user(t, &format!("u{at}")).await);
        }
        let outcomes = parallel(20, |at| {
            let username = Some(Username::parse("username", "same").expect("valid"));
            let (store, user) = (t.store.clone(), User { username, ..everybody[at].clone() });
            async move { update(&store, &user).await.expect("answered, not an error") }
        })
        .await;
        let count = |which| outcomes.iter().filter(|outcome| **outcome == which).count();
        assert_eq!((count(ProfileUpdate::Done), count(ProfileUpdate::UsernameTaken)), (1, 19));
    }
}

async fn update(store: &Store, user: &User) -> Result<ProfileUpdate, StoreError> {
    let now = user.created_at + Duration::from_secs(5);
    commit!(store, [user] tx => users::update_profile(tx, &user, now))
}

/// Twenty inserts side by side.
async fn race(t: &TestStore, make: impl Fn(&TestStore, usize) -> users::NewUser) -> Vec<Insert> {
    let everybody: Vec<_> = (0..20).map(|at| make(t, at)).collect();
    parallel(20, |at| {
        let (store, new) = (t.store.clone(), everybody[at].clone());
        async move { insert(&store, &new).await.expect("answered, not an error") }
    })
    .await
}
