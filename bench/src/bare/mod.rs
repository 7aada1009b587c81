//! The bare framework: what an empty server on the product's framework does with the same requests and headers.

mod child;
pub(crate) mod server;

use std::net::SocketAddr;

use crate::client::{self, Client};
use crate::driver::Caller;
use crate::options::CALLERS;
use crate::stats::{NO_ANSWER, Verdict};

pub(crate) use child::Child;

/// Sends the same request again and again.
pub(crate) struct Fixed {
    client: Client,
    request: Vec<u8>,
}

impl Fixed {
    pub(crate) const fn new(client: Client, request: Vec<u8>) -> Self {
        Self { client, request }
    }
}

impl Caller for Fixed {
    async fn call(&mut self) -> Verdict {
        match self.client.send(&self.request).await {
            Ok(reply) if reply.status == 200 => Verdict::Done,
            Ok(reply) => Verdict::Failed(reply.status),
            Err(_) => Verdict::Failed(NO_ANSWER),
        }
    }
}

/// Callers of `GET /hello`, with the headers that a protected call has.
pub(crate) fn hello(target: SocketAddr, headers: &str) -> Vec<Fixed> {
    fixed(target, &client::get("/hello", headers))
}

/// Callers of `POST /echo`, shaped like a refresh.
pub(crate) fn echo(target: SocketAddr) -> Vec<Fixed> {
    let mut request = Vec::new();
    client::post(&mut request, "/echo", &[br#"{"refresh_token":"pcr_"#, &[b'a'; 76], br#""}"#]);
    fixed(target, &request)
}

fn fixed(target: SocketAddr, request: &[u8]) -> Vec<Fixed> {
    (0..CALLERS).map(|_| Fixed::new(Client::new(target), request.to_vec())).collect()
}
