//! Where the body of a request ends. The HTTP code must not get a byte of the next request before this one is answered:
//! it would decode all requests that it has, and answer with what it knows of the last one.

/// The part of a body that is still to come.
#[derive(Debug, Default)]
pub(super) enum Framing {
    /// Nothing.
    #[default]
    Ended,
    /// This number of bytes.
    Length(usize),
    /// Chunks (RFC 9112, 7.1).
    Chunks(Chunks),
    /// Everything until the client closes.
    UntilClose,
}

impl Framing {
    pub(super) fn of_length(bytes: usize) -> Self {
        if bytes == 0 { Self::Ended } else { Self::Length(bytes) }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// The most bytes that may be read at once, if it is known.
    pub(super) fn most(&self) -> usize {
        match self {
            Self::Ended => 0,
            Self::Length(left) => *left,
            Self::Chunks(_) | Self::UntilClose => usize::MAX,
        }
    }

    /// How many of these bytes, which come next, belong to the body.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let (own, has_ended) = match self {
            Self::Ended => (0, true),
            Self::Length(left) => {
                let own = bytes.len().min(*left);
                *left -= own;
                (own, *left == 0)
            }
            Self::Chunks(chunks) => {
                let own = chunks.take(bytes);
                (own, *chunks == Chunks::Ended)
            }
            Self::UntilClose => (bytes.len(), false),
        };
        if has_ended {
            *self = Self::Ended;
        }
        own
    }
}

/// The position in a chunked body. If something is malformed, the HTTP code reports it; the end found here is never
/// after the one that the HTTP code finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In the digits of a chunk's size.
    Size(u64),
    /// In the rest of that line.
    Extension(u64),
    /// Inside a chunk; this number of bytes is left.
    Data(u64),
    /// In the line end after a chunk.
    DataEnd,
    /// At the beginning of a line after the last chunk.
    Trailers,
    /// In such a line.
    Trailer,
    Ended,
}

impl Chunks {
    pub(super) const BEGIN: Self = Self::Size(0);

    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Self::Data(left) = *self {
                let here = (bytes.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                at += here;
                let left = left - here as u64;
                *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                continue;
            }
            at += 1;
            *self = self.after(byte);
            if *self == Self::Ended {
                break;
            }
        }
        at
    }

    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size(0) | Self::Extension(0) | Self::Trailer, b'\n') | (Self::Trailers, b'\r') => Self::Trailers,
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(size),
            (Self::Size(size), digit) => match char::from(digit).to_digit(16) {
                Some(digit) => Self::Size(size.saturating_mul(16).saturating_add(u64::from(digit))),
                None => Self::Extension(size),
            },
            (Self::DataEnd, b'\n') => Self::BEGIN,
            (Self::Trailers, b'\n') => Self::Ended,
            (Self::Trailers | Self::Trailer, _) => Self::Trailer,
            (same, _) => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type New = fn() -> Framing;

    /// How many bytes belong to the body, if it is read in pieces of this size.
    fn of_body(framing: New, bytes: &[u8], piece: usize) -> usize {
        let mut framing = framing();
        let mut taken = 0;
        for piece in bytes.chunks(piece) {
            let own = framing.take(piece);
            taken += own;
            if own < piece.len() {
                assert!(framing.has_ended());
                break;
            }
        }
        taken
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let chunks = || Framing::Chunks(Chunks::BEGIN);
        let cases: [(New, &str, &str); 11] = [
            (chunks, "3\r\nabc\r\n0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
            (chunks, "0\r\n\r\n", "\r\n\r\n"),
            (chunks, "00000\r\n\r\n", "0\r\n\r\n"),
            (chunks, "a;x=\"1;2\"\r\n0123456789\r\n0;y\r\n\r\n", "rest"),
            (chunks, "A \r\n\n\n\n\n\n\n\n\n\n\n\r\n0\r\n\r\n", "rest"),
            (chunks, "1\r\nx\r\n0\r\nTrailer: a\r\nB: c\r\n\r\n", "rest"),
            (chunks, "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "rest"),
            (chunks, "ffffffffffffffffffffff\r\nendless", ""),
            (|| Framing::of_length(5), "abcde", "fgh"),
            (|| Framing::of_length(0), "", "abc"),
            (|| Framing::UntilClose, "all of it\r\n\r\n", ""),
        ];
        for (framing, body, rest) in cases {
            let bytes = format!("{body}{rest}");
            for piece in 1..=bytes.len() {
                assert_eq!(of_body(framing, bytes.as_bytes(), piece), body.len(), "{bytes:?} in pieces of {piece}");
            }
        }
    }
}
