//! `multipart/form-data` with files that are streamed and never held in memory.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use actix_web::body::SizedStream;
use actix_web::web::{Bytes, BytesMut};
use futures_util::stream::LocalBoxStream;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncReadExt as _;

use super::HostError;
use crate::jwt::to_hex;

/// How much of a file is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

type Chunks = LocalBoxStream<'static, std::io::Result<Bytes>>;

/// A form with files. To attach one to an issue:
/// `host.post("/rest/api/3/issue/A-1/attachments").multipart(Multipart::new().file("file", "report.pdf"))`.
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    parts: Vec<Part>,
}

struct Part {
    head: String,
    content: Content,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("head", &self.head).finish_non_exhaustive()
    }
}

enum Content {
    Bytes(Bytes),
    File(PathBuf),
    Stream(u64, Chunks),
}

impl Multipart {
    /// An empty form.
    #[must_use]
    pub fn new() -> Self {
        let mut random = [0; 16];
        // it must not occur in the content; without randomness that is still unlikely
        let _ = aws_lc_rs::rand::fill(&mut random);
        Self { boundary: format!("atlassian-connect-actix-{}", to_hex(&random)), parts: Vec::new() }
    }

    /// A field.
    #[must_use]
    pub fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.part(name, None, None, Content::Bytes(value.into().into()))
    }

    /// A file with its content in memory.
    #[must_use]
    pub fn bytes(self, name: &str, file_name: &str, content_type: &str, content: impl Into<Bytes>) -> Self {
        self.part(name, Some(file_name), Some(content_type), Content::Bytes(content.into()))
    }

    /// A file on disk, under its own name.
    #[must_use]
    pub fn file(self, name: &str, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.part(name, Some(&file_name), None, Content::File(path.to_owned()))
    }

    /// A file as a stream of `length` bytes.
    #[must_use]
    pub fn stream<S>(self, name: &str, file_name: &str, content_type: &str, length: u64, content: S) -> Self
    where
        S: Stream<Item = std::io::Result<Bytes>> + 'static,
    {
        self.part(name, Some(file_name), Some(content_type), Content::Stream(length, content.boxed_local()))
    }

    fn part(mut self, name: &str, file_name: Option<&str>, content_type: Option<&str>, content: Content) -> Self {
        let mut head = format!("--{}\r\nContent-Disposition: form-data; name=\"{}\"", self.boundary, escape(name));
        if let Some(file_name) = file_name {
            let printable = |text: &&str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            let content_type = content_type.filter(printable).unwrap_or("application/octet-stream");
            // writing into a String cannot fail
            let _ = write!(head, "; filename=\"{}\"\r\nContent-Type: {content_type}", escape(file_name));
        }
        head.push_str("\r\n\r\n");
        self.parts.push(Part { head, content });
        self
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The body with its length, which servers require in advance.
    pub(super) async fn into_body(self) -> Result<SizedStream<Chunks>, HostError> {
        let end = Bytes::from(format!("--{}--\r\n", self.boundary));
        let mut length = end.len() as u64;
        let mut chunks: Vec<Chunks> = Vec::with_capacity(self.parts.len() * 3 + 1);
        for part in self.parts {
            let (size, content) = part.content.open().await?;
            let of_part = size.checked_add(part.head.len() as u64 + 2);
            let sum = of_part.and_then(|of_part| length.checked_add(of_part));
            length = sum.ok_or_else(|| HostError::Request("the parts together are too long".into()))?;
            chunks.extend([once(part.head.into()), content, once(Bytes::from_static(b"\r\n"))]);
        }
        chunks.push(once(end));
        Ok(SizedStream::new(length, stream::iter(chunks).flatten().boxed_local()))
    }
}

impl Default for Multipart {
    fn default() -> Self {
        Self::new()
    }
}

impl Content {
    async fn open(self) -> Result<(u64, Chunks), HostError> {
        match self {
            Self::Bytes(bytes) => Ok((bytes.len() as u64, once(bytes))),
            Self::Stream(length, chunks) => Ok((length, chunks)),
            Self::File(path) => {
                let unreadable = |error| HostError::Request(format!("{} cannot be read: {error}", path.display()));
                let file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
                let length = file.metadata().await.map_err(unreadable)?.len();
                // not one byte more than was announced, in case the file grows meanwhile
                let chunks = stream::try_unfold(file.take(length), |mut file| async move {
                    let mut chunk = BytesMut::with_capacity(CHUNK);
                    let read = file.read_buf(&mut chunk).await?;
                    Ok((read > 0).then(|| (chunk.freeze(), file)))
                });
                Ok((length, chunks.into_stream().boxed_local()))
            }
        }
    }
}

fn once(bytes: Bytes) -> Chunks {
    stream::once(async { Ok(bytes) }).boxed_local()
}

/// Escapes a name as HTML forms do: characters that could end the quoted text are percent-encoded.
fn escape(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::{BodySize, MessageBody as _, to_bytes};

    #[actix_web::test]
    async fn fields_and_files_with_their_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a \"b\".txt");
        std::fs::write(&path, "on disk").unwrap();
        let streamed = stream::iter([Ok(Bytes::from_static(b"stre")), Ok(Bytes::from_static(b"amed"))]);
        let form = Multipart::new()
            .text("comment", "ünï")
            .bytes("f", "x\r\ny", "text/plain", "mem")
            .file("g", &path)
            .stream("h", "s", "bad\ntype", 8, streamed);
        let boundary = form.boundary.clone();
        assert_eq!(form.content_type(), format!("multipart/form-data; boundary={boundary}"));
        let body = form.into_body().await.unwrap();
        let BodySize::Sized(size) = body.size() else { panic!("a size") };
        let bytes = to_bytes(body).await.unwrap();
        assert_eq!(bytes.len() as u64, size);
        let text = String::from_utf8(bytes.to_vec()).unwrap().replace(&boundary, "B").replace('\r', "");
        insta::assert_snapshot!(text, @r#"
        --B
        Content-Disposition: form-data; name="comment"

        ünï
        --B
        Content-Disposition: form-data; name="f"; filename="x%0D%0Ay"
        Content-Type: text/plain

        mem
        --B
        Content-Disposition: form-data; name="g"; filename="a %22b%22.txt"
        Content-Type: application/octet-stream

        on disk
        --B
        Content-Disposition: form-data; name="h"; filename="s"
        Content-Type: application/octet-stream

        streamed
        --B--
        "#);
    }

    #[actix_web::test]
    async fn a_missing_file_is_reported() {
        let error = Multipart::new().file("f", "/nowhere/at all").into_body().await.err().unwrap();
        assert!(
            error.to_string().starts_with("the request cannot be built: /nowhere/at all cannot be read: "),
            "{error}"
        );
    }
}
