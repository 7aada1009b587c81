//! From what a mail is about to what it says: the built-in texts, or the operator's templates in their place.
//!
//! 1. The languages to try: the reader's tag, its language without the region, the installation's, English.
//! 2. In each: the operator's template of that language, else, if we have the language, the operator's for all
//!    languages, else ours.
//! 3. A template of the operator's that fails is told in the log, and ours is used.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value};
use portcullis_core::mail::Template;
use serde_json::{Map, Value as Json, json};

use super::strings::{Common, Strings, Wording, language};

/// What a template may do: a layout takes some hundreds.
const FUEL: u64 = 100_000;
/// Longest text of a parameter that is shown: names are their users' to choose.
const LONGEST: usize = 200;
/// In minutes.
const HOUR: u64 = 60;
const DAY: u64 = 24 * HOUR;

/// What parameters there are beside those that every mail has. All are texts, and may be missing (`none`).
pub const PARAMETERS: [&str; 14] = [
    "name",
    "inviter",
    "account",
    "role",
    "new_email",
    "reason",
    "token_name",
    "key_prefix",
    "found_at",
    "deletes_at",
    "provider",
    "time",
    "device",
    "address",
];

/// The forms of a mail, which each have a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The subject.
    Subject,
    /// For those who read text.
    Text,
    /// For all others.
    Html,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    /// The end of its file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }
}

/// A template of the operator's: `verify_email.de.html`, or `verify_email.html` for all languages.
#[derive(Clone)]
pub struct OverrideFile {
    /// The file's name, without its folder.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What is wrong with a template of the operator's. It is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// The file's name.
    pub file: String,
    /// In which line, if it is about one.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What a mail is about.
pub(super) struct About<'a> {
    pub(super) template: Template,
    pub(super) locale: Option<&'a str>,
    pub(super) email: &'a str,
    /// Where its button leads.
    pub(super) link: Option<String>,
    /// How long the link is good for, if it has a token.
    pub(super) valid_for: Option<Duration>,
    pub(super) parameters: &'a Map<String, Json>,
}

/// What the installation puts into every mail.
pub(super) struct House<'a> {
    pub(super) product: &'a str,
    pub(super) home: &'a str,
    pub(super) sign_in: &'a str,
    pub(super) default_locale: &'a str,
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For all others.
    pub html: String,
}

/// All templates.
pub struct Templates {
    environment: Box<Environment<'static>>,
    /// Lower-case names of the operator's, and how the files are written.
    overrides: BTreeMap<String, String>,
}

impl Default for Templates {
    fn default() -> Self {
        Self { environment: Box::new(environment()), overrides: BTreeMap::new() }
    }
}

impl Templates {
    /// With templates of the operator's in the place of ours. Each is tried with and without all that may be missing;
    /// those that fail come back, and ours stay.
    pub fn with(files: Vec<OverrideFile>) -> (Self, Vec<TemplateFault>) {
        let mut all = Self::default();
        let mut faults = Vec::new();
        for file in files {
            if let Err(fault) = all.add(file) {
                faults.push(fault);
            }
        }
        (all, faults)
    }

    fn add(&mut self, file: OverrideFile) -> Result<(), TemplateFault> {
        let OverrideFile { name, text } = file;
        let (template, tag) =
            parts(&name).map_err(|problem| TemplateFault { file: name.clone(), line: None, problem })?;
        let key = name.to_lowercase();
        let tried = match self.environment.add_template_owned(key.clone(), text) {
            Ok(()) => self.try_out(&key, template, tag.as_deref()),
            Err(error) => Err(error),
        };
        if let Err(error) = tried {
            self.environment.remove_template(&key);
            return Err(TemplateFault { file: name, line: error.line(), problem: problem(&error) });
        }
        self.overrides.insert(key, name);
        Ok(())
    }

    /// With everything there is to show, and with as little as there may be.
    fn try_out(&self, key: &str, template: Template, tag: Option<&str>) -> Result<(), Error> {
        let house = House {
            product: "Portcullis",
            home: "https://id.example",
            sign_in: "https://id.example/sign-in",
            default_locale: "en",
        };
        for parameters in [example(template), Map::new()] {
            let about = About {
                template,
                locale: tag,
                email: "ada@example.org",
                link: Some("https://id.example/".into()),
                valid_for: Some(Duration::from_hours(1)),
                parameters: &parameters,
            };
            let context = self.context(&about, &house)?;
            self.environment.get_template(key)?.render(context)?;
        }
        Ok(())
    }

