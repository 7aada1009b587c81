//! `[providers.<name>]`: who else people may sign in by.

use portcullis_app::providers::{ClientAuthentication, ProviderKind, ProviderSettings, Tenant, Vouched};

use crate::support::{Given, printed};

const SECRET: &str = "GOCSPX-a-secret-of-ours";

/// Every key that each kind needs.
const GOOD: [(&str, &str); 6] = [
    ("google", ""),
    ("microsoft", "tenant = \"common\"\n"),
    ("github", ""),
    ("facebook", ""),
    ("oidc", "issuer = \"https://id.example.com/realms/one/\"\n"),
    (
        "oauth2",
        "authorization_endpoint = \"https://id.example.com/authorize?realm=one\"\n\
         token_endpoint = \"https://id.example.com/token\"\n\
         userinfo_endpoint = \"https://api.example.com/me\"\n\
         profile.subject = \"/user/id\"\n",
    ),
];

fn table(kind: &str, more: &str) -> String {
    let (_, own) = GOOD.iter().find(|(name, _)| *name == kind).expect("a kind");
    format!(
        "[providers.acme]\nkind = \"{kind}\"\nclient_id = \"us\"\nclient_secret = \"{SECRET}\"\n{own}{more}"
    )
}

fn read(kind: &str, more: &str) -> ProviderSettings {
    let mut all = Given::toml(&table(kind, more)).good().providers;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Told of the one line that was added.
fn refused(kind: &str, more: &str) -> String {
    let line = Given::toml(&table(kind, more)).error();
    assert!(!line.contains(SECRET), "{line}");
    line
}

#[test]
fn every_kind_with_what_it_needs() {
    for (kind, _) in GOOD {
        let read = read(kind, "");
        assert_eq!((read.name.as_str(), read.client_id.as_str()), ("acme", "us"), "{kind}");
    }
    assert_eq!(Given::nothing().good().providers.len(), 0);
}

#[test]
fn titles_and_scopes_of_their_own() {
    for (kind, title, scopes) in [
        ("google", "Google", "openid email profile"),
        ("microsoft", "Microsoft", "openid email profile"),
        ("github", "GitHub", "read:user user:email"),
        ("facebook", "Facebook", "email public_profile"),
        ("oidc", "acme", "openid email profile"),
        ("oauth2", "acme", ""),
    ] {
        let plain = read(kind, "");
        assert_eq!((plain.title.as_str(), plain.scopes.join(" ").as_str()), (title, scopes));
        let set = read(kind, "title = \"Our people\"\nscopes = [\"openid\", \"a:b\"]");
        assert_eq!((set.title.as_str(), set.scopes.join(" ").as_str()), ("Our people", "openid a:b"));
    }
}

#[test]
fn what_each_kind_reads() {
    let ProviderKind::Google { hosted_domain } = read("google", "hosted_domain = \"Example.com\"").kind
    else {
        panic!("Google")
    };
    assert_eq!(hosted_domain.as_deref(), Some("example.com"));
    let directory = "9122040D-6c67-4c5b-b112-36a304b66dad";
    for (text, tenant) in [
        ("common", Tenant::Common),
        ("organizations", Tenant::Organizations),
        ("consumers", Tenant::Consumers),
        (directory, Tenant::One(directory.to_lowercase())),
    ] {
        let given = Given::toml(&table("microsoft", "").replace("common", text));
        let ProviderKind::Microsoft { tenant: read } = given.good().providers.remove(0).kind else {
            panic!("Microsoft")
        };
        assert_eq!(read, tenant);
    }
    let ProviderKind::GitHub { url } = read("github", "issuer = \"https://github.example.com/\"").kind else {
        panic!("GitHub")
    };
    assert_eq!(url.as_deref(), Some("https://github.example.com"));
    let ProviderKind::Oidc(oidc) =
        read("oidc", "client_authentication = \"post\"\nemail_vouched = false").kind
    else {
        panic!("OpenID Connect")
    };
    assert_eq!(oidc.issuer, "https://id.example.com/realms/one/", "byte for byte");
    assert_eq!((oidc.authentication, oidc.email_vouched), (Some(ClientAuthentication::Post), Some(false)));
}

#[test]
fn a_provider_of_plain_oauth_2_is_described_and_not_programmed() {
    let ProviderKind::OAuth2(plain) = read("oauth2", "").kind else { panic!("OAuth 2") };
    assert_eq!((plain.authentication, plain.pkce), (ClientAuthentication::Basic, true));
    assert_eq!((plain.profile.subject.as_str(), &plain.profile.vouched), ("/user/id", &Vouched::Never));
    let more = "client_authentication = \"post\"\npkce = false\nissuer = \"https://id.example.com\"\n\
                profile.email = \"/mails/0\"\nprofile.name = \"/n~1m\"\nprofile.locale = \"/l\"\n";
    for (word, vouched) in [
        ("profile.email_verified = \"/ok\"", Vouched::Where("/ok".into())),
        ("email_vouched = true", Vouched::Always),
        ("email_vouched = false", Vouched::Never),
        ("", Vouched::Never),
    ] {
        let ProviderKind::OAuth2(full) = read("oauth2", &format!("{more}{word}")).kind else {
            panic!("OAuth 2")
        };
        assert_eq!(full.profile.vouched, vouched);
        assert_eq!((full.authentication, full.pkce), (ClientAuthentication::Post, false));
        assert_eq!(full.profile.email.as_deref(), Some("/mails/0"));
        assert_eq!(full.issuer.as_deref(), Some("https://id.example.com"));
    }
}

#[test]
fn several_from_file_and_environment() {
    let text = format!("{}\n[providers.a-b]\nkind = \"github\"\nclient_id = \"x\"\n", table("google", ""));
    let given = Given::toml(&text)
        .with("secret", format!("{SECRET}\n"))
        .env("PORTCULLIS_PROVIDERS__ACME__CLIENT_ID", "from the environment")
        .flag("providers.a-b.client_secret_file", "secret")
        .env("PORTCULLIS_PROVIDERS__PLAIN__KIND", "facebook")
        .env("PORTCULLIS_PROVIDERS__PLAIN__CLIENT_ID", "y")
        .env("PORTCULLIS_PROVIDERS__PLAIN__CLIENT_SECRET", SECRET)
        .env("PORTCULLIS_PROVIDERS__PLAIN__SCOPES", "email, public_profile");
    let loaded = given.loaded();
    let names: Vec<_> =
        loaded.config.providers.iter().map(|one| (one.name.as_str(), one.client_id.as_str())).collect();
    assert_eq!(names, [("a-b", "x"), ("acme", "from the environment"), ("plain", "y")]);
    assert_eq!(loaded.config.providers[2].scopes, ["email", "public_profile"]);
    let shown = printed(&loaded);
    for line in [
        "providers.a-b.kind = \"github\"  # portcullis.toml:7",
        "providers.a-b.client_secret = \"********\"  # flag --providers.a-b.client_secret_file",
        "providers.acme.client_id = \"from the environment\"  # environment PORTCULLIS_PROVIDERS__ACME__CLIENT_ID",
        "providers.plain.scopes = [\"email\",\"public_profile\"]  # environment PORTCULLIS_PROVIDERS__PLAIN__SCOPES",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("<name>") && !shown.contains(SECRET), "{shown}");
    assert!(!format!("{:?}", loaded.config).contains(SECRET));
}

#[test]
fn what_is_missing() {
    for (kind, key) in [
        ("google", "kind"),
        ("google", "client_id"),
        ("google", "client_secret"),
        ("microsoft", "tenant"),
        ("oidc", "issuer"),
        ("oauth2", "authorization_endpoint"),
        ("oauth2", "token_endpoint"),
        ("oauth2", "userinfo_endpoint"),
        ("oauth2", "profile.subject"),
    ] {
        let text = table(kind, "");
        let without: Vec<_> = text.lines().filter(|line| !line.starts_with(&format!("{key} "))).collect();
        let line = Given::toml(&without.join("\n")).error();
        let told = format!("needs {key} beside it, for the provider acme; ");
        assert!(line.starts_with("portcullis.toml:2: providers.acme.") && line.contains(&told), "{line}");
        assert!(!line.contains(SECRET), "{line}");
    }
}

#[test]
fn each_refusal_names_file_line_and_key() {
    for (kind, more, told) in [
        (
            "google",
            "tenant = \"common\"",
            "5: providers.acme.tenant = \"common\": is nothing that kind = google has; leave it out",
        ),
        (
            "github",
            "pkce = false",
            "5: providers.acme.pkce = false: is nothing that kind = github has; leave it out",
        ),
        (
            "facebook",
            "profile.email = \"/email\"",
            "5: providers.acme.profile.email = \"/email\": is nothing that kind = facebook has; leave it out",
        ),
        (
            "google",
            "issuer = \"https://evil.example\"",
            "5: providers.acme.issuer = \"https://evil.example\": is nothing that kind = google has; leave it out",
        ),
        (
            "google",
            "scopes = [\"email\"]",
            "5: providers.acme.scopes = [\"email\"]: lacks openid, without which kind = google tells nothing; add \"openid\"",
        ),
        (
            "google",
            "scopes = [\"openid email\"]",
            "5: providers.acme.scopes = \"openid email\": is no scope; write each by itself, such as [\"openid\", \"email\"]",
        ),
        (
            "google",
            "title = \" x\"",
            "5: providers.acme.title = \" x\": is no name to be shown; use 1 to 40 characters",
        ),
        (
            "google",
            "hosted_domain = \"@example\"",
            "5: providers.acme.hosted_domain = \"@example\": is no domain; write your Workspace's domain, such as \"example.com\"",
        ),
        (
            "google",
            "client_secre = \"x\"",
            "5: unknown key providers.acme.client_secre; did you mean providers.acme.client_secret?",
        ),
        (
            "google",
            "profile = 1",
            "5: unknown key providers.acme.profile; portcullis config show lists every key",
        ),
        (
            "google",
            "pkce = \"yes\"",
            "5: providers.acme.pkce = \"yes\": is a string, not a boolean; write true or false, without quotes",
        ),
        (
            "github",
            "issuer = \"https://github.example.com/api\"",
            "5: providers.acme.issuer = \"https://github.example.com/api\": has a path; write scheme and host, such as \"https://app.example.com\"",
        ),
        (
            "oidc",
            "client_authentication = \"header\"",
            "6: providers.acme.client_authentication = \"header\": is not known here; allowed: basic, post",
        ),
        (
            "oauth2",
            "profile.email = \"email\"",
            "9: providers.acme.profile.email = \"email\": is no JSON pointer; write one such as \"/id\" or \"/data/user/email\"",
        ),
        (
            "oauth2",
            "profile.name = \"/a~2\"",
            "9: providers.acme.profile.name = \"/a~2\": is no JSON pointer; write one such as \"/id\" or \"/data/user/email\"",
        ),
        (
            "oauth2",
            "email_vouched = true",
            "9: providers.acme.email_vouched = true: vouches for no address; say where the profile has the address, in profile.email",
        ),
        (
            "oauth2",
            "email_vouched = true\nprofile.email_verified = \"/ok\"\nprofile.email = \"/e\"",
            "9: providers.acme.email_vouched = true: and profile.email_verified say both whether addresses are vouched for; keep one of the two",
        ),
    ] {
        assert_eq!(refused(kind, more), format!("portcullis.toml:{told}"), "{kind} {more}");
    }
}

#[test]
fn no_sign_in_goes_where_there_is_no_tls() {
    for (kind, key) in [
        ("oidc", "issuer"),
        ("oauth2", "authorization_endpoint"),
        ("oauth2", "token_endpoint"),
        ("oauth2", "userinfo_endpoint"),
    ] {
        let with = |url: &str| {
            let text = table(kind, "");
            let lines = text.lines().map(|line| match line.split_once(" = ") {
                Some((name, _)) if name == key => format!("{name} = \"{url}\""),
                _ => line.to_owned(),
            });
            Given::toml(&lines.collect::<Vec<_>>().join("\n"))
        };
        for good in
            ["https://id.example.com/x", "http://localhost:9000/x", "http://127.0.0.1:9000", "http://[::1]/x"]
        {
            assert!(with(good).load().is_ok(), "{key} {good}");
        }
        for bad in ["http://id.example.com", "http://10.0.0.1/x"] {
            let line = with(bad).error();
            assert!(
                line.ends_with(": is not https; write https://; http:// is for this machine alone"),
                "{line}"
            );
        }
        for bad in [
            "id.example.com",
            "https://u:p@id.example.com",
            "https://id.example.com/#x",
            "ftp://id.example.com",
            "https://",
        ] {
            assert!(with(bad).load().is_err(), "{key} {bad}");
        }
    }
}

#[test]
fn those_who_mean_something_else_by_their_claims_have_kinds_of_their_own() {
    for (issuer, kind) in [
        ("https://accounts.google.com", "google"),
        ("https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0", "microsoft"),
        ("https://LOGIN.microsoftonline.com/common/v2.0", "microsoft"),
        ("https://sts.windows.net/9122040d-6c67-4c5b-b112-36a304b66dad/", "microsoft"),
    ] {
        let text =
            table("oidc", "email_vouched = true").replace("https://id.example.com/realms/one/", issuer);
        let line = Given::toml(&text).error();
        assert!(line.ends_with(&format!("about addresses; write kind = \"{kind}\"")), "{line}");
    }
}

#[test]
fn no_kind_no_tenant_no_name() {
    let kind = Given::toml(&table("google", "").replace("\"google\"", "\"gogle\"")).error();
    assert_eq!(
        kind,
        "portcullis.toml:2: providers.acme.kind = \"gogle\": is not known here; did you mean google? \
         allowed: google, microsoft, github, facebook, oidc, oauth2"
    );
    for tenant in ["example.com", "{tenantid}", "9122040d6c674c5bb11236a304b66dad", "Common"] {
        let line = Given::toml(&table("microsoft", "").replace("common", tenant)).error();
        assert!(
            line.contains(": is no tenant; allowed: common, organizations, consumers, or the id"),
            "{line}"
        );
    }
    for name in ["Acme", "\"a b\"", "\"ä\"", "\"a/b\"", &"x".repeat(41)] {
        let line =
            Given::toml(&table("google", "").replace("[providers.acme]", &format!("[providers.{name}]")))
                .error();
        assert!(
            line.contains("is under a name that no provider can have; use 1 to 40 small letters"),
            "{line}"
        );
    }
    let bare = Given::toml("[providers]\nkind = \"google\"").error();
    assert_eq!(
        bare,
        "portcullis.toml:2: providers.kind is no table of a provider; write [providers.<name>] above a provider's keys, \
         such as [providers.google]"
    );
    assert!(Given::toml("providers = 1").error().contains("providers is a section, not a key"));
    let both = table("google", "client_secret_file = \"secret\"");
    let line = Given::toml(&both).with("secret", SECRET).error();
    assert!(
        line.contains("providers.acme.client_secret is given too (portcullis.toml:4); keep one of the two"),
        "{line}"
    );
    for wrong in ["a\\nb", " x", "ä"] {
        let line = Given::toml(&table("google", "").replace(SECRET, wrong)).error();
        assert!(
            line.contains("providers.acme.client_secret = ********: is not what a provider gives out"),
            "{line}"
        );
    }
}
