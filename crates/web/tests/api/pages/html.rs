//! As much of HTML as our pages are made of, and what must hold for every one of them.

use std::collections::HashSet;

/// A tag with its attributes.
#[derive(Debug)]
pub(crate) struct Tag {
    /// In lower case; closing ones begin with `/`.
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    /// The text between this tag and the next.
    pub(crate) text: String,
}

impl Tag {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// Reads a page. Panics at whatever our templates do not make: a `<` in a text, an unquoted or doubled attribute.
pub(crate) fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html.strip_prefix("<!doctype html>").expect("standards mode").trim_start();
    while let Some(inside) = rest.strip_prefix('<') {
        let (tag, after) = tag(inside);
        let end = after.find('<').unwrap_or(after.len());
        tags.push(Tag { text: unescaped(after[..end].trim()), ..tag });
        rest = &after[end..];
    }
    assert!(rest.trim().is_empty(), "{rest}");
    tags
}

fn tag(inside: &str) -> (Tag, &str) {
    let end = inside.find([' ', '>']).expect("a name");
    let (name, mut rest) = inside.split_at(end);
    assert!(
        name.trim_start_matches('/').bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "{name}"
    );
    let mut attributes: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return (Tag { name: name.into(), attributes, text: String::new() }, after);
        }
        let end = rest.find(['=', ' ', '>']).expect("an attribute");
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').expect("a quote"),
            None => ("", after),
        };
        assert!(!value.contains('<') && !after.starts_with('='), "{name}");
        assert!(attributes.iter().all(|(known, _)| known != name), "{name} twice");
        attributes.push((name.into(), unescaped(value)));
        rest = after;
    }
}

fn unescaped(text: &str) -> String {
    let named = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    named.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// No script and no style but files of ours, and a policy that would allow no other.
#[track_caller]
pub(crate) fn holds_nothing_inline(tags: &[Tag], policy: &str) {
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for directive in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.split("; ").any(|part| part == directive), "{directive}: {policy}");
    }
    for tag in tags {
        assert!(!["style", "iframe", "object", "embed", "base", "img"].contains(&&*tag.name), "{tag:?}");
        assert!(tag.name != "script" || tag.text.is_empty(), "{tag:?}");
        // Only the page that leads on does so by itself, and its link says where.
        let leads_on = tags.iter().find(|tag| tag.attribute("id") == Some("onward"));
        let on = leads_on.map(|link| format!("0; url={}", link.attribute("href").expect("a place")));
        let told = (tag.attribute("http-equiv"), tag.attribute("content"));
        assert!(told.0.is_none() || told == (Some("refresh"), on.as_deref()), "{tag:?}");
        let to = tag.attribute("action").and_then(|to| to.split('?').next());
        assert!(matches!(to, None | Some("/auth/setup" | "/sign-in")), "{tag:?}");
        for (name, value) in &tag.attributes {
            assert!(!name.starts_with("on") && name != "style", "{tag:?}");
            assert!(!value.trim().to_ascii_lowercase().starts_with("javascript:"), "{tag:?}");
        }
        let loads = ["script", "link"].contains(&&*tag.name);
        for place in ["src", "href"].iter().filter_map(|name| tag.attribute(name)).filter(|_| loads) {
            assert!(place.starts_with("/assets/"), "{tag:?}");
        }
    }
}

/// What screen readers and password managers go by.
#[track_caller]
pub(crate) fn is_accessible(tags: &[Tag], html: &str) {
    assert!(html.contains("<html lang=\"en\">") && html.contains("width=device-width"));
    let named = |name: &'static str| tags.iter().filter(move |tag| tag.name == name);
    assert_eq!((named("h1").count(), named("main").count(), named("title").count()), (1, 1, 1));
    assert!(named("title").all(|title| !title.text.is_empty()));
    let ids: Vec<_> = tags.iter().filter_map(|tag| tag.attribute("id")).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "ids stand once: {ids:?}");
    for input in named("input").filter(|input| input.attribute("type") != Some("hidden")) {
        let id = input.attribute("id").expect("an id");
        assert_eq!(Some(id), input.attribute("name"));
        assert_eq!(named("label").filter(|label| label.attribute("for") == Some(id)).count(), 1, "{input:?}");
        assert!(input.attribute("autocomplete").is_some_and(|kind| !kind.is_empty()), "{input:?}");
        let described = input.attribute("aria-describedby").unwrap_or_default();
        assert!(described.split_whitespace().all(|by| ids.contains(&by)), "{input:?}");
        if input.attribute("type") == Some("password") {
            assert!(input.attribute("value").unwrap_or_default().is_empty(), "passwords are not kept");
        }
    }
    for form in named("form") {
        assert_eq!(form.attribute("method"), Some("post"));
    }
}
