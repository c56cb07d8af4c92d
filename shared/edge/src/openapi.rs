//! The description of the API (OpenAPI 3.1), made from the table of routes and the types.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::idempotency::KEY_CHARS_MAX;
use crate::models::{self, SEARCH_CHARS_MAX, SLUG_CHARS_MAX, SLUG_PATTERN};
use crate::oauth::OAuthErrorBody;
use crate::page::{LIMIT_DEFAULT, LIMIT_MAX};
use crate::problem::{PROBLEM_JSON, ProblemBody, ProblemType};
use crate::routes::{ROUTES, Route};

/// The scopes of access tokens, and what they are for.
pub const SCOPES: &[(&str, &str)] = &[
    ("memes:read", "Get memes, and read memes again."),
    ("memes:create", "Put captions on a template."),
    ("generations:create", "Ask for AI memes, and cancel what was asked for."),
    ("generations:read", "See what became of generations."),
    ("account:read", "See the plan, the credits, the limits, the ledger and the usage."),
    ("webhooks:write", "Register endpoints that are told of events, and see what they were told."),
];

const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/// The description as text, made once per process.
#[must_use]
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    &TEXT
}

/// The description.
#[must_use]
pub fn document() -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in ROUTES {
        paths
            .entry(document_path(route))
            .or_default()
            .insert(route.method.as_str().to_ascii_lowercase(), operation(route));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Memes as a Service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Memes by the call. Exchange a client id and secret for an access \
                token at `/oauth/token`, send it as a bearer token, and get a meme. Calls cost \
                credits; a denied call costs nothing. Errors are RFC 9457 problems, whose types \
                are documented under `/problems/`.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "access", "description": "Tokens and keys." },
            { "name": "memes", "description": "Memes and their pictures." },
            { "name": "templates", "description": "Pictures to write on." },
            { "name": "generations", "description": "Memes that a model paints." },
            { "name": "account", "description": "Plan, credits, limits, ledger and usage." },
            { "name": "webhooks", "description": "Endpoints that are told of events." },
            { "name": "service", "description": "The service about itself." },
        ],
        "paths": paths,
        "webhooks": webhooks(),
        "components": components(),
    })
}

/// The path of a route in the description, which knows no greedy parameters.
fn document_path(route: &Route) -> String {
    route.path.replace("+}", "}")
}

fn components() -> Value {
    let mut schemas = Schemas::default();
    schemas.add::<ProblemBody>();
    schemas.add::<OAuthErrorBody>();
    schemas.add::<models::AccountView>();
    schemas.add::<models::CreateGeneration>();
    schemas.add::<models::CreateMeme>();
    schemas.add::<models::CreateWebhook>();
    schemas.add::<models::DeliveryView>();
    schemas.add_page::<models::DeliveryView>("DeliveryPage");
    schemas.add::<models::HealthView>();
    schemas.add::<models::Jwks>();
    schemas.add::<models::GenerationView>();
    schemas.add_page::<models::GenerationView>("GenerationPage");
    schemas.add::<models::LedgerEntryView>();
    schemas.add_page::<models::LedgerEntryView>("LedgerEntryPage");
    schemas.add::<models::UsagePage>();
    schemas.add::<models::TemplateView>();
    schemas.add_page::<models::TemplateView>("TemplatePage");
    schemas.add::<models::ProblemTypeView>();
    schemas.add::<models::TestData>();
    schemas.add::<models::TokenForm>();
    schemas.add::<models::TokenReply>();
    schemas.add::<models::WebhookView>();
    schemas.add_page::<models::WebhookView>("WebhookPage");
    schemas.add::<models::WebhookSecretView>();
    schemas.add_as::<models::WebhookPayload<models::GenerationView>>("GenerationPayload");
    schemas.add_as::<models::WebhookPayload<models::TestData>>("TestPayload");
    // Schemas of strings and numbers are always JSON.
    let mut components = json!({ "schemas": serde_json::to_value(schemas.0).unwrap_or_default() });
    let scopes: Map<String, Value> =
        SCOPES.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
    components["securitySchemes"] = json!({
        "token": {
            "type": "oauth2",
            "description": "A JWT that lives for a few minutes.",
            "flows": { "clientCredentials": { "tokenUrl": "/oauth/token", "scopes": scopes } },
        },
        "client": {
            "type": "http",
            "scheme": "basic",
            "description": "The client id and the client secret.",
        },
    });
    components["examples"] = Value::Object(examples());
    components["headers"] = json!({
        "Location": {
            "description": "Where it is found.",
            "required": true,
            "schema": { "type": "string", "format": "uri-reference" },
        },
        "RetryAfter": {
            "description": "Seconds to wait before the next try.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "RateLimit": {
            "description": "What is left of the limits.",
            "schema": { "type": "string" },
            "example": "\"burst\";r=49;t=1, \"credits\";r=9991;t=86400",
        },
        "RateLimitPolicy": {
            "description": "The limits.",
            "schema": { "type": "string" },
            "example": "\"burst\";q=50;w=1, \"credits\";q=10000;w=2592000",
        },
        "RequestId": {
            "description": "What to name when asking for help.",
            "schema": { "type": "string" },
            "example": "req_01J9ZK3V7N8Q4R5S6T7V8W9X0Y",
        },
        "WwwAuthenticate": {
            "description": "How to prove who calls.",
            "schema": { "type": "string" },
        },
    });
    components
}

