//! Answers as the large providers document them; see `recorded/README.md`.

use portcullis_app::providers::{
    CameBack, ClientSecret, ExternalIdentity, OAuth2Settings, ProviderFault, ProviderKind, ProviderSettings,
    Tenant,
};
use portcullis_core::time::Clock as _;
use portcullis_jose::{Algorithm, SigningKey};
use portcullis_testkit::TestApp;
use serde_json::{Value, json};

use crate::support::{NONCE, asking, came_back, node, query};

const GOOGLE: &str = "https://accounts.google.com/.well-known/openid-configuration";
const GOOGLE_TOKEN: &str = "https://oauth2.googleapis.com/token";
const ENTRA: &str = "https://login.microsoftonline.com";
const GITHUB_TOKEN: &str = "https://github.com/login/oauth/access_token";
const GITHUB_USER: &str = "https://api.github.com/user";
const GITHUB_EMAILS: &str = "https://api.github.com/user/emails?per_page=100";
const FACEBOOK_TOKEN: &str = "https://graph.facebook.com/v23.0/oauth/access_token";
const FACEBOOK_ME: &str = "https://graph.facebook.com/v23.0/me?fields=id,name,email";
const UNTAKEN: ProviderFault = ProviderFault::Refused("the provider does not take the code");

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("recorded/", $name, ".json"))).expect("JSON")
    };
}

struct Scene {
    app: TestApp,
    key: SigningKey,
}

impl Scene {
    async fn of(kind: ProviderKind, scopes: &[&str]) -> Self {
        let settings = ProviderSettings {
            name: "acme".into(),
            title: "Acme".into(),
            client_id: "us".into(),
            client_secret: ClientSecret::new("a secret"),
            scopes: scopes.iter().map(|&scope| scope.into()).collect(),
            kind,
        };
        let key = SigningKey::generate(Algorithm::Rs256).expect("a key");
        Self { app: node(vec![settings]).await, key }
    }

    async fn google(hosted_domain: Option<&str>) -> Self {
        let kind = ProviderKind::Google { hosted_domain: hosted_domain.map(str::to_owned) };
        let scene = Self::of(kind, &["openid", "email", "profile"]).await;
        scene.shows(GOOGLE, &recorded!("google-discovery"));
        scene.shows("https://www.googleapis.com/oauth2/v3/certs", &scene.key_set(&json!({})));
        scene
    }

    /// Of the directory in the recorded answers, or of another; what its document says is of its kind.
    async fn entra(tenant: Tenant) -> Self {
        let mut document = recorded!("entra-discovery");
        let path = tenant.as_str().to_owned();
        let own = match &tenant {
            Tenant::Common | Tenant::Organizations => "{tenantid}",
            Tenant::Consumers => "9188040d-6c67-4c5b-b112-36a304b66dad",
            Tenant::One(id) => id.as_str(),
        };
        document["issuer"] = json!(format!("{ENTRA}/{own}/v2.0"));
        let scene = Self::of(ProviderKind::Microsoft { tenant }, &["openid", "email", "profile"]).await;
        scene.shows(&format!("{ENTRA}/{path}/v2.0/.well-known/openid-configuration"), &document);
        let extras = json!({"x5t": "a thumbprint", "x5c": ["a certificate"], "issuer": format!("{ENTRA}/{{tenantid}}/v2.0")});
        scene.shows(&format!("{ENTRA}/common/discovery/v2.0/keys"), &scene.key_set(&extras));
        scene
    }

    fn shows(&self, url: &str, answer: &Value) {
        self.app.outbound.answer(url, answer.to_string());
    }

    fn redeems(&self, url: &str, status: u16, answer: &Value) {
        self.app.outbound.respond(url, status, answer.to_string());
    }

    /// Our key among others that are not for us, without what Microsoft leaves out.
    fn key_set(&self, extras: &Value) -> Value {
        let mut own = json!(self.key.jwk());
        let members = own.as_object_mut().expect("an object");
        members.remove("alg");
        members.extend(extras.as_object().expect("an object").clone());
        json!({"keys": [{"kty": "EC", "crv": "P-384", "kid": "old", "use": "sig", "x": "AA", "y": "AA"}, own]})
    }

