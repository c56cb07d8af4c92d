//! `cargo run`: the whole service on this machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use local::demo::Demo;
use local::service::{LOG, Service, ServiceConfig, USAGE_WINDOW};
use maas_aws::telemetry::{LogFormat, start};
use mimalloc::MiMalloc;

/// A request to an embedded store is parsed, signed and written by both sides in this process:
/// thousands of small allocations.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Memes as a Service on this machine: the API, its stores and the studio, in one process.
#[derive(Debug, Parser)]
#[command(name = "memes-local", version, about, max_term_width = 90)]
struct Arguments {
    /// The folder that the data is kept in.
    #[arg(long, value_name = "DIR", default_value = ".memes")]
    data: PathBuf,
    /// Keep the data in memory and forget it at the end; `--data` then holds only `demo.json`.
    #[arg(long)]
    memory: bool,
    /// The port on 127.0.0.1; 0 takes a free one. The stores listen on the next three.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Make no AI memes for the pool; subscribers then get normal ones.
    #[arg(long)]
    no_pool: bool,
    /// Share leased credits and limits through the Valkey or Redis server at this URL.
    #[arg(long, value_name = "URL", value_parser = valkey_url)]
    valkey: Option<String>,
    /// Tell of usage by way of the Kafka brokers at HOST:PORT, several with commas between. Takes
    /// `cargo run --features kafka`.
    #[arg(long, value_name = "SERVERS", value_parser = NonEmptyStringValueParser::new())]
    kafka: Option<String>,
    /// What to log: `warn`, `info`, or a filter such as `info,ledger=debug`.
    #[arg(long, default_value = LOG)]
    log: String,
}

fn valkey_url(text: &str) -> Result<String, &'static str> {
    let host = text.strip_prefix("redis://").filter(|host| !host.is_empty());
    host.map(|_| text.to_owned()).ok_or("give a URL such as redis://127.0.0.1:6379")
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start(LogFormat::Text, &arguments.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("error: the runtime cannot be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(arguments));
    // A picture that is still being painted is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Set up first, so that a signal during the start is not the system's to handle.
    let mut stop = std::pin::pin!(stop_signal()?);
    let config = ServiceConfig {
        data_dir: arguments.data.clone(),
        memory: arguments.memory,
        port: arguments.port,
        fill_pool: !arguments.no_pool,
        valkey_url: arguments.valkey.clone(),
        usage_window: USAGE_WINDOW,
        kafka_servers: arguments.kafka.clone(),
        ..ServiceConfig::default()
    };
    let service = Service::start(config).await?;
    say(&welcome(service.demo(), &arguments));
    stop.as_mut().await;
    say("\nStopping: finishing what is at work and giving leased credits back.");
    service.shutdown().await;
    Ok(())
}

/// Resolves at Ctrl-C or when the process is asked to end.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the signal the process runs until it is killed, which loses nothing either.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// What to try next.
fn welcome(demo: &Demo, arguments: &Arguments) -> String {
    let base = &demo.base_url;
    let client = |name: &str| {
        demo.clients
            .get(name)
            .map(|client| format!("{}:{}", client.client_id, client.client_secret))
            .unwrap_or_default()
    };
    let token = |name: &str| {
        format!(
            "TOKEN=$(curl -s -u '{}' -d grant_type=client_credentials {base}/oauth/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')",
            client(name)
        )
    };
    let kept = if arguments.memory {
        "in memory".to_owned()
    } else {
        format!("in {}", arguments.data.display())
    };
    let leases = if arguments.valkey.is_some() { "\n  leases   shared through Valkey" } else { "" };
    let usage = arguments.kafka.as_ref().map(|at| format!("\n  usage    by way of Kafka at {at}"));
    format!(
        "Memes as a Service
  studio   {base}
  API      {base}/openapi.json
  data     {kept}{leases}{usage}
  clients  free, pro, premium (with Memes AI), empty: see {demo_file}

Try:
{free}
curl -s -H \"Authorization: Bearer $TOKEN\" {base}/v1/memes
curl -sL -H \"Authorization: Bearer $TOKEN\" '{base}/v1/memes?format=image' -o meme.jpg

With Memes AI:
{premium}
curl -s -H \"Authorization: Bearer $TOKEN\" {base}/v1/memes
curl -s -H \"Authorization: Bearer $TOKEN\" --json '{{\"prompt\":\"a cat that reads the server logs at night\"}}' {base}/v1/generations

Ctrl-C stops it.",
        usage = usage.unwrap_or_default(),
        free = token("free"),
        premium = token("premium"),
        demo_file = arguments.data.join("demo.json").display(),
    )
}

#[expect(clippy::print_stdout, reason = "this is a command-line tool")]
fn say(text: &str) {
    println!("{text}");
}

/// An error with what caused it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // A transparent error says what its source says.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
