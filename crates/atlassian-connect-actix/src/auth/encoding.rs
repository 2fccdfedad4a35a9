//! Compressed bodies. Some gateways compress lifecycle callbacks, webhooks and Forge's events.

use std::io::{self, Write};

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::BytesMut;
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt as _;

use super::body;
use crate::connection::Connection;
use crate::error::Error;

/// The longest part of an encoding's name that an error repeats, in characters.
const LONGEST_NAME: usize = 40;

/// The memory of a decoder: its window of 32 kB, as much output that is not read yet, and its tables.
const DECODER: usize = 80 * 1024;

/// How a body is encoded.
#[derive(Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
}

impl Encoding {
    /// What `Content-Encoding` says.
    ///
    /// # Errors
    /// [`Error::UnsupportedEncoding`] for anything but gzip, also for several encodings at once.
    fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let values: Vec<_> =
            headers.get_all(header::CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let named = values.join(", ");
        let mut encodings = named.split(',').map(str::trim);
        let mut encodings: Vec<_> =
            encodings.by_ref().filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity")).collect();
        match (encodings.pop(), encodings.is_empty()) {
            (None, _) => Ok(Self::Plain),
            // RFC 9110, 8.4.1.3: "x-gzip" is the same
            (Some(name), true) if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                Ok(Self::Gzip)
            }
            _ => {
                let is_shown = |c: &char| c.is_ascii_graphic() || *c == ' ';
                let encoding = named.chars().filter(is_shown).take(LONGEST_NAME).collect();
                Err(Error::UnsupportedEncoding { encoding })
            }
        }
    }
}

/// Reads the body of `request` and decompresses it if needed. `limit` bytes at most, before and after.
pub(crate) async fn read_inflated(
    payload: &mut Payload,
    request: &HttpRequest,
    limit: usize,
) -> Result<BytesMut, Error> {
    let encoding = Encoding::of(request.headers())?;
    body::check_length(request.headers(), limit)?;
    match encoding {
        Encoding::Plain => body::read_body(payload, limit).await,
        Encoding::Gzip => {
            inflate(payload, limit, |bytes| {
                // a small body that inflates to a large one must count as the large one
                if let Some(connection) = Connection::of(request) {
                    connection.inflated(bytes);
                }
            })
            .await
        }
    }
}

/// Calls `held` with the number of bytes that are kept in addition.
async fn inflate(payload: &mut Payload, limit: usize, held: impl Fn(usize)) -> Result<BytesMut, Error> {
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: BytesMut::new(), limit, is_full: false });
    let mut has_begun = false;
    let mut counted = 0;
    held(DECODER);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Error::of_payload(&error))?;
        has_begun |= !chunk.is_empty();
        if decoder.write_all(&chunk).is_err() {
            return Err(decoder.get_ref().refusal());
        }
        let kept = decoder.get_ref().bytes.len();
        held(kept.saturating_sub(counted));
        counted = kept;
    }
    if !has_begun {
        return Ok(BytesMut::new());
    }
    // the end of the data is checked as well: length, checksum
    if decoder.try_finish().is_err() {
        return Err(decoder.get_ref().refusal());
    }
    let body = std::mem::take(&mut decoder.get_mut().bytes);
    held(body.len().saturating_sub(counted));
    Ok(body)
}

/// The decompressed bytes. Writing more than the limit fails, so that the decoder stops there.
struct Bounded {
    bytes: BytesMut,
    limit: usize,
    is_full: bool,
}

