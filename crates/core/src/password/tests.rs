use proptest::prelude::*;

use super::common::is_common;
use super::{Password, PasswordPolicy, PasswordProblem, PolicyError, fold::fold, shape};

fn check(policy: &PasswordPolicy, password: &str, context: &[&str]) -> Result<(), PasswordProblem> {
    policy.check(&Password::parse(password.to_owned())?, context)
}

fn short() -> PasswordPolicy {
    PasswordPolicy::new(8, 128).expect("bounds are allowed")
}

const ALICE: &[&str] = &["alice.liddell@looking-glass.example", "Alice Pleasance Liddell", "whiterabbit"];

#[test]
fn good_passwords_pass() {
    let good = [
        "correct horse battery staple",
        "four unrelated words here",
        "ein Königreich für ein Pferd",
        "пароль для кошки и собаки",
        "正しい馬電池ステープル飛行機雲と猫",
        "🦀🐈🌧️🎻🚲🧀🪁🗝️🕰️🛶🌵🦉🍩🎲",
        "alice went down the hole in 1865",
        "password is not a good password",
        "kX9#vB2mQ7!pL4zT",
        "                x-ray lamp toad   ",
    ];
    for password in good {
        assert_eq!(check(&PasswordPolicy::default(), password, ALICE), Ok(()), "{password}");
    }
    for password in ["tr0ub4dor&3", "zebra lamp", "kX9#vB2m", "rain over lake"] {
        assert_eq!(check(&short(), password, ALICE), Ok(()), "{password}");
    }
}

#[test]
fn length_counts_code_points_after_nfc() {
    let policy = PasswordPolicy::default();
    let (short, long) = (PasswordProblem::TooShort { min: 15 }, PasswordProblem::TooLong { max: 128 });
    assert_eq!(check(&policy, "", &[]), Err(short));
    assert_eq!(check(&policy, "lamp toad x-ra", &[]), Err(short));
    assert_eq!(check(&policy, "lamp toad x-ray", &[]), Ok(()));
    assert_eq!(check(&policy, "lamp toad x-rae\u{301}", &[]), Ok(()), "15 after composing");
    assert_eq!(check(&policy, "lamp toad x-re\u{301}", &[]), Err(short), "15 before, 14 after composing");

    let words = "lamp toad x-ray quiver mole ".repeat(5);
    assert_eq!(check(&policy, &words[..128], &[]), Ok(()));
    assert_eq!(check(&policy, &words[..129], &[]), Err(long));
    assert_eq!(check(&policy, &"🦀".repeat(129), &[]), Err(long));
}

#[test]
fn common_passwords_are_refused() {
    let refused = [
        "123456789qwerty",
        "MANCHESTERUNITED",
        "1qaz2wsx3edc4rfv",
        "Password1234567!",
        "passwordpassword",
        "PasswordPassword1!",
        "!!!football!!!2024",
        "sunshine-1984-05",
    ];
    for password in refused {
        assert_eq!(
            check(&PasswordPolicy::default(), password, &[]),
            Err(PasswordProblem::Common),
            "{password}"
        );
    }
    for password in ["password", "Trustno1", "Iloveyou!", "football"] {
        assert_eq!(check(&short(), password, &[]), Err(PasswordProblem::Common), "{password}");
    }
}

#[test]
fn every_line_of_the_list_is_found_and_nothing_between() {
    let list = include_str!("common.txt");
    assert!(
        list.lines().zip(list.lines().skip(1)).all(|(a, b)| a.as_bytes() < b.as_bytes()),
        "sorted, no doubles"
    );
    for line in list.lines() {
        assert!(is_common(line, &[]), "{line}");
        assert_eq!(*fold(line), line, "folded");
    }
    for word in ["", "\n", "0", "lamp toad", "~~~~", "password\npassword1"] {
        assert!(!is_common(word, &[]), "{word:?}");
    }
}

#[test]
fn the_operators_list_counts_too() {
    let lines = ["Acme Rocket Sled", "", "  roadrunner ", "ÉCLAIR AU CHOCOLAT"].map(str::to_owned).to_vec();
    let policy = PasswordPolicy::default().with_extra(lines);
    for password in
        ["acme rocket sled", "RoadRunner123456", "e\u{301}clair au chocolat", "roadrunnerroadrunner"]
    {
        assert_eq!(check(&policy, password, &[]), Err(PasswordProblem::Common), "{password}");
    }
    assert_eq!(check(&policy, "acme lamp x-ray toad", &[]), Ok(()));
}

#[test]
fn context_words_are_refused_when_they_are_most_of_it() {
    let refused = [
        "alice.liddell@looking-glass.example",
        "Alice.Liddell@Looking-Glass.Example!1",
        "alicepleasanceliddell",
        "LiddellAlice1865",
        "Looking.Glass.2024!",
        "WhiteRabbit-2024",
        "portcullis2024!x",
        "PortcullisPortcullis",
    ];
    for password in refused {
        let found = check(&PasswordPolicy::default(), password, ALICE);
        assert_eq!(found, Err(PasswordProblem::ContainsContext), "{password}");
    }
    assert_eq!(check(&short(), "bob-lamp", &["bob@lamp.example"]), Err(PasswordProblem::ContainsContext));
    assert_eq!(check(&short(), "xkq-lamp", &["", " ", "@", "xkq"]), Ok(()), "short words do not count");
}