/// What the example of a problem is called; `invalid-request` has one for each of its statuses.
fn example_name(kind: ProblemType, status: u16) -> String {
    if kind.status().as_u16() == status {
        kind.slug().to_owned()
    } else {
        format!("{}-{status}", kind.slug())
    }
}

fn examples() -> Map<String, Value> {
    ROUTES
        .iter()
        .flat_map(|route| {
            let judged = (ProblemType::InvalidRequest, 422);
            route
                .problems()
                .into_iter()
                .map(|kind| (kind, kind.status().as_u16()))
                .chain(route.judges_meaning().then_some(judged))
        })
        .map(|(kind, status)| {
            let body = json!({
                "type": kind.uri(),
                "title": kind.title(),
                "status": status,
                "detail": kind.explanation(),
                "instance": "/v1/memes",
                "request_id": "req_01J9ZK3V7N8Q4R5S6T7V8W9X0Y",
            });
            (example_name(kind, status), json!({ "value": body }))
        })
        .collect()
}

/// The schemas of types and of all that is in them.
#[derive(Default)]
struct Schemas(BTreeMap<String, RefOr<Schema>>);

impl Schemas {
    fn add<T: ToSchema>(&mut self) {
        let mut inner = Vec::new();
        T::schemas(&mut inner);
        self.0.extend(inner);
        self.0.insert(T::name().into_owned(), T::schema());
    }

    /// A generic type has one name for all that it may hold, so its pages are named here.
    fn add_page<T: ToSchema>(&mut self, name: &str) {
        self.add_as::<models::Page<T>>(name);
    }

    /// The same for any other generic type.
    fn add_as<T: ToSchema>(&mut self, name: &str) {
        let mut inner = Vec::new();
        T::schemas(&mut inner);
        self.0.extend(inner);
        self.0.insert(name.to_owned(), T::schema());
    }
}

fn header_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn schema_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [tag(route)],
        "security": security(route),
        "responses": responses(route),
        "x-function": route.function,
    });
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = request_body(route) {
        operation["requestBody"] = body;
    }
    operation
}

/// What is posted to clients' endpoints.
fn webhooks() -> Value {
    let told = |summary: &str, schema: &str| {
        let header = |name: &str, description: &str| {
            json!({
                "name": name, "in": "header", "required": true, "description": description,
                "schema": { "type": "string" },
            })
        };
        json!({ "post": {
            "summary": summary,
            "tags": ["webhooks"],
            "parameters": [
                header("webhook-id", "The event's id, the same with every attempt."),
                header("webhook-timestamp", "When it was sent, in seconds since the Unix epoch."),
                header(
                    "webhook-signature",
                    "`v1,` and the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}` in \
                     base64, once for each secret that signs, with spaces between (Standard \
                     Webhooks).",
                ),
            ],
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": schema_ref(schema) } },
            },
            "responses": {
                "2XX": { "description": "It was taken. Anything else is told again later." },
                "410": { "description": "The endpoint is gone and is told nothing any more." },
            },
        }})
    };
    json!({
        "generation.succeeded": told("A generation ended with memes.", "GenerationPayload"),
        "generation.failed": told("A generation ended without memes.", "GenerationPayload"),
        "webhook.test": told("The client asked for a trial.", "TestPayload"),
    })
}

fn tag(route: &Route) -> &'static str {
    match route.function {
        "token-issue" => "access",
        "service-describe" if route.operation_id == "getKeys" => "access",
        "service-describe" => "service",
        "template-read" => "templates",
        "account-read" => "account",
        function if function.starts_with("generation") => "generations",
        function if function.starts_with("webhook") => "webhooks",
        _ => "memes",
    }
}

