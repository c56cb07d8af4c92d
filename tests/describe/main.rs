//! Says what the code is, for checks that are not written in Rust: `describe openapi` is the
//! document that the service serves, `describe schema` the tables that it works on, `describe sources`
//! how the local stack feeds functions from queues and streams.

use std::process::ExitCode;

use local::service::{JOURNAL_BATCH, USAGE_BATCH, USAGE_WINDOW};
use maas_aws::schema::{Key, TABLES};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let what = std::env::args().nth(1).unwrap_or_default();
    let text = match what.as_str() {
        "openapi" => edge::openapi::text().to_owned(),
        "schema" => schema().to_string(),
        "sources" => sources().to_string(),
        _ => {
            eprintln!("say `openapi`, `schema` or `sources`");
            return ExitCode::FAILURE;
        }
    };
    print(&text);
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "this is a command-line tool")]
fn print(text: &str) {
    println!("{text}");
}

fn schema() -> Value {
    let key = |(name, kind): Key| json!([name, kind.letter()]);
    let tables: Vec<Value> = TABLES
        .iter()
        .map(|table| {
            let indexes: Vec<Value> = table
                .indexes
                .iter()
                .map(|index| {
                    json!({
                        "name": index.name,
                        "partition": key(index.partition),
                        "sort": key(index.sort),
                    })
                })
                .collect();
            json!({
                "name": table.name,
                "partition": key(table.partition),
                "sort": table.sort.map(key),
                "indexes": indexes,
                "ttl": table.ttl,
                "stream": table.stream.then_some("NEW_IMAGE"),
            })
        })
        .collect();
    json!({ "tables": tables })
}

/// By function, the most messages or records of a batch, and how many seconds it waits for more.
fn sources() -> Value {
    json!({
        "journal-append": { "batch_size": JOURNAL_BATCH, "window_s": 0 },
        "usage-settle": { "batch_size": USAGE_BATCH, "window_s": USAGE_WINDOW.as_secs() },
    })
}
