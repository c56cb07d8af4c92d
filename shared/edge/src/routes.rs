//! Every operation of the API, once: the gateway of the local stack, the description of the API and
//! the deployment are held to this table.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::problem::ProblemType;

/// One operation.
#[derive(Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with parameters as API Gateway writes them: `{id}`, and `{captions+}` for all that
    /// is left.
    pub path: &'static str,
    /// The function that answers.
    pub function: &'static str,
    /// The scope that it needs; none for operations that need no token.
    pub scope: Option<&'static str>,
    /// Whether it costs credits, and so tells limits.
    pub metered: bool,
    /// Its name in the description of the API.
    pub operation_id: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The statuses of success.
    pub successes: &'static [u16],
    /// What can go wrong in it, beyond what [`Route::problems`] adds.
    pub own_problems: &'static [ProblemType],
}

use ProblemType as P;

/// What may be wrong with a JSON body.
macro_rules! with_body {
    ($($problem:expr),*) => { &[P::UnsupportedMediaType, P::PayloadTooLarge, $($problem),*] };
}

/// Every operation.
pub static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/oauth/token",
        function: "token-issue",
        scope: None,
        metered: false,
        operation_id: "issueToken",
        summary: "Exchange a client id and secret for an access token.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::GET,
        path: "/healthz",
        function: "service-describe",
        scope: None,
        metered: false,
        operation_id: "getHealth",
        summary: "Tell that the service answers.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::GET,
        path: "/openapi.json",
        function: "service-describe",
        scope: None,
        metered: false,
        operation_id: "getDescription",
        summary: "Get this description.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::GET,
        path: "/.well-known/jwks.json",
        function: "service-describe",
        scope: None,
        metered: false,
        operation_id: "getKeys",
        summary: "Get the keys that access tokens are verified with.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::GET,
        path: "/problems/{type}",
        function: "service-describe",
        scope: None,
        metered: false,
        operation_id: "getProblemType",
        summary: "Read what a type of problem means.",
        successes: &[200],
        own_problems: &[P::NotFound],
    },
    Route {
        method: Method::GET,
        path: "/v1/memes",
        function: "meme-serve",
        scope: Some("memes:read"),
        metered: true,
        operation_id: "serveMeme",
        summary: "Get a meme.",
        successes: &[200, 302],
        own_problems: &[P::NotEntitled, P::NotFound],
    },
    Route {
        method: Method::POST,
        path: "/v1/memes",
        function: "meme-create",
        scope: Some("memes:create"),
        metered: true,
        operation_id: "createMeme",
        summary: "Make a meme from a template and captions.",
        successes: &[201],
        own_problems: with_body![
            P::NotFound,
            P::IdempotencyKeyInUse,
            P::IdempotencyKeyReused,
            P::Moderated
        ],
    },
    Route {
        method: Method::GET,
        path: "/v1/memes/{id}",
        function: "meme-read",
        scope: Some("memes:read"),
        metered: false,
        operation_id: "readMeme",
        summary: "Read a meme again.",
        successes: &[200],
        own_problems: &[P::NotFound],
    },
    Route {
        method: Method::GET,
        path: "/v1/templates",
        function: "template-read",
        scope: None,
        metered: false,
        operation_id: "listTemplates",
        summary: "List the templates.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::GET,
        path: "/v1/templates/{id}",
        function: "template-read",
        scope: None,
        metered: false,
        operation_id: "readTemplate",
        summary: "Read a template.",
        successes: &[200],
        own_problems: &[P::NotFound],
    },
    Route {
        method: Method::GET,
        path: "/images/{template}/{captions+}",
        function: "image-render",
        scope: None,
        metered: false,
        operation_id: "renderImage",
        summary: "Get a template's picture with captions.",
        successes: &[200],
        own_problems: &[P::NotFound, P::UnsupportedMediaType, P::Moderated],
    },
    Route {
        method: Method::POST,
        path: "/v1/generations",
        function: "generation-create",
        scope: Some("generations:create"),
        metered: true,
        operation_id: "createGeneration",
        summary: "Ask for AI memes.",
        successes: &[202],
        own_problems: with_body![
            P::NotEntitled,
            P::NotFound,
            P::Conflict,
            P::IdempotencyKeyInUse,
            P::IdempotencyKeyReused,
            P::Moderated
        ],
    },
    Route {
        method: Method::GET,
        path: "/v1/generations",
        function: "generation-read",
        scope: Some("generations:read"),
        metered: false,
        operation_id: "listGenerations",
        summary: "List generations, newest first.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::GET,
        path: "/v1/generations/{id}",
        function: "generation-read",
        scope: Some("generations:read"),
        metered: false,
        operation_id: "readGeneration",
        summary: "See what became of a generation.",
        successes: &[200],
        own_problems: &[P::NotFound],
    },
    Route {
        method: Method::DELETE,
        path: "/v1/generations/{id}",
        function: "generation-cancel",
        scope: Some("generations:create"),
        metered: false,
        operation_id: "cancelGeneration",
        summary: "Cancel a generation and get its credits back.",
        successes: &[200],
        own_problems: &[P::NotFound, P::Conflict],
    },
    Route {
        method: Method::GET,
        path: "/v1/account",
        function: "account-read",
        scope: Some("account:read"),
        metered: false,
        operation_id: "readAccount",
        summary: "Read the plan, the credits and the limits.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::GET,
        path: "/v1/account/ledger",
        function: "account-read",
        scope: Some("account:read"),
        metered: false,
        operation_id: "listLedgerEntries",
        summary: "List how the client's credits moved, newest first.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::GET,
        path: "/v1/account/usage",
        function: "account-read",
        scope: Some("account:read"),
        metered: false,
        operation_id: "readUsage",
        summary: "Read what was used, day by day or hour by hour.",
        successes: &[200],
        own_problems: &[],
    },
    Route {
        method: Method::POST,
        path: "/v1/webhooks",
        function: "webhook-write",
        scope: Some("webhooks:write"),
        metered: false,
        operation_id: "createWebhook",
        summary: "Register an endpoint that is told of events, and get its secret.",
        successes: &[201],
        own_problems: with_body![P::Conflict],
    },
    Route {
        method: Method::GET,
        path: "/v1/webhooks",
        function: "webhook-read",
        scope: Some("webhooks:write"),
        metered: false,
        operation_id: "listWebhooks",
        summary: "List the endpoints.",
        successes: &[200],
        own_problems: &[P::Conflict],
    },
    Route {
        method: Method::GET,
        path: "/v1/webhooks/{id}",
        function: "webhook-read",
        scope: Some("webhooks:write"),
        metered: false,
        operation_id: "readWebhook",
        summary: "Read an endpoint.",
        successes: &[200],
        own_problems: &[P::NotFound, P::Conflict],
    },
    Route {
        method: Method::DELETE,
        path: "/v1/webhooks/{id}",
        function: "webhook-write",
        scope: Some("webhooks:write"),
        metered: false,
        operation_id: "deleteWebhook",
        summary: "Remove an endpoint.",
        successes: &[204],
        own_problems: &[P::NotFound, P::Conflict],
    },
    Route {
        method: Method::POST,
        path: "/v1/webhooks/{id}/test",
        function: "webhook-write",
        scope: Some("webhooks:write"),
        metered: false,
        operation_id: "testWebhook",
        summary: "Have an endpoint told of a trial.",
        successes: &[202],
        own_problems: &[P::NotFound, P::Conflict],
    },
    Route {
        method: Method::POST,
        path: "/v1/webhooks/{id}/rotate",
        function: "webhook-write",
        scope: Some("webhooks:write"),
        metered: false,
        operation_id: "rotateWebhookSecret",
        summary: "Get a new secret; the old one signs for another day beside it.",
        successes: &[200],
        own_problems: &[P::NotFound, P::Conflict],
    },
    Route {
        method: Method::GET,
        path: "/v1/webhooks/{id}/deliveries",
        function: "webhook-read",
        scope: Some("webhooks:write"),
        metered: false,
        operation_id: "listDeliveries",
        summary: "List what an endpoint was told, newest first.",
        successes: &[200],
        own_problems: &[P::NotFound, P::Conflict],
    },
    Route {
        method: Method::POST,
        path: "/v1/webhooks/{id}/deliveries/{delivery_id}/replay",
        function: "webhook-write",
        scope: Some("webhooks:write"),
        metered: false,
        operation_id: "replayDelivery",
        summary: "Have an endpoint told again.",
        successes: &[202],
        own_problems: &[P::NotFound, P::Conflict],
    },
];

