//! Files that the add-on sends.

use actix_web::HttpRequest;
use actix_web::web::Bytes;

/// A file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) bytes: Bytes,
}

pub(super) fn is_upload(request: &HttpRequest) -> bool {
    content_type(request).starts_with("multipart/form-data")
}

fn content_type(request: &HttpRequest) -> &str {
    request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The files of a multipart body; fields without a file name are left out.
pub(super) async fn files(request: &HttpRequest, body: Bytes) -> Result<Vec<File>, String> {
    let boundary = multer::parse_boundary(content_type(request)).map_err(|error| error.to_string())?;
    let stream = futures_util::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut files = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|error| error.to_string())? {
        let Some(name) = part.file_name().map(str::to_owned) else { continue };
        let mime = part.content_type().map_or_else(|| "application/octet-stream".into(), ToString::to_string);
        let bytes = part.bytes().await.map_err(|error| error.to_string())?;
        files.push(File { name, mime, bytes });
    }
    if files.is_empty() { Err("There is no file in the upload.".into()) } else { Ok(files) }
}