#[test]
fn repetitions_and_runs_are_refused() {
    let refused = [
        "zzzzzzzzzzzzzzzz",
        "                    ",
        "ééééééééééééééé",
        "xq7xq7xq7xq7xq7xq7",
        "lamp.lamp.lamp.la",
        "345678901234567",
        "987654321098765",
        "mnopqrstuvwxyzabc",
        "poiuytrewqlkjhg",
        "abc123def456ghi",
        "tyughjbnm567890",
        "1111222233334444",
    ];
    for password in refused {
        let found = check(&PasswordPolicy::default(), password, &[]);
        assert_eq!(found, Err(PasswordProblem::Repetitive), "{password}");
    }
}

#[test]
fn weight_counts_runs() {
    for (text, weight) in
        [("", 0), ("a", 1), ("123456", 1), ("890123", 1), ("aaaaqwerty", 2), ("lamp", 4), ("fedabc", 2)]
    {
        assert_eq!(shape::weight(text), weight, "{text}");
    }
    assert_eq!(shape::unit("abcabca"), Some("abc"));
    assert_eq!(shape::unit("éé"), Some("é"));
    assert_eq!(shape::unit("abcab"), None);
}

#[test]
fn parse_refuses_what_cannot_be_stored() {
    let nul = Password::parse("lamp toad\0 x-ray quiver".into()).expect_err("NUL");
    assert_eq!(nul, PasswordProblem::ContainsNul);
    assert!(Password::parse("🦀".repeat(256)).is_ok(), "exactly the most bytes");
    let long = Password::parse("🦀".repeat(257)).expect_err("one more");
    assert_eq!(long, PasswordProblem::TooLong { max: 256 });
}

#[test]
fn an_over_long_presented_password_matches_nothing_storable() {
    for given in ["a".repeat(1_000_000), "🦀".repeat(5000), format!("{}é", "a".repeat(1024))] {
        let bytes = Password::presented(&given).as_bytes().len();
        assert!((1025..=1028).contains(&bytes), "{bytes}");
    }
    assert_eq!(Password::presented("e\u{301}").as_bytes(), "é".as_bytes());
}

#[test]
fn debug_tells_nothing() {
    assert_eq!(format!("{:?}", Password::presented("lamp toad x-ray")), "Password(..)");
}

#[test]
fn bounds_outside_the_allowed_are_named() {
    assert_eq!(PasswordPolicy::new(7, 128).expect_err("low"), PolicyError::MinLength(7));
    assert_eq!(PasswordPolicy::new(65, 128).expect_err("high"), PolicyError::MinLength(65));
    let low = PasswordPolicy::new(15, 63).expect_err("low");
    assert_eq!(low.to_string(), "password.max_length is 63: use 64 to 256");
    assert_eq!(PasswordPolicy::new(15, 257).expect_err("high"), PolicyError::MaxLength(257));
}

#[test]
fn codes_are_stable() {
    let codes = [
        (PasswordProblem::TooShort { min: 15 }, "password_too_short"),
        (PasswordProblem::TooLong { max: 128 }, "password_too_long"),
        (PasswordProblem::ContainsNul, "password_contains_nul"),
        (PasswordProblem::Common, "password_common"),
        (PasswordProblem::ContainsContext, "password_context"),
        (PasswordProblem::Repetitive, "password_repetitive"),
    ];
    for (problem, code) in codes {
        assert_eq!(problem.code(), code);
    }
}

proptest! {
    #[test]
    fn any_text_gets_an_answer(password in any::<String>(), email in any::<String>(), name in "\\PC{0,20}") {
        let presented = Password::presented(&password);
        prop_assert!(presented.as_bytes().len() <= Password::MAX_BYTES + 4);
        let _ = short().check(&presented, &[&email, &name]);
    }

    #[test]
    fn what_passes_is_within_bounds_and_normal(password in "\\PC{0,200}") {
        if let Ok(parsed) = Password::parse(password)
            && short().check(&parsed, &[]).is_ok()
        {
            let length = parsed.as_str().chars().count();
            prop_assert!((8..=128).contains(&length));
            prop_assert!(unicode_normalization::is_nfc(parsed.as_str()));
        }
    }

    #[test]
    fn composition_makes_no_difference(password in "[a-zé-ü]{0,40}") {
        use unicode_normalization::UnicodeNormalization;
        let taken_apart: String = password.nfd().collect();
        let (composed, apart) = (Password::presented(&password), Password::presented(&taken_apart));
        prop_assert_eq!(composed.as_bytes(), apart.as_bytes());
    }

    #[test]
    fn a_word_of_the_account_with_a_year_never_passes(name in "[a-z]{15,30}", year in 1900..2100_u32) {
        let password = format!("{name}{year}");
        prop_assert!(check(&short(), &password, &[&name]).is_err());
    }
}
