//! `GET /v1/templates` and `GET /v1/templates/{id}`: what memes can be made from.

use catalogue::{Catalogue, Filter, Template, TopicId};
use edge::models::{Page, TemplateQuery, TemplateView};
use edge::{
    Body, Problem, Request, RequestExt, Response, bad_cursor, decode_cursor, encode_cursor,
    no_query, path_param, query_params, reply,
};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use views::image_path;

/// How long caches may keep a list: templates change with a deployment.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    catalogue: &'static Catalogue,
    base_url: String,
}

impl Context {
    /// A context for an API at `base_url`.
    #[must_use]
    pub fn new(base_url: String) -> Self {
        Self { catalogue: Catalogue::embedded(), base_url }
    }
}

/// Lists the templates, or reads one.
///
/// # Errors
/// The problem that the client is told.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let one = request.path_parameters_ref().is_some_and(|given| given.first("id").is_some());
    let mut response = if one { read(context, &request) } else { list(context, &request) }?;
    response.headers_mut().insert(CACHE_CONTROL, CACHED);
    Ok(response)
}

fn read(context: &Context, request: &Request) -> Result<Response<Body>, Problem> {
    no_query(request)?;
    let id = path_param(request, "id")?;
    let template = context.catalogue.template(id).ok_or_else(Problem::not_found)?;
    reply::ok(&view(context, template))
}

fn list(context: &Context, request: &Request) -> Result<Response<Body>, Problem> {
    let query: TemplateQuery = query_params(request)?;
    let after: Option<String> =
        query.cursor.as_deref().map(|cursor| decode_cursor("templates", cursor)).transpose()?;
    let topic: Option<TopicId> = match &query.topic {
        None => None,
        Some(slug) => match slug.as_str().parse() {
            Ok(topic) => Some(topic),
            // No template is about a topic that cannot be.
            Err(_) => return reply::ok(&Page::<TemplateView> { data: vec![], next_cursor: None }),
        },
    };
    let filter = Filter { query: query.query.as_deref(), topic: topic.as_ref() };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let page = context.catalogue.list(filter, after.as_deref(), limit).map_err(|_| bad_cursor())?;
    let next_cursor = page.next.map(|next| encode_cursor("templates", &next)).transpose()?;
    let data = page.templates.iter().map(|template| view(context, template)).collect();
    reply::ok(&Page { data, next_cursor })
}

fn view(context: &Context, template: &Template) -> TemplateView {
    let examples: Vec<String> = template.examples().map(str::to_owned).collect();
    let [width, height] = template.size;
    TemplateView {
        id: template.id.to_string(),
        name: template.name.to_owned(),
        topics: template.topics.iter().map(ToString::to_string).collect(),
        description: template.seen.to_owned(),
        width,
        height,
        caption_count: u32::try_from(template.boxes.len()).unwrap_or(u32::MAX),
        example_url: format!(
            "{}/{}",
            context.base_url,
            image_path(template.id.as_str(), &examples, "jpg")
        ),
        example_captions: examples,
    }
}
