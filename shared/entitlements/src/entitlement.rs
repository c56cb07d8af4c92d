//! The entitlement: what a client's subscriptions amount to.

use clock::Timestamp;
use ids::ClientId;
use serde::{Deserialize, Serialize};

use crate::plan::{Plan, PlanTerms};
use crate::scope::ScopeSet;
use crate::subscription::{Product, Subscription};

/// What an entitlement takes from the client's own record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The client.
    pub client: ClientId,
    /// The client's name, for people.
    pub name: String,
    /// The Region that writes the client's records, such as `eu-west-1`.
    pub home: String,
    /// Whether an operator has shut the client out.
    pub revoked: bool,
    /// Calls per second that were agreed with the client, in place of its paid plan's.
    pub burst_per_second: Option<u32>,
}

/// What a client may do. Materialised whenever its subscriptions or its profile change, so that
/// deciding a request reads one record.
///
/// The two ends of service are kept beside what they end: a subscription that simply runs out
/// makes no event, so nobody would come to write the entitlement again. Ask
/// [`plan_at`](Self::plan_at), [`has_ai`](Self::has_ai) and [`scopes_at`](Self::scopes_at) rather
/// than the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    /// The client.
    pub client: ClientId,
    /// Raised by each change. The `ent` claim of a token is the epoch that it was issued under.
    pub epoch: u64,
    /// The best plan that the client's subscriptions gave when this was written.
    pub plan: Plan,
    /// When that plan stops serving; `None` for free, which never does.
    pub plan_until: Option<Timestamp>,
    /// Whether the client had Memes AI when this was written.
    pub ai: bool,
    /// When Memes AI stops serving; `None` exactly when the client does not have it.
    pub ai_until: Option<Timestamp>,
    /// What the client's tokens may be used for.
    pub scopes: ScopeSet,
    /// The Region that writes the client's records.
    pub home: String,
    /// Whether the client is shut out. Nothing is served to it, whatever its tokens say.
    pub revoked: bool,
    /// The client's name, for people.
    pub name: String,
    /// Calls per second that were agreed with the client. Ask
    /// [`burst_per_second_at`](Self::burst_per_second_at), which also knows the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_per_second: Option<u32>,
}

impl Entitlement {
    /// What `subscriptions` amount to at `now`. The epoch is the one after `previous_epoch`, which
    /// is 0 for a new client.
    ///
    /// Of several subscriptions to one product the best counts, and of equals the one that serves
    /// longest; a client between two of them never drops to the lesser.
    #[must_use]
    pub fn materialise(
        profile: Profile,
        subscriptions: &[Subscription],
        previous_epoch: u64,
        now: Timestamp,
    ) -> Self {
        let serving =
            || subscriptions.iter().filter(move |subscription| subscription.grants_service(now));
        let (plan, plan_until) = serving()
            .filter_map(|subscription| match subscription.product {
                // Free is what remains when nothing is paid for, so its end means nothing.
                Product::Memes(Plan::Free) | Product::MemesAi => None,
                Product::Memes(plan) => Some((plan, subscription.serves_until())),
            })
            .max()
            .map_or((Plan::Free, None), |(plan, until)| (plan, Some(until)));
        let ai_until = serving()
            .filter(|subscription| subscription.product == Product::MemesAi)
            .map(Subscription::serves_until)
            .max();
        Self {
            client: profile.client,
            epoch: previous_epoch.saturating_add(1),
            plan,
            plan_until,
            ai: ai_until.is_some(),
            ai_until,
            scopes: scopes_of(plan, ai_until.is_some()),
            home: profile.home,
            revoked: profile.revoked,
            name: profile.name,
            burst_per_second: profile.burst_per_second,
        }
    }

    /// The plan at `now`: free once the paid one has run out.
    #[must_use]
    pub fn plan_at(&self, now: Timestamp) -> Plan {
        match self.plan_until {
            Some(until) if until <= now => Plan::Free,
            _ => self.plan,
        }
    }

    /// Calls per second before 429 at `now`: those that were agreed with the client for as long as it
    /// pays for a plan, otherwise the plan's.
    #[must_use]
    pub fn burst_per_second_at(&self, now: Timestamp) -> u32 {
        let plan = self.plan_at(now);
        let agreed = self.burst_per_second.filter(|_| plan != Plan::Free);
        agreed.unwrap_or(plan.terms().burst_per_second)
    }

    /// Whether the client gets AI memes at `now`.
    #[must_use]
    pub fn has_ai(&self, now: Timestamp) -> bool {
        !self.revoked && self.ai && self.ai_until.is_some_and(|until| now < until)
    }

    /// What the client's tokens may be used for at `now`; nothing when it is revoked.
    #[must_use]
    pub fn scopes_at(&self, now: Timestamp) -> ScopeSet {
        if self.revoked {
            return ScopeSet::EMPTY;
        }
        self.scopes.intersection(scopes_of(self.plan_at(now), self.has_ai(now)))
    }
}

