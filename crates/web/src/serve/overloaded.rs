//! What a connection beyond the cap gets: a 503 that says when to come back.
//!
//! Not accepting at all would leave clients hanging in the backlog, among them the health check that could tell
//! why. The answer costs bounded memory: a few connections are answered politely (read first, so that the kernel
//! does not reset the connection over unread bytes and lose the answer), the others with one write.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use portcullis_edge::{Code, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// How many are answered politely at once.
const POLITE: usize = 64;

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much of a request is read in all before it is given up on, in bytes.
const MOST_READ: usize = 64 * 1024;

pub(super) struct Refusals {
    answer: Bytes,
    polite: Arc<Semaphore>,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self { answer: answer(), polite: Arc::new(Semaphore::new(POLITE)) }
    }

    /// Answers and closes; never waits.
    pub(super) fn answer(&self, stream: TcpStream) {
        let Ok(turn) = Arc::clone(&self.polite).try_acquire_owned() else {
            let _ = stream.try_write(&self.answer);
            return;
        };
        let answer = self.answer.clone();
        tokio::spawn(async move {
            let _turn = turn;
            let _ = tokio::time::timeout(PATIENCE, talk(stream, &answer)).await;
        });
    }
}

async fn talk(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    // Whatever was asked, the answer is the same: the first bytes are enough.
    let mut read = stream.read(&mut buffer).await?;
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    while read < MOST_READ {
        match stream.read(&mut buffer).await? {
            0 => break,
            more => read += more,
        }
    }
    Ok(())
}

/// The whole answer as HTTP/1.1, made once.
fn answer() -> Bytes {
    let response: hyper::Response<Bytes> = Problem::new(Code::Overloaded).into_response();
    let mut answer = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let length = response.body().len();
    answer.extend(format!("content-length: {length}\r\nconnection: close\r\n\r\n").into_bytes());
    answer.extend(response.body());
    answer.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_a_whole_http_response() {
        let answer = String::from_utf8(answer().to_vec()).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.contains("\r\nretry-after: 1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["code"], "overloaded");
    }
}
