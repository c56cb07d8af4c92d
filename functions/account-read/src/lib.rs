//! `GET /v1/account`: plan, credits, limits. `GET /v1/account/ledger` and `GET /v1/account/usage`: how
//! credits moved, and what they were spent on.

mod movements;
mod usage;

use edge::models::{AccountView, BalanceView, LimitsView, SubscriptionView};
use edge::{Body, Problem, Request, Response, no_query, reply};
use entitlements::{Product, Scope, Status};
use gate::{Caller, Platform, ledger_problem, store_problem};
use ids::ClientId;
use ledger::Ledger;
use maas_aws::Home;
use maas_aws::clients::ClientStore;
use maas_aws::usage::UsageStore;

/// What the function works with.
#[derive(Debug)]
pub struct Context {
    platform: Platform,
    clients: ClientStore,
    usage: UsageStore,
}

impl Context {
    /// A context on what the process shares.
    #[must_use]
    pub fn new(platform: &Platform) -> Self {
        let aws = &platform.core.aws;
        Self { clients: aws.clients(), usage: aws.usage(), platform: platform.clone() }
    }
}

/// Shows a client its account, its ledger or its usage.
///
/// # Errors
/// The problem that the client is told.
pub async fn handle(context: &Context, request: Request) -> Result<Response<Body>, Problem> {
    let caller = context.platform.gate.admit(&request, Scope::AccountRead).await?;
    match request.uri().path() {
        "/v1/account/ledger" => movements::list(context, &caller, &request).await,
        "/v1/account/usage" => usage::read(context, &caller, &request).await,
        _ => account(context, &caller, &request).await,
    }
}

async fn account(
    context: &Context,
    caller: &Caller,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    no_query(request)?;
    let client = caller.client();
    let record = context.clients.find(client).await;
    let record = record.map_err(store_problem)?.ok_or_else(Problem::not_found)?;
    let balance = home(context, client).await?.ledger.balance(client).await;
    let balance = balance.map_err(ledger_problem)?;
    let plan = record.entitlement.plan_at(caller.now);
    let terms = plan.terms();
    let accounts = balance.accounts;
    reply::ok(&AccountView {
        client_id: client,
        name: record.profile.name,
        plan: plan.as_str().to_owned(),
        ai: record.entitlement.has_ai(caller.now),
        subscriptions: record
            .subscriptions
            .iter()
            .map(|subscription| SubscriptionView {
                product: match subscription.product {
                    Product::Memes(_) => "memes",
                    Product::MemesAi => "memes-ai",
                }
                .to_owned(),
                status: match subscription.status {
                    Status::Trialing => "trialing",
                    Status::Active => "active",
                    Status::PastDue => "past_due",
                    Status::Canceled => "canceled",
                }
                .to_owned(),
                period_end: Some(subscription.period_end),
            })
            .collect(),
        balance: BalanceView {
            granted: balance.granted,
            available: accounts.available,
            leased: accounts.leased,
            held: accounts.held,
            suspense: accounts.suspense,
            spent: accounts.spent,
            expired: accounts.expired,
        },
        limits: LimitsView {
            monthly_credits: terms.monthly_credits,
            burst_per_second: record.entitlement.burst_per_second_at(caller.now),
            generations_in_flight: terms.generations_in_flight,
        },
    })
}

/// Where the client's balance is written.
async fn home(context: &Context, client: ClientId) -> Result<&Home, Problem> {
    context.platform.core.homes.now_of(client).await.map_err(ledger_problem)
}