    /// Says it. An error is one of ours: the operator's templates are passed over when they fail.
    pub(super) fn render(&self, about: &About<'_>, house: &House<'_>) -> Result<Rendered, Error> {
        let context = self.context(about, house)?;
        let subject = self.form(Form::Subject, about, house, &context)?;
        Ok(Rendered {
            // A header is one line, whatever was put into it.
            subject: one_line(&subject),
            text: self.form(Form::Text, about, house, &context)?,
            html: self.form(Form::Html, about, house, &context)?,
        })
    }

    fn form(
        &self,
        form: Form,
        about: &About<'_>,
        house: &House<'_>,
        context: &Value,
    ) -> Result<String, Error> {
        if let Some(key) = self.own(form, about, house) {
            match self.environment.get_template(&key).and_then(|template| template.render(context)) {
                Ok(done) => return Ok(done),
                Err(error) => {
                    let file = self.overrides.get(&key).cloned().unwrap_or(key);
                    let fault = TemplateFault { file, line: error.line(), problem: problem(&error) };
                    tracing::warn!(%fault, "a mail template of yours failed; the built-in one is used");
                }
            }
        }
        match form {
            Form::Subject => Ok(context.get_attr("subject")?.to_string()),
            Form::Text => self.environment.get_template("layout.txt")?.render(context),
            Form::Html => self.environment.get_template("layout.html")?.render(context),
        }
    }

    /// The operator's template for this, if there is one.
    fn own(&self, form: Form, about: &About<'_>, house: &House<'_>) -> Option<String> {
        let (name, extension) = (about.template.as_str(), form.extension());
        let known = |key: String| self.overrides.contains_key(&key).then_some(key);
        for tag in tags(about.locale, house.default_locale) {
            if let Some(key) = known(format!("{name}.{tag}.{extension}")) {
                return Some(key);
            }
            if language(&tag).is_some() {
                break;
            }
        }
        known(format!("{name}.{extension}"))
    }

    /// What every template may show.
    fn context(&self, about: &About<'_>, house: &House<'_>) -> Result<Value, Error> {
        let tags = tags(about.locale, house.default_locale);
        let found = tags.iter().find_map(|tag| Some((tag, language(tag)?)));
        let (tag, strings) = found.expect("English is the last of them");
        let mut known: Map<String, Json> =
            PARAMETERS.into_iter().map(|name| (name.to_owned(), Json::Null)).collect();
        for (name, value) in about.parameters {
            let shown = value.as_str().map_or_else(|| value.clone(), |text| Json::from(shown(text)));
            known.insert(name.clone(), shown);
        }
        let own = [
            ("product", json!(house.product)),
            ("home", json!(house.home)),
            ("sign_in", json!(house.sign_in)),
            ("email", json!(about.email)),
            ("link", json!(about.link)),
            ("locale", json!(tag)),
            ("template", json!(about.template.as_str())),
        ];
        known.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let valid_for = about.valid_for.map(|span| self.span(&strings.common, span)).transpose()?;
        known.insert("valid_for".into(), json!(valid_for));
        self.say(strings, strings.of(about.template), &mut known)?;
        Ok(Value::from(Serde(&known)))
    }

    /// Adds what the built-in mail says to what templates may show.
    fn say(&self, strings: &Strings, text: &Wording, known: &mut Map<String, Json>) -> Result<(), Error> {
        let context = Value::from(Serde(&*known));
        let line =
            |source: &str| self.environment.render_str(source, context.clone()).map(|said| one_line(&said));
        let lines = |sources: &[String]| -> Result<Vec<String>, Error> {
            let said: Vec<String> = sources.iter().map(|source| line(source)).collect::<Result<_, _>>()?;
            Ok(said.into_iter().filter(|said| !said.is_empty()).collect())
        };
        let mut after = lines(&text.after)?;
        if !known["valid_for"].is_null() {
            after.insert(0, line(&strings.common.valid)?);
        }
        let said = [
            ("subject", json!(line(&text.subject)?)),
            ("heading", json!(line(&text.heading)?)),
            ("text", json!(lines(&text.text)?)),
            ("button", json!(text.button.as_deref().map(line).transpose()?)),
            ("after", json!(after)),
            ("fallback", json!(line(&strings.common.fallback)?)),
            ("footer", json!(line(&strings.common.footer)?)),
        ];
        known.extend(said.map(|(name, value)| (name.to_owned(), value)));
        Ok(())
    }

