//! Jobs, when workers fail, die and repeat themselves.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::types::AttributeValue;
use entitlements::Plan;
use generation_worker::{Composer, GenerateError, Generator, Order, Painting, SignerError, handle};
use generations::{ClaimToken, Claimed, Fallback, Job, NewJob, Request, Size, State};
use ids::{ClientId, JobId};
use maas_aws::generations::Created;
use maas_aws::keys::{Half, StoredKey};
use support::Stack;

/// A generator that does as the test says, and counts.
struct Scripted {
    calls: AtomicU32,
    answer: fn(u32) -> Result<(), GenerateError>,
    takes: Duration,
}

impl Scripted {
    fn new(answer: fn(u32) -> Result<(), GenerateError>) -> Self {
        Self { calls: AtomicU32::new(0), answer, takes: Duration::ZERO }
    }
}

impl Generator for Scripted {
    fn model(&self) -> &str {
        "scripted"
    }

    async fn generate(&self, order: Order) -> Result<Painting, GenerateError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.takes).await;
        (self.answer)(call)?;
        Composer::new().generate(order).await
    }
}

pub(super) fn message(job: JobId) -> SqsEvent {
    let mut record = SqsMessage::default();
    record.message_id = Some("the-message".to_owned());
    record.body = Some(format!("{{\"job_id\":\"{job}\"}}"));
    let mut event = SqsEvent::default();
    event.records = vec![record];
    event
}

/// A job in the table and on the books, but in no queue.
pub(super) async fn job(
    stack: &Stack,
    client: ClientId,
    fallback: Fallback,
    deadline_s: u32,
) -> Job {
    let platform = stack.platform();
    let now = platform.core.clock.now();
    let job = Job::new(NewJob {
        id: platform.core.mint.mint(now.as_millisecond()),
        client,
        request: Request {
            prompt: "a dog at work".to_owned(),
            topic: None,
            captions: vec![],
            count: 1,
            size: Size::Landscape1024,
            fallback,
        },
        price: 4,
        created_at: now,
        deadline_s,
        public: false,
        house: false,
        webhook: None,
    });
    let store = platform.core.aws.generations();
    let created =
        store.create(&platform.core.ledger, &job, None, platform.core.stamp()).await.unwrap();
    assert_eq!(created, Created::Yes);
    job
}

