//! `GET /images/{template}/{line}/{line}.jpg`: a template's picture with captions.
//!
//! The address says all, so that caches may keep the picture for ever. Whoever embeds a picture
//! shows no problem documents: what is wrong is told by a picture too, with the right status.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use catalogue::{Catalogue, Template, check_captions, path};
use edge::{Body, Problem, Request, Response, instance, path_param, reply};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use render::{CaptionBox, Format, Picture, Rect, draw_captions, encode};

/// The longest path that is drawn, in bytes.
const PATH_BYTES_MAX: usize = 4_096;

/// JPEG and WebP quality, of 100.
const QUALITY: u8 = 88;

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

const BRIEFLY: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    catalogue: &'static Catalogue,
    /// The templates' pictures that were asked for so far, decoded.
    bases: Arc<Mutex<HashMap<String, Picture>>>,
}

impl Default for Context {
    fn default() -> Self {
        Self { catalogue: Catalogue::embedded(), bases: Arc::default() }
    }
}

/// Why there is no picture, and what the picture that is sent instead says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("This address is too long: {PATH_BYTES_MAX} bytes at most")]
    TooLong,
    #[error("Write captions in UTF-8")]
    NotText,
    #[error("There is no template “{0}”")]
    NoTemplate(String),
    #[error("End the address with .jpg, .png or .webp")]
    Format,
    #[error("{0}")]
    Captions(String),
}

impl Fault {
    const fn status(&self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::URI_TOO_LONG,
            Self::NotText => StatusCode::BAD_REQUEST,
            Self::NoTemplate(_) => StatusCode::NOT_FOUND,
            Self::Format => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Captions(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// What is to be drawn.
struct Order {
    template: &'static Template,
    captions: Vec<String>,
    format: Format,
}

/// Draws one picture.
///
/// # Errors
/// [`Problem`] only where not even a picture of the fault can be drawn.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let order = order(context, &request);
    let bases = Arc::clone(&context.bases);
    // Drawing takes milliseconds of a core, which other requests of the process need not wait for.
    let drawn = tokio::task::spawn_blocking(move || draw(order, &bases));
    drawn.await.map_err(Problem::internal)?
}

fn order(context: &Context, request: &Request) -> Result<Order, Fault> {
    if instance(request).len() >= PATH_BYTES_MAX || request.uri().path().len() > PATH_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    let template = path_param(request, "template").map_err(|_| Fault::NotText)?;
    let captions = path_param(request, "captions").map_err(|_| Fault::NotText)?;
    if captions.contains('\u{FFFD}') || captions.contains('\0') {
        return Err(Fault::NotText);
    }
    let (captions, extension) = captions.rsplit_once('.').ok_or(Fault::Format)?;
    let format = match Format::from_extension(extension) {
        Some(format @ (Format::Png | Format::Jpeg | Format::Webp)) => format,
        _ => return Err(Fault::Format),
    };
    let template = context
        .catalogue
        .template(template)
        .ok_or_else(|| Fault::NoTemplate(template.chars().take(60).collect()))?;
    let captions: Vec<String> = captions.split('/').map(path::decode).collect();
    // A picture without words is worth having: its captions are only counted and measured.
    if captions.iter().any(|caption| !caption.trim().is_empty()) {
        check_captions(template, &captions).map_err(|fault| Fault::Captions(fault.to_string()))?;
        moderation::text::check_captions(&captions)
            .map_err(|refusal| Fault::Captions(refusal.detail.to_owned()))?;
    } else if captions.len() > template.boxes.len() {
        return Err(Fault::Captions("There are more captions than places for them".to_owned()));
    }
    Ok(Order { template, captions, format })
}

fn draw(
    order: Result<Order, Fault>,
    bases: &Mutex<HashMap<String, Picture>>,
) -> Result<Response<Body>, Problem> {
    match order {
        Ok(order) => {
            let base = base(order.template, bases)?;
            let picture = pictures::draw(order.template, &base, &order.captions);
            answer(StatusCode::OK, &picture, order.format, FOR_EVER)
        }
        Err(fault) => {
            let sheet = Picture::filled(600, 600, [38, 38, 46, 255]).map_err(Problem::internal)?;
            let words = CaptionBox::new(Rect { x: 0.08, y: 0.2, w: 0.84, h: 0.6 });
            let picture = draw_captions(&sheet, &[words], &[fault.to_string()]);
            answer(fault.status(), &picture, Format::Png, BRIEFLY)
        }
    }
}

/// A template's picture without captions.
fn base(template: &Template, bases: &Mutex<HashMap<String, Picture>>) -> Result<Picture, Problem> {
    let id = template.id.as_str();
    let known = bases.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
    if let Some(picture) = known {
        return Ok(picture);
    }
    let bytes = pictures::get(id)
        .ok_or_else(|| Problem::internal(format!("the template {id} has no picture")))?;
    let picture = Picture::decode(bytes).map_err(Problem::internal)?;
    bases.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), picture.clone());
    Ok(picture)
}

fn answer(
    status: StatusCode,
    picture: &Picture,
    format: Format,
    caching: HeaderValue,
) -> Result<Response<Body>, Problem> {
    let bytes = encode(picture, format, QUALITY).map_err(Problem::internal)?;
    let mut response = reply::picture(status, format.mime(), bytes);
    response.headers_mut().insert(CACHE_CONTROL, caching);
    Ok(response)
}
