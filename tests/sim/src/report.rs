//! Tables and plots that compare systems.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::Outcome;
use crate::metrics::Metrics;
use crate::world::{REGIONS, System};

mod plots;

/// The quantiles of waiting that are told.
pub const QUANTILES: [f64; 6] = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];

/// What stores cost. See `prices.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    million_write_units: f64,
    million_read_units: f64,
    units_per_write: f64,
    units_per_read: f64,
    million_queue_requests: f64,
    requests_per_message: f64,
    node_hour: f64,
    nodes_per_region: f64,
}

impl Prices {
    /// The prices that come with the simulation.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read() -> Result<Self> {
        toml::from_str(include_str!("../prices.toml")).context("prices.toml cannot be read")
    }

    /// What a run cost, in dollars.
    fn cost(&self, system: System, metrics: &Metrics, duration: Duration) -> f64 {
        let writes = metrics.writes as f64 * self.units_per_write * self.million_write_units;
        let reads = metrics.reads as f64 * self.units_per_read * self.million_read_units;
        let requests = metrics.messages as f64 * self.requests_per_message;
        let queue = requests * self.million_queue_requests;
        let nodes = if system.has_nodes() {
            self.node_hour * self.nodes_per_region * REGIONS as f64
        } else {
            0.0
        };
        (writes + reads + queue) / 1e6 + nodes * duration.as_secs_f64() / 3_600.0
    }
}

/// One system over all of its runs.
#[derive(Debug)]
pub struct Row {
    /// Which system.
    pub system: System,
    /// How many runs.
    runs: usize,
    metrics: Metrics,
    oversold: u64,
    lost_debits: u64,
    lost_with_machines: u64,
    bound: u64,
    double_charged: u64,
    stranded_most: u64,
    stranded_longest: Duration,
    /// Stranded credits by the second, of the first run.
    stranded: Vec<u64>,
    broken: u64,
    dollars: f64,
    /// For how long calls were made, over all runs, in seconds.
    lasted_s: f64,
}

impl Row {
    fn calls_per_write(&self) -> f64 {
        self.metrics.served as f64 / self.metrics.writes.max(1) as f64
    }

    fn dollars_per_million(&self) -> f64 {
        self.dollars / (self.metrics.served.max(1) as f64 / 1e6)
    }
}

/// Puts the runs of each system together.
#[must_use]
pub fn rows(outcomes: &[Outcome], prices: &Prices) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for outcome in outcomes {
        let (system, verdict) = (outcome.scenario.system, &outcome.verdict);
        let dollars = prices.cost(system, &outcome.metrics, outcome.scenario.duration);
        let at = rows.iter().position(|row| row.system == system).unwrap_or_else(|| {
            rows.push(Row {
                system,
                runs: 0,
                metrics: Metrics::default(),
                oversold: 0,
                lost_debits: 0,
                lost_with_machines: 0,
                bound: 0,
                double_charged: 0,
                stranded_most: 0,
                stranded_longest: Duration::ZERO,
                stranded: verdict.stranded.clone(),
                broken: 0,
                dollars: 0.0,
                lasted_s: 0.0,
            });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.runs += 1;
        row.metrics.add(&outcome.metrics);
        row.oversold += verdict.oversold;
        row.lost_debits += verdict.lost_debits;
        row.lost_with_machines += verdict.lost_with_machines;
        row.bound += verdict.bound;
        row.double_charged += verdict.double_charged;
        row.stranded_most = row.stranded_most.max(verdict.stranded_most);
        row.stranded_longest = row.stranded_longest.max(verdict.stranded_longest);
        row.broken += verdict.broken.values().sum::<u64>();
        row.dollars += dollars;
        row.lasted_s += outcome.scenario.duration.as_secs_f64();
    }
    rows
}

/// The columns of the tables: what they are called, and what is in them.
type Column = (&'static str, fn(&Row) -> String);

const PROMISES: &[Column] = &[
    ("calls", |row| grouped(row.metrics.calls)),
    ("served", |row| grouped(row.metrics.served)),
    ("oversold", |row| grouped(row.oversold)),
    ("lost debits", |row| grouped(row.lost_debits)),
    ("charged twice or for nothing", |row| grouped(row.double_charged)),
    ("given away with machines", |row| grouped(row.lost_with_machines)),
    ("bound on that", |row| grouped(row.bound)),
    ("stranded at most", |row| grouped(row.stranded_most)),
    ("for at most", |row| format!("{:.0} s", row.stranded_longest.as_secs_f64())),
    ("broken promises", |row| grouped(row.broken)),
];

const PRICE: &[Column] = &[
    ("writes", |row| grouped(row.metrics.writes)),
    ("reads", |row| grouped(row.metrics.reads)),
    ("stock requests", |row| grouped(row.metrics.stock)),
    ("writes per s", |row| format!("{:.1}", row.metrics.writes as f64 / row.lasted_s.max(1.0))),
    ("calls per write", |row| format!("{:.1}", row.calls_per_write())),
    ("throttled", |row| grouped(row.metrics.throttled)),
    ("calls not answered", |row| {
        let part = row.metrics.unanswered as f64 / row.metrics.calls.max(1) as f64;
        format!("{:.2} %", part * 100.0)
    }),
    ("wait p50", |row| wait(row, 0.5)),
    ("p99", |row| wait(row, 0.99)),
    ("p99.9", |row| wait(row, 0.999)),
    ("$ per million calls", |row| format!("{:.3}", row.dollars_per_million())),
];

fn wait(row: &Row, part: f64) -> String {
    format!("{:.0} ms", row.metrics.waits.quantile_ms(part))
}

/// A number with its thousands apart.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The tables in Markdown: what was promised, and what it costs. Credits where nothing else is said.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    for columns in [PROMISES, PRICE] {
        let mut lines = vec![
            std::iter::once("system")
                .chain(columns.iter().map(|(name, _)| *name))
                .fold(String::from("|"), |line, name| line + " " + name + " |"),
            format!("|---|{}", "---:|".repeat(columns.len())),
        ];
        for row in rows {
            let cells = columns.iter().map(|(_, cell)| cell(row));
            lines.push(cells.fold(format!("| {} |", row.system.name()), |line, cell| {
                line + " " + &cell + " |"
            }));
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}\n", lines.join("\n"));
    }
    text
}

/// The same as comma-separated values, without units.
fn csv(rows: &[Row]) -> String {
    let names = PROMISES.iter().chain(PRICE).map(|(name, _)| *name);
    let mut lines = vec![std::iter::once("system").chain(names).collect::<Vec<_>>().join(",")];
    for row in rows {
        let cells = PROMISES.iter().chain(PRICE).map(|(_, cell)| {
            cell(row).chars().filter(|c| c.is_ascii_digit() || *c == '.').collect::<String>()
        });
        let name = std::iter::once(row.system.name().to_owned());
        lines.push(name.chain(cells).collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

/// Writes the tables and the plots into a folder.
///
/// # Errors
/// If something cannot be written.
pub fn write(rows: &[Row], folder: &Path) -> Result<()> {
    let failed = || format!("{} cannot be written to", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    std::fs::write(folder.join("systems.md"), markdown(rows)).with_context(failed)?;
    std::fs::write(folder.join("systems.csv"), csv(rows)).with_context(failed)?;
    plots::draw(rows, folder)
}
