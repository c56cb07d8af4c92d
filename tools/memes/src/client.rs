//! `memes client`: makes, shows, limits and revokes clients.

use std::fmt;
use std::sync::Arc;

use anyhow::{Result, bail};
use auth::{ClientSecret, HashCost, SecretHasher};
use clock::Timestamp;
use entitlements::{Entitlement, Plan, Product, STALE_MAX, Status, Subscription};
use ids::{ClientId, GrantId};
use ledger::{Account, Accounts, GrantSource, Ledger};
use maas_aws::StoreError;
use maas_aws::clients::ClientRecord;
use maas_aws::onboarding::{NewAccount, Onboarded, Onboarding};
use serde::{Serialize, Serializer};

use crate::stack::Stack;
use crate::text::{credits, moment, table};

/// A client to be made.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// What people call it.
    pub name: String,
    /// Its plan.
    pub plan: Plan,
    /// Whether it also gets Memes AI.
    pub ai: bool,
    /// Its first credits; without a number those of a month of its plan.
    pub credits: Option<u64>,
}

/// A client that was made. Contains its secret, which can be shown this once.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// Its id.
    pub client_id: ClientId,
    /// Its secret.
    #[serde(serialize_with = "reveal")]
    pub client_secret: ClientSecret,
    /// Its plan.
    pub plan: Plan,
    /// Whether it also gets Memes AI.
    pub ai: bool,
    /// How many credits it was granted.
    pub credits: u64,
    /// When its subscriptions' period and its credits end.
    pub period_end: Timestamp,
}

fn reveal<S: Serializer>(secret: &ClientSecret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.reveal())
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ai = if self.ai { ", with Memes AI" } else { "" };
        table(
            f,
            &[
                ["client_id".to_owned(), self.client_id.to_string()],
                ["client_secret".to_owned(), self.client_secret.reveal().to_owned()],
                ["plan".to_owned(), format!("{}{ai}", self.plan)],
                ["credits".to_owned(), self.credits.to_string()],
                ["until".to_owned(), moment(self.period_end)],
            ],
        )?;
        writeln!(f, "Keep the secret: only a hash of it is stored, and it is not shown again.")
    }
}

/// Makes a client.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn create(stack: &Stack, new: NewClient) -> Result<Made> {
    let onboarding = Onboarding::new(
        stack.core.aws.clients(),
        Arc::clone(&stack.core.ledger),
        SecretHasher::new(HashCost::OWASP)?,
        Arc::clone(&stack.core.mint),
    );
    let (plan, ai) = (new.plan, new.ai);
    let account = NewAccount {
        client_id: None,
        secret: None,
        name: new.name,
        plan,
        ai,
        credits: new.credits,
        home: stack.core.aws.config().region.clone(),
    };
    match onboarding.create(account, stack.core.clock.now()).await {
        Ok(Onboarded::Created(created)) => Ok(Made {
            client_id: created.client_id,
            client_secret: created.secret,
            plan,
            ai,
            credits: created.credits,
            period_end: created.period_end,
        }),
        // Only a client that has to have a certain id can be there already.
        Ok(Onboarded::AlreadyThere(client)) => bail!("there is a client {client} already"),
        Err(error) => Err(stack.explain(error)),
    }
}

/// All that is known of a client but its secrets.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    client_id: ClientId,
    name: String,
    home: String,
    revoked: bool,
    created_at: Timestamp,
    subscriptions: Vec<ShownSubscription>,
    entitlement: ShownEntitlement,
    balance: ShownBalance,
    grants: Vec<ShownGrant>,
}

#[derive(Debug, Clone, Serialize)]
struct ShownSubscription {
    product: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    status: Status,
    period_end: Timestamp,
    serves_until: Timestamp,
    source: String,
}

#[derive(Debug, Clone, Serialize)]
struct ShownEntitlement {
    epoch: u64,
    plan: Plan,
    plan_until: Option<Timestamp>,
    ai: bool,
    ai_until: Option<Timestamp>,
    scopes: String,
    burst_per_second: u32,
}

