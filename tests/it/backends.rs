//! Jobs whose pictures are painted by a service beside the worker, however it behaves.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use entitlements::Plan;
use generation_worker::{Backend, Context, Filter, Generator, Grammar, Http, Words, handle};
use generations::{Fallback, Job, State};
use ids::ClientId;
use inference::{Images, RetryPolicy, Service};
use maas_aws::config::WorkerConfig;
use render::{Format, Picture, encode};
use serde_json::Value;
use support::Stack;
use support::neighbour::{Reply, Server};

use crate::worker::{find, job, message};

/// A file of the workspace.
fn in_workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// Where `cargo xtask weights` puts the picture filter's weights.
fn weights() -> PathBuf {
    in_workspace("target/weights/opennsfw.onnx")
}

/// The picture filter. It is loaded once for all tests.
fn filter() -> Filter {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    let load = || {
        Filter::load(&weights())
            .unwrap_or_else(|error| panic!("{error}; `cargo xtask weights` fetches the weights"))
    };
    FILTER.get_or_init(load).clone()
}

/// The backend that an operator gets who sets these variables.
fn config(server: &Server) -> WorkerConfig {
    let weights = weights();
    let variables = [
        ("MEMES_GENERATOR", "http"),
        ("MEMES_IMAGES_URL", &server.url()),
        ("MEMES_IMAGES_MODEL", "flux"),
        ("MEMES_CHAT_URL", &server.url()),
        ("MEMES_PICTURE_FILTER", weights.to_str().unwrap()),
    ];
    let variables: HashMap<String, String> =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    WorkerConfig::from_variables(&variables).unwrap()
}

/// A worker that is less patient than others, so that a test is not.
fn worker(stack: &Stack, server: &Server) -> Context<Http> {
    let policy = RetryPolicy {
        attempt_within: Duration::from_secs(2),
        pause: Duration::from_millis(1),
        retries_burst: NonZeroU16::MAX,
        ..RetryPolicy::default()
    };
    let service = Service::new(&server.url(), None, None).unwrap();
    let images = Images::new(service, policy).unwrap();
    let http = Http::new(images, Words::Grammar(Grammar), filter(), "flux".to_owned());
    Context::new(&stack.platform().core, http)
}