fn security(route: &Route) -> Value {
    match route.scope {
        Some(scope) => json!([{ "token": [scope] }]),
        // The credentials may also stand in the form.
        None if route.function == "token-issue" => json!([{ "client": [] }, {}]),
        None => json!([]),
    }
}

fn slug() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": SLUG_CHARS_MAX, "pattern": SLUG_PATTERN,
    })
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({
        "name": name, "in": "query", "required": false, "description": description,
        "schema": schema,
    })
}

fn path(name: &str, description: &str, schema: Value) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": schema,
    })
}

fn page_parameters() -> [Value; 2] {
    [
        query(
            "cursor",
            "`next_cursor` of the page before.",
            json!({ "type": "string", "minLength": 1, "maxLength": 1024 }),
        ),
        query(
            "limit",
            "The most entries on the page.",
            json!({
                "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT,
            }),
        ),
    ]
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "A text of the client's own for one request, as a UUID. The same request \
            with the same key is done once; its answer is given again for 24 hours.",
        "schema": {
            "type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX + 2,
            // Bare, or between quotes that do not count.
            "pattern": format!("^([!#-~]{{1,{KEY_CHARS_MAX}}}|\"[!#-~]{{1,{KEY_CHARS_MAX}}}\")$"),
        },
    })
}

fn parameters(route: &Route) -> Vec<Value> {
    let id = |prefix: &str| {
        json!({
            "type": "string",
            "examples": [format!("{prefix}_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")],
        })
    };
    match route.operation_id {
        "getProblemType" => {
            let types: Vec<&str> = ProblemType::ALL.iter().map(|kind| kind.slug()).collect();
            vec![path(
                "type",
                "The last part of the type's URI.",
                json!({ "type": "string", "examples": types }),
            )]
        }
        "serveMeme" => vec![
            query("topic", "What the meme should be about.", slug()),
            query("template", "The template that it should be on.", slug()),
            query(
                "tier",
                "`auto` gives an AI meme to whoever has Memes AI, and a normal one to everybody \
                 else.",
                json!({
                    "type": "string", "enum": models::TierRequest::NAMES, "default": "auto",
                }),
            ),
            query(
                "format",
                "`image` leads to the picture.",
                json!({ "type": "string", "enum": models::MemeFormat::NAMES, "default": "json" }),
            ),
        ],
        "createMeme" | "createGeneration" => vec![idempotency_key()],
        "readMeme" => vec![path("id", "The meme.", id("meme"))],
        "readGeneration" | "cancelGeneration" => {
            vec![path("id", "The generation.", id("gen"))]
        }
        "readWebhook" | "deleteWebhook" | "testWebhook" | "rotateWebhookSecret" => {
            vec![path("id", "The endpoint.", id("wh"))]
        }
        "listDeliveries" => {
            let mut parameters = vec![path("id", "The endpoint.", id("wh"))];
            parameters.extend(page_parameters());
            parameters
        }
        "replayDelivery" => vec![
            path("id", "The endpoint.", id("wh")),
            path("delivery_id", "The delivery: its event's id.", id("evt")),
        ],
        "readTemplate" => vec![path("id", "The template.", json!({ "type": "string" }))],
        "listTemplates" => {
            let mut parameters = vec![
                query(
                    "query",
                    "Words that the template should have.",
                    json!({
                        "type": "string", "minLength": 1, "maxLength": SEARCH_CHARS_MAX,
                        "pattern": "^[^\\x00-\\x1F\\x7F-\\x9F]*[^\\s\\x00-\\x1F\\x7F-\\x9F][^\\x00-\\x1F\\x7F-\\x9F]*$",
                    }),
                ),
                query("topic", "A topic that the template should have.", slug()),
            ];
            parameters.extend(page_parameters());
            parameters
        }
        "listGenerations" => {
            let mut parameters = page_parameters().to_vec();
            parameters.push(query(
                "state",
                "Only those in this state.",
                json!({ "type": "string", "enum": models::GenerationState::NAMES }),
            ));
            parameters
        }
        "listLedgerEntries" => page_parameters().to_vec(),
        "readUsage" => {
            let moment = || json!({ "type": "string", "format": "date-time" });
            let mut parameters = vec![
                query(
                    "from",
                    "The first moment; without it, 30 days before `to`. Usage is told for whole \
                     periods: this one begins with its own.",
                    moment(),
                ),
                query(
                    "to",
                    "The moment behind the last one, with which its period ends; without it, now. \
                     At most 31 days after `from` by the hour, and 400 days by the day.",
                    moment(),
                ),
                query(
                    "by",
                    "What is counted together; days are those of UTC.",
                    json!({ "type": "string", "enum": models::UsagePeriod::NAMES, "default": "day" }),
                ),
            ];
            parameters.extend(page_parameters());
            parameters
        }
        "renderImage" => vec![
            path("template", "The template.", json!({ "type": "string" })),
            path(
                "captions",
                "One caption for each box, between slashes, and the format at the end: \
                 `.png`, `.jpg`, `.webp` or `.gif`. In a caption `_` is a space, `__` an underscore, \
                 `--` a dash, `~n` a new line, `~q ~a ~p ~h ~s ~b ~l ~g` are \
                 `? & % # / \\ < >`, and `''` is `\"`.",
                json!({ "type": "string", "examples": ["it_works/on_my_machine.png"] }),
            ),
        ],
        _ => Vec::new(),
    }
}

