//! Webhooks, as replies show them.

use edge::models::{
    DeliveryFailure, DeliveryState, DeliveryView, WebhookEventName, WebhookSecretView,
    WebhookStatus, WebhookView,
};
use webhooks::{Delivery, Endpoint, EventKind, Failure, SigningSecret, State};

/// An endpoint without its secret.
#[must_use]
pub fn endpoint(endpoint: &Endpoint) -> WebhookView {
    WebhookView {
        id: endpoint.id,
        url: endpoint.url.as_str().to_owned(),
        events: endpoint.events.iter().filter_map(|kind| event_name(*kind)).collect(),
        status: match endpoint.disabled {
            None => WebhookStatus::Enabled,
            Some(_) => WebhookStatus::Disabled,
        },
        created_at: endpoint.created_at,
    }
}

/// An endpoint with its newest secret, for the reply that shows it once.
#[must_use]
pub fn endpoint_with_secret(kept: &Endpoint, secret: &SigningSecret) -> WebhookSecretView {
    WebhookSecretView { webhook: endpoint(kept), secret: secret.reveal() }
}

/// A delivery.
#[must_use]
pub fn delivery(delivery: &Delivery) -> DeliveryView {
    let last = delivery.last;
    DeliveryView {
        id: delivery.event.id,
        kind: delivery.event.kind.as_str().to_owned(),
        generation_id: delivery.event.job,
        created_at: delivery.event.at,
        state: match delivery.state {
            State::Pending => DeliveryState::Pending,
            State::Delivered => DeliveryState::Delivered,
            State::Failed => DeliveryState::Failed,
        },
        attempts: u32::from(delivery.attempts),
        last_attempt_at: last.map(|last| last.at),
        last_status: last.and_then(|last| last.status),
        failure: last.and_then(|last| last.failure).map(failure),
        next_attempt_at: delivery.next_attempt_at,
    }
}

const fn failure(failure: Failure) -> DeliveryFailure {
    match failure {
        Failure::Status => DeliveryFailure::Status,
        Failure::TimedOut => DeliveryFailure::TimedOut,
        Failure::Unreachable => DeliveryFailure::Unreachable,
        Failure::AddressRefused => DeliveryFailure::AddressRefused,
        Failure::EndpointDisabled => DeliveryFailure::EndpointDisabled,
        Failure::EndpointDeleted => DeliveryFailure::EndpointDeleted,
        Failure::SubjectGone => DeliveryFailure::SubjectGone,
        Failure::Unknown => DeliveryFailure::Unknown,
    }
}

/// The kind of event that a request names.
#[must_use]
pub const fn event_kind(name: WebhookEventName) -> EventKind {
    match name {
        WebhookEventName::GenerationSucceeded => EventKind::GenerationSucceeded,
        WebhookEventName::GenerationFailed => EventKind::GenerationFailed,
    }
}

/// The name of a kind of event that an endpoint can be registered for.
const fn event_name(kind: EventKind) -> Option<WebhookEventName> {
    match kind {
        EventKind::GenerationSucceeded => Some(WebhookEventName::GenerationSucceeded),
        EventKind::GenerationFailed => Some(WebhookEventName::GenerationFailed),
        EventKind::Test => None,
    }
}
