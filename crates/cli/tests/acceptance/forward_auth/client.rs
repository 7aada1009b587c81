//! A client that sends its request line as it is told to, however odd.

use base64_url::decode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Speaks to the proxy, one connection a request.
pub(super) struct Client {
    pub(super) port: u16,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(super) const fn new(port: u16) -> Self {
        Self { port }
    }

    pub(super) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", target, headers, "").await
    }

    pub(super) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let host = format!("app.example.com:{}", self.port);
        let headers = [&[("Host", host.as_str())], headers].concat();
        self.send_raw(method, target, &headers, body).await
    }

    pub(super) async fn send_raw(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut text = format!("{method} {target} HTTP/1.1\r\n");
        for (name, value) in headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        if !headers.iter().any(|(name, _)| *name == "Connection") {
            text.push_str("Connection: close\r\n");
        }
        text.extend(["Content-Length: ", &body.len().to_string(), "\r\n\r\n", body]);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the proxy listens");
        stream.write_all(text.as_bytes()).await.expect("it reads");
        answer(&mut stream).await
    }
}

/// Reads to the end of the body, if it has a length, else to that of the connection.
async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(answer) = parse(&text, false) {
            return answer;
        }
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).await.expect("it answers");
        if read == 0 {
            return parse(&text, true).unwrap_or_else(|| panic!("no whole answer: {text}"));
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}

fn parse(text: &str, ended: bool) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let whole =
        length.and_then(|(_, value)| value.parse::<usize>().ok()).is_some_and(|length| body.len() >= length);
    (whole || ended).then(|| Answer { status, headers, body: body.to_owned() })
}

/// The claims of a JWT, unverified.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&decode(payload)).expect("JSON")
}

/// RFC 4648 section 5, without padding.
mod base64_url {
    pub(super) fn decode(text: &str) -> Vec<u8> {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
        for digit in text.bytes() {
            let six = DIGITS.iter().position(|known| *known == digit).expect("base64url");
            bits = bits << 6 | six as u32;
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        bytes
    }
}