fn request_body(route: &Route) -> Option<Value> {
    let (media_type, schema, example) = match route.operation_id {
        "issueToken" => (
            "application/x-www-form-urlencoded",
            "TokenForm",
            json!({ "grant_type": "client_credentials", "scope": "memes:read" }),
        ),
        "createMeme" => (
            "application/json",
            "CreateMeme",
            json!({ "template": "two-doors", "captions": ["write tests", "ship on Friday"] }),
        ),
        "createGeneration" => (
            "application/json",
            "CreateGeneration",
            json!({ "prompt": "a cat that reads the logs at night", "count": 2 }),
        ),
        "createWebhook" => (
            "application/json",
            "CreateWebhook",
            json!({
                "url": "https://example.com/hooks/memes", "events": ["generation.succeeded"],
            }),
        ),
        _ => return None,
    };
    Some(json!({
        "required": true,
        "content": { media_type: { "schema": schema_ref(schema), "example": example } },
    }))
}

/// The schema of a successful reply.
fn reply_schema(route: &Route) -> Value {
    schema_ref(match route.operation_id {
        "issueToken" => "TokenReply",
        "getHealth" => "HealthView",
        "getKeys" => "Jwks",
        "getProblemType" => "ProblemTypeView",
        "serveMeme" | "createMeme" | "readMeme" => "MemeView",
        "listTemplates" => "TemplatePage",
        "readTemplate" => "TemplateView",
        "createGeneration" | "readGeneration" | "cancelGeneration" => "GenerationView",
        "listGenerations" => "GenerationPage",
        "readAccount" => "AccountView",
        "listLedgerEntries" => "LedgerEntryPage",
        "readUsage" => "UsagePage",
        "listWebhooks" => "WebhookPage",
        "readWebhook" => "WebhookView",
        "createWebhook" | "rotateWebhookSecret" => "WebhookSecretView",
        "testWebhook" | "replayDelivery" => "DeliveryView",
        "listDeliveries" => "DeliveryPage",
        // The description describes itself only so far.
        _ => return json!({ "type": "object", "required": ["openapi", "info", "paths"] }),
    })
}

fn responses(route: &Route) -> Map<String, Value> {
    route
        .statuses()
        .into_iter()
        .map(|status| {
            let response = if route.successes.contains(&status) {
                success(route, status)
            } else {
                failure(route, status)
            };
            (status.to_string(), response)
        })
        .collect()
}

fn common_headers(route: &Route) -> Map<String, Value> {
    let mut headers = Map::new();
    headers.insert("X-Request-Id".to_owned(), header_ref("RequestId"));
    if route.metered {
        headers.insert("RateLimit".to_owned(), header_ref("RateLimit"));
        headers.insert("RateLimit-Policy".to_owned(), header_ref("RateLimitPolicy"));
    }
    headers
}

fn success(route: &Route, status: u16) -> Value {
    let mut headers = common_headers(route);
    let is_delivery = matches!(route.operation_id, "testWebhook" | "replayDelivery");
    if matches!(status, 201 | 202 | 302) && !is_delivery {
        headers.insert("Location".to_owned(), header_ref("Location"));
    }
    if (status == 202 && !is_delivery) || route.operation_id == "readGeneration" {
        headers.insert("Retry-After".to_owned(), header_ref("RetryAfter"));
    }
    let description = match status {
        201 => "It was made.",
        202 if is_delivery => "It will be told.",
        204 => "It is gone.",
        202 => "It will be made. Ask at `Location` after `Retry-After` seconds.",
        302 => "The picture is at `Location`.",
        _ if route.operation_id == "renderImage" => "The picture.",
        _ => "As asked for.",
    };
    let mut response = json!({ "description": description, "headers": headers });
    if route.operation_id == "renderImage" {
        response["content"] = pictures();
    } else if !matches!(status, 204 | 302) {
        response["content"] = json!({ "application/json": { "schema": reply_schema(route) } });
    }
    response
}

