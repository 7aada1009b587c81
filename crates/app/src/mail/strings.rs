//! What the built-in mails say, one file a language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use portcullis_core::mail::Template;
use serde::Deserialize;

/// Languages and their files.
const FILES: [(&str, &str); 5] = [
    ("en", include_str!("locales/en.toml")),
    ("de", include_str!("locales/de.toml")),
    ("es", include_str!("locales/es.toml")),
    ("fr", include_str!("locales/fr.toml")),
    ("zh", include_str!("locales/zh.toml")),
];

static LANGUAGES: LazyLock<BTreeMap<&str, Strings>> = LazyLock::new(|| {
    let read = |text| toml::from_str(text).expect("the files of this crate are read in a test");
    FILES.iter().map(|(name, text)| (*name, read(text))).collect()
});

/// The built-in languages.
pub fn languages() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// One language.
#[derive(Deserialize)]
pub(super) struct Strings {
    pub(super) common: Common,
    #[serde(flatten)]
    templates: BTreeMap<String, Wording>,
}

/// What several mails say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Common {
    pub(super) fallback: String,
    pub(super) valid: String,
    pub(super) footer: String,
    pub(super) minute: String,
    pub(super) minutes: String,
    pub(super) hour: String,
    pub(super) hours: String,
    pub(super) day: String,
    pub(super) days: String,
}

/// What one mail says: templates themselves, of single lines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wording {
    pub(super) subject: String,
    pub(super) heading: String,
    pub(super) text: Vec<String>,
    pub(super) button: Option<String>,
    #[serde(default)]
    pub(super) after: Vec<String>,
}

/// The language of a tag, if it is built in.
pub(super) fn language(tag: &str) -> Option<&'static Strings> {
    LANGUAGES.get(tag)
}

impl Strings {
    /// What a mail says. A test holds that no language lacks one.
    pub(super) fn of(&self, template: Template) -> &Wording {
        &self.templates[template.as_str()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in `{{ … }}` and `{% … %}`, sorted.
    fn placeholders(texts: &[&str]) -> Vec<String> {
        let mut environment = minijinja::Environment::new();
        environment.set_debug(false);
        let mut names: Vec<String> = texts
            .iter()
            .flat_map(|text| {
                let template = environment.template_from_str(text).expect("a sound template");
                template.undeclared_variables(false).into_iter()
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Placeholders of subject and heading, of each paragraph, whether there is a button, of each paragraph after it.
    type Shape = (Vec<String>, Vec<Vec<String>>, bool, Vec<Vec<String>>);

    impl Wording {
        fn shape(&self) -> Shape {
            let each = |texts: &[String]| texts.iter().map(|text| placeholders(&[text])).collect();
            let head = placeholders(&[&self.subject, &self.heading]);
            (head, each(&self.text), self.button.is_some(), each(&self.after))
        }
    }

    impl Common {
        fn each(&self) -> [&str; 9] {
            [
                &self.fallback,
                &self.valid,
                &self.footer,
                &self.minute,
                &self.minutes,
                &self.hour,
                &self.hours,
                &self.day,
                &self.days,
            ]
        }
    }

    #[test]
    fn every_language_says_the_same() {
        let english = language("en").expect("built in");
        let names: Vec<&String> = english.templates.keys().collect();
        let mut expected: Vec<&str> = Template::ALL.iter().map(|template| template.as_str()).collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
        for name in languages() {
            let strings = language(name).expect("built in");
            assert_eq!(strings.templates.keys().collect::<Vec<_>>(), names, "{name}");
            for (ours, theirs) in strings.common.each().iter().zip(english.common.each()) {
                assert_eq!(placeholders(&[ours]), placeholders(&[theirs]), "{name}: {ours}");
            }
            for (template, text) in &strings.templates {
                assert_eq!(text.shape(), english.templates[template].shape(), "{name}: {template}");
            }
        }
    }

    #[test]
    fn what_has_a_link_has_a_button() {
        for template in Template::ALL.into_iter().filter(|template| template.link().is_some()) {
            assert!(language("en").expect("built in").of(template).button.is_some(), "{}", template.as_str());
        }
    }
}