    /// Signs what was recorded, for this sign-in, with `changes`.
    fn id_token(&self, recorded: Value, access_token: &Value, changes: &Value) -> String {
        let (mut claims, now) = (recorded, self.app.clock.now().seconds());
        claims["aud"] = json!("us");
        claims["nonce"] = json!(NONCE);
        (claims["iat"], claims["exp"]) = (json!(now), json!(now + 3_600));
        if claims.get("azp").is_some() {
            claims["azp"] = json!("us");
        }
        if claims.get("nbf").is_some() {
            claims["nbf"] = json!(now);
        }
        if claims.get("at_hash").is_some() {
            claims["at_hash"] = json!(at_hash(access_token.as_str().expect("a token")));
        }
        let members = claims.as_object_mut().expect("an object");
        for (name, value) in changes.as_object().expect("an object") {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        self.key.sign("JWT", claims.to_string().as_bytes()).expect("a signature")
    }

    async fn url(&self, fresh: bool) -> String {
        let provider = self.app.cx.providers.get("acme").expect("it is configured");
        provider.authorization_url(&self.app.cx, asking(fresh)).await.expect("a URL")
    }

    async fn redeem(&self, iss: Option<&str>) -> Result<ExternalIdentity, ProviderFault> {
        let provider = self.app.cx.providers.get("acme").expect("it is configured");
        provider.redeem(&self.app.cx, CameBack { iss, ..came_back("a code") }).await
    }

    async fn google_says(&self, changes: &Value) -> Result<ExternalIdentity, ProviderFault> {
        let mut answer = recorded!("google-token");
        answer["id_token"] =
            json!(self.id_token(recorded!("google-id-token"), &answer["access_token"], changes));
        self.redeems(GOOGLE_TOKEN, 200, &answer);
        self.redeem(None).await
    }

    async fn entra_says(&self, changes: &Value) -> Result<ExternalIdentity, ProviderFault> {
        let mut answer = recorded!("entra-token");
        answer["id_token"] =
            json!(self.id_token(recorded!("entra-id-token"), &answer["access_token"], changes));
        self.redeems(&format!("{ENTRA}/common/oauth2/v2.0/token"), 200, &answer);
        self.redeem(None).await
    }
}

fn at_hash(access_token: &str) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine as _;
    let hash = digest(&SHA256, access_token.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

fn email(identity: &ExternalIdentity) -> Option<(&str, bool)> {
    identity.email.as_ref().map(|email| (email.address.as_str(), email.vouched))
}

#[tokio::test]
async fn google() {
    let scene = Scene::google(None).await;
    let url = scene.url(true).await;
    assert!(url.starts_with("https://accounts.google.com/o/oauth2/v2/auth?"), "{url}");
    // It knows no `prompt=login`, and answers it with an error.
    assert_eq!(query(&url)["prompt"], "select_account");
    let jane = scene.google_says(&json!({})).await.expect("Jane");
    assert_eq!(jane.subject, "10769150350006150715113082367");
    assert_eq!(email(&jane), Some(("jsmith@example.com", true)));
    assert_eq!(jane.name.as_deref(), Some("Jane Smith"));
    assert_eq!(jane.auth_time, None);
}

#[tokio::test]
async fn googles_address_as_the_identity_of_an_earlier_system() {
    let scene = Scene::google(None).await;
    let jane = scene.google_says(&json!({})).await.expect("Jane");
    assert_eq!(jane.legacy_subjects, ["jsmith@example.com"]);
    // What is told of an address that Google does not vouch for is told as such.
    let unvouched = scene.google_says(&json!({"hd": null})).await.expect("Jane");
    assert_eq!(email(&unvouched), Some(("jsmith@example.com", false)));
    let gmail = scene.google_says(&json!({"hd": null, "email": "jsmith@gmail.com"})).await.expect("Jane");
    assert_eq!(email(&gmail), Some(("jsmith@gmail.com", true)));
    assert_eq!(gmail.legacy_subjects, ["jsmith@gmail.com"]);
    let none = scene.google_says(&json!({"email": null, "email_verified": null})).await.expect("Jane");
    assert_eq!((none.email, none.legacy_subjects), (None, vec![]));
}

#[tokio::test]
async fn googles_workspace() {
    let scene = Scene::google(Some("example.com")).await;
    assert_eq!(query(&scene.url(false).await)["hd"], "example.com");
    assert!(scene.google_says(&json!({})).await.is_ok());
    // `hd` in the URL is a wish that a browser can take out; what counts is in the token.
    for changes in [json!({"hd": null}), json!({"hd": "evil.example"})] {
        let told = "this account is not of the organisation that may sign in here";
        assert_eq!(scene.google_says(&changes).await, Err(ProviderFault::Refused(told)));
    }
}

#[tokio::test]
async fn google_refuses_a_code() {
    let scene = Scene::google(None).await;
    scene.redeems(GOOGLE_TOKEN, 400, &recorded!("google-error"));
    assert_eq!(scene.redeem(None).await, Err(UNTAKEN));
    // Without https, as its oldest documents have it, the issuer is another.
    let old = scene.google_says(&json!({"iss": "accounts.google.com"})).await;
    assert_eq!(old, Err(ProviderFault::Refused("the identity token is from another issuer")));
}

const DIRECTORY: &str = "9122040d-6c67-4c5b-b112-36a304b66dad";
const OTHER: &str = "11111111-2222-3333-4444-555555555555";

#[tokio::test]
async fn entra_names_the_directory_in_its_issuer() {
    let issuer = |directory: &str| format!("{ENTRA}/{directory}/v2.0");
    for tenant in [Tenant::Common, Tenant::Organizations, Tenant::One(DIRECTORY.into())] {
        let scene = Scene::entra(tenant.clone()).await;
        let abe = scene.entra_says(&json!({})).await.expect("Abe");
        assert_eq!(abe.subject, "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "{tenant:?}");
        assert_eq!(abe.name.as_deref(), Some("Abe Lincoln"));
        let another = Err(ProviderFault::Refused("the identity token is from another issuer"));
        for changes in [
            json!({"tid": OTHER}),
            json!({"iss": issuer(OTHER)}),
            json!({"iss": issuer("{tenantid}"), "tid": "{tenantid}"}),
            json!({"tid": null}),
            json!({"iss": "https://evil.example/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0"}),
            json!({"iss": format!("https://sts.windows.net/{DIRECTORY}/")}),
        ] {
            assert_eq!(scene.entra_says(&changes).await, another, "{tenant:?} {changes}");
        }
    }
}

#[tokio::test]
async fn entra_lets_in_whose_people_were_asked_for() {
    let of = |directory: &str| json!({"iss": format!("{ENTRA}/{directory}/v2.0"), "tid": directory});
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (tenant, directory, good) in [
        (Tenant::Common, OTHER, true),
        (Tenant::Common, personal, true),
        (Tenant::Organizations, OTHER, true),
        (Tenant::Organizations, personal, false),
        (Tenant::Consumers, personal, true),
        (Tenant::Consumers, OTHER, false),
        (Tenant::One(OTHER.into()), OTHER, true),
        (Tenant::One(OTHER.into()), DIRECTORY, false),
    ] {
        let scene = Scene::entra(tenant.clone()).await;
        assert_eq!(scene.entra_says(&of(directory)).await.is_ok(), good, "{tenant:?} {directory}");
    }
}

#[tokio::test]
async fn entras_address_is_whatever_an_administrator_wrote_there() {
    let scene = Scene::entra(Tenant::Common).await;
    for (changes, vouched) in [
        // "nOAuth": the administrator of any directory writes a stranger's address.
        (json!({"email": "victim@bank.example"}), false),
        (json!({"email": "victim@bank.example", "email_verified": true}), false),
        (json!({"email": "victim@bank.example", "xms_edov": false}), false),
        (json!({"email": "victim@bank.example", "xms_edov": "0"}), false),
        (json!({"xms_edov": true}), true),
        (json!({"xms_edov": "1"}), true),
    ] {
        let told = scene.entra_says(&changes).await.expect("somebody");
        assert_eq!(email(&told).map(|(_, vouched)| vouched), Some(vouched), "{changes}");
        assert_eq!(told.legacy_subjects, Vec::<String>::new());
    }
    let named = scene.entra_says(&json!({"email": null})).await.expect("Abe");
    assert_eq!(named.email, None, "a user name that looks like an address is none");
}

#[tokio::test]
async fn entras_answer_and_its_token_are_of_one_directory() {
    let scene = Scene::entra(Tenant::Common).await;
    scene.entra_says(&json!({})).await.expect("Abe");
    let issuer = |directory: &str| format!("{ENTRA}/{directory}/v2.0");
    assert!(scene.redeem(Some(&issuer(DIRECTORY))).await.is_ok());
    let told = "the answer and its identity token are from two issuers";
    assert_eq!(scene.redeem(Some(&issuer(OTHER))).await, Err(ProviderFault::Refused(told)));
    scene.redeems(&format!("{ENTRA}/common/oauth2/v2.0/token"), 400, &recorded!("entra-error"));
    assert_eq!(scene.redeem(None).await, Err(UNTAKEN));
}

async fn github() -> Scene {
    let scene = Scene::of(ProviderKind::GitHub { url: None }, &["read:user", "user:email"]).await;
    scene.redeems(GITHUB_TOKEN, 200, &recorded!("github-token"));
    scene.shows(GITHUB_USER, &recorded!("github-user"));
    scene.shows(GITHUB_EMAILS, &recorded!("github-emails"));
    scene
}

#[tokio::test]
async fn github_with_a_private_address() {
    let scene = github().await;
    let url = scene.url(false).await;
    assert!(url.starts_with("https://github.com/login/oauth/authorize?"), "{url}");
    assert_eq!(query(&url)["scope"], "read:user user:email");
    for iss in [None, Some("https://github.com/login/oauth")] {
        let octocat = scene.redeem(iss).await.expect("the octocat");
        assert_eq!(octocat.subject, "583231");
        assert_eq!(email(&octocat), Some(("octocat@github.example", true)));
        assert_eq!(octocat.name.as_deref(), Some("The Octocat"));
    }
    assert!(scene.redeem(Some("https://github.com")).await.is_err());
    let posted = scene.app.outbound.posted();
    let form = String::from_utf8(posted[0].body.to_vec()).expect("text");
    assert!(form.contains("client_id=us") && form.contains("code_verifier=dBjft"), "{form}");
}

#[tokio::test]
async fn github_vouches_for_verified_addresses_alone() {
    let scene = github().await;
    scene.shows(GITHUB_EMAILS, &recorded!("github-emails-unverified"));
    let mallory = scene.redeem(None).await.expect("Mallory");
    assert_eq!(email(&mallory), Some(("victim@bank.example", false)));
}

#[tokio::test]
async fn github_may_not_show_addresses() {
    let scene = github().await;
    scene.shows(GITHUB_EMAILS, &recorded!("github-emails-forbidden"));
    assert!(scene.redeem(None).await.is_err(), "what came with a 200 is no list");
    let private =
        json!([{"email": "583231+octocat@users.noreply.github.com", "primary": true, "verified": true}]);
    scene.shows(GITHUB_EMAILS, &private);
    assert_eq!(scene.redeem(None).await.expect("the octocat").email, None);
}

#[tokio::test]
async fn githubs_errors_are_answers_with_200() {
    let scene = github().await;
    scene.redeems(GITHUB_TOKEN, 200, &recorded!("github-error"));
    assert_eq!(scene.redeem(None).await, Err(UNTAKEN));
    scene.redeems(GITHUB_TOKEN, 200, &json!({"error": "incorrect_client_credentials"}));
    let stranger = "the provider does not know us by this client_id and client_secret";
    assert_eq!(scene.redeem(None).await, Err(ProviderFault::Misconfigured(stranger)));
}

#[tokio::test]
async fn facebook_is_a_row_of_the_table() {
    let kind = ProviderKind::OAuth2(Box::new(OAuth2Settings::facebook()));
    let scene = Scene::of(kind, &["email", "public_profile"]).await;
    let url = scene.url(true).await;
    assert!(url.starts_with("https://www.facebook.com/v23.0/dialog/oauth?"), "{url}");
    assert_eq!(query(&url)["auth_type"], "reauthenticate");
    scene.redeems(FACEBOOK_TOKEN, 200, &recorded!("facebook-token"));
    scene.shows(FACEBOOK_ME, &recorded!("facebook-me"));
    let user = scene.redeem(None).await.expect("the test user");
    assert_eq!(user.subject, "10217112233445566");
    assert_eq!(email(&user), Some(("open_vbvxiyx_user@example.net", false)), "never vouched for");
    // Who signed up by a telephone number has no address.
    scene.shows(FACEBOOK_ME, &json!({"id": "10217112233445566", "name": "Open Graph Test User"}));
    assert_eq!(scene.redeem(None).await.expect("the test user").email, None);
    scene.redeems(FACEBOOK_TOKEN, 400, &recorded!("facebook-error"));
    assert_eq!(scene.redeem(None).await, Err(UNTAKEN));
}
