//! The studio: a page that shows the service through its public API, and the credentials of the
//! demo clients that it shows it with.

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;

use crate::gateway::file;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The page's files by their paths.
const FILES: &[(&str, &str, &[u8])] = &[
    ("/", HTML, include_bytes!("../../../web/index.html")),
    ("/studio.css", CSS, include_bytes!("../../../web/studio.css")),
    ("/studio.js", JS, include_bytes!("../../../web/studio.js")),
    ("/meme.js", JS, include_bytes!("../../../web/meme.js")),
    ("/make.js", JS, include_bytes!("../../../web/make.js")),
    ("/generate.js", JS, include_bytes!("../../../web/generate.js")),
    ("/api.js", JS, include_bytes!("../../../web/api.js")),
    ("/view.js", JS, include_bytes!("../../../web/view.js")),
    ("/captions.js", JS, include_bytes!("../../../web/captions.js")),
];

/// Answers what the page asks for beside the API.
#[derive(Debug)]
pub(crate) struct Studio {
    demo: Bytes,
}

impl Studio {
    /// A studio whose demo clients are in `demo`, the text of `demo.json`.
    pub(crate) fn new(demo: String) -> Self {
        Self { demo: Bytes::from(demo) }
    }

    /// The page's answer, if the path is one of its own.
    pub(crate) fn answer(&self, method: &Method, path: &str) -> Option<Response<Full<Bytes>>> {
        if method != Method::GET {
            return None;
        }
        if path == "/demo.json" {
            return Some(file("application/json", self.demo.clone()));
        }
        let (_, content_type, bytes) = FILES.iter().find(|(known, ..)| *known == path)?;
        Some(file(content_type, Bytes::from_static(bytes)))
    }
}
