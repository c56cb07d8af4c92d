//! The command line against embedded stores.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};

use auth::{ClientSecret, HashCost, SecretHasher, SigningKey};
use clock::SystemClock;
use ledger::{LeaseRequest, Ledger as _, Lender as _, Movable as _, Region, Settlement, Stamp};
use maas_aws::keys::Half;
use maas_aws::{Aws, schema};
use memes::{Stack, Target};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
fn serve(listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the port is used");
        let database = dynoxide::Database::memory().expect("the tables are opened");
        let stop = async move {
            let _ = stopped.await;
        };
        dynoxide::server::serve_with_shutdown(listener, database, stop)
            .await
            .expect("the server serves");
    });
}

/// A local stack as far as the command line sees it: DynamoDB with the tables, and `demo.json`.
struct Bench {
    data: TempDir,
    dynamodb: String,
    aws: Aws,
    // The server stops when this is dropped.
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
impl Bench {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("the port is set up");
        let dynamodb = format!("http://{}", listener.local_addr().expect("the port is known"));
        let (stop, stopped) = oneshot::channel();
        // On a thread of its own: the tests wait for the program, and block theirs.
        let thread = thread::spawn(move || serve(listener, stopped));

        let data = tempfile::tempdir().expect("a folder is made");
        let demo = json!({
            "base_url": "http://127.0.0.1:8080",
            "aws": { "dynamodb": dynamodb, "sqs": "http://127.0.0.1:1", "s3": "http://127.0.0.1:1",
                "region": "us-east-1", "access_key_id": "local", "secret_access_key": "local" },
            "clients": {},
        });
        std::fs::write(data.path().join("demo.json"), demo.to_string()).expect("a file is written");
        let target = Target::Local(data.path().to_owned());
        let aws = Stack::connect(target).await.expect("the stack is found").core.aws;
        for stage in ["local", "dev"] {
            for table in schema::TABLES {
                table.create(&aws.dynamodb(), stage).await.expect("the tables are created");
            }
        }
        Self { data, dynamodb, aws, running: Some((stop, thread)) }
    }

    fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().expect("the server ends");
        }
    }

    fn run(&self, line: &str) -> Output {
        memes(self.data.path(), line)
    }

    fn json(&self, line: &str) -> Value {
        json_of(&self.run(&format!("{line} --json")))
    }
}

#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
fn memes(data: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_memes"))
        .arg("--data")
        .arg(data)
        .args(line.split(' '))
        .output()
        .expect("the program runs")
}

