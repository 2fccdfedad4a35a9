//! A client that sends raw bytes and reads the answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer. Names of headers are in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A persistent connection, which is opened again after the server has closed it.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    unread: Vec<u8>,
}

impl Connection {
    /// To a base URL of the loopback interface.
    pub(crate) fn to(base_url: &str) -> Self {
        let authority = base_url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        Self { address: authority.parse().unwrap(), stream: None, unread: Vec::new() }
    }

    /// Sends `request` and reads one answer; `None` when the server closes without one.
    pub(crate) fn send(&mut self, request: &[u8]) -> Option<Answer> {
        let is_fresh = self.stream.is_none();
        let answer = self.write(request).and_then(|()| self.read(request));
        match answer {
            Ok(answer) => {
                if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                    self.close();
                }
                Some(answer)
            }
            // an idle connection may have been closed meanwhile: try once more on a new one
            Err(_) if !is_fresh => {
                self.close();
                self.send(request)
            }
            Err(error) => {
                assert!(error.kind() != ErrorKind::WouldBlock, "no answer within {PATIENCE:?}");
                self.close();
                None
            }
        }
    }

    /// Sends `bytes` and reads everything until the server closes or is silent.
    pub(crate) fn converse(&mut self, bytes: &[u8], silence: Duration) -> Vec<u8> {
        self.close();
        // the server may refuse and close before it has read everything
        let _ = self.write(bytes);
        let mut read = Vec::new();
        let stream = self.stream.as_mut().unwrap();
        stream.set_read_timeout(Some(silence)).unwrap();
        let mut chunk = [0; 16 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            read.extend_from_slice(&chunk[..length]);
        }
        self.close();
        read
    }

    fn close(&mut self) {
        self.stream = None;
        self.unread.clear();
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
        }
        self.stream.as_mut().unwrap().write_all(bytes)
    }

    fn read(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        let head = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                let (status, headers) = parse_head(&head);
                if status != 100 {
                    break (status, headers);
                }
                continue;
            }
            self.more()?;
        };
        let (status, headers) = head;
        let answer = Answer { status, headers, body: Vec::new() };
        let length: usize = match answer.header("content-length") {
            _ if request.starts_with(b"HEAD ") || matches!(status, 204 | 304) => 0,
            Some(length) => length.parse().unwrap(),
            None => panic!("an answer {status} without a length: {:?}", answer.headers),
        };
        while self.unread.len() < length {
            self.more()?;
        }
        Ok(Answer { body: self.unread.drain(..length).collect(), ..answer })
    }

    fn more(&mut self) -> std::io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.as_mut().unwrap().read(&mut chunk)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            length => {
                self.unread.extend_from_slice(&chunk[..length]);
                Ok(())
            }
        }
    }
}

fn parse_head(head: &[u8]) -> (u16, Vec<(String, String)>) {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    (status.unwrap_or_else(|| panic!("no HTTP answer: {head}")), headers)
}