impl Bounded {
    /// Why the decoder has stopped.
    fn refusal(&self) -> Error {
        if self.is_full {
            Error::TooLarge { limit: self.limit }
        } else {
            Error::bad_request("The body is not valid gzip.")
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit.saturating_sub(self.bytes.len()) {
            self.is_full = true;
            return Err(io::Error::other("the body is larger than the limit"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};
    use actix_web::web::Bytes;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::FutureExt as _;
    use std::cell::Cell;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(body: &[u8], at_once: usize, limit: usize) -> (Result<BytesMut, Error>, usize) {
        let chunks: Vec<_> = body.chunks(at_once).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let stream = futures_util::stream::iter(chunks).boxed_local();
        let mut payload = Payload::Stream { payload: stream };
        let held = Cell::new(0);
        let result = inflate(&mut payload, limit, |bytes| held.set(held.get() + bytes)).now_or_never().unwrap();
        (result, held.get())
    }

    #[test]
    fn a_body_is_inflated_up_to_the_limit() {
        let text = "{\"a\": 1} ".repeat(500);
        for at_once in [1, 7, 100_000] {
            let packed = gzip(text.as_bytes());
            let (body, held) = read(&packed, at_once, text.len());
            assert!(*body.unwrap() == *text.as_bytes(), "{at_once}");
            assert_eq!(held, DECODER + text.len(), "{at_once}");
            assert!(matches!(read(&packed, at_once, text.len() - 1).0, Err(Error::TooLarge { .. })), "{at_once}");
            let twice = [gzip(b"one"), gzip(b"two")].concat();
            assert_eq!(&*read(&twice, at_once, 6).0.unwrap(), b"onetwo", "several members are one body");
            assert!(matches!(read(&twice, at_once, 5).0, Err(Error::TooLarge { .. })), "{at_once}");
        }
        assert_eq!(read(b"", 1, 9).0.unwrap().len(), 0);
        assert_eq!(read(&gzip(b""), 1, 0).0.unwrap().len(), 0);
    }

    #[test]
    fn a_bomb_is_not_kept() {
        let packed = gzip(&vec![0; 10 << 20]);
        assert!(packed.len() < 16 << 10, "{}", packed.len());
        for at_once in [100, 100_000] {
            let (body, held) = read(&packed, at_once, 64 << 10);
            assert!(matches!(body, Err(Error::TooLarge { limit: 65_536 })), "{body:?}");
            assert!(held <= DECODER + (64 << 10), "{held}");
        }
    }

    #[test]
    fn what_is_not_gzip_is_malformed() {
        let good = gzip(b"{\"clientKey\": \"a\"}");
        let mut wrong_sum = good.clone();
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        let mut cases = vec![b"{}".to_vec(), vec![0x1f], b"\x1f\x8b".to_vec(), wrong_sum, [&good[..], b"{}"].concat()];
        cases.extend((1..good.len()).map(|length| good[..length].to_vec()));
        for case in cases {
            for at_once in [1, 1000] {
                let body = read(&case, at_once, 1000).0;
                assert!(matches!(body, Err(Error::BadRequest { .. })), "{case:02x?} {body:?}");
            }
        }
    }

    #[test]
    fn other_encodings_are_named() {
        for (values, expected) in [
            (&[][..], Ok(Encoding::Plain)),
            (&[""], Ok(Encoding::Plain)),
            (&["identity"], Ok(Encoding::Plain)),
            (&["gzip"], Ok(Encoding::Gzip)),
            (&["GZip "], Ok(Encoding::Gzip)),
            (&["x-gzip"], Ok(Encoding::Gzip)),
            (&["identity, gzip"], Ok(Encoding::Gzip)),
            (&["br"], Err("br")),
            (&["deflate"], Err("deflate")),
            (&["zstd"], Err("zstd")),
            (&["gzip, gzip"], Err("gzip, gzip")),
            (&["gzip", "br"], Err("gzip, br")),
            (&["gzip\u{e9}<b>"], Err("gzip<b>")),
            (&["a-name-that-is-much-longer-than-any-encoding-has"], Err("a-name-that-is-much-longer-than-any-enco")),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(HeaderName::from_static("content-encoding"), value);
            }
            let found = match Encoding::of(&headers) {
                Ok(encoding) => Ok(encoding),
                Err(Error::UnsupportedEncoding { encoding }) => Err(encoding),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(found, expected.map_err(str::to_owned), "{values:?}");
        }
    }
}