fn scopes_of(plan: Plan, ai: bool) -> ScopeSet {
    let scopes = ScopeSet::of(plan.terms().scopes);
    if ai { scopes.union(PlanTerms::AI_SCOPES) } else { scopes }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::scope::Scope;
    use crate::subscription::{GRACE, Status};
    use ids::Mint;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    pub(crate) fn profile() -> Profile {
        Profile {
            client: Mint::seeded([3; 32]).mint(0),
            name: "Demo".to_owned(),
            home: "eu-west-1".to_owned(),
            revoked: false,
            burst_per_second: None,
        }
    }

    fn subscription(product: Product, status: Status, period_end: i64) -> Subscription {
        Subscription { product, status, period_end: at(period_end), source: "test".to_owned() }
    }

    #[test]
    fn a_client_without_subscriptions_is_free() {
        let it = Entitlement::materialise(profile(), &[], 0, at(0));
        assert_eq!((it.plan, it.plan_until, it.ai, it.epoch), (Plan::Free, None, false, 1));
        assert_eq!(it.scopes.to_string(), "memes:read memes:create account:read");
        assert_eq!(it.plan_at(Timestamp::MAX), Plan::Free);
    }

    #[test]
    fn the_best_plan_that_still_serves_counts() {
        let subscriptions = [
            subscription(Product::Memes(Plan::Scale), Status::Canceled, 10),
            subscription(Product::Memes(Plan::Pro), Status::Active, 1_000),
            subscription(Product::Memes(Plan::Free), Status::Active, 9_000),
        ];
        let early = Entitlement::materialise(profile(), &subscriptions, 6, at(9));
        assert_eq!((early.plan, early.plan_until), (Plan::Scale, Some(at(10))));
        let later = Entitlement::materialise(profile(), &subscriptions, early.epoch, at(10));
        assert_eq!((later.plan, later.epoch), (Plan::Pro, 8));
        assert_eq!(later.plan_until, Some(at(1_000).checked_add(GRACE).unwrap()));
    }

    #[test]
    fn what_runs_out_ends_without_being_written_again() {
        let subscriptions = [
            subscription(Product::Memes(Plan::Pro), Status::Canceled, 100),
            subscription(Product::MemesAi, Status::Canceled, 50),
        ];
        let it = Entitlement::materialise(profile(), &subscriptions, 0, at(0));
        assert!(it.has_ai(at(49)) && !it.has_ai(at(50)));
        assert!(it.scopes_at(at(49)).contains(Scope::GenerationsCreate));
        assert!(!it.scopes_at(at(50)).contains(Scope::GenerationsCreate));
        assert!(it.scopes_at(at(50)).contains(Scope::WebhooksWrite));
        assert_eq!(it.plan_at(at(99)), Plan::Pro);
        assert_eq!(it.plan_at(at(100)), Plan::Free);
        assert!(!it.scopes_at(at(100)).contains(Scope::WebhooksWrite));
    }

    #[test]
    fn what_was_agreed_counts_while_a_plan_is_paid_for() {
        let agreed = Profile { burst_per_second: Some(60_000), ..profile() };
        let paid = [subscription(Product::Memes(Plan::Scale), Status::Canceled, 100)];
        let it = Entitlement::materialise(agreed, &paid, 0, at(0));
        assert_eq!(it.burst_per_second_at(at(99)), 60_000);
        assert_eq!(it.burst_per_second_at(at(100)), Plan::Free.terms().burst_per_second);
        let plain = Entitlement::materialise(profile(), &paid, 0, at(0));
        assert_eq!(plain.burst_per_second_at(at(99)), Plan::Scale.terms().burst_per_second);
    }

    #[test]
    fn a_revoked_client_has_nothing() {
        let revoked = Profile { revoked: true, ..profile() };
        let paid = [subscription(Product::MemesAi, Status::Active, 100)];
        let it = Entitlement::materialise(revoked, &paid, 0, at(0));
        assert!(!it.has_ai(at(0)));
        assert!(it.scopes_at(at(0)).is_empty());
    }

    #[test]
    fn the_epoch_does_not_wrap() {
        assert_eq!(Entitlement::materialise(profile(), &[], u64::MAX, at(0)).epoch, u64::MAX);
    }

    #[test]
    fn an_entitlement_survives_json() {
        let paid = [subscription(Product::MemesAi, Status::Trialing, 100)];
        for burst_per_second in [None, Some(7)] {
            let profile = Profile { burst_per_second, ..profile() };
            let it = Entitlement::materialise(profile, &paid, 0, at(0));
            let json = serde_json::to_string(&it).unwrap();
            // One that was written before limits were agreed reads as one without.
            assert_eq!(json.contains("burst"), burst_per_second.is_some());
            assert_eq!(serde_json::from_str::<Entitlement>(&json).unwrap(), it);
        }
    }
}
