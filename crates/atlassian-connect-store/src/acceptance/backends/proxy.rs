//! A network that can fail.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A proxy between a store and its server that can cut the connection.
pub(super) struct Proxy {
    pub port: u16,
    streams: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Proxy {
    pub(super) fn to(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let streams = Arc::new(Mutex::new(Some(Vec::new())));
        let shared = Arc::clone(&streams);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let mut streams = shared.lock().unwrap();
                // Cut: the client's connection is closed immediately.
                let Some(streams) = streams.as_mut() else { continue };
                let server = TcpStream::connect((server.0.as_str(), server.1)).unwrap();
                for (mut from, mut to) in [(&client, &server), (&server, &client)]
                    .map(|(a, b)| (a.try_clone().unwrap(), b.try_clone().unwrap()))
                {
                    std::thread::spawn(move || io::copy(&mut from, &mut to));
                }
                streams.extend([client, server]);
            }
        });
        Self { port, streams }
    }

    pub(super) fn cut(&self) {
        for stream in self.streams.lock().unwrap().take().unwrap_or_default() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn restore(&self) {
        *self.streams.lock().unwrap() = Some(Vec::new());
    }
}
