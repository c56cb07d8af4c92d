//! The service killed in the middle of work, as a process of its own, and what it leans on too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use maas_valkey::testing::Server;
use serde_json::{Value, json};
use support::{Api, Process, durable_kafka, eventually, within};

use crate::credits::storm;

/// Callers at once when the service is killed.
const CALLERS: u64 = 50;

async fn log_in(process: &Process, client: &Value) -> Api {
    let credential = |name: &str| client[name].as_str().unwrap().to_owned();
    Api::anonymous(process.base_url())
        .log_in(&credential("client_id"), &credential("client_secret"))
        .await
}

/// Many callers that go on until they are told to stop, or nobody answers.
struct Storm {
    served: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    callers: tokio::task::JoinSet<()>,
}

impl Storm {
    fn start(api: &Api) -> Self {
        let mut it = Self {
            served: Arc::default(),
            over: Arc::default(),
            callers: tokio::task::JoinSet::new(),
        };
        for _ in 0..CALLERS {
            let (api, served, over) = (api.clone(), Arc::clone(&it.served), Arc::clone(&it.over));
            it.callers.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let request = api.request(http::Method::GET, "/v1/memes");
                    match Api::try_send(request).await {
                        Ok(reply) if reply.status == 200 => {
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
            });
        }
        it
    }

    /// Waits until `calls` are served.
    async fn serves(&self, calls: usize) {
        eventually("some calls were served", async || {
            (self.served.load(Ordering::Relaxed) >= calls).then_some(())
        })
        .await;
    }

    /// Waits until `calls` more are served than were by now.
    async fn goes_on(&self, calls: usize) {
        self.serves(self.served.load(Ordering::Relaxed) + calls).await;
    }

    /// How many calls were served in all. The last call of each caller may have been served
    /// without its answer getting through.
    async fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.callers.join_all().await;
        self.served.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_sells_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let client = process.memes(&[
        "client",
        "create",
        "--name",
        "storm",
        "--plan",
        "scale",
        "--credits",
        "1000",
    ]);
    assert_eq!(client["credits"], 1_000);
    let api = log_in(&process, &client).await;

    let storm_before = Storm::start(&api);
    storm_before.serves(200).await;
    process.kill();
    let before = storm_before.end().await;
    assert!((200..=1_000).contains(&before), "{before} of 1,000 were served before the kill");

    let process = Process::start(folder.path());
    let api = log_in(&process, &client).await;
    // The tallies of the killed process are found, and its leases settled to the credit.
    let spent = eventually("the leases of the killed process are settled", async || {
        let balance = api.balance().await;
        (balance["leased"] == 0 && balance["suspense"] == 0)
            .then(|| balance["spent"].as_u64().unwrap())
    })
    .await;
    let served = before as u64;
    assert!((served..=served + CALLERS).contains(&spent), "{spent} spent, {served} served");

    let (after, refused) = storm(&api, 1_200, 50).await;
    assert_eq!(after as u64, 1_000 - spent);
    assert!(refused >= 200);
    let balance = api.balance().await;
    assert_eq!(balance["available"], 0, "{balance}");
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_valkey_and_then_of_the_service_sells_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut valkey = Server::start();
    let url = valkey.url();
    let sharing = ["--valkey", url.as_str()];
    let process = Process::start_with(folder.path(), &sharing);
    let create = ["client", "create", "--name", "storm", "--plan", "scale", "--credits", "100000"];
    let client = process.memes(&create);
    let api = log_in(&process, &client).await;

    let storm = Storm::start(&api);
    storm.serves(500).await;
    valkey.kill();
    // Calls go on without it.
    storm.goes_on(500).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    process.kill();
    let served = storm.end().await as u64;

    valkey.restart();
    let process = Process::start_with(folder.path(), &sharing);
    let api = log_in(&process, &client).await;
    // What Valkey had was lost; the ledger takes it back, less what usage says was spent.
    let spent = at_rest(&api).await["spent"].as_u64().unwrap();
    assert!((served..=served + CALLERS).contains(&spent), "{spent} spent, {served} served");
    process.stop();
}

