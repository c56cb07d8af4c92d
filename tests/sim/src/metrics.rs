//! What is measured of a run.

use std::time::Duration;

/// Waiting times, in buckets each of which is a fiftieth wider than the one before.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    /// Calls that waited for nothing, by far the most.
    none: u64,
    buckets: Vec<u64>,
}

impl Waits {
    /// The least wait that is told apart from none, in milliseconds.
    const LEAST_MS: f64 = 0.01;
    const STEP: f64 = 1.02;

    /// Notes that a call waited.
    pub fn add(&mut self, wait: Duration) {
        let ms = wait.as_secs_f64() * 1_000.0;
        if ms < Self::LEAST_MS {
            self.none += 1;
            return;
        }
        let bucket = ((ms / Self::LEAST_MS).ln() / Self::STEP.ln()) as usize;
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
    }

    /// Adds those of another run.
    pub fn merge(&mut self, other: &Self) {
        self.none += other.none;
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (sum, calls) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += calls;
        }
    }

    /// How long this part of the calls waited at most, in milliseconds.
    #[must_use]
    pub fn quantile_ms(&self, part: f64) -> f64 {
        let count = self.none + self.buckets.iter().sum::<u64>();
        let mut seen = self.none;
        if seen as f64 >= part * count as f64 {
            return 0.0;
        }
        for (bucket, calls) in self.buckets.iter().enumerate() {
            seen += calls;
            if seen as f64 >= part * count as f64 {
                return Self::LEAST_MS * Self::STEP.powf(bucket as f64 + 1.0);
            }
        }
        0.0
    }
}

/// Counts of what happened in a run.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Calls that were made.
    pub calls: u64,
    /// Calls that were served.
    pub served: u64,
    /// Calls that were refused as the client had too few credits.
    pub exhausted: u64,
    /// Calls that failed as somebody gave no answer.
    pub unanswered: u64,
    /// Calls whose process ended first, or whose caller did not wait.
    pub unfinished: u64,
    /// Writes to the ledger or book, the refused ones too.
    pub writes: u64,
    /// Requests to the Regions' stocks.
    pub stock: u64,
    /// Reads of the ledger.
    pub reads: u64,
    /// Writes that were turned away for an item's load.
    pub throttled: u64,
    /// Messages to usage queues.
    pub messages: u64,
    /// How long served calls waited for their credits.
    pub waits: Waits,
}

impl Metrics {
    /// Adds what was measured of another run.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.served += other.served;
        self.exhausted += other.exhausted;
        self.unanswered += other.unanswered;
        self.unfinished += other.unfinished;
        self.writes += other.writes;
        self.stock += other.stock;
        self.reads += other.reads;
        self.throttled += other.throttled;
        self.messages += other.messages;
        self.waits.merge(&other.waits);
    }
}
