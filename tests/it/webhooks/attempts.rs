//! Attempts, under a clock of the test's own: what fails, what is lost, and when it comes again.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use clock::{Clock, ManualClock, Timestamp};
use generations::{
    ClaimToken, Claimed, Fallback, Job, JobProblem, NewJob, ProblemKind, Request, Size, Transition,
};
use ids::{ClientId, EventId, Id as _, Ulid, WebhookId};
use maas_aws::generations::{ChangeError, Created};
use maas_aws::webhooks::{Registered, WebhookStore};
use maas_aws::{Core, WebhookMessage};
use outbound::{Resolver, Sender};
use support::Bench;
use webhooks::{
    ATTEMPTS_MAX, Delivery, Endpoint, EndpointUrl, Event, EventKind, Failure, SECRET_BYTES,
    SigningSecret, State, Targets,
};

use super::receiver::{Does, Receiver};

/// The stores with no queue at all: every message is lost.
struct Lab {
    core: Core,
    clock: Arc<ManualClock>,
    store: WebhookStore,
    client: ClientId,
    _bench: Bench,
}

impl Lab {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let core = Core::new(bench.aws.clone(), Arc::clone(&clock) as _).unwrap();
        let (store, client) = (bench.aws.webhooks(), core.mint.mint(1));
        Self { core, clock, store, client, _bench: bench }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn wait_until(&self, at: Timestamp) {
        let ms = at.as_millisecond() - self.clock.now_ms();
        self.clock.advance(Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    }

    async fn endpoint(&self, url: &str) -> Endpoint {
        let endpoint = Endpoint::new(
            self.core.mint.mint(self.clock.now_ms()),
            self.client,
            EndpointUrl::parse(url, Targets::Anywhere).unwrap(),
            Vec::new(),
            SigningSecret::from_random([7; SECRET_BYTES]),
            self.now(),
        );
        assert_eq!(self.store.register(&endpoint, 5).await.unwrap(), Registered::Yes);
        endpoint
    }

    /// A trial that is kept, and whose message is lost.
    async fn trial(&self, endpoint: &Endpoint) -> Delivery {
        let id = self.core.mint.mint(self.clock.now_ms());
        let event = Event { id, kind: EventKind::Test, at: self.now(), job: None };
        let delivery = Delivery::new(self.client, endpoint.id, event, self.now());
        self.store.deliver(&delivery, self.now()).await.unwrap();
        delivery
    }

    async fn read(&self, endpoint: WebhookId, event: EventId) -> Delivery {
        self.store.delivery(self.client, endpoint, event).await.unwrap().unwrap()
    }

    /// Attempts a delivery by way of `sender`, and says what it is then.
    async fn attempt_by(&self, sender: Sender, delivery: &Delivery) -> Delivery {
        let context = webhook_send::Context::with_sender(&self.core, sender);
        let reply = webhook_send::handle(&context, message(delivery)).await;
        assert!(reply.batch_item_failures.is_empty());
        self.read(delivery.endpoint, delivery.event.id).await
    }

    async fn attempt(&self, delivery: &Delivery) -> Delivery {
        self.attempt_by(anywhere(), delivery).await
    }

    /// Sweeps once; how many were sent.
    async fn sweep(&self) -> u32 {
        let context = webhook_sweep::Context::new(&self.core);
        webhook_sweep::handle(&context, Duration::ZERO).await.unwrap()
    }

    /// A job that costs nothing, in the hands of a worker.
    async fn claimed_job(&self) -> (Job, ClaimToken) {
        let job = Job::new(NewJob {
            id: self.core.mint.mint(self.clock.now_ms()),
            client: self.client,
            request: Request {
                prompt: "a dog at work".to_owned(),
                topic: None,
                captions: vec![],
                count: 1,
                size: Size::Landscape1024,
                fallback: Fallback::None,
            },
            price: 0,
            created_at: self.now(),
            deadline_s: 300,
            public: false,
            house: false,
            webhook: None,
        });
        let jobs = self.core.aws.generations();
        let created = jobs.create(&self.core.ledger, &job, None, self.core.stamp()).await;
        assert_eq!(created.unwrap(), Created::Yes);
        let token = ClaimToken::new(1);
        let claimed = job.claim(token, self.now(), Duration::from_secs(30)).unwrap();
        let Claimed::Work(claimed) = claimed else { panic!("given up") };
        jobs.update(&claimed).await.unwrap();
        (claimed, token)
    }

    /// Settles a transition, and loses the message that follows.
    async fn settle(&self, transition: &Transition) -> Result<(), ChangeError> {
        let jobs = self.core.aws.generations();
        jobs.commit(&self.core.ledger, transition, &[], self.core.stamp()).await
    }

    async fn deliveries(&self, endpoint: &Endpoint) -> Vec<Delivery> {
        let page = self.store.deliveries(self.client, endpoint.id, None, 100).await;
        page.unwrap().deliveries
    }
}

fn anywhere() -> Sender {
    Sender::new(Targets::Anywhere, Resolver::system())
}

fn message(delivery: &Delivery) -> SqsEvent {
    let message = WebhookMessage {
        client_id: delivery.client,
        webhook_id: delivery.endpoint,
        event_id: delivery.event.id,
    };
    let mut record = SqsMessage::default();
    record.message_id = Some("the-message".to_owned());
    record.body = Some(serde_json::to_string(&message).unwrap());
    let mut event = SqsEvent::default();
    event.records = vec![record];
    event
}

fn failed(job: &Job, now: Timestamp) -> Transition {
    let problem = JobProblem::new(ProblemKind::Failed, "it could not be made");
    job.give_up(problem, &[], now).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_after_the_settlement_loses_no_event() {
    let lab = Lab::start().await;
    let receiver = Receiver::start(&[Does::Answer(200)]).await;
    let endpoint = lab.endpoint(&receiver.url).await;
    let (job, _) = lab.claimed_job().await;
    lab.settle(&failed(&job, lab.now())).await.unwrap();
    // The message is lost with the process; the delivery came with the settlement.
    let pending = lab.deliveries(&endpoint).await;
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].event.kind, EventKind::GenerationFailed);
    assert_eq!(pending[0].event.job, Some(job.id));
    // A message on its way is waited for, then it is taken for lost.
    assert_eq!(lab.sweep().await, 0);
    lab.clock.advance(webhooks::PATIENCE);
    assert_eq!(lab.sweep().await, 1);
    assert_eq!(lab.sweep().await, 0);
    let told = lab.attempt(&pending[0]).await;
    assert_eq!(told.state, State::Delivered);
    let told = &receiver.told(1).await[0];
    assert_eq!(told.json()["data"]["id"], job.id.to_string());
    assert_eq!(told.json()["data"]["state"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_settle_a_job_one_tells() {
    let lab = Lab::start().await;
    let receiver = Receiver::start(&[Does::Answer(200)]).await;
    let endpoint = lab.endpoint(&receiver.url).await;
    let (job, _) = lab.claimed_job().await;
    lab.settle(&failed(&job, lab.now())).await.unwrap();
    lab.clock.advance(Duration::from_secs(1));
    let late = lab.settle(&failed(&job, lab.now())).await;
    assert!(matches!(late, Err(ChangeError::Outdated)), "{late:?}");
    assert_eq!(lab.deliveries(&endpoint).await.len(), 1);
    // What the client called off itself is no news.
    let (job, _) = lab.claimed_job().await;
    lab.settle(&job.cancel(lab.now()).unwrap()).await.unwrap();
    assert_eq!(lab.deliveries(&endpoint).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_attempts_within_about_three_days_then_it_is_given_up() {
    let lab = Lab::start().await;
    let receiver = Receiver::start(&[Does::Answer(503)]).await;
    let endpoint = lab.endpoint(&receiver.url).await;
    let begun = lab.now();
    let mut delivery = lab.trial(&endpoint).await;
    while delivery.state == State::Pending {
        // Nothing is attempted before its time.
        let early = lab.attempt(&delivery).await;
        if early.attempts == delivery.attempts {
            assert_eq!(early, delivery);
            lab.wait_until(delivery.swept_at.unwrap());
            assert_eq!(lab.sweep().await, 1);
            delivery = lab.attempt(&delivery).await;
        } else {
            delivery = early;
        }
    }
    assert_eq!((delivery.state, delivery.attempts), (State::Failed, ATTEMPTS_MAX));
    let told = receiver.all();
    assert_eq!(told.len(), usize::from(ATTEMPTS_MAX));
    assert!(told.iter().all(|it| it.header("webhook-id") == delivery.event.id.to_string()));
    let hours = (lab.now().as_second() - begun.as_second()) / 3_600;
    assert!((67..=84).contains(&hours), "{hours} h");
    lab.clock.advance(Duration::from_secs(400_000));
    assert_eq!(lab.sweep().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_at_an_endpoint_is_told_apart() {
    let lab = Lab::start().await;
    let elsewhere = Receiver::start(&[Does::Answer(200)]).await;
    for (does, status, failure) in [
        (Does::Answer(404), Some(404), Some(Failure::Status)),
        (Does::Redirect(elsewhere.url.clone()), Some(307), Some(Failure::Status)),
        (Does::HangUp, None, Some(Failure::Unreachable)),
        (Does::Sleep(Duration::from_secs(60)), None, Some(Failure::TimedOut)),
        (Does::Huge(50_000_000), Some(200), None),
    ] {
        let receiver = Receiver::start(std::slice::from_ref(&does)).await;
        let endpoint = lab.endpoint(&receiver.url).await;
        let delivery = lab.trial(&endpoint).await;
        let hasty = anywhere().with_timeout(Duration::from_secs(2));
        let after = lab.attempt_by(hasty, &delivery).await;
        let last = after.last.unwrap();
        assert_eq!((last.status, last.failure), (status, failure), "{does:?}");
        assert_eq!(after.state == State::Pending, failure.is_some(), "{does:?}");
        assert_eq!(receiver.all().len(), 1, "{does:?}");
    }
    assert!(elsewhere.all().is_empty(), "a redirect was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_inside_by_now_gets_no_connection() {
    let lab = Lab::start().await;
    let receiver = Receiver::start(&[Does::Answer(200)]).await;
    let port = receiver.url.split(&[':', '/'][..]).nth(4).unwrap().to_owned();
    let inside = |_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) }) as outbound::Lookup;
    for url in [
        // Its name had a public address when it was registered.
        format!("https://rebinding.example:{port}/hooks"),
        // It was registered while the operator allowed that.
        receiver.url.clone(),
        format!("https://127.0.0.1:{port}/hooks"),
    ] {
        let endpoint = lab.endpoint(&url).await;
        let delivery = lab.trial(&endpoint).await;
        let sender = Sender::new(Targets::Public, Resolver::new(inside));
        let after = lab.attempt_by(sender, &delivery).await;
        assert_eq!(after.last.unwrap().failure, Some(Failure::AddressRefused), "{url}");
        assert_eq!(after.state, State::Pending, "{url}");
    }
    assert!(receiver.all().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_messages_at_once_are_one_attempt() {
    let lab = Lab::start().await;
    let receiver = Receiver::start(&[Does::Answer(200)]).await;
    let endpoint = lab.endpoint(&receiver.url).await;
    let delivery = lab.trial(&endpoint).await;
    let mut event = message(&delivery);
    for _ in 1..10 {
        event.records.extend(message(&delivery).records);
    }
    let context = webhook_send::Context::with_sender(&lab.core, anywhere());
    let reply = webhook_send::handle(&context, event).await;
    assert!(reply.batch_item_failures.is_empty());
    let after = lab.read(endpoint.id, delivery.event.id).await;
    assert_eq!((after.state, after.attempts), (State::Delivered, 1));
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_secret_signs_for_a_day() {
    let lab = Lab::start().await;
    let receiver = Receiver::start(&[Does::Answer(200)]).await;
    let endpoint = lab.endpoint(&receiver.url).await;
    let new = SigningSecret::from_random([8; SECRET_BYTES]);
    let rotate = |it: &Endpoint| it.rotate(new.clone(), lab.now());
    lab.store.change_endpoint(lab.client, endpoint.id, rotate).await.unwrap().unwrap();
    for (hours, signatures) in [(23, 2), (1, 1)] {
        lab.clock.advance(Duration::from_secs(hours * 3_600));
        lab.attempt(&lab.trial(&endpoint).await).await;
        let all = receiver.all();
        let told = all.last().unwrap();
        assert_eq!(told.header("webhook-signature").split(' ').count(), signatures);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pointless_is_given_up_without_an_attempt() {
    let lab = Lab::start().await;
    let receiver = Receiver::start(&[Does::Answer(200)]).await;
    let endpoint = lab.endpoint(&receiver.url).await;
    // About a generation that nobody knows any more.
    let id = EventId::from_ulid(Ulid::from_parts(1, 1));
    let job = Some(lab.core.mint.mint(1));
    let event = Event { id, kind: EventKind::GenerationFailed, at: lab.now(), job };
    let gone = Delivery::new(lab.client, endpoint.id, event, lab.now());
    lab.store.deliver(&gone, lab.now()).await.unwrap();
    let trial = lab.trial(&endpoint).await;
    assert_eq!(lab.attempt(&gone).await.last.unwrap().failure, Some(Failure::SubjectGone));
    assert!(lab.store.remove(lab.client, endpoint.id).await.unwrap());
    let after = lab.attempt(&trial).await;
    assert_eq!(after.last.unwrap().failure, Some(Failure::EndpointDeleted));
    assert_eq!((after.state, after.attempts), (State::Failed, 0));
    assert!(receiver.all().is_empty());
}
