//! What mails say, ours and the operator's.

use super::*;
use crate::mail::languages;

const HOUSE: House<'_> = House {
    product: "Gate & Co",
    home: "https://id.example",
    sign_in: "https://id.example/sign-in",
    default_locale: "de",
};

fn rendered(
    templates: &Templates,
    template: Template,
    locale: Option<&str>,
    values: &Map<String, Json>,
) -> Rendered {
    let about = About {
        template,
        locale,
        email: "ada@example.org",
        link: template.link().map(|_| "https://id.example/x?token=pcl_1&a=b".into()),
        valid_for: template.link().map(|_| Duration::from_hours(24)),
        parameters: values,
    };
    templates.render(&about, &HOUSE).expect("it renders")
}

fn file(name: &str, text: &str) -> OverrideFile {
    OverrideFile { name: name.into(), text: text.into() }
}

#[test]
fn every_mail_can_be_said_in_every_language_with_much_or_little() {
    let templates = Templates::default();
    for template in Template::ALL {
        for language in languages() {
            for values in [example(template), Map::new()] {
                let mail = rendered(&templates, template, Some(language), &values);
                let name = format!("{} {language}", template.as_str());
                assert!(!mail.subject.is_empty() && !mail.subject.contains('\n'), "{name}");
                for text in [&mail.text, &mail.html] {
                    assert!(!text.contains("{{") && !text.contains(" none"), "{name}: {text}");
                    assert_eq!(text.contains("token=pcl_1"), template.link().is_some(), "{name}");
                }
                assert!(mail.html.contains("Gate &amp; Co") && mail.text.contains("Gate & Co"), "{name}");
            }
        }
    }
}

#[test]
fn the_language_is_the_readers_or_the_nearest() {
    let templates = Templates::default();
    let subject = |locale| rendered(&templates, Template::ResetPassword, locale, &Map::new()).subject;
    for (locale, expected) in [
        (Some("es"), "Elige una contraseña nueva"),
        (Some("fr-CA"), "Choisissez un nouveau mot de passe"),
        (Some("zh_Hant_TW"), "设置新密码"),
        (Some("EN-us"), "Set a new password"),
        (Some("ja"), "Neues Passwort setzen"),
        (Some(""), "Neues Passwort setzen"),
        (None, "Neues Passwort setzen"),
    ] {
        assert_eq!(subject(locale), expected, "{locale:?}");
    }
}

#[test]
fn how_long_a_link_is_good_for_is_said_in_words() {
    let templates = Templates::default();
    let english = language("en").expect("built in");
    for (minutes, expected) in [
        (1, "1 minute"),
        (59, "59 minutes"),
        (60, "1 hour"),
        (90, "90 minutes"),
        (120, "2 hours"),
        (150, "2 hours"),
        (1440, "1 day"),
        (2160, "36 hours"),
        (7 * 1440, "7 days"),
    ] {
        let said = templates.span(&english.common, Duration::from_mins(minutes)).expect("it renders");
        assert_eq!(said, expected);
    }
}

#[test]
fn what_people_call_themselves_is_text_and_one_line() {
    let templates = Templates::default();
    let values = [("inviter", "<b>Eve</b>\r\nBcc: all@example.org"), ("account", "A\u{0}B")];
    let values = values.map(|(name, value)| (name.to_owned(), Json::from(value))).into_iter().collect();
    let mail = rendered(&templates, Template::AccountInvite, Some("en"), &values);
    assert_eq!(mail.subject, "You are invited to A B");
    assert!(mail.text.contains("<b>Eve</b> Bcc: all@example.org invites you"), "{}", mail.text);
    assert!(mail.html.contains("&lt;b&gt;Eve&lt;&#x2f;b&gt; Bcc"), "{}", mail.html);
    let long = Map::from_iter([("account".to_owned(), Json::from("x".repeat(10_000)))]);
    assert!(rendered(&templates, Template::AccountInvite, None, &long).subject.len() < 300);
}

#[test]
fn the_operators_templates_take_the_place_of_ours() {
    let (templates, faults) = Templates::with(vec![
        file("reset_password.subject", "A new key\nfor {{ email }}"),
        file(
            "reset_password.de.html",
            "<p>{{ product }}: <a href=\"{{ link }}\">{{ button }}</a>{{ name }}</p>",
        ),
        file("reset_password.ja.subject", "新しいパスワード"),
    ]);
    assert_eq!(faults, []);
    let german = rendered(&templates, Template::ResetPassword, Some("de-AT"), &Map::new());
    assert_eq!(german.subject, "A new key for ada@example.org");
    assert!(german.html.starts_with("<p>Gate &amp; Co: <a href=\"https:"), "{}", german.html);
    assert!(german.text.starts_with("Neues Passwort setzen"));
    let english = rendered(&templates, Template::ResetPassword, Some("en"), &Map::new());
    assert_eq!(english.subject, german.subject);
    assert!(english.html.starts_with("<!doctype html>"));
    let japanese = rendered(&templates, Template::ResetPassword, Some("ja"), &Map::new());
    assert_eq!(japanese.subject, "新しいパスワード");
    assert_eq!(
        rendered(&templates, Template::Test, Some("de"), &Map::new()).subject,
        "Mail von Gate & Co kommt an"
    );
}

#[test]
fn a_template_with_an_error_is_refused_with_its_file_and_line() {
    for (name, text, expected) in [
        ("test.html", "<p>\n{{ produkt }}</p>", "test.html:2: undefined value"),
        ("test.txt", "a\nb\n{% if product %}", "test.txt:3: syntax error: "),
        ("test.subject", "{{ product | shout }}", "test.subject:1: unknown filter: "),
        ("invite.de.txt", "{{ inviter|upper }}\n{{ code ~ account.name.first }}", "invite.de.txt:2: "),
        ("test.txt", "{% for i in range(99999) %}{{ i }}{% endfor %}", "test.txt:1: "),
        ("test.txt", "{% include '/etc/passwd' %}", "test.txt:1: template not found: "),
        ("reset.html", "", "reset.html: is of no mail: these are verify_email, "),
        ("test.md", "", "test.md: is no name of a template: it ends in"),
        ("a.b.c.html", "", "a.b.c.html: is no name of a template"),
    ] {
        let (templates, faults) = Templates::with(vec![file(name, text)]);
        assert_eq!(faults.len(), 1, "{name}");
        assert!(faults[0].to_string().starts_with(expected), "{} is not {expected}", faults[0]);
        let subject = rendered(&templates, Template::Test, Some("en"), &Map::new()).subject;
        assert_eq!(subject, "Mail from Gate & Co works", "ours is used");
    }
}

#[test]
fn a_template_that_fails_later_gives_way_to_ours() {
    let (templates, faults) = Templates::with(vec![file(
        "test.subject",
        "{% if email == 'ada@example.org' and product == 'Gate & Co' %}{{ x }}{% endif %}ok",
    )]);
    assert_eq!(faults, []);
    let mail = rendered(&templates, Template::Test, Some("en"), &Map::new());
    assert_eq!(mail.subject, "Mail from Gate & Co works");
}
