//! Subscriptions: what a client pays for, and until when that counts.

use std::time::Duration;

use clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// How long a subscription goes on serving after its period ended without a payment.
///
/// A card that fails on Friday is mended on Monday, and the provider itself tries again for about
/// a week; a customer's product should not break before anybody there could have read the mail.
pub const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Product {
    /// Memes by the call, on a plan.
    #[serde(rename = "memes")]
    Memes(Plan),
    /// Memes whose pictures a model makes.
    #[serde(rename = "memes-ai")]
    MemesAi,
}

/// Where a subscription stands, in the payment provider's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not paid for yet, by agreement.
    Trialing,
    /// Paid for.
    Active,
    /// A payment failed and is being tried again.
    PastDue,
    /// Ended by the client; what was paid for is still served.
    Canceled,
}

/// A client's subscription to one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// What is subscribed to.
    pub product: Product,
    /// Where it stands.
    pub status: Status,
    /// The end of the period that is paid for, or of the trial.
    pub period_end: Timestamp,
    /// Who says so: the payment provider's id of the subscription, or an operator's name.
    pub source: String,
}

impl Subscription {
    /// When the subscription stops serving unless an event says otherwise before.
    ///
    /// A canceled one stops with its period. All others go on for [`GRACE`]: the event that renews
    /// an active subscription arrives after the period's end, and may be late. The bound holds for
    /// them too, so that a lost event cannot give service for ever.
    #[must_use]
    pub fn serves_until(&self) -> Timestamp {
        match self.status {
            Status::Canceled => self.period_end,
            Status::Trialing | Status::Active | Status::PastDue => {
                self.period_end.checked_add(GRACE).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Whether the client is served at `now` because of this subscription.
    #[must_use]
    pub fn grants_service(&self, now: Timestamp) -> bool {
        now < self.serves_until()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn subscription(status: Status, period_end: Timestamp) -> Subscription {
        Subscription { product: Product::MemesAi, status, period_end, source: "sub_1".to_owned() }
    }

    #[test]
    fn a_canceled_subscription_serves_what_was_paid_for() {
        let canceled = subscription(Status::Canceled, at(1_000));
        assert!(canceled.grants_service(at(999)));
        assert!(!canceled.grants_service(at(1_000)));
    }

    #[test]
    fn every_other_subscription_serves_through_the_grace() {
        let grace_s = i64::try_from(GRACE.as_secs()).unwrap();
        for status in [Status::Trialing, Status::Active, Status::PastDue] {
            let subscription = subscription(status, at(1_000));
            assert!(subscription.grants_service(at(999)));
            assert!(subscription.grants_service(at(1_000 + grace_s - 1)));
            assert!(!subscription.grants_service(at(1_000 + grace_s)));
        }
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let endless = subscription(Status::Active, Timestamp::MAX);
        assert_eq!(endless.serves_until(), Timestamp::MAX);
    }

    #[test]
    fn the_stored_form_is_stable() {
        let stored = serde_json::to_string(&Subscription {
            product: Product::Memes(Plan::Pro),
            ..subscription(Status::PastDue, at(0))
        })
        .unwrap();
        assert_eq!(
            stored,
            r#"{"product":{"memes":"pro"},"status":"past_due","period_end":"1970-01-01T00:00:00Z","source":"sub_1"}"#
        );
        assert_eq!(serde_json::to_string(&Product::MemesAi).unwrap(), "\"memes-ai\"");
    }
}