#[derive(Debug, Clone, Serialize)]
struct ShownBalance {
    granted: u64,
    #[serde(flatten)]
    accounts: Accounts,
}

#[derive(Debug, Clone, Serialize)]
struct ShownGrant {
    grant_id: GrantId,
    credits: u64,
    left: u64,
    expires_at: Timestamp,
    source: GrantSource,
}

/// Shows a client.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn show(stack: &Stack, client: ClientId) -> Result<Shown> {
    let record = find(stack, client).await?;
    let home = stack.core.homes.now_of(client).await.map_err(|error| stack.explain(error))?;
    let balance = home.ledger.balance(client).await.map_err(|error| stack.explain(error))?;
    let now = stack.core.clock.now();
    Ok(Shown {
        client_id: client,
        name: record.profile.name,
        home: record.profile.home,
        revoked: record.profile.revoked,
        created_at: record.created_at,
        subscriptions: record.subscriptions.into_iter().map(ShownSubscription::from).collect(),
        entitlement: ShownEntitlement::at(&record.entitlement, now),
        balance: ShownBalance { granted: balance.granted, accounts: balance.accounts },
        grants: balance
            .grants
            .into_iter()
            .map(|(grant_id, grant)| ShownGrant {
                grant_id,
                credits: grant.credits,
                left: grant.left,
                expires_at: time(grant.expires_at_ms),
                source: grant.source,
            })
            .collect(),
    })
}

impl From<Subscription> for ShownSubscription {
    fn from(it: Subscription) -> Self {
        let (product, plan) = match it.product {
            Product::Memes(plan) => ("memes", Some(plan)),
            Product::MemesAi => ("memes-ai", None),
        };
        Self {
            product,
            plan,
            status: it.status,
            period_end: it.period_end,
            serves_until: it.serves_until(),
            source: it.source,
        }
    }
}

impl ShownEntitlement {
    /// What the entitlement comes to at `now`: a subscription that ran out leaves it as it was
    /// written.
    fn at(it: &Entitlement, now: Timestamp) -> Self {
        let (plan, ai) = (it.plan_at(now), it.has_ai(now));
        Self {
            epoch: it.epoch,
            plan,
            plan_until: it.plan_until.filter(|_| plan == it.plan),
            ai,
            ai_until: it.ai_until.filter(|_| ai),
            scopes: it.scopes_at(now).to_string(),
            burst_per_second: it.burst_per_second_at(now),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |name: &str, value: String| [name.to_owned(), value];
        let until = |until: Option<Timestamp>| {
            until.map_or(String::new(), |until| format!(", until {}", moment(until)))
        };
        let entitlement = &self.entitlement;
        let ai = if entitlement.ai { "yes" } else { "no" };
        let scopes = if entitlement.scopes.is_empty() { "none" } else { &entitlement.scopes };
        let mut rows = vec![
            row("client_id", self.client_id.to_string()),
            row("name", self.name.clone()),
            row("home", self.home.clone()),
            row("created", moment(self.created_at)),
            row("revoked", if self.revoked { "yes" } else { "no" }.to_owned()),
            row("epoch", entitlement.epoch.to_string()),
            row("plan", format!("{}{}", entitlement.plan, until(entitlement.plan_until))),
            row("ai", format!("{ai}{}", until(entitlement.ai_until))),
            row("scopes", scopes.to_owned()),
            row("calls/s", entitlement.burst_per_second.to_string()),
            row("granted", self.balance.granted.to_string()),
        ];
        for account in Account::ALL {
            let amount = self.balance.accounts[account];
            rows.push(row(&format!("  {}", account.name()), amount.to_string()));
        }
        table(f, &rows)?;

        writeln!(f, "\nsubscriptions")?;
        let rows: Vec<_> = self.subscriptions.iter().map(ShownSubscription::row).collect();
        table(f, &rows)?;
        if !self.grants.is_empty() {
            writeln!(f, "\ngrants")?;
            let rows: Vec<_> = self.grants.iter().map(ShownGrant::row).collect();
            table(f, &rows)?;
        }
        Ok(())
    }
}

impl ShownSubscription {
    fn row(&self) -> [String; 4] {
        let plan = self.plan.map_or(String::new(), |plan| format!(" {plan}"));
        let status = match self.status {
            Status::Trialing => "trialing",
            Status::Active => "active",
            Status::PastDue => "past_due",
            Status::Canceled => "canceled",
        };
        [
            format!("  {}{plan}", self.product),
            status.to_owned(),
            format!("until {}", moment(self.period_end)),
            format!("by {}", self.source),
        ]
    }
}

impl ShownGrant {
    fn row(&self) -> [String; 4] {
        let source = match self.source {
            GrantSource::Subscription => "subscription",
            GrantSource::TopUp => "top_up",
            GrantSource::Promotion => "promotion",
            GrantSource::Escrow => "escrow",
        };
        [
            format!("  {}", self.grant_id),
            format!("{} of {} left", self.left, credits(self.credits)),
            format!("until {}", moment(self.expires_at)),
            source.to_owned(),
        ]
    }
}

/// A client whose calls per second were set.
#[derive(Debug, Clone, Serialize)]
pub struct Limited {
    client_id: ClientId,
    /// What counts now: on the free plan nothing else can be agreed.
    burst_per_second: u32,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, burst_per_second } = self;
        let bound_s = STALE_MAX.as_secs();
        writeln!(f, "{client_id} has {burst_per_second} calls per second, within {bound_s} s")
    }
}

