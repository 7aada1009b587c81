//! A mail server that writes down what it is given (RFC 5321), and can refuse, hang or be down.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A mail as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// `MAIL FROM`, without brackets.
    pub from: String,
    /// `RCPT TO`, without brackets.
    pub to: Vec<String>,
    /// Head and body, dots unstuffed.
    pub data: String,
}

impl Received {
    /// A line of its head, without the name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.data.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Takes,
    /// Answers `RCPT` with this line.
    Refuses(String),
    /// Answers nothing after the greeting.
    Hangs,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    received: Vec<Received>,
    commands: Vec<String>,
    connections: usize,
}

/// What it knows, for whoever accepts connections for it.
#[derive(Clone, Debug, Default)]
pub struct SmtpState(Arc<Mutex<State>>);

impl SmtpState {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came, in that order.
    pub fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    /// The first words of all commands, in capitals.
    pub fn commands(&self) -> Vec<String> {
        self.lock().commands.clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// From now on it takes mails.
    pub fn take(&self) {
        self.lock().mood = Mood::Takes;
    }

    /// From now on it answers every recipient with `line`, such as `550 no such user`.
    pub fn refuse(&self, line: &str) {
        self.lock().mood = Mood::Refuses(line.to_owned());
    }

    /// From now on it answers nothing.
    pub fn hang(&self) {
        self.lock().mood = Mood::Hangs;
    }

    /// Speaks to one client until it goes away.
    pub async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        self.lock().connections += 1;
        // An error is a client that went away.
        let _ = self.speak(BufReader::new(stream)).await;
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
    ) -> std::io::Result<()> {
        stream.write_all(b"220 sink.test ESMTP\r\n").await?;
        let mut mail = Received { from: String::new(), to: Vec::new(), data: String::new() };
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let word = line.split([' ', ':', '\r']).next().unwrap_or_default().to_ascii_uppercase();
            self.lock().commands.push(word.clone());
            let mood = self.lock().mood.clone();
            if mood == Mood::Hangs {
                std::future::pending::<()>().await;
            }
            let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let answer = match (&*word, mood) {
                ("EHLO", _) => "250-sink.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN".to_owned(),
                ("AUTH", _) => "235 welcome".to_owned(),
                ("MAIL", _) => {
                    mail = Received { from: path(), to: Vec::new(), data: String::new() };
                    "250 ok".to_owned()
                }
                ("RCPT", Mood::Refuses(line)) => line,
                ("RCPT", _) => {
                    mail.to.push(path());
                    "250 ok".to_owned()
                }
                ("DATA", _) => {
                    stream.write_all(b"354 go on\r\n").await?;
                    mail.data = data(&mut stream).await?;
                    self.lock().received.push(mail.clone());
                    "250 taken".to_owned()
                }
                ("RSET" | "NOOP", _) => "250 ok".to_owned(),
                ("QUIT", _) => "221 bye".to_owned(),
                _ => "502 not here".to_owned(),
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }
}

/// The lines up to the one that is a dot.
async fn data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// A mail server on a port of its own, without TLS.
#[derive(Debug)]
pub struct SmtpSink {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it knows, and what it does.
    pub state: SmtpState,
    task: JoinHandle<()>,
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpSink {
    /// One that listens.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address")).await
    }

    /// One that listens where one did before.
    ///
    /// # Panics
    /// If somebody else does.
    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let (address, state) = (listener.local_addr().expect("bound"), SmtpState::default());
        let serving = state.clone();
        let task = tokio::spawn(async move {
            // Dropped with the task: then the connections are cut, too.
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serving.clone().serve(stream));
            }
        });
        Self { address, state, task }
    }

    /// For `email.url`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }
}
