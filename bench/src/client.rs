//! A keep-alive HTTP/1.1 client that knows as much of the protocol as our own server's answers need, and
//! therefore costs little beside them: the request's bytes are ready, the answer is read in place.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// One connection; opened at the first call and again after it broke.
pub(crate) struct Client {
    target: SocketAddr,
    source: Ipv4Addr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// An answer, in the client's buffer.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Client {
    pub(crate) fn new(target: SocketAddr) -> Self {
        Self::from_source(target, Ipv4Addr::LOCALHOST)
    }

    /// `source`: an address of 127.0.0.0/8, each of which has ports of its own.
    pub(crate) fn from_source(target: SocketAddr, source: Ipv4Addr) -> Self {
        Self { target, source, stream: None, buffer: Vec::new() }
    }

    /// Opens the connection if it is not open.
    pub(crate) async fn connect(&mut self) -> io::Result<()> {
        if self.stream.is_none() {
            let socket = TcpSocket::new_v4()?;
            if self.source != Ipv4Addr::LOCALHOST {
                socket.bind((self.source, 0).into())?;
            }
            let stream = socket.connect(self.target).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Sends the bytes of a whole request and reads the whole answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<Reply<'_>> {
        self.connect().await?;
        // Taken out, so that a call that fails half-way leaves no connection behind.
        let mut stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.buffer.reserve(2_048);
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = Head::read(&self.buffer)?
                && self.buffer.len() >= head.end + head.length
            {
                break head;
            }
        };
        if !head.closes {
            self.stream = Some(stream);
        }
        let (text, body) = self.buffer.split_at(head.end);
        Ok(Reply { status: head.status, head: text, body: &body[..head.length] })
    }
}

/// What is needed of a response's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    end: usize,
    length: usize,
    closes: bool,
}

impl Head {
    /// `None`: not complete yet.
    fn read(bytes: &[u8]) -> io::Result<Option<Self>> {
        let (mut end, mut length, mut closes, mut status) = (0, 0, false, None);
        while let Some(at) = bytes[end..].iter().position(|byte| *byte == b'\n') {
            let line = bytes[end..end + at].trim_ascii_end();
            end += at + 1;
            match status {
                None => status = Some(number(line.get(9..12).unwrap_or_default()).ok_or_else(malformed)?),
                Some(status) if line.is_empty() => {
                    return Ok(Some(Self { status: status as u16, end, length, closes }));
                }
                Some(_) => {}
            }
            if let Some(value) = value(line, b"content-length:") {
                length = number(value).ok_or_else(malformed)?;
            } else if value(line, b"connection:") == Some(b"close") {
                closes = true;
            } else if value(line, b"transfer-encoding:").is_some() {
                return Err(malformed());
            }
        }
        Ok(None)
    }
}

/// The line's value, if the line is the header `name` (small letters, with its colon).
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer that this client does not understand")
}

/// The bytes of a GET. `headers`: lines, each ended by CR LF.
pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}

/// Writes the bytes of a POST of JSON over `request`.
pub(crate) fn post(request: &mut Vec<u8>, path: &str, body: &[&[u8]]) {
    use std::io::Write as _;
    request.clear();
    let length: usize = body.iter().map(|part| part.len()).sum();
    let _ = write!(
        request,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    for part in body {
        request.extend_from_slice(part);
    }
}

/// The bytes of a POST of JSON with further header lines.
pub(crate) fn post_as(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[cfg(test)]
mod tests {
    use super::{Head, post};

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx-a: b\r\n\r\nbody";
        for cut in 0..text.len() - 4 {
            assert_eq!(Head::read(&text[..cut]).expect("well-formed"), None, "{cut}");
        }
        let head = Head::read(text).expect("well-formed");
        assert_eq!(head, Some(Head { status: 200, end: text.len() - 4, length: 12, closes: false }));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(Head::read(b"HTTP/1.1 abc\r\n\r\n").is_err());
        assert!(Head::read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(Head::read(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").is_err());
    }

    #[test]
    fn a_closing_answer_is_told() {
        let head =
            Head::read(b"HTTP/1.1 503 x\r\nConnection: close\r\n\r\n").expect("well-formed").expect("whole");
        assert!(head.closes && head.status == 503 && head.length == 0);
    }

    #[test]
    fn posts_tell_their_length() {
        let mut request = b"old".to_vec();
        post(&mut request, "/p", &[b"{\"a\":", b"1}"]);
        let text = String::from_utf8(request).expect("text");
        assert!(text.starts_with("POST /p HTTP/1.1\r\n") && text.contains("Content-Length: 7\r\n"));
        assert!(text.ends_with("\r\n\r\n{\"a\":1}"));
    }
}