fn pictures() -> Value {
    Value::Object(PICTURES.iter().map(|mime| ((*mime).to_owned(), json!({}))).collect())
}

fn failure(route: &Route, status: u16) -> Value {
    let kinds: Vec<ProblemType> = route
        .problems()
        .into_iter()
        .filter(|kind| {
            kind.status().as_u16() == status
                || (*kind == ProblemType::InvalidRequest && status == 422 && route.judges_meaning())
        })
        .collect();
    let mut headers = common_headers(route);
    if status == 401 {
        headers.insert("WWW-Authenticate".to_owned(), header_ref("WwwAuthenticate"));
    }
    if matches!(status, 409 | 429 | 503) {
        headers.insert("Retry-After".to_owned(), header_ref("RetryAfter"));
    }
    if route.operation_id == "issueToken" && matches!(status, 400 | 401) {
        return json!({
            "description": "The token was refused (RFC 6749, 5.2).",
            "headers": headers,
            "content": { "application/json": {
                "schema": schema_ref("OAuthErrorBody"),
                "example": {
                    "error": if status == 401 { "invalid_client" } else { "invalid_request" },
                    "error_description": if status == 401 {
                        "The client id or the client secret is wrong."
                    } else {
                        "Send the parameter grant_type once."
                    },
                },
            }},
        });
    }
    let titles: Vec<String> =
        kinds.iter().map(|kind| format!("{} (`{}`).", kind.title(), kind.slug())).collect();
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            let name = example_name(*kind, status);
            let reference = json!({ "$ref": format!("#/components/examples/{name}") });
            (name, reference)
        })
        .collect();
    let problem = json!({ "schema": schema_ref("ProblemBody"), "examples": examples });
    let mut content =
        if route.operation_id == "renderImage" && status != 429 { pictures() } else { json!({}) };
    content[PROBLEM_JSON] = problem;
    json!({
        "description": titles.join(" "),
        "headers": headers,
        "content": content,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str, &'a Value)) {
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    visit(name, inner);
                    walk(inner, visit);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
            _ => {}
        }
    }

    #[test]
    fn the_description_is_as_it_was() {
        insta::with_settings!({ sort_maps => true }, {
            insta::assert_json_snapshot!("openapi", document());
        });
    }

    #[test]
    fn the_description_and_the_routes_have_the_same_operations() {
        let document = document();
        let described: BTreeSet<(String, String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().iter().map(move |(method, operation)| {
                    (
                        method.to_uppercase(),
                        path.clone(),
                        operation["operationId"].as_str().unwrap().to_owned(),
                    )
                })
            })
            .collect();
        let routed: BTreeSet<(String, String, String)> = ROUTES
            .iter()
            .map(|route| {
                (route.method.to_string(), document_path(route), route.operation_id.to_owned())
            })
            .collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = document();
        let mut used = BTreeSet::new();
        walk(&document, &mut |name, value| {
            if name == "$ref" {
                let pointer = value.as_str().unwrap().strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{pointer} is nowhere");
                used.insert(pointer.to_owned());
            }
        });
        for kind in ["schemas", "headers", "examples"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let pointer = format!("/components/{kind}/{name}");
                assert!(used.contains(&pointer), "{pointer} is not used");
            }
        }
    }

    #[test]
    fn every_path_parameter_and_scope_is_described() {
        let document = document();
        let known: BTreeSet<&str> = SCOPES.iter().map(|(name, _)| *name).collect();
        for route in ROUTES {
            let operation = document["paths"][document_path(route)]
                [route.method.as_str().to_ascii_lowercase()]
            .clone();
            let described: Vec<String> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(described, route.path_parameter_names().collect::<Vec<_>>());
            if let Some(scope) = route.scope {
                assert!(known.contains(scope));
                assert_eq!(operation["security"], json!([{ "token": [scope] }]));
            }
            let declared: Vec<u16> = operation["responses"]
                .as_object()
                .unwrap()
                .keys()
                .map(|status| status.parse().unwrap())
                .collect();
            assert_eq!(declared, route.statuses(), "{}", route.operation_id);
        }
    }

    #[test]
    fn requests_refuse_what_they_do_not_know() {
        let document = document();
        for name in ["CreateMeme", "CreateGeneration", "CreateWebhook"] {
            let schema = &document["components"]["schemas"][name];
            assert_eq!(schema["additionalProperties"], json!(false), "{name}");
        }
    }
}