/// The balance once nothing is leased and nothing is waited for.
async fn at_rest(api: &Api) -> Value {
    within(Duration::from_secs(180), async || {
        let balance = api.balance().await;
        (balance["leased"] == 0 && balance["suspense"] == 0).then_some(balance)
    })
    .await
    .expect("all leased credits come back")
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_usage_and_the_ledger_agree_after_kills_of_kafka_of_valkey_and_of_the_service() {
    const CREDITS: u64 = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = durable_kafka(&["memes-local-usage", "memes-local-usage-dead"]);
    let mut valkey = Server::start();
    let (servers, url) = (kafka.servers(), valkey.url());
    let leaning = ["--valkey", url.as_str(), "--kafka", servers.as_str()];
    let process = Process::start_with(folder.path(), &leaning);
    let credits = CREDITS.to_string();
    let create = ["client", "create", "--name", "storm", "--plan", "scale", "--credits", &credits];
    let client = process.memes(&create);
    let api = log_in(&process, &client).await;

    // Calls go on without one and without both, and when they are back, each time for longer than it
    // takes until usage is told and a lease is renewed.
    let storm = Storm::start(&api);
    let goes_on = async || {
        storm.goes_on(500).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        storm.goes_on(500).await;
    };
    goes_on().await;
    kafka.kill();
    goes_on().await;
    valkey.kill();
    goes_on().await;
    kafka.restart();
    goes_on().await;
    valkey.restart();
    goes_on().await;
    process.kill();
    let before = storm.end().await;

    let process = Process::start_with(folder.path(), &leaning);
    let api = log_in(&process, &client).await;
    let storm = Storm::start(&api);
    storm.serves(500).await;
    let served = (before + storm.end().await) as u64;

    let balance = at_rest(&api).await;
    let spent = balance["spent"].as_u64().unwrap();
    assert!((served..=served + CALLERS).contains(&spent), "{spent} spent, {served} served");
    assert_eq!(balance["granted"], CREDITS, "{balance}");
    assert_eq!(balance["available"], CREDITS - spent, "{balance}");
    let used = eventually("the usage is counted", async || {
        let usage: Value = api.get("/v1/account/usage").await.json();
        (usage["totals"]["credits"].as_u64().unwrap() >= spent).then_some(usage)
    })
    .await;
    assert_eq!(used["totals"]["credits"], spent, "{used}");
    assert_eq!(used["totals"]["calls"], spent, "{used}");
    let id = client["client_id"].as_str().unwrap();
    eventually("the books balance", async || {
        let verified = process.memes(&["ledger", "verify", id]);
        assert_eq!(verified["violations"], json!([]), "{verified}");
        (verified["pending"] == json!([])).then_some(())
    })
    .await;
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let demo = process.demo();
    let premium = demo["clients"]["premium"].clone();
    let api = log_in(&process, &premium).await;

    let meme = json!({"template": "two-buttons", "captions": ["Survive", "Be forgotten"]});
    let meme: Value = api.post("/v1/memes", meme).await.json();
    let accepted = api.post("/v1/generations", json!({"prompt": "a cat at sea"})).await;
    assert_eq!(accepted.status, 202);
    let job = accepted.header("location").to_owned();
    process.kill();

    let process = Process::start(folder.path());
    assert_eq!(process.demo()["clients"], demo["clients"], "the demo clients are the same");
    let api = log_in(&process, &premium).await;
    let again: Value = api.get(&format!("/v1/memes/{}", meme["id"].as_str().unwrap())).await.json();
    assert_eq!(again["captions"], meme["captions"]);
    // The queue was in memory: the job is found in the table, and goes on.
    let job = api.finished(&job).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(job["credits"], json!({"held": 0, "spent": 6, "returned": 0}));
    let picture = api.get(job["memes"][0]["url"].as_str().unwrap()).await;
    assert!(render::Picture::decode(&picture.body).is_ok());
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_gives_every_lease_back() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let client =
        process.memes(&["client", "create", "--name", "n", "--plan", "pro", "--credits", "100"]);
    let api = log_in(&process, &client).await;
    for _ in 0..7 {
        assert_eq!(api.get("/v1/memes").await.status, 200);
    }
    process.stop();

    let process = Process::start(folder.path());
    let id = client["client_id"].as_str().unwrap();
    let shown = process.memes(&["client", "show", id]);
    let balance = &shown["balance"];
    assert_eq!((&balance["spent"], &balance["leased"]), (&7.into(), &0.into()), "{shown}");
    assert_eq!(balance["available"], 93);
    process.stop();
}