/// What a method and a path lead to.
#[derive(Debug)]
pub enum Found {
    /// An operation.
    Matched {
        /// Which.
        route: &'static Route,
        /// The parameters of the path, decoded.
        path_parameters: Vec<(&'static str, String)>,
    },
    /// A path that takes other methods.
    MethodNotAllowed {
        /// Those that it takes.
        allow: Vec<Method>,
    },
    /// Nothing.
    NotFound,
}

/// The operation for a method and an encoded path without its query, as API Gateway finds it.
#[must_use]
pub fn find(method: &Method, path: &str) -> Found {
    let mut allow = Vec::new();
    for route in ROUTES {
        if let Some(path_parameters) = route.parameters_of(path) {
            if route.method == *method {
                return Found::Matched { route, path_parameters };
            }
            allow.push(route.method.clone());
        }
    }
    if allow.is_empty() { Found::NotFound } else { Found::MethodNotAllowed { allow } }
}

impl Route {
    /// The operation with this id.
    #[must_use]
    pub fn named(operation_id: &str) -> Option<&'static Self> {
        ROUTES.iter().find(|route| route.operation_id == operation_id)
    }

    /// Everything that can go wrong in the operation.
    #[must_use]
    pub fn problems(&self) -> Vec<ProblemType> {
        let mut problems = vec![P::InvalidRequest];
        if self.scope.is_some() {
            problems.extend([P::Unauthenticated, P::TokenExpired, P::InsufficientScope]);
        }
        if self.metered {
            problems.push(P::CreditsExhausted);
        }
        problems.extend(self.own_problems);
        // The gateway itself takes no address that is too long.
        problems.extend([P::UriTooLong, P::RateLimited, P::Internal, P::Overloaded]);
        problems
    }