    /// `2 hours`, in the largest unit that fits.
    fn span(&self, words: &Common, span: Duration) -> Result<String, Error> {
        let minutes = span.as_secs() / 60;
        let whole = |unit: u64| minutes >= unit && (minutes.is_multiple_of(unit) || minutes > 2 * unit);
        let (n, one, many) = match minutes {
            _ if whole(DAY) => (minutes / DAY, &words.day, &words.days),
            _ if whole(HOUR) => (minutes / HOUR, &words.hour, &words.hours),
            _ => (minutes, &words.minute, &words.minutes),
        };
        self.environment.render_str(if n == 1 { one } else { many }, minijinja::context! { n })
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // An error must not show what it was about.
    environment.set_debug(false);
    environment.set_auto_escape_callback(|name| {
        if name.strip_suffix(".html").is_some() { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_template("layout.html", include_str!("layout.html")).expect("sound, as a test holds");
    environment.add_template("layout.txt", include_str!("layout.txt")).expect("sound, as a test holds");
    environment
}

/// The languages to try, best first, in small letters; the last is always English.
fn tags(locale: Option<&str>, default: &str) -> Vec<String> {
    let mut tags = Vec::new();
    for tag in locale.into_iter().chain([default, "en"]) {
        let tag = tag.to_lowercase().replace('_', "-");
        let language = tag.split('-').next().unwrap_or_default().to_owned();
        for tag in [tag, language] {
            if !tag.is_empty() && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    tags
}

/// What a file's name says: which template, in which language.
fn parts(file: &str) -> Result<(Template, Option<String>), String> {
    let names = || Template::ALL.map(Template::as_str).join(", ");
    let parts: Vec<&str> = file.split('.').collect();
    let (name, tag, extension) = match parts[..] {
        [name, extension] => (name, None, extension),
        [name, tag, extension] => (name, Some(tag.to_lowercase()), extension),
        _ => {
            return Err(
                "is no name of a template: write <template>.<locale>.html, or .txt, or .subject".into()
            );
        }
    };
    if !Form::ALL.iter().any(|form| form.extension() == extension) {
        return Err("is no name of a template: it ends in .html, .txt or .subject".into());
    }
    let template =
        Template::from_name(name).ok_or_else(|| format!("is of no mail: these are {}", names()))?;
    Ok((template, tag))
}

/// What is wrong, in one line.
fn problem(error: &Error) -> String {
    let kind = error.kind().to_string();
    match error.detail() {
        Some(detail) => one_line(&format!("{kind}: {detail}")),
        None => kind,
    }
}

/// Somebody's words in a mail of ours: one line, and not at any length.
fn shown(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a mail could show, for previews and for trying templates out.
pub fn example(template: Template) -> Map<String, Json> {
    let known: &[(&str, &str)] = match template {
        Template::EmailChanged => &[("new_email", "countess@example.org")],
        Template::Invite => &[("inviter", "Charles Babbage")],
        Template::AccountInvite => {
            &[("inviter", "Charles Babbage"), ("account", "Analytical Engines"), ("role", "member")]
        }
        Template::ImpersonationStarted => &[("reason", "Ticket 4711")],
        Template::ApiTokenLeaked => &[
            ("token_name", "deploy"),
            ("key_prefix", "pca_1a2b"),
            ("found_at", "https://github.com/ada/engine"),
        ],
        Template::NewDevice => &[
            ("time", "2026-12-31 08:05 UTC"),
            ("device", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            ("address", "192.0.2.7"),
        ],
        Template::AccountDeletion => &[("deletes_at", "2027-01-01")],
        Template::IdentityLinked | Template::IdentityUnlinked | Template::AccountClaimed => {
            &[("provider", "Google")]
        }
        Template::VerifyEmail
        | Template::VerifyRegistration
        | Template::RegistrationAttempt
        | Template::ResetPassword
        | Template::ChangeEmail
        | Template::ChangeEmailAttempt
        | Template::EmailChangedAgain
        | Template::PasswordChanged
        | Template::FactorAdded
        | Template::FactorRemoved
        | Template::RecoveryCodesMade
        | Template::Test => &[],
    };
    let all = PARAMETERS.into_iter().map(|name| (name, "example"));
    let all = all.chain([("name", "Ada Lovelace")]).chain(known.iter().copied());
    all.map(|(name, value)| (name.to_owned(), Json::from(value))).collect()
}

#[cfg(test)]
mod tests;