#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
fn json_of(output: &Output) -> Value {
    assert_eq!(error_of(output), "");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("one JSON object is printed")
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text_of(output: &Output) -> String {
    assert_eq!(error_of(output), "");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// In the order of letters, whatever order the program writes them in.
fn keys_of(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

#[tokio::test]
async fn a_client_is_made_shown_and_revoked() {
    let bench = Bench::start().await;
    let made = bench.json("client create --name Acme --plan pro --ai --credits 250");
    assert_eq!(
        keys_of(&made),
        BTreeSet::from(["ai", "client_id", "client_secret", "credits", "period_end", "plan"])
    );
    assert_eq!(
        (&made["plan"], &made["ai"], &made["credits"]),
        (&"pro".into(), &true.into(), &250.into())
    );
    let id = made["client_id"].as_str().unwrap();
    let secret: ClientSecret = made["client_secret"].as_str().unwrap().parse().unwrap();
    let hashes = bench.aws.clients().secret_hashes(id.parse().unwrap()).await.unwrap();
    assert!(SecretHasher::new(HashCost::OWASP).unwrap().verify(&secret, &hashes));

    let shown = bench.json(&format!("client show {id}"));
    assert_eq!(shown["name"], "Acme");
    assert_eq!(shown["home"], "us-east-1");
    assert_eq!(shown["subscriptions"][0]["plan"], "pro");
    assert_eq!(shown["subscriptions"][1]["product"], "memes-ai");
    assert_eq!(shown["entitlement"]["epoch"], 1);
    assert_eq!(
        shown["balance"],
        json!({ "granted": 250, "available": 250, "leased": 0, "held": 0, "suspense": 0,
            "spent": 0, "expired": 0 })
    );
    assert_eq!(shown["grants"][0]["left"], 250);
    assert_eq!(shown["grants"][0]["source"], "top_up");

    assert_eq!(
        text_of(&bench.run(&format!("client revoke {id}"))),
        format!("{id} is revoked by epoch 2: refused within 60 s\n")
    );
    let again = bench.json(&format!("client revoke {id}"));
    assert_eq!(again, json!({ "client_id": id, "epoch": 2, "already_revoked": true }));
    let shown = text_of(&bench.run(&format!("client show {id}")));
    assert!(shown.contains("\nrevoked      yes\n"), "{shown}");
    assert!(shown.contains("\nscopes       none\n"), "{shown}");
}

#[tokio::test]
async fn calls_per_second_are_agreed_and_go_back_to_the_plans() {
    let bench = Bench::start().await;
    let made = bench.json("client create --name Acme --plan scale --credits 0");
    let id = made["client_id"].as_str().unwrap();
    let shown = || {
        let shown = bench.json(&format!("client show {id}"));
        shown["entitlement"]["burst_per_second"].clone()
    };
    assert_eq!(shown(), 5_000);
    assert_eq!(
        text_of(&bench.run(&format!("client limit {id} 60000"))),
        format!("{id} has 60000 calls per second, within 60 s\n")
    );
    assert_eq!(shown(), 60_000);
    assert_eq!(
        bench.json(&format!("client limit {id}")),
        json!({ "client_id": id, "burst_per_second": 5_000 })
    );
    assert_eq!(shown(), 5_000);
}

#[tokio::test]
async fn credits_are_granted_once_per_id() {
    let bench = Bench::start().await;
    let made = bench.json("client create --name Acme --plan free --credits 0");
    let id = made["client_id"].as_str().unwrap();
    assert_eq!(made["credits"], 0);

    let first = bench.json(&format!("credits grant {id} 40 --expires-in-days 2"));
    assert_eq!(first["available"], 40);
    assert_eq!(first["already_granted"], false);
    let grant = first["grant_id"].as_str().unwrap();
    let again = bench.json(&format!("credits grant {id} 40 --grant-id {grant}"));
    assert_eq!(again["available"], 40);
    assert_eq!(again["already_granted"], true);
    assert_eq!(again["expires_at"], first["expires_at"]);

    let other = bench.run(&format!("credits grant {id} 41 --grant-id {grant}"));
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(
        error_of(&other),
        format!(
            "error: {grant} was granted before, with 40 credits instead of 41; give another \
             `--grant-id`, or none\n"
        )
    );
    let most = bench.run(&format!("credits grant {id} 1000000000000000"));
    assert_eq!(
        error_of(&most),
        format!(
            "error: {id} can be granted 999999999999960 credits more: a client gets at most \
             1000000000000000 in all\n"
        )
    );
}

#[tokio::test]
async fn a_client_that_is_not_there_is_said_to_be_missing() {
    let bench = Bench::start().await;
    let id = "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y";
    for line in ["client show ID", "client limit ID 5", "client revoke ID", "credits grant ID 5"] {
        let output = bench.run(&line.replace("ID", id));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            error_of(&output),
            format!(
                "error: the local stack in {} has no client {id}; check the id, or make a client \
                 with `memes client create`\n",
                bench.data.path().display()
            )
        );
    }
}

#[tokio::test]
async fn keys_are_rotated_and_retired() {
    let bench = Bench::start().await;
    let first = bench.json("keys rotate");
    assert_eq!(keys_of(&first), BTreeSet::from(["created_at", "kid", "signs_from"]));
    let second = bench.json("keys rotate");
    assert_eq!(second["replaces"], first["kid"]);

    let public = bench.aws.keys().list(Half::Public).await.unwrap();
    let private = bench.aws.keys().list(Half::Private).await.unwrap();
    assert_eq!(public.len(), 2);
    for (public, private) in public.iter().zip(&private) {
        let key = SigningKey::from_pem(&private.document).unwrap();
        assert_eq!(key.kid(), private.kid);
        assert_eq!(&serde_json::from_str::<auth::Jwk>(&public.document).unwrap(), key.jwk());
        assert_eq!(public.created_at, private.created_at);
    }

    let listed = bench.json("keys list");
    assert_eq!(listed["keys"][0]["kid"], second["kid"]);
    assert_eq!(listed["keys"][0]["role"], "next");
    assert_eq!(listed["keys"][1]["role"], "signs");

    let (first, second) = (first["kid"].as_str().unwrap(), second["kid"].as_str().unwrap());
    assert_eq!(bench.run(&format!("keys retire {first}")).status.code(), Some(1));
    assert_eq!(bench.json(&format!("keys retire {second}"))["kid"], second);
    let last = bench.run(&format!("keys retire {first} --force"));
    assert_eq!(
        error_of(&last),
        format!(
            "error: {first} is the only key that can sign; make another with `memes keys rotate` \
             first\n"
        )
    );
    assert_eq!(text_of(&bench.run("keys list")).lines().count(), 1);
}

#[tokio::test]
async fn keys_of_manifests_are_made_or_brought_in() {
    let bench = Bench::start().await;
    let made = bench.json("keys certify --development");
    assert_eq!(keys_of(&made), BTreeSet::from(["anchor", "serial", "until"]));
    let kept = bench.aws.keys().list(Half::Manifests).await.unwrap();
    assert_eq!(kept[0].kid, made["serial"]);

    let file = bench.data.path().join("key.pem");
    std::fs::write(&file, &kept[0].document).unwrap();
    let again = bench.json(&format!("keys certify {}", file.display()));
    assert_eq!(again, json!({ "serial": made["serial"], "until": made["until"] }));
    assert_eq!(bench.aws.keys().list(Half::Manifests).await.unwrap().len(), 1);

    std::fs::write(&file, made["anchor"].as_str().unwrap()).unwrap();
    let refused = bench.run(&format!("keys certify {}", file.display()));
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        error_of(&refused),
        format!(
            "error: {} is not used: there must be one private key, in PKCS#8, of P-256, P-384 or \
             Ed25519\n",
            file.display()
        )
    );
    for line in ["keys certify", "keys certify key.pem --development"] {
        assert_eq!(bench.run(line).status.code(), Some(2), "{line}");
    }
    // What tokens are signed with is another matter.
    assert_eq!(bench.json("keys list"), json!({ "keys": [] }));
}

#[tokio::test]
async fn a_stack_that_has_stopped_is_to_be_started() {
    let mut bench = Bench::start().await;
    bench.stop();
    let data = bench.data.path().display();
    for line in ["keys list", "client create --name Acme --plan free"] {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            error_of(&output),
            format!(
                "error: the local stack in {data} does not answer; start it with `cargo run -- \
                 --data {data}`\n"
            )
        );
    }
    let output = memes(Path::new("nowhere"), "keys list");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert_eq!(memes(Path::new("nowhere"), "keys").status.code(), Some(2));
}

