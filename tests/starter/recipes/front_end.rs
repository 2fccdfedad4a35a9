//! Of `docs/recipes/front-end.md`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use actix_files::Files;
use actix_web::get;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Data, ServiceConfig};
use askama::Template;
use atlassian_connect_actix::{Addon, Error, PageContext, View};
use serde::Deserialize;

/// The entry, as `vite.config.js` names it.
const ENTRY: &str = "src/main.jsx";

#[derive(Template)]
#[template(
    source = r#"{% extends "layout.html" %}
{% block content %}
<div id="root"></div>
{% for url in styles %}<link rel="stylesheet" href="{{ url }}">{% endfor %}
{% for url in scripts %}<script type="module" src="{{ url }}"></script>{% endfor %}
{% endblock %}"#,
    ext = "html"
)]
struct Board {
    page: PageContext,
    styles: Vec<String>,
    scripts: Vec<String>,
}

#[get("/board")]
async fn board(page: PageContext, addon: Addon, folder: Data<PathBuf>) -> Result<View<Board>, Error> {
    if let Some(vite) = addon.config().app::<AppKeys>()?.vite {
        let scripts = vec![format!("{vite}/@vite/client"), format!("{vite}/{ENTRY}")];
        return Ok(View(Board { page, styles: Vec::new(), scripts }));
    }
    let entry = web::block(move || read_entry(&folder)).await.map_err(Error::internal)??;
    let url = |file: &String| format!("{}/static/app/{file}", page.local_base_url);
    let (styles, scripts) = (entry.css.iter().map(url).collect(), vec![url(&entry.file)]);
    Ok(View(Board { page, styles, scripts }))
}

/// The app's own keys: `app` in `config.json`.
#[derive(Deserialize)]
struct AppKeys {
    /// The URL of Vite's server, in development.
    vite: Option<String>,
}

/// What Vite's manifest says of an entry.
#[derive(Deserialize)]
struct Entry {
    file: String,
    #[serde(default)]
    css: Vec<String>,
}

fn read_entry(folder: &Path) -> Result<Entry, Error> {
    let path = folder.join(".vite/manifest.json");
    let problem = |reason: String| Error::internal(format!("{}: {reason}", path.display()));
    let manifest = fs::read_to_string(&path).map_err(|error| problem(error.to_string()))?;
    let mut entries: HashMap<String, Entry> =
        serde_json::from_str(&manifest).map_err(|error| problem(error.to_string()))?;
    entries.remove(ENTRY).ok_or_else(|| problem(format!("there is no {ENTRY}")))
}

/// `folder` is where Vite writes to: `static/app`.
pub fn routes(cfg: &mut ServiceConfig, folder: &Path) {
    // each file has a hash of its content in its name, so browsers may keep it forever
    let caching = DefaultHeaders::new().add(("Cache-Control", "public, max-age=31536000, immutable"));
    let assets = web::scope("/static/app/assets").wrap(caching).service(Files::new("", folder.join("assets")));
    cfg.app_data(Data::new(folder.to_owned())).service(board).service(assets);
}

#[cfg(test)]
mod tests {
    use atlassian_connect_testing::{TestHost, TestHostBuilder};
    use tempfile::TempDir;

    use super::{fs, routes};

    /// What Vite builds, small.
    fn built() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            (".vite/manifest.json", r#"{
                "src/main.jsx": { "file": "assets/main-Bk3f.js", "src": "src/main.jsx", "isEntry": true, "css": ["assets/main-D9a1.css"] },
                "src/logo.svg": { "file": "assets/logo-C0ffee.svg", "src": "src/logo.svg" }
            }"#),
            ("assets/main-Bk3f.js", "document.title"),
            ("assets/main-D9a1.css", "p {}"),
        ] {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    async fn installed(builder: TestHostBuilder, folder: &TempDir) -> TestHost {
        let folder = folder.path().to_owned();
        let host = builder.start(move |cfg| routes(cfg, &folder)).await;
        host.install(&host.tenant()).await;
        host
    }

    #[actix_web::test]
    async fn the_page_names_what_vite_built_and_browsers_may_cache_it() {
        let folder = built();
        let host = installed(TestHost::builder().base_path("/addon"), &folder).await;
        let page = host.open_iframe("/board").await;
        assert_eq!(page.status, 200, "{}", page.body);
        let base = page.connect_context()["localBaseUrl"].as_str().unwrap().to_owned();
        assert!(base.ends_with("/addon"), "{base}");
        let files = [("assets/main-Bk3f.js", "text/javascript"), ("assets/main-D9a1.css", "text/css")];
        for (name, content_type) in files {
            assert!(page.body.contains(&format!("=\"{base}/static/app/{name}\"")), "{}", page.body);
            let file = host.get(&format!("/static/app/{name}")).await;
            assert_eq!(file.status, 200);
            assert!(file.header("content-type").starts_with(content_type), "{}", file.header("content-type"));
            assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        }
        let missing = host.get("/static/app/assets/main-0ld0.js").await;
        assert_eq!((missing.status, missing.header("cache-control")), (404, "no-store"));
        assert_eq!(host.get("/board").await.status, 401);
    }

    #[actix_web::test]
    async fn in_development_the_modules_come_from_vite() {
        let folder = tempfile::tempdir().unwrap();
        let config = r#"{ "development": { "app": { "vite": "http://localhost:5173" } } }"#;
        let host = installed(TestHost::builder().var("APP_ENV", "development").config(config), &folder).await;
        let page = host.open_iframe("/board").await;
        for url in ["http://localhost:5173/@vite/client", "http://localhost:5173/src/main.jsx"] {
            assert!(page.body.contains(&format!("<script type=\"module\" src=\"{url}\"></script>")), "{}", page.body);
        }
        assert!(page.header("content-security-policy").starts_with("frame-ancestors"));
    }

    #[actix_web::test]
    async fn a_page_without_a_build_says_so_and_a_build_counts_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let host = installed(TestHost::builder().var("APP_ENV", "development"), &folder).await;
        let page = host.open_iframe("/board").await;
        assert_eq!(page.status, 500);
        assert!(page.body.contains("manifest.json: No such file"), "{}", page.body);
        // a build needs no restart
        fs::create_dir(folder.path().join(".vite")).unwrap();
        fs::write(folder.path().join(".vite/manifest.json"), r#"{ "src/main.jsx": { "file": "assets/main-1.js" } }"#).unwrap();
        assert!(host.open_iframe("/board").await.body.contains("/static/app/assets/main-1.js"));
    }
}