    /// Whether a request that is well-formed can be refused for its meaning, with 422.
    #[must_use]
    pub fn judges_meaning(&self) -> bool {
        matches!(
            self.operation_id,
            "createMeme" | "createGeneration" | "createWebhook" | "renderImage"
        )
    }

    /// Every status that the operation can answer with.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        let problems = self.problems();
        let mut statuses: Vec<u16> = self
            .successes
            .iter()
            .copied()
            .chain(problems.iter().map(|problem| problem.status().as_u16()))
            .chain(self.judges_meaning().then_some(422))
            // The token endpoint refuses clients in its own words.
            .chain((self.function == "token-issue").then_some(401))
            .collect();
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }

    /// The names of the parameters in the path.
    pub fn path_parameter_names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| parameter_of(segment).map(|(name, _)| name))
    }

    fn parameters_of(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let mut parameters = Vec::new();
        let mut rest = path.strip_prefix('/')?;
        let mut wanted = self.path.strip_prefix('/')?.split('/').peekable();
        while let Some(segment) = wanted.next() {
            let (given, behind) = match rest.split_once('/') {
                Some((given, behind)) => (given, Some(behind)),
                None => (rest, None),
            };
            match parameter_of(segment) {
                Some((name, true)) if !rest.is_empty() => {
                    parameters.push((name, decode(rest)));
                    return Some(parameters);
                }
                Some((name, false)) if !given.is_empty() => parameters.push((name, decode(given))),
                None if segment == given => {}
                _ => return None,
            }
            match (behind, wanted.peek()) {
                (Some(behind), Some(_)) => rest = behind,
                (None, None) => return Some(parameters),
                _ => return None,
            }
        }
        None
    }
}

/// The name in `{name}` or `{name+}`, and whether it takes all that is left.
fn parameter_of(segment: &'static str) -> Option<(&'static str, bool)> {
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    Some(match name.strip_suffix('+') {
        Some(greedy) => (greedy, true),
        None => (name, false),
    })
}

/// What is not UTF-8 becomes U+FFFD, which no id and no caption has.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matched(method: &Method, path: &str) -> (&'static str, Vec<(&'static str, String)>) {
        match find(method, path) {
            Found::Matched { route, path_parameters } => (route.operation_id, path_parameters),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn every_route_is_found_at_its_own_path() {
        for route in ROUTES {
            let path = route.path.replace(['{', '}', '+'], "");
            let (operation, parameters) = matched(&route.method, &path);
            assert_eq!(operation, route.operation_id);
            let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, route.path_parameter_names().collect::<Vec<_>>());
            assert!(Route::named(operation).is_some());
        }
    }

    #[test]
    fn parameters_are_decoded_and_the_last_one_takes_the_rest() {
        assert_eq!(
            matched(&Method::GET, "/images/two-doors/a_b/c%2Fd%20%C3%A9.jpg").1,
            [("template", "two-doors".to_owned()), ("captions", "a_b/c/d é.jpg".to_owned())]
        );
        assert_eq!(
            matched(&Method::GET, "/v1/templates/a%2Fb%ff%zz+").1,
            [("id", "a/b\u{fffd}%zz+".to_owned())]
        );
    }

    #[test]
    fn other_methods_and_other_paths() {
        let Found::MethodNotAllowed { allow } = find(&Method::PUT, "/v1/memes") else {
            panic!("found");
        };
        assert_eq!(allow, [Method::GET, Method::POST]);
        for path in [
            "",
            "/",
            "v1/memes",
            "/v1",
            "/v1/memes/",
            "/v1/memes//",
            "/v1//memes",
            "/v1/memes/a/b",
            "/V1/memes",
            "/images/x",
            "/images/x/",
            "/images//x.png",
            "/healthz/x",
        ] {
            assert!(matches!(find(&Method::GET, path), Found::NotFound), "{path}");
        }
    }

    #[test]
    fn the_table_is_sound() {
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES {
            assert!(seen.insert((route.method.as_str(), route.path)));
            assert!(seen.insert(("operation", route.operation_id)));
            assert!(!route.metered || route.scope.is_some(), "{}", route.path);
            assert!(route.summary.ends_with('.'));
        }
        assert_eq!(
            Route::named("serveMeme").unwrap().statuses(),
            [200, 302, 400, 401, 402, 403, 404, 414, 429, 500, 503]
        );
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "[/a-z%{}+\\PC]{0,40}") {
            let _ = find(&Method::GET, &path);
        }
    }
}
