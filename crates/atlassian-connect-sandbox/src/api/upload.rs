//! Files that the add-on uploads.

use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;

/// An uploaded file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) mime: String,
    pub(crate) bytes: Bytes,
}

pub(super) fn is_upload(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("multipart/form-data")
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The files in a multipart body. Fields without a file name are left out.
pub(super) async fn files(headers: &HeaderMap, body: Bytes) -> Result<Vec<File>, String> {
    let boundary = multer::parse_boundary(content_type(headers)).map_err(|error| error.to_string())?;
    let stream = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut files = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|error| error.to_string())? {
        let Some(name) = part.file_name().map(str::to_owned) else { continue };
        let mime = part.content_type().map_or_else(|| "application/octet-stream".into(), ToString::to_string);
        let bytes = part.bytes().await.map_err(|error| error.to_string())?;
        files.push(File { name, mime, bytes });
    }
    if files.is_empty() { Err("The upload contains no file.".into()) } else { Ok(files) }
}