pub(super) async fn find(stack: &Stack, job: JobId) -> Job {
    stack.platform().core.aws.generations().find(job).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_deliveries_of_one_message_are_one_picture_and_one_charge() {
    Stack::run(async |stack| {
        let client = stack.client(Plan::Pro, true, 100).await.client.unwrap();
        let job = job(stack, client, Fallback::Normal, 300).await;
        let context =
            generation_worker::Context::new(&stack.platform().core, Scripted::new(|_| Ok(())));
        let context = std::sync::Arc::new(context);
        let mut deliveries = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (context, event) = (std::sync::Arc::clone(&context), message(job.id));
            deliveries.spawn(async move { handle(&context, event).await });
        }
        deliveries.join_all().await;
        // Those that lost the race for the claim come again; here, once more for good measure.
        assert!(handle(&context, message(job.id)).await.batch_item_failures.is_empty());
        let ended = find(stack, job.id).await;
        assert_eq!((ended.state, ended.attempts, ended.results.len()), (State::Succeeded, 1, 1));
        let settled = stack.settled(client).await;
        assert_eq!((settled.accounts.spent, settled.accounts.available), (4, 96));
        let objects = stack
            .platform()
            .core
            .aws
            .s3()
            .list_objects_v2()
            .bucket(&stack.platform().core.aws.config().pictures_bucket)
            .prefix(format!("generations/{}/", job.id))
            .send()
            .await
            .unwrap();
        assert_eq!(objects.contents().len(), 1);
        // What a generator says of itself is in the file.
        let (key, pictures) =
            (objects.contents()[0].key().unwrap(), stack.platform().core.aws.pictures());
        let url = pictures.signed_url(key, Duration::from_secs(60)).await.unwrap();
        let file = stack.anonymous().get(&url).await.body;
        for told in ["digitalsourcetype/trainedAlgorithmicMedia", "scripted"] {
            assert!(file.windows(told.len()).any(|part| part == told.as_bytes()), "{told}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_not_start_without_a_key_of_manifests() {
    Stack::run(async |stack| {
        let core = &stack.platform().core;
        let keys = core.aws.keys();
        let start = async || generation_worker::Context::new(core, Composer::new()).ready().await;
        start().await.unwrap();

        let good = keys.list(Half::Manifests).await.unwrap().remove(0);
        // The newest one counts.
        let broken =
            StoredKey { kid: "broken".into(), created_at: core.clock.now(), document: "x".into() };
        keys.put(Half::Manifests, &broken).await.unwrap();
        let error = start().await.unwrap_err();
        assert!(matches!(&error, SignerError::Key { kid, .. } if kid == "broken"), "{error}");

        for kid in [broken.kid, good.kid] {
            let (half, kid) = (AttributeValue::S("manifests".into()), AttributeValue::S(kid));
            let table = core.aws.config().table(maas_aws::schema::SIGNING_KEYS);
            let delete = core.aws.dynamodb().delete_item().table_name(table);
            delete.key("half", half).key("kid", kid).send().await.unwrap();
        }
        let error = start().await.unwrap_err();
        assert!(matches!(&error, SignerError::None), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_attempt_is_made_again_and_the_third_is_the_last() {
    Stack::run(async |stack| {
        let client = stack.client(Plan::Pro, true, 100).await.client.unwrap();
        let failing =
            |call| if call < 2 { Err(GenerateError::Failed("on purpose".into())) } else { Ok(()) };
        let context =
            generation_worker::Context::new(&stack.platform().core, Scripted::new(failing));
        let lucky = job(stack, client, Fallback::None, 300).await;
        for state in [State::Queued, State::Queued, State::Succeeded] {
            let reply = handle(&context, message(lucky.id)).await;
            let again = !reply.batch_item_failures.is_empty();
            let now = find(stack, lucky.id).await;
            assert_eq!((now.state, again), (state, state == State::Queued));
        }

        let always = |_| Err(GenerateError::Failed("on purpose".into()));
        let context =
            generation_worker::Context::new(&stack.platform().core, Scripted::new(always));
        let unlucky = job(stack, client, Fallback::None, 300).await;
        let with_fallback = job(stack, client, Fallback::Normal, 300).await;
        for job in [unlucky.id, with_fallback.id] {
            for _ in 0..3 {
                handle(&context, message(job)).await;
            }
        }
        let ended = find(stack, unlucky.id).await;
        assert_eq!((ended.state, ended.results.len()), (State::Failed, 0));
        let problem = ended.problem.unwrap();
        assert!(!problem.detail.contains("on purpose"), "internal words reach the client");
        let ended = find(stack, with_fallback.id).await;
        assert_eq!((ended.state, ended.results[0].ai), (State::Succeeded, false));
        let settled = stack.settled(client).await;
        assert_eq!((settled.accounts.spent, settled.accounts.available), (4, 96));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_picture_gives_the_credits_back_and_a_normal_meme() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let client = api.client.unwrap();
        let refuse = |_| Err(GenerateError::Refused("leave out the volcano".into()));
        let context =
            generation_worker::Context::new(&stack.platform().core, Scripted::new(refuse));
        let job = job(stack, client, Fallback::Normal, 300).await;
        assert!(handle(&context, message(job.id)).await.batch_item_failures.is_empty());
        let view: serde_json::Value = api.get(&format!("/v1/generations/{}", job.id)).await.json();
        assert_eq!(view["fallback"]["reason"], "moderated", "{view}");
        assert_eq!(view["memes"][0]["tier"], "normal");
        assert!(view["problem"]["detail"].as_str().unwrap().contains("volcano"));
        assert_eq!(view["credits"], serde_json::json!({"held": 0, "spent": 0, "returned": 4}));
        assert_eq!(stack.settled(client).await.accounts.available, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_died_is_found_by_the_sweep_and_finished_once() {
    Stack::run(async |stack| {
        let client = stack.client(Plan::Pro, true, 100).await.client.unwrap();
        let job = job(stack, client, Fallback::Normal, 300).await;
        let platform = stack.platform();
        let store = platform.core.aws.generations();
        // A worker that claims the job for a moment and is never heard of again.
        let claimed =
            job.claim(ClaimToken::new(7), platform.core.clock.now(), Duration::from_millis(50));
        let Ok(Claimed::Work(claimed)) = claimed else { panic!("not claimed") };
        store.update(&claimed).await.unwrap();
        tokio::time::sleep(Duration::from_millis(80)).await;

        let sweep = generation_sweep::Context::new(&platform.core);
        let swept = generation_sweep::handle(&sweep, Duration::ZERO).await.unwrap();
        assert_eq!((swept.ended, swept.sent), (0, 1));
        let ended = support::eventually("the job is finished", async || {
            let now = find(stack, job.id).await;
            now.is_finished().then_some(now)
        })
        .await;
        assert_eq!((ended.state, ended.attempts), (State::Succeeded, 2));
        assert_eq!(stack.settled(client).await.accounts.spent, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_past_its_deadline_is_ended_by_the_sweep() {
    Stack::run(async |stack| {
        let client = stack.client(Plan::Pro, true, 100).await.client.unwrap();
        let job = job(stack, client, Fallback::Normal, 0).await;
        let sweep = generation_sweep::Context::new(&stack.platform().core);
        let swept = generation_sweep::handle(&sweep, Duration::from_secs(60)).await.unwrap();
        assert!(swept.sent == 0 && swept.ended <= 1);
        let ended = find(stack, job.id).await;
        assert_eq!((ended.state, ended.results[0].ai), (State::Succeeded, false));
        assert_eq!(ended.fallback().map(|reason| reason.as_str()), Some("backlog"));
        assert_eq!(stack.settled(client).await.accounts.available, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_message_ends_its_job_unless_a_worker_has_it() {
    Stack::run(async |stack| {
        let client = stack.client(Plan::Pro, true, 100).await.client.unwrap();
        let platform = stack.platform();
        let refund = generation_refund::Context::new(&platform.core);
        let dead = job(stack, client, Fallback::None, 300).await;
        for _ in 0..3 {
            let reply = generation_refund::handle(&refund, message(dead.id)).await;
            assert!(reply.batch_item_failures.is_empty());
        }
        assert_eq!(find(stack, dead.id).await.state, State::Failed);

        let alive = job(stack, client, Fallback::None, 300).await;
        let claimed =
            alive.claim(ClaimToken::new(7), platform.core.clock.now(), Duration::from_secs(60));
        let Ok(Claimed::Work(claimed)) = claimed else { panic!("not claimed") };
        platform.core.aws.generations().update(&claimed).await.unwrap();
        generation_refund::handle(&refund, message(alive.id)).await;
        assert_eq!(find(stack, alive.id).await.state, State::Running);
        let canceled = platform
            .core
            .aws
            .generations()
            .transition(
                &platform.core.ledger,
                alive.id,
                || platform.core.stamp(),
                |job| job.cancel(platform.core.clock.now()).ok(),
            )
            .await;
        assert!(canceled.unwrap().is_some());
        assert_eq!(stack.settled(client).await.accounts.available, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_called_off_while_it_is_painted_is_not_paid() {
    Stack::run(async |stack| {
        let api = stack.client(Plan::Pro, true, 100).await;
        let client = api.client.unwrap();
        let mut slow = Scripted::new(|_| Ok(()));
        slow.takes = Duration::from_millis(400);
        let context = generation_worker::Context::new(&stack.platform().core, slow);
        let job = job(stack, client, Fallback::Normal, 300).await;
        let path = format!("/v1/generations/{}", job.id);
        let (reply, canceled) = tokio::join!(handle(&context, message(job.id)), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            api.delete(&path).await
        });
        assert!(reply.batch_item_failures.is_empty());
        assert_eq!(canceled.status, 200);
        assert_eq!(find(stack, job.id).await.state, State::Canceled);
        assert_eq!(stack.settled(client).await.accounts.available, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_names_nothing_is_not_asked_for_again() {
    Stack::run(async |stack| {
        let context = generation_worker::Context::new(&stack.platform().core, Composer::new());
        let mut event = message(stack.platform().core.mint.mint(1));
        assert!(handle(&context, event.clone()).await.batch_item_failures.is_empty());
        event.records[0].body = Some("{}".to_owned());
        assert!(handle(&context, event).await.batch_item_failures.is_empty());
    })
    .await;
}
