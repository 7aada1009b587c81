use super::super::{Erasure, Salt, Seal};
use super::*;
use crate::ids::UserId;
use crate::server_key::ServerKey;
use crate::time::Timestamp;

fn key(byte: u8) -> ServerKey {
    ServerKey::new(&[byte; 32]).expect("long enough")
}

fn ring() -> KeyRing {
    KeyRing::new(key(1), vec![])
}

const NOTHING_GONE: Start = Start { head: Head::NONE, seal: None };

type Change = fn(&mut StoredEvent);
type Pair = (Link, Option<StoredEvent>);

fn event(number: u128) -> StoredEvent {
    StoredEvent {
        id: Uuid::from_u128(number),
        at: Timestamp::from_seconds(1_000 + number as i64),
        kind: "session.started".into(),
        actor: None,
        user: Some(UserId::from_uuid(Uuid::from_u128(77))),
        session: None,
        address: Some("192.0.2.1".into()),
        detail: r#"{"a":1}"#.into(),
        seq: None,
    }
}

/// So many entries, each under the key of its turn.
fn chain(length: u128, key: impl Fn(u128) -> ServerKey) -> Vec<Pair> {
    let mut head = Head::NONE;
    let mut made = Vec::new();
    for number in 1..=length {
        let salts: [Salt; 5] = std::array::from_fn(|at| [at as u8 + number as u8; 16]);
        let link = Link::new(&event(number), &head, salts, &key(number));
        head = link.head();
        made.push((link, Some(event(number))));
    }
    made
}

fn good(length: u128) -> Vec<Pair> {
    chain(length, |_| key(1))
}

fn inspect(start: &Start, chain: &[Pair], checkpoints: Vec<Checkpoint>, ring: &KeyRing) -> Vec<String> {
    let mut walk = Inspection::new(start, checkpoints, ring);
    for (link, event) in chain {
        walk.step(link, event.as_ref(), ring);
    }
    walk.end().iter().map(ToString::to_string).collect()
}

fn found(chain: &[Pair]) -> Vec<String> {
    inspect(&NOTHING_GONE, chain, vec![], &ring())
}

#[test]
fn a_chain_as_it_was_made_is_whole() {
    assert_eq!(found(&[]), [""; 0]);
    assert_eq!(found(&good(4)), [""; 0]);
}

#[test]
fn every_change_of_an_event_is_found() {
    let changes: [(&str, Change); 7] = [
        ("at", |event| event.at = Timestamp::from_seconds(1)),
        ("kind", |event| event.kind = "session.ended".into()),
        ("user", |event| event.user = None),
        ("actor", |event| event.actor = event.user),
        ("session", |event| event.session = Some(crate::ids::SessionId::from_uuid(Uuid::nil()))),
        ("address", |event| event.address = Some("192.0.2.2".into())),
        ("detail", |event| event.detail = "{}".into()),
    ];
    for (field, change) in changes {
        let mut chain = good(3);
        change(chain[1].1.as_mut().expect("there"));
        let id = Uuid::from_u128(2);
        assert_eq!(found(&chain), [format!("the event of entry 2, {id}, was changed: {field}")]);
    }
}

#[test]
fn every_change_of_an_entry_is_found() {
    let changes: [fn(&mut Link); 6] = [
        |link| link.at = Timestamp::from_seconds(1),
        |link| link.kind.push('x'),
        |link| link.event = Uuid::from_u128(9),
        |link| link.digests[3][0] ^= 1,
        |link| link.hash[0] ^= 1,
        |link| link.seal.mac[0] ^= 1,
    ];
    for change in changes {
        let mut chain = good(3);
        change(&mut chain[1].0);
        assert!(found(&chain).iter().any(|line| line.starts_with("entry 2 ")), "{:?}", found(&chain));
    }
    // With the event changed to fit, and all hashes: without the key there is no MAC.
    let mut forged = chain(3, |number| key(if number == 2 { 9 } else { 1 }));
    forged[1].0.seal.key = key(1).id();
    assert_eq!(found(&forged), ["entry 2 was not made by this server: its MAC is wrong"]);
}

#[test]
fn removal_is_found() {
    let mut middle = good(5);
    middle.drain(1..3);
    assert_eq!(found(&middle), ["entries 2 to 3 are gone"]);
    assert_eq!(found(&good(3)[1..]), ["entries 1 to 1 are gone"]);
    let mut event = good(2);
    event[0].1 = None;
    assert_eq!(found(&event), [format!("the event of entry 1, {}, is gone", Uuid::from_u128(1))]);
}

