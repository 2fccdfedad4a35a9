//! A network that can fail.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// A proxy between a store and its server that can cut the connection, or pass nothing on.
pub(super) struct Proxy {
    pub port: u16,
    streams: Arc<Mutex<Option<Vec<TcpStream>>>>,
    silence: Arc<Silence>,
}

#[derive(Default)]
struct Silence {
    is_silent: Mutex<bool>,
    changed: Condvar,
}

impl Silence {
    /// Passes everything on, while it is not silent.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut chunk = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            drop(self.changed.wait_while(self.is_silent.lock().unwrap(), |is_silent| *is_silent).unwrap());
            if to.write_all(&chunk[..length]).is_err() {
                return;
            }
        }
    }
}

impl Proxy {
    pub(super) fn to(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let streams = Arc::new(Mutex::new(Some(Vec::new())));
        let silence = Arc::<Silence>::default();
        let (shared, passed) = (Arc::clone(&streams), Arc::clone(&silence));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let mut streams = shared.lock().unwrap();
                // Cut: the client's connection is closed immediately.
                let Some(streams) = streams.as_mut() else { continue };
                let server = TcpStream::connect((server.0.as_str(), server.1)).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)]
                    .map(|(a, b)| (a.try_clone().unwrap(), b.try_clone().unwrap()))
                {
                    let silence = Arc::clone(&passed);
                    std::thread::spawn(move || silence.copy(from, to));
                }
                streams.extend([client, server]);
            }
        });
        Self { port, streams, silence }
    }

    /// Passes nothing on, and closes nothing: what is sent is acknowledged.
    pub(super) fn fall_silent(&self) {
        *self.silence.is_silent.lock().unwrap() = true;
    }

    pub(super) fn speak_again(&self) {
        *self.silence.is_silent.lock().unwrap() = false;
        self.silence.changed.notify_all();
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
