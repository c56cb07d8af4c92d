//! Where a client wants to be told.

use std::time::Duration;

use clock::Timestamp;
use ids::{ClientId, WebhookId};
use serde::{Deserialize, Serialize};

use crate::address::EndpointUrl;
use crate::event::EventKind;
use crate::secret::SigningSecret;

/// How long deliveries are signed with the old secret too when there is a new one.
pub const OLD_SECRET_FOR: Duration = Duration::from_secs(24 * 3_600);

/// A secret, and until when it signs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secret {
    /// The secret.
    pub secret: SigningSecret,
    /// When it signs no more; none for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Why an endpoint is told nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disabled {
    /// It answered 410: it is gone for good.
    Gone,
}

/// An address of a client's that is told of events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    #[serde(rename = "webhook_id")]
    pub id: WebhookId,
    /// Whose it is.
    #[serde(rename = "client_id")]
    pub client: ClientId,
    /// Counts the changes. A store writes an endpoint only over the version that was read.
    pub version: u32,
    /// Where it is.
    pub url: EndpointUrl,
    /// What it is told of.
    pub events: Vec<EventKind>,
    /// The newest secret, and after it one that still signs.
    pub secrets: Vec<Secret>,
    /// Why it is told nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Endpoint {
    /// A new endpoint for `events`; for all that there are if none is named.
    #[must_use]
    pub fn new(
        id: WebhookId,
        client: ClientId,
        url: EndpointUrl,
        mut events: Vec<EventKind>,
        secret: SigningSecret,
        now: Timestamp,
    ) -> Self {
        if events.is_empty() {
            events = EventKind::SUBSCRIBABLE.to_vec();
        }
        events.sort_unstable();
        events.dedup();
        let secrets = vec![Secret { secret, until: None }];
        Self { id, client, version: 0, url, events, secrets, disabled: None, created_at: now }
    }

    /// Whether it is told of events of this kind.
    #[must_use]
    pub fn wants(&self, kind: EventKind) -> bool {
        self.disabled.is_none() && (kind == EventKind::Test || self.events.contains(&kind))
    }

    /// With a new secret. The one before it signs for [`OLD_SECRET_FOR`] too; one that is older does
    /// no more.
    #[must_use]
    pub fn rotate(&self, secret: SigningSecret, now: Timestamp) -> Self {
        let until = now.checked_add(OLD_SECRET_FOR).unwrap_or(Timestamp::MAX);
        let mut endpoint = self.next();
        endpoint.secrets.truncate(1);
        for old in &mut endpoint.secrets {
            old.until = Some(until);
        }
        endpoint.secrets.insert(0, Secret { secret, until: None });
        endpoint
    }

    /// Told nothing any more.
    #[must_use]
    pub fn disable(&self, why: Disabled) -> Self {
        let mut endpoint = self.next();
        endpoint.disabled = Some(why);
        endpoint
    }

    /// What deliveries at `now` are signed with, the newest first.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &SigningSecret> {
        let good = move |it: &&Secret| it.until.is_none_or(|until| now < until);
        self.secrets.iter().filter(good).map(|it| &it.secret)
    }

    fn next(&self) -> Self {
        let mut endpoint = self.clone();
        endpoint.version = self.version.wrapping_add(1);
        endpoint
    }
}

#[cfg(test)]
mod tests {
    use ids::Mint;

    use super::*;
    use crate::address::Targets;
    use crate::secret::SECRET_BYTES;

    fn secret(byte: u8) -> SigningSecret {
        SigningSecret::from_random([byte; SECRET_BYTES])
    }

    fn at(hours: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH.checked_add(Duration::from_secs(hours * 3_600)).unwrap()
    }

    fn endpoint(events: Vec<EventKind>) -> Endpoint {
        let mint = Mint::seeded([1; 32]);
        let url = EndpointUrl::parse("https://example.com/", Targets::Public).unwrap();
        Endpoint::new(mint.mint(1), mint.mint(1), url, events, secret(1), at(0))
    }

    fn signing(endpoint: &Endpoint, hours: u64) -> Vec<String> {
        endpoint.signing(at(hours)).map(SigningSecret::reveal).collect()
    }

    #[test]
    fn an_old_secret_signs_for_a_day_beside_the_new_one() {
        let [first, second, third] = [1, 2, 3].map(|byte| secret(byte).reveal());
        let rotated = endpoint(Vec::new()).rotate(secret(2), at(0));
        assert_eq!(signing(&rotated, 0), [second.clone(), first.clone()]);
        assert_eq!(signing(&rotated, 23), [second.clone(), first]);
        assert_eq!(signing(&rotated, 24), std::slice::from_ref(&second));
        // Twice in a day: the oldest goes at once, so that there are never more than two.
        let again = rotated.rotate(secret(3), at(1));
        assert_eq!(signing(&again, 2), [third.clone(), second]);
        assert_eq!(signing(&again, 25), [third]);
        assert_eq!(again.version, 2);
    }

    #[test]
    fn who_names_no_events_is_told_of_all_and_who_is_gone_of_none() {
        let all = endpoint(Vec::new());
        assert_eq!(all.events, EventKind::SUBSCRIBABLE);
        let some = endpoint(vec![EventKind::GenerationFailed, EventKind::GenerationFailed]);
        assert_eq!(some.events, [EventKind::GenerationFailed]);
        assert!(some.wants(EventKind::GenerationFailed) && some.wants(EventKind::Test));
        assert!(!some.wants(EventKind::GenerationSucceeded));
        let gone = some.disable(Disabled::Gone);
        assert!(!gone.wants(EventKind::GenerationFailed) && !gone.wants(EventKind::Test));
    }

    #[test]
    fn neither_secrets_nor_paths_are_printed() {
        let printed = format!("{:?}", endpoint(Vec::new()));
        assert!(!printed.contains("AQEB"), "{printed}");
    }
}
