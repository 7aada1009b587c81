//! A plain HTTP/1.1 client for tests against a running process: one connection, kept alive, JSON in and out.
//!
//! It does nothing on its own – no retry, no redirect – so that a test sees every refusal and every broken
//! connection of the server.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::app::Reply;

/// One client with at most one connection.
#[derive(Debug)]
pub struct HttpClient {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl HttpClient {
    /// A client of the server at `address`; connects with the first request.
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// `GET path`.
    ///
    /// # Errors
    /// If no whole answer came. The next request connects anew.
    pub async fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.send("GET", path, &[], None).await
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// As [`HttpClient::get`].
    pub async fn post(&mut self, path: &str, body: &Value) -> io::Result<Reply> {
        self.send("POST", path, &[], Some(body)).await
    }

    /// Any request.
    ///
    /// # Errors
    /// As [`HttpClient::get`].
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> io::Result<Reply> {
        let request = request(method, path, headers, body);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.address).await?,
        };
        connection.write_all(request.as_bytes()).await?;
        // A connection goes back only after a whole answer: nobody reads what was meant for another.
        let reply = read_reply(&mut connection).await?;
        if reply.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(reply)
    }
}

async fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// The text of a request to a loopback name.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        text.extend(["Content-Type: application/json\r\nContent-Length: ", &body.len().to_string(), "\r\n"]);
    }
    text.extend(["\r\n", &body]);
    text
}

/// Reads one answer, with a body of a known length or none.
///
/// # Errors
/// If the connection ends before the answer does, or it is none.
pub async fn read_reply(connection: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let line = read_line(connection).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| broken(&line))?;
    let mut headers = HeaderMap::new();
    loop {
        let line = read_line(connection).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").ok_or_else(|| broken(&line))?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken(&line))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| broken(&line))?);
    }
    let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body).await?;
    Ok(Reply::new(status, headers, Bytes::from(body)))
}

/// One line without its end.
async fn read_line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn broken(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {line}"))
}