#[test]
fn another_order_is_found() {
    let mut swapped = good(4);
    swapped.swap(1, 2);
    (swapped[1].0.seq, swapped[2].0.seq) = (2, 3);
    let found = found(&swapped);
    for seq in [2, 3] {
        assert!(found.contains(&format!("entry {seq} was changed, or is not in its place")), "{found:?}");
    }
}

#[test]
fn a_cut_end_is_found_against_a_checkpoint() {
    let chain = good(4);
    let (ring, at) = (ring(), Timestamp::from_seconds(2_000));
    let checkpoint = Checkpoint::new(chain[3].0.head(), at, ring.current());
    let with = |length: usize| inspect(&NOTHING_GONE, &chain[..length], vec![checkpoint], &ring);
    assert_eq!(with(4), [""; 0]);
    let line = "the end is cut: the checkpoint of 1970-01-01T00:33:20Z is at entry 4, the chain ends at 3";
    assert_eq!(with(3), [line]);
    assert_eq!(found(&chain[..3]), [""; 0], "nothing else tells");
    let forged = Checkpoint { head: Head { seq: 3, ..checkpoint.head }, ..checkpoint };
    let line = "the checkpoint at entry 3 was not made by this server";
    assert_eq!(inspect(&NOTHING_GONE, &chain, vec![forged], &ring), [line]);
    let other = Checkpoint::new(Head { seq: 2, hash: [1; 32] }, at, ring.current());
    let line = "entry 2 is another one than at the checkpoint of 1970-01-01T00:33:20Z";
    assert_eq!(inspect(&NOTHING_GONE, &chain, vec![other, checkpoint], &ring), [line]);
}

#[test]
fn what_retention_took_is_not_missing() {
    let chain = good(4);
    let start = Start::behind(chain[1].0.head(), &key(1));
    assert_eq!(inspect(&start, &chain[2..], vec![], &ring()), [""; 0]);
    let early = Checkpoint::new(chain[0].0.head(), Timestamp::from_seconds(9), &key(1));
    assert_eq!(inspect(&start, &chain[2..], vec![early], &ring()), [""; 0], "it says nothing any more");
    for forged in [
        Start { seal: Some(Seal { mac: [0; 16], key: key(1).id() }), ..start },
        Start { seal: None, ..start },
        Start { head: chain[2].0.head(), ..start },
    ] {
        let line = format!("where the chain starts, behind entry {}, was changed", forged.head.seq);
        let rest = &chain[forged.head.seq as usize..];
        assert_eq!(inspect(&forged, rest, vec![], &ring()), [line]);
    }
}

#[test]
fn only_a_server_erases() {
    let erased = |erasure: Option<Erasure>| {
        let mut chain = good(2);
        let (link, event) = &mut chain[0];
        link.erasure = erasure;
        link.salts = [[0; 16]; 5];
        let event = event.as_mut().expect("there");
        (event.user, event.address, event.detail) = (None, None, "{}".into());
        // Of these the salt stays.
        (link.salts[1], link.salts[2]) = (good(1)[0].0.salts[1], good(1)[0].0.salts[2]);
        found(&chain)
    };
    let user = UserId::from_uuid(Uuid::from_u128(77));
    let fields = Fields::about(user, Some(user), None);
    let own = Erasure::new(1, Uuid::from_u128(1), fields, &key(1));
    // The session is among them, and was empty before.
    assert_eq!(erased(Some(own)), [""; 0]);
    let line = format!("the event of entry 1, {}, was changed: user", Uuid::from_u128(1));
    assert_eq!(erased(None), [line]);
    let of_another = Erasure::new(2, Uuid::from_u128(2), fields, &key(1));
    assert_eq!(
        erased(Some(of_another)),
        ["what was erased of the event of entry 1 was not erased by this server"]
    );
}

#[test]
fn what_is_under_a_dropped_key_is_vouched_for_by_what_follows() {
    let changed = |number| key(if number <= 2 { 9 } else { 1 });
    assert_eq!(found(&chain(4, changed)), [""; 0]);
    let mut tampered = chain(4, changed);
    tampered[0].0.digests[0][0] ^= 1;
    assert!(found(&tampered).contains(&"entry 1 was changed, or is not in its place".to_owned()));
    let all = found(&chain(2, changed));
    let line = format!(
        "entries from 1 on cannot be checked without server key {}: add it to server.secret_keys_accepted",
        key(9).id()
    );
    assert_eq!(all, [line]);
}