/// Sets the calls per second that were agreed with a client; none for those of its plan.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn limit(stack: &Stack, client: ClientId, agreed: Option<u32>) -> Result<Limited> {
    find(stack, client).await?;
    let now = stack.core.clock.now();
    let clients = stack.core.aws.clients();
    match clients.change(client, now, |profile, _| profile.burst_per_second = agreed).await {
        Ok(entitlement) => {
            let burst_per_second = entitlement.burst_per_second_at(now);
            Ok(Limited { client_id: client, burst_per_second })
        }
        Err(StoreError::Conflict) => {
            bail!("{client} was NOT changed: others keep changing it; try again")
        }
        Err(error) => Err(stack.explain(error)),
    }
}

/// A client that is shut out.
#[derive(Debug, Clone, Serialize)]
pub struct Revoked {
    client_id: ClientId,
    /// The epoch that shut it out.
    epoch: u64,
    /// Whether that was done before.
    already_revoked: bool,
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, epoch, .. } = self;
        if self.already_revoked {
            writeln!(f, "{client_id} was revoked before, by epoch {epoch}; nothing changed")
        } else {
            let bound_s = STALE_MAX.as_secs();
            writeln!(f, "{client_id} is revoked by epoch {epoch}: refused within {bound_s} s")
        }
    }
}

/// Shuts a client out. Its credits and records stay.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn revoke(stack: &Stack, client: ClientId) -> Result<Revoked> {
    let record = find(stack, client).await?;
    if record.profile.revoked {
        let epoch = record.entitlement.epoch;
        return Ok(Revoked { client_id: client, epoch, already_revoked: true });
    }
    let changed = stack
        .core
        .aws
        .clients()
        .change(client, stack.core.clock.now(), |profile, _| profile.revoked = true)
        .await;
    match changed {
        Ok(entitlement) => {
            Ok(Revoked { client_id: client, epoch: entitlement.epoch, already_revoked: false })
        }
        Err(StoreError::Conflict) => {
            bail!("{client} was NOT revoked: others keep changing it; try again")
        }
        Err(error) => Err(stack.explain(error)),
    }
}

async fn find(stack: &Stack, client: ClientId) -> Result<ClientRecord> {
    let record = stack.core.aws.clients().find(client).await;
    record.map_err(|error| stack.explain(error))?.ok_or_else(|| stack.unknown(client))
}

/// A ledger's time as a timestamp. Grants are made from timestamps, so that none is out of range.
pub(crate) fn time(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX)
}