/// The job after as many deliveries of its message as a queue makes.
async fn delivered<G: Generator>(
    stack: &Stack,
    worker: &Context<G>,
    client: ClientId,
    fallback: Fallback,
) -> Job {
    let job = job(stack, client, fallback, 300).await;
    for _ in 0..3 {
        handle(worker, message(job.id)).await;
    }
    find(stack, job.id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_paints_and_another_writes() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let server = Server::start().await;
        server.unready(1);
        let backend = Backend::start(&config(&server), Duration::from_secs(20)).await.unwrap();
        let worker = Context::new(&stack.platform().core, backend);
        let job = delivered(stack, &worker, api.client.unwrap(), Fallback::None).await;
        assert_eq!((job.state, job.attempts), (State::Succeeded, 1));

        let view: Value = api.get(&format!("/v1/generations/{}", job.id)).await.json();
        let meme = &view["memes"][0];
        assert_eq!((meme["model"].as_str(), meme["topic"].as_str()), (Some("flux"), Some("dogs")));
        assert_eq!(meme["captions"][0], "The model wrote this");
        assert!(meme["alt"].as_str().unwrap().starts_with("A cat sits at a desk."), "{meme}");
        assert_eq!((&meme["width"], &meme["height"]), (&1_024.into(), &768.into()));
        let mut paths: Vec<_> = server.asked().into_iter().map(|asked| asked.path).collect();
        paths.sort();
        assert_eq!(paths, ["/v1/chat/completions", "/v1/images/generations"]);
        assert_eq!(stack.settled(api.client.unwrap()).await.accounts.spent, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_not_begin_before_its_service_is_ready() {
    let server = Server::start().await;
    server.unready(usize::MAX);
    let started = Backend::start(&config(&server), Duration::from_millis(100)).await;
    let error = started.unwrap_err().to_string();
    assert!(error.contains("MEMES_IMAGES_URL") && error.contains(&server.url()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stumbles_costs_no_attempt() {
    Stack::run(async |stack| {
        let client = stack.client(Plan::Pro, true, 100).await.client.unwrap();
        let server = Server::start().await;
        let worker = worker(stack, &server);
        let busy = Reply::Status { status: 429, code: None, retry_after_s: Some(0) };
        for stumble in [busy, Reply::status(500), Reply::CutOff] {
            server.then([stumble]);
            let job = delivered(stack, &worker, client, Fallback::None).await;
            assert_eq!((job.state, job.attempts), (State::Succeeded, 1));
        }
        assert_eq!(server.asked().len(), 6);
        assert_eq!(stack.settled(client).await.accounts.spent, 12);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_service_fails_its_jobs_gives_the_credits_back_and_the_worker_lives_on() {
    Stack::run(async |stack| {
        let client = stack.client(Plan::Pro, true, 100).await.client.unwrap();
        let (server, other) = (Server::start().await, Server::start().await);
        let worker = worker(stack, &server);
        for fault in [
            Reply::Slow(Duration::from_secs(60)),
            Reply::Status { status: 429, code: None, retry_after_s: Some(3_600) },
            Reply::status(500),
            Reply::CutOff,
            Reply::Sized(512, 512),
            Reply::Files(b"<html>no picture</html>".to_vec()),
            Reply::BrokenBase64,
            Reply::At(format!("{}/picture", other.url())),
            Reply::Huge(64 * 1024 * 1024),
        ] {
            server.always(fault.clone());
            let job = delivered(stack, &worker, client, Fallback::None).await;
            assert_eq!((job.state, job.attempts), (State::Failed, 3), "{fault:?}");
            assert_eq!(stack.settled(client).await.accounts.available, 100, "{fault:?}");
        }
        assert_eq!(other.asked(), []);
        server.always(Reply::Good);
        let job = delivered(stack, &worker, client, Fallback::None).await;
        assert_eq!((job.state, job.attempts), (State::Succeeded, 1));
        assert_eq!(stack.settled(client).await.accounts.spent, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_refuses_is_moderated_and_not_asked_for_again() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let client = api.client.unwrap();
        let server = Server::start().await;
        let code = Some("content_policy_violation");
        server.then([Reply::Status { status: 400, code, retry_after_s: None }]);
        let job = delivered(stack, &worker(stack, &server), client, Fallback::Normal).await;
        assert_eq!((job.attempts, server.asked().len()), (1, 1));
        let view: Value = api.get(&format!("/v1/generations/{}", job.id)).await.json();
        assert_eq!(view["fallback"]["reason"], "moderated", "{view}");
        assert_eq!(view["memes"][0]["tier"], "normal");
        assert!(view["problem"]["detail"].as_str().unwrap().contains("describe something else"));
        assert_eq!(stack.settled(client).await.accounts.available, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_may_not_be_shown_is_nowhere_and_costs_nothing() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let client = api.client.unwrap();
        let server = Server::start().await;
        // Nothing but blots, and the network is sure of it: see the reference of the filter's tests.
        let blots = in_workspace("shared/moderation/tests/reference/blots-307.png");
        let blots = std::fs::read(blots).unwrap();
        let blots = Picture::decode(&blots).unwrap().resize(1_024, 768).unwrap();
        let file = encode(&blots, Format::Png, 100).unwrap();
        server.always(Reply::Files(file));
        let job = delivered(stack, &worker(stack, &server), client, Fallback::Normal).await;
        let view: Value = api.get(&format!("/v1/generations/{}", job.id)).await.json();
        assert_eq!(view["fallback"]["reason"], "moderated", "{view}");
        assert_eq!(view["memes"][0]["tier"], "normal");
        assert_eq!(stack.settled(client).await.accounts.available, 100);
        let key = format!("generations/{}/0.jpg", job.id);
        let pictures = stack.platform().core.aws.pictures();
        let url = pictures.signed_url(&key, Duration::from_secs(60)).await.unwrap();
        assert_eq!(api.get(&url).await.status, 404, "nothing was stored");
    })
    .await;
}
