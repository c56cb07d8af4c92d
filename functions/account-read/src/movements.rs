//! `GET /v1/account/ledger`: how a client's credits moved.

use clock::Timestamp;
use edge::models::{
    AccountName, LedgerEntryKind, LedgerEntryView, LedgerQuery, MovementView, Page,
};
use edge::{Body, Problem, Request, Response, decode_cursor, encode_cursor, query_params, reply};
use gate::{Caller, store_problem};
use ledger::{Account, EntryKind, Posting};

use crate::{Context, home};

const MOVES_NOTHING: &str = "an entry that moves a balance to another Region moves no credits";

const LIST: &str = "account/ledger";

/// Lists a client's entries, the newest first. Those that move nothing are left out.
pub(crate) async fn list(
    context: &Context,
    caller: &Caller,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    let query: LedgerQuery = query_params(request)?;
    let mut before: Option<u64> =
        query.cursor.as_deref().map(|cursor| decode_cursor(LIST, cursor)).transpose()?;
    let journal = &home(context, caller.client()).await?.journal;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut data: Vec<LedgerEntryView> = Vec::new();
    loop {
        // One more than fits tells whether there is a next page.
        let wanted = limit + 1;
        let postings = journal.newest(caller.client(), before, wanted).await;
        let postings = postings.map_err(store_problem)?;
        before = postings.last().map(|posting| posting.seq);
        let last = postings.len() < wanted;
        for posting in postings.iter().filter(|posting| !posting.entry.legs.is_empty()) {
            if data.len() == limit {
                let shown = data.last().map(|entry| entry.seq);
                let next_cursor = Some(encode_cursor(LIST, &shown)?);
                return reply::ok(&Page { data, next_cursor });
            }
            data.push(view(posting)?);
        }
        if last {
            return reply::ok(&Page { data, next_cursor: None });
        }
    }
}

fn view(posting: &Posting) -> Result<LedgerEntryView, Problem> {
    let entry = &posting.entry;
    Ok(LedgerEntryView {
        id: entry.id,
        seq: posting.seq,
        kind: match entry.kind {
            EntryKind::Grant => LedgerEntryKind::Grant,
            EntryKind::Lease => LedgerEntryKind::Lease,
            EntryKind::Settle => LedgerEntryKind::Settle,
            EntryKind::Reap => LedgerEntryKind::Reap,
            EntryKind::Hold => LedgerEntryKind::Hold,
            EntryKind::Post => LedgerEntryKind::Post,
            EntryKind::Void => LedgerEntryKind::Void,
            // Moves no credits, so that it is never listed.
            EntryKind::Move => return Err(Problem::internal(MOVES_NOTHING)),
        },
        at: Timestamp::from_millisecond(entry.at_ms).map_err(Problem::internal)?,
        movements: entry
            .legs
            .iter()
            .map(|leg| MovementView {
                from: leg.from.map(name),
                to: name(leg.to),
                credits: leg.credits,
            })
            .collect(),
        generation_id: entry.hold,
        grant_id: entry.grant,
        lease_id: entry.lease,
    })
}

const fn name(account: Account) -> AccountName {
    match account {
        Account::Available => AccountName::Available,
        Account::Leased => AccountName::Leased,
        Account::Held => AccountName::Held,
        Account::Suspense => AccountName::Suspense,
        Account::Spent => AccountName::Spent,
        Account::Expired => AccountName::Expired,
    }
}
