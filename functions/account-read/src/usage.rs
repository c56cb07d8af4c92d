//! `GET /v1/account/usage`: what a client's credits were spent on, and when.

use std::collections::BTreeMap;

use clock::Timestamp;
use edge::models::{
    OperationName, OperationUsage, UsagePage, UsagePeriod, UsagePeriodView, UsageQuery, UsageTotals,
};
use edge::{
    Body, FieldError, Problem, Request, Response, bad_cursor, decode_cursor, encode_cursor,
    query_params, reply,
};
use gate::{Caller, store_problem};
use ledger::{Operation, Spending};
use serde::{Deserialize, Serialize};

use crate::Context;

const LIST: &str = "account/usage";

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How far back usage is told where the client does not say.
const BACK_MS: i64 = 30 * DAY_MS;

/// Where a page begins. It carries the range, which may have been taken from the time of the first
/// page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    range: Range,
    /// The beginning of the last period that was shown, in milliseconds since the Unix epoch.
    after_ms: i64,
}

/// Whole periods, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Range {
    from_ms: i64,
    to_ms: i64,
    by: UsagePeriod,
}

/// Tells what a client used, period by period.
pub(crate) async fn read(
    context: &Context,
    caller: &Caller,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    let query: UsageQuery = query_params(request)?;
    let position: Option<Position> =
        query.cursor.as_deref().map(|cursor| decode_cursor(LIST, cursor)).transpose()?;
    let range = match position {
        None => Range::of(&query, caller.now)?,
        Some(position) if position.range.fits(&query) => position.range,
        Some(_) => return Err(bad_cursor()),
    };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let periods = periods(context, caller, range).await?;
    let totals = periods.values().fold(Spending::default(), |sum, it| sum.plus(it));

    let after_ms = position.map_or(i64::MIN, |position| position.after_ms);
    let mut rest = periods.iter().filter(|(begins_ms, _)| **begins_ms > after_ms).peekable();
    let mut data = Vec::new();
    let mut last_ms = after_ms;
    for (begins_ms, spending) in rest.by_ref().take(limit) {
        data.push(UsagePeriodView { begins: moment(*begins_ms), operations: operations(spending) });
        last_ms = *begins_ms;
    }
    let next_cursor = match rest.peek() {
        Some(_) => Some(encode_cursor(LIST, &Position { range, after_ms: last_ms })?),
        None => None,
    };
    reply::ok(&UsagePage {
        from: moment(range.from_ms),
        to: moment(range.to_ms),
        by: range.by,
        totals: UsageTotals {
            calls: totals.iter().map(|(_, part)| part.calls).sum(),
            credits: totals.credits(),
            operations: operations(&totals),
        },
        data,
        next_cursor,
    })
}

/// What was used in each period of a range in which something was.
async fn periods(
    context: &Context,
    caller: &Caller,
    range: Range,
) -> Result<BTreeMap<i64, Spending>, Problem> {
    // Nothing was used before the epoch, and names of hours are in order only after it.
    let (from_ms, to_ms) = (range.from_ms.max(0), range.to_ms.max(0));
    let (from, to) = (moment(from_ms), moment(to_ms));
    let hours = context.usage.hours(caller.client(), from, to, usize::MAX).await;
    let mut periods = BTreeMap::new();
    for hour in hours.map_err(store_problem)? {
        let begins_ms = floor(hour.begins.as_millisecond(), range.by);
        let sum: &mut Spending = periods.entry(begins_ms).or_default();
        *sum = sum.plus(&hour.spending);
    }
    Ok(periods)
}

impl Range {
    fn of(query: &UsageQuery, now: Timestamp) -> Result<Self, Problem> {
        let by = query.by;
        let to_ms = query.to.unwrap_or(now).as_millisecond();
        let from_ms = query.from.map_or(to_ms - BACK_MS, Timestamp::as_millisecond);
        if from_ms >= to_ms {
            let (name, cure) = match (query.from, query.to) {
                (_, Some(_)) => ("to", "must be later than `from`"),
                (_, None) => ("from", "must be in the past, unless a later `to` is given"),
            };
            return Err(Problem::invalid(FieldError::parameter(name, cure)));
        }
        let (longest, cure) = match by {
            UsagePeriod::Hour => (
                31 * DAY_MS,
                "must be at most 31 days before `to` where usage is told by the hour; give a later \
                 one, or ask for it by the day",
            ),
            UsagePeriod::Day => (
                400 * DAY_MS,
                "must be at most 400 days before `to`; give a later one, or ask for each part",
            ),
        };
        if to_ms - from_ms > longest {
            return Err(Problem::invalid(FieldError::parameter("from", cure)));
        }
        Ok(Self { from_ms: floor(from_ms, by), to_ms: ceiling(to_ms, by), by })
    }