/// The program on AWS as the files in `folder` show it.
#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
fn on_aws(folder: &Path, stage: &str, profile: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_memes"))
        .args(["keys", "list", "--stage", stage, "--profile", profile])
        .env_clear()
        .env("HOME", folder)
        .env("AWS_CONFIG_FILE", folder.join("config"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .expect("the program runs")
}

#[tokio::test]
async fn a_profile_says_how_a_stage_is_reached() {
    let bench = Bench::start().await;
    let folder = bench.data.path();
    let config = format!(
        "[profile ops]\nregion = eu-west-1\nendpoint_url = {endpoint}\naws_access_key_id = a\n\
         aws_secret_access_key = s\n\n\
         [profile program]\nregion = eu-west-1\nendpoint_url = {endpoint}\n\
         credential_process = printf '{{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\"}}'\n\n\
         [profile keyless]\nregion = eu-west-1\nendpoint_url = {endpoint}\n\n\
         [profile nowhere]\noutput = json\n",
        endpoint = bench.dynamodb
    );
    std::fs::write(folder.join("config"), config).unwrap();
    let none = "There is no signing key; make one with `memes keys rotate`.\n";
    assert_eq!(text_of(&on_aws(folder, "dev", "ops")), none);
    assert_eq!(text_of(&on_aws(folder, "dev", "program")), none);
    for (stage, profile, error) in [
        (
            "qa",
            "ops",
            "the stage qa has no tables in this account and Region; check `--stage`, `--profile` \
             and `--region`",
        ),
        (
            "dev",
            "keyless",
            "there are no valid AWS credentials for the stage dev; sign in with `aws sso login \
             --profile keyless`",
        ),
        (
            "dev",
            "nowhere",
            "the stage dev is in no known Region; name it with `--region`, or set it in the \
             profile",
        ),
    ] {
        let output = on_aws(folder, stage, profile);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(error_of(&output), format!("error: {error}\n"));
    }
}

#[tokio::test]
async fn books_that_do_not_balance_are_shown_and_the_command_fails() {
    let bench = Bench::start().await;
    let made = bench.json("client create --name A --plan pro --credits 10");
    let id = made["client_id"].as_str().expect("it has an id");
    // Nothing appends here: the newest entry is on its way.
    assert_eq!(bench.json("ledger verify")["pending"], json!([id]));
    let (journal, ledger) = (bench.aws.journal(), bench.aws.ledger());
    journal.begin(&ledger).await.expect("the journal begins");
    assert_eq!(
        text_of(&bench.run(&format!("ledger verify {id}"))),
        "clients     1\nentries     1\nproven      1\npending     0\nviolations  0\n"
    );
    let client = id.parse().expect("an id");
    let posting = journal.find(client, 1).await.expect("an answer");
    let mut posting = posting.expect("an entry");
    posting.seq = 2;
    journal.append(&posting).await.expect("it is appended");
    let output = bench.run("ledger verify");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    let problem = "the journal goes on to entry 2, and the balance ends with entry 1";
    assert!(text.contains(&format!("violations  1\n{id}: {problem}\n")), "{text}");
    assert_eq!(error_of(&output), "error: the books of one client do not balance\n");
    let stranger = "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y";
    let error = error_of(&bench.run(&format!("ledger verify {stranger}")));
    assert!(error.contains(&format!("has no client {stranger}")), "{error}");
}

/// Two local stacks that are the Regions `us-east-1` and `eu-west-1` of one stage.
#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
fn join(one: &Bench, other: &Bench) {
    let path = one.data.path().join("demo.json");
    let text = std::fs::read_to_string(&path).expect("the file is read");
    let mut demo: Value = serde_json::from_str(&text).expect("it is JSON");
    demo["other_regions"] = json!({ "eu-west-1": other.dynamodb });
    std::fs::write(&path, demo.to_string()).expect("the file is written");
}

/// Appends the newest entry of each balance, as the stream of the ledger does in the service.
#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
async fn append_newest(bench: &Bench) {
    let begun = bench.aws.journal().begin(&bench.aws.ledger()).await;
    begun.expect("the entries are appended");
}

#[tokio::test]
async fn a_home_moves_and_moves_once() {
    let (bench, other) = (Bench::start().await, Bench::start().await);
    join(&bench, &other);
    let made = bench.json("client create --name Acme --plan pro --credits 250");
    let id = made["client_id"].as_str().unwrap();
    append_newest(&bench).await;

    let refusal = |line: &str| {
        let output = bench.run(line);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        error_of(&output)
    };
    assert_eq!(
        refusal(&format!("client move-home {id} --to mars-1")),
        "error: the stage is not in the Region mars-1, but in eu-west-1, us-east-1\n"
    );
    assert_eq!(
        refusal(&format!("client move-home {id} --to us-east-1")),
        format!("error: {id} is at home in us-east-1 already\n")
    );
    let nobody = "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y";
    let unknown = refusal(&format!("client move-home {nobody} --to eu-west-1"));
    assert!(unknown.contains(&format!("has no client {nobody}")), "{unknown}");

    // Somebody has a lease, so that the balance cannot go: the move gives itself up.
    let (ledger, client) = (bench.aws.ledger(), id.parse().unwrap());
    let mint = maas_aws::mint().unwrap();
    let now_ms = SystemClock::shared().now_ms();
    let stamp = || Stamp { entry: mint.mint(now_ms), at_ms: now_ms };
    let request = LeaseRequest {
        id: mint.mint(now_ms),
        renews: false,
        need: 1,
        want: 9,
        share: 1,
        ttl_ms: 30_000,
        window_ms: 30_000,
        settle: Vec::new(),
    };
    ledger.lease(client, request.clone(), stamp()).await.unwrap();
    append_newest(&bench).await;
    let late = refusal(&format!("client move-home {id} --to eu-west-1 --deadline 0"));
    assert!(late.contains("9 credits are leased or held still"), "{late}");
    assert_eq!(ledger.balance(client).await.unwrap().moving, None);
    append_newest(&bench).await;

    // A move that was begun is given up by hand.
    ledger.fence(client, &Region::new("eu-west-1"), stamp()).await.unwrap();
    append_newest(&bench).await;
    let stays = bench.json(&format!("client move-home {id} --to eu-west-1 --abandon"));
    assert_eq!(stays, json!({ "client_id": id, "home": "us-east-1" }));
    append_newest(&bench).await;

    let report = Settlement { lease: request.id, escrow: None, used: 4, close: true };
    ledger.settle(client, vec![report], stamp()).await.unwrap();
    append_newest(&bench).await;
    // The journal is kept by the service, which is not there: in the meantime, by this test.
    ledger.fence(client, &Region::new("eu-west-1"), stamp()).await.unwrap();
    append_newest(&bench).await;
    ledger.depart(client, stamp()).await.unwrap();
    append_newest(&bench).await;
    let moved = bench.json(&format!("client move-home {id} --to eu-west-1"));
    assert_eq!((&moved["from"], &moved["home"]), (&json!("us-east-1"), &json!("eu-west-1")));
    let there = other.aws.ledger().balance(client).await.unwrap();
    assert_eq!((there.accounts.spent, there.accounts.available), (4, 246));
    assert_eq!(
        refusal(&format!("client move-home {id} --to eu-west-1")),
        format!("error: {id} is at home in eu-west-1 already\n")
    );
    // From here on credits are granted and shown there.
    let granted = bench.json(&format!("credits grant {id} 5"));
    assert_eq!(granted["available"], 251);
    let shown = bench.json(&format!("client show {id}"));
    assert_eq!(
        (&shown["home"], &shown["balance"]["available"]),
        (&json!("eu-west-1"), &json!(251))
    );
}
