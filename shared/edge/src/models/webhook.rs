//! Endpoints that are told of events, and what they are told.

use std::fmt;

use clock::Timestamp;
use ids::{EventId, JobId, WebhookId};
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

use super::{DeliveryFailure, DeliveryState, WebhookEventName, WebhookStatus, default_limit};
use crate::decode::whole;

/// The body of `POST /v1/webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Where events are posted to: `https`, at a public address, without credentials or a fragment.
    #[schema(
        format = "uri",
        min_length = 1,
        max_length = 2000,
        example = "https://example.com/hooks/memes"
    )]
    pub url: String,
    /// What to be told of; without any, all that there is.
    #[serde(default, deserialize_with = "events_if_any")]
    #[schema(min_items = 1, max_items = 2)]
    pub events: Option<Vec<WebhookEventName>>,
}

/// The query of `GET /v1/webhooks/{id}/deliveries`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryQuery {
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Deliveries on the page.
    #[serde(default = "default_limit", deserialize_with = "whole::<_, _, 1, 100>")]
    pub limit: u32,
}

/// A client's endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    /// Its id.
    #[schema(value_type = String, pattern = "^wh_[0-9A-HJKMNP-TV-Z]{26}$", example = "wh_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub id: WebhookId,
    /// Where events are posted to.
    #[schema(format = "uri", example = "https://example.com/hooks/memes")]
    pub url: String,
    /// What it is told of.
    pub events: Vec<WebhookEventName>,
    /// Whether it is told of anything.
    pub status: WebhookStatus,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// An endpoint with its new secret, which is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSecretView {
    /// The endpoint.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// What its deliveries are signed with. Never log it.
    #[schema(
        pattern = "^whsec_[A-Za-z0-9+/]{43}=$",
        example = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    )]
    pub secret: String,
}

impl fmt::Debug for WebhookSecretView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecretView").field("webhook", &self.webhook).finish_non_exhaustive()
    }
}

/// The way of an event to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// The event's id, the `webhook-id` of every attempt.
    #[schema(value_type = String, pattern = "^evt_[0-9A-HJKMNP-TV-Z]{26}$", example = "evt_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub id: EventId,
    /// What is told.
    #[serde(rename = "type")]
    #[schema(example = "generation.succeeded")]
    pub kind: String,
    /// The generation that it is about.
    #[schema(required = true, value_type = Option<String>, pattern = "^gen_[0-9A-HJKMNP-TV-Z]{26}$", example = "gen_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub generation_id: Option<JobId>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Where the delivery stands.
    pub state: DeliveryState,
    /// How often it was attempted since it was made, or replayed.
    #[schema(minimum = 0, maximum = 10)]
    pub attempts: u32,
    /// When it was attempted last, or given up.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub last_attempt_at: Option<Timestamp>,
    /// The status of the endpoint's last reply, if the last attempt had one.
    #[schema(required = true, minimum = 100, maximum = 999)]
    pub last_status: Option<u16>,
    /// What went wrong, last.
    #[schema(required = true)]
    pub failure: Option<DeliveryFailure>,
    /// When it is attempted next; none once it is not pending.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
}

/// What a trial tells an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestData {
    /// The endpoint.
    #[schema(value_type = String, pattern = "^wh_[0-9A-HJKMNP-TV-Z]{26}$", example = "wh_01J9ZK3V7N8Q4R5S6T7V8W9X0Y")]
    pub webhook_id: WebhookId,
}

/// What is posted to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookPayload<T> {
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "generation.succeeded")]
    pub kind: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// What it happened to.
    pub data: T,
}

fn events_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<WebhookEventName>>, D::Error> {
    let events = Option::<Vec<WebhookEventName>>::deserialize(deserializer)?;
    let most = WebhookEventName::NAMES.len();
    match &events {
        Some(events) if !(1..=most).contains(&events.len()) => {
            Err(de::Error::custom(format!("must have 1 to {most} events, or be left out")))
        }
        _ => Ok(events),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::from_json;

    #[test]
    fn an_endpoint_names_events_that_there_are_or_none() {
        let least: CreateWebhook = from_json(br#"{"url":"https://example.com/"}"#).unwrap();
        assert_eq!(least.events, None);
        let fault = |json: &str| {
            let error = from_json::<CreateWebhook>(json.as_bytes()).unwrap_err();
            format!("{} {}", error.pointer.unwrap(), error.detail)
        };
        for (json, wanted) in [
            (r#"{"events":[]}"#, "/events must have 1 to 2 events, or be left out"),
            (
                r#"{"url":"https://example.com/","events":["credits.low"]}"#,
                "/events/0 must be `generation.succeeded` or `generation.failed`",
            ),
            ("{}", "/url is required"),
        ] {
            assert_eq!(fault(json), wanted);
        }
    }

    #[test]
    fn the_secret_stays_out_of_debug() {
        let webhook = WebhookView {
            id: "wh_01J9ZK3V7N8Q4R5S6T7V8W9X0Y".parse().unwrap(),
            url: "https://example.com/".to_owned(),
            events: Vec::new(),
            status: WebhookStatus::Enabled,
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        };
        let secret = WebhookSecretView { webhook, secret: "whsec_AAEC".to_owned() };
        assert!(!format!("{secret:?}").contains("whsec_AAEC"));
    }
}