    /// Whether a query for the next page asks for the same as the one for the first.
    fn fits(&self, query: &UsageQuery) -> bool {
        let same = |given: Option<Timestamp>, whole: fn(i64, UsagePeriod) -> i64, ours: i64| {
            given.is_none_or(|given| whole(given.as_millisecond(), self.by) == ours)
        };
        query.by == self.by
            && same(query.from, floor, self.from_ms)
            && same(query.to, ceiling, self.to_ms)
    }
}

/// The beginning of the period that a moment is in.
const fn floor(at_ms: i64, by: UsagePeriod) -> i64 {
    let length_ms = length_ms(by);
    at_ms.div_euclid(length_ms) * length_ms
}

/// The end of the period that is over at a moment, or goes on then.
const fn ceiling(at_ms: i64, by: UsagePeriod) -> i64 {
    -floor(-at_ms, by)
}

const fn length_ms(by: UsagePeriod) -> i64 {
    match by {
        UsagePeriod::Day => DAY_MS,
        UsagePeriod::Hour => HOUR_MS,
    }
}

/// At the ends of all time a period is cut short.
fn moment(at_ms: i64) -> Timestamp {
    let end = if at_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(at_ms).unwrap_or(end)
}

fn operations(spending: &Spending) -> Vec<OperationUsage> {
    spending
        .iter()
        .filter(|(_, part)| part.calls > 0 || part.credits > 0)
        .map(|(operation, part)| OperationUsage {
            operation: match operation {
                Operation::NormalMeme => OperationName::NormalMeme,
                Operation::AiMeme => OperationName::AiMeme,
                Operation::CaptionedMeme => OperationName::CaptionedMeme,
                Operation::Generation => OperationName::Generation,
            },
            calls: part.calls,
            credits: part.credits,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(from: Option<&str>, to: Option<&str>, by: UsagePeriod) -> UsageQuery {
        let moment = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        UsageQuery { from: moment(from), to: moment(to), by, cursor: None, limit: 20 }
    }

    fn range(
        from: Option<&str>,
        to: Option<&str>,
        by: UsagePeriod,
    ) -> Result<(String, String), Problem> {
        let now = "2026-03-10T12:34:56Z".parse().unwrap();
        let range = Range::of(&query(from, to, by), now)?;
        Ok((moment(range.from_ms).to_string(), moment(range.to_ms).to_string()))
    }

    #[test]
    fn a_range_is_of_whole_periods() {
        let (day, hour) = (UsagePeriod::Day, UsagePeriod::Hour);
        for (from, to, by, wanted) in [
            (None, None, day, ("2026-02-08T00:00:00Z", "2026-03-11T00:00:00Z")),
            (None, None, hour, ("2026-02-08T12:00:00Z", "2026-03-10T13:00:00Z")),
            (
                Some("2026-03-01T01:30:00+02:00"),
                Some("2026-03-02T00:00:00Z"),
                day,
                ("2026-02-28T00:00:00Z", "2026-03-02T00:00:00Z"),
            ),
            (
                Some("1969-12-31T23:30:00Z"),
                Some("1969-12-31T23:40:00Z"),
                hour,
                ("1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"),
            ),
        ] {
            let (from, to) = range(from, to, by).unwrap();
            assert_eq!((from.as_str(), to.as_str()), wanted);
        }
    }

    #[test]
    fn a_range_out_of_bounds_names_the_parameter() {
        let (day, hour) = (UsagePeriod::Day, UsagePeriod::Hour);
        let at = "2026-03-01T00:00:00Z";
        for (from, to, by, parameter) in [
            (Some(at), Some(at), day, "to"),
            (Some("2027-01-01T00:00:00Z"), None, day, "from"),
            (Some("2026-01-28T23:59:59Z"), Some(at), hour, "from"),
            (Some("2025-01-24T23:59:59Z"), Some(at), day, "from"),
            (Some("-009999-01-02T01:59:59Z"), Some("9999-12-30T22:00:00Z"), day, "from"),
        ] {
            let problem = range(from, to, by).unwrap_err();
            assert_eq!(problem.errors()[0].parameter.as_deref(), Some(parameter));
        }
        assert!(range(Some("2026-01-29T00:00:00Z"), Some(at), hour).is_ok());
        assert!(range(Some("2025-01-25T00:00:00Z"), Some(at), day).is_ok());
        assert!(range(Some("9999-12-30T20:00:00Z"), Some("9999-12-30T21:30:00Z"), day).is_ok());
    }

    #[test]
    fn a_next_page_is_of_the_same_range() {
        let first = query(None, Some("2026-03-01T00:00:00Z"), UsagePeriod::Day);
        let range = Range::of(&first, Timestamp::UNIX_EPOCH).unwrap();
        assert!(range.fits(&first));
        assert!(range.fits(&query(None, None, UsagePeriod::Day)));
        assert!(!range.fits(&query(None, None, UsagePeriod::Hour)));
        assert!(!range.fits(&query(None, Some("2026-02-01T00:00:00Z"), UsagePeriod::Day)));
    }
}
