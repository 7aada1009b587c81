//! Reads the environment and serves; `README.md` says how to run it.

use std::{env, time::Duration};

use portcullis_verify::{OnStale, Verifier};
use tokio::net::TcpListener;

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let issuer = setting("ISSUER", "http://localhost:8400");
    let mut builder = Verifier::builder(&issuer).audience(setting("AUDIENCE", &issuer));
    // With credentials of `portcullis client create`, API tokens are accepted, too.
    if let (Ok(id), Ok(secret)) = (env::var("CLIENT_ID"), env::var("CLIENT_SECRET")) {
        builder = builder.introspect_with(id, secret);
    }
    // Notes are worth being unavailable for, should nobody know who has signed out.
    if let Some(seconds) = env::var("STALE_SECONDS").ok().map(|text| text.parse()).transpose()? {
        builder = builder.on_stale(OnStale::Refuse { after: Duration::from_secs(seconds) });
    }
    // Not `discover`: the service may start before its issuer.
    let verifier = builder.build()?;
    let listener = TcpListener::bind(setting("LISTEN", "127.0.0.1:3000")).await?;
    println!("axum-api is listening on http://{}, with tokens of {issuer}", listener.local_addr()?);
    axum::serve(listener, axum_api::router(&verifier)).await?;
    Ok(())
}
