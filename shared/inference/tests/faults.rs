//! What callers get of a service, however it behaves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU16;
use std::time::Duration;

use inference::testing::{Reply, Server};
use inference::{
    CallError, Chat, ImageRequest, Images, Key, PICTURE_BYTES_MAX, Question, RetryPolicy, Service,
};
use render::Picture;

const WITHIN: Duration = Duration::from_secs(20);

const REQUEST: ImageRequest<'_> =
    ImageRequest { prompt: "a cat", width: 1_024, height: 768, count: 1, seed: 7 };

fn policy() -> RetryPolicy {
    RetryPolicy { pause: Duration::from_millis(5), ..RetryPolicy::default() }
}

fn service(server: &Server) -> Service {
    Service::new(&server.url(), Some("flux".to_owned()), Some(Key::new("sk-1").unwrap())).unwrap()
}

fn images(server: &Server) -> Images {
    Images::new(service(server), policy()).unwrap()
}

/// What a painter gets when the service answers as `replies` say, and how many times it asked.
async fn painted(
    replies: impl IntoIterator<Item = Reply>,
) -> (Result<Vec<Picture>, CallError>, usize) {
    let server = Server::start().await;
    server.then(replies);
    let painted = images(&server).generate(&REQUEST, WITHIN).await;
    (painted, server.asked().len())
}

/// The error of a service that answers once as `reply` says; there must be no second request.
async fn refused(reply: Reply) -> CallError {
    let (painted, asked) = painted([reply]).await;
    assert_eq!(asked, 1);
    painted.unwrap_err()
}

fn question() -> Question<'static> {
    let schema = ("words", serde_json::json!({"type": "object"}));
    Question { task: "Write.", material: "{}", schema, tokens_max: 100, seed: 7 }
}

#[tokio::test]
async fn a_picture_is_asked_for_as_services_want_it() {
    let server = Server::start().await;
    let request = ImageRequest { seed: u64::MAX, ..REQUEST };
    let pictures = images(&server).generate(&request, WITHIN).await.unwrap();
    assert_eq!(pictures.len(), 1);
    assert_eq!((pictures[0].width(), pictures[0].height()), (1_024, 768));
    let [asked] = &server.asked()[..] else { panic!("not one request") };
    assert_eq!(asked.path, "/v1/images/generations");
    assert_eq!(asked.authorization.as_deref(), Some("Bearer sk-1"));
    let body = serde_json::json!({
        "prompt": "a cat", "model": "flux", "n": 1, "size": "1024x768",
        "response_format": "b64_json", "seed": 0x7fff_ffff,
    });
    assert_eq!(asked.body, body);
}

#[tokio::test]
async fn variants_of_one_prompt_are_one_call() {
    let server = Server::start().await;
    let request = ImageRequest { count: 3, ..REQUEST };
    let pictures = images(&server).generate(&request, WITHIN).await.unwrap();
    assert_eq!((pictures.len(), server.asked().len()), (3, 1));
    assert!(pictures[0] != pictures[1] && pictures[1] != pictures[2]);
    let again = images(&server).generate(&request, WITHIN).await.unwrap();
    assert!(again == pictures, "the same seed gives the same pictures");
}

#[tokio::test]
async fn what_may_be_better_soon_is_asked_for_again() {
    let gone = Reply::Status { status: 503, code: None, retry_after_s: Some(0) };
    for reply in [gone, Reply::status(500), Reply::status(429), Reply::CutOff] {
        let (painted, asked) = painted([reply.clone()]).await;
        assert_eq!(painted.unwrap().len(), 1, "{reply:?}");
        assert_eq!(asked, 2, "{reply:?}");
    }
    let (painted, asked) = painted(vec![Reply::status(500); 9]).await;
    assert!(matches!(painted, Err(CallError::Status { status: 500, .. })));
    assert_eq!(asked, policy().attempts_max);
}

#[tokio::test]
async fn what_will_be_the_same_is_not_asked_for_again() {
    for status in [301, 400, 401, 404, 422] {
        let error = refused(Reply::status(status)).await;
        assert!(matches!(error, CallError::Status { .. }), "{error}");
    }
    for code in ["content_policy_violation", "moderation_blocked"] {
        let error =
            refused(Reply::Status { status: 400, code: Some(code), retry_after_s: None }).await;
        assert!(matches!(error, CallError::Refused { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_pause_that_a_service_asks_for_is_kept_or_not_waited_for_at_all() {
    let server = Server::start().await;
    let busy = Reply::Status { status: 429, code: None, retry_after_s: Some(1) };
    server.then([busy]);
    let began = tokio::time::Instant::now();
    images(&server).generate(&REQUEST, WITHIN).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    // There is no time for such a pause, and so none is lost on it.
    let error = refused(Reply::Status { status: 429, code: None, retry_after_s: Some(60) }).await;
    assert!(matches!(error, CallError::Status { status: 429, .. }), "{error}");
}

#[tokio::test]
async fn a_sick_service_gets_no_more_retries_than_the_budget_has() {
    let server = Server::start().await;
    server.then(vec![Reply::status(500); 100]);
    let policy = RetryPolicy {
        retries_burst: NonZeroU16::new(3).unwrap(),
        retry_every: Duration::from_secs(3_600),
        ..policy()
    };
    let images = Images::new(service(&server), policy).unwrap();
    for _ in 0..10 {
        images.generate(&REQUEST, WITHIN).await.unwrap_err();
    }
    assert_eq!(server.asked().len(), 10 + 3);
}

#[tokio::test]
async fn no_budget_is_too_large() {
    let server = Server::start().await;
    let policy =
        RetryPolicy { retries_burst: NonZeroU16::MAX, retry_every: Duration::MAX, ..policy() };
    server.then([Reply::status(500)]);
    Images::new(service(&server), policy).unwrap().generate(&REQUEST, WITHIN).await.unwrap();
}

#[tokio::test]
async fn a_call_ends_in_time() {
    let server = Server::start().await;
    let slow = Reply::Slow(Duration::from_secs(60));
    server.then([slow.clone(), slow]);
    let within = Duration::from_millis(100);
    let error = images(&server).generate(&REQUEST, within).await.unwrap_err();
    assert!(matches!(error, CallError::Late { .. }), "{error}");
    let hasty = RetryPolicy { attempt_within: within, ..policy() };
    let images = Images::new(service(&server), hasty).unwrap();
    let error = images.generate(&REQUEST, WITHIN).await.unwrap_err();
    assert!(matches!(error, CallError::Late { within: it } if it == within), "{error}");
    assert_eq!(server.asked().len(), 2, "the service may still be at it");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    let server = Server::start().await;
    let images = images(&server);
    drop(server);
    let error = images.generate(&REQUEST, WITHIN).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn what_is_no_picture_is_not_taken() {
    let malformed = [
        Reply::BrokenBase64,
        Reply::Body(b"not JSON".to_vec()),
        Reply::Body(br#"{"data": []}"#.to_vec()),
        Reply::Body(br#"{"data": [{}]}"#.to_vec()),
    ];
    for reply in malformed {
        let error = refused(reply).await;
        assert!(matches!(error, CallError::Malformed(_)), "{error}");
    }
    for bytes in [Vec::new(), b"<html>".to_vec(), b"\x89PNG\r\n\x1a\n".to_vec(), bomb()] {
        let error = refused(Reply::Files(bytes)).await;
        assert!(matches!(error, CallError::NoPicture(_)), "{error}");
    }
}

/// The head of a PNG of 60,000 by 60,000 pixels, which would take 14 GB.
fn bomb() -> Vec<u8> {
    let mut head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    head.extend(60_000_u32.to_be_bytes());
    head.extend(60_000_u32.to_be_bytes());
    head.extend([8, 6, 0, 0, 0]);
    let crc = head[12..].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    head.extend((!crc).to_be_bytes());
    head.extend(b"\0\0\0\x01IDAT\0\0\0\0\0");
    head
}

#[tokio::test]
async fn a_bomb_is_not_decoded() {
    let CallError::NoPicture(cause) = refused(Reply::Files(bomb())).await else { panic!() };
    assert!(cause.to_string().contains("60000"), "told by something else: {cause}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let error = refused(Reply::Huge(4 * PICTURE_BYTES_MAX)).await;
    assert!(matches!(error, CallError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_larger_picture_is_made_to_fit_and_a_smaller_one_is_not_taken() {
    let (painted, _) = painted([Reply::Sized(2_048, 2_048)]).await;
    let picture = &painted.unwrap()[0];
    assert_eq!((picture.width(), picture.height()), (1_024, 768));
    let error = refused(Reply::Sized(512, 512)).await;
    assert!(matches!(error, CallError::Small { painted: (512, 512), .. }), "{error}");
}

#[tokio::test]
async fn pictures_are_fetched_from_the_service_and_from_nowhere_else() {
    let (server, other) = (Server::start().await, Server::start().await);
    let images = images(&server);
    server.then([Reply::At("/picture".to_owned())]);
    assert_eq!(images.generate(&REQUEST, WITHIN).await.unwrap().len(), 1);
    assert_eq!(server.asked()[1].path, "/picture");

    let elsewhere = other.url();
    for address in [format!("{elsewhere}/picture"), format!("//{}/picture", &elsewhere[7..])] {
        server.then([Reply::At(address)]);
        let error = images.generate(&REQUEST, WITHIN).await.unwrap_err();
        assert!(matches!(&error, CallError::Elsewhere { origin } if *origin == elsewhere));
    }
    server.then([Reply::At(format!("/away?to={elsewhere}/picture"))]);
    let error = images.generate(&REQUEST, WITHIN).await.unwrap_err();
    assert!(matches!(error, CallError::Status { status: 302, .. }), "{error}");
    assert_eq!(other.asked(), []);
}

#[tokio::test]
async fn a_service_is_waited_for_until_it_is_ready() {
    let server = Server::start().await;
    let images = images(&server);
    server.unready(2);
    images.ready(WITHIN).await.unwrap();
    server.without_health();
    images.ready(WITHIN).await.unwrap();
    server.unready(usize::MAX);
    let error = images.ready(Duration::from_millis(600)).await.unwrap_err();
    assert!(matches!(error, CallError::Status { status: 503, .. }), "{error}");
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn words_are_asked_for_with_their_schema() {
    let server = Server::start().await;
    let chat = Chat::new(service(&server), policy()).unwrap();
    server.then([Reply::status(500), Reply::Says("words".to_owned())]);
    // On another thread, as workers ask.
    let asking = tokio::spawn(async move { chat.ask(&question(), WITHIN).await });
    assert_eq!(asking.await.unwrap().unwrap(), "words");
    let body = &server.asked()[1].body;
    assert_eq!(body["messages"][1]["content"], "{}");
    assert_eq!(body["response_format"]["json_schema"]["schema"]["type"], "object");
    assert_eq!((&body["max_tokens"], &body["seed"]), (&100.into(), &7.into()));
}

#[tokio::test]
async fn words_that_are_refused_or_cut_short_are_none() {
    let server = Server::start().await;
    let chat = Chat::new(service(&server), policy()).unwrap();
    let answers = [
        r#"{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}"#,
        r#"{"choices": [{"message": {"content": null, "refusal": "no"}}]}"#,
        r#"{"choices": [{"message": {"content": "{\"capt"}, "finish_reason": "length"}]}"#,
        r#"{"choices": [{"message": {"content": null}}]}"#,
        r#"{"choices": []}"#,
        "",
    ];
    for (index, answer) in answers.into_iter().enumerate() {
        server.then([Reply::Body(answer.as_bytes().to_vec())]);
        let error = chat.ask(&question(), WITHIN).await.unwrap_err();
        let refused = matches!(error, CallError::Refused { .. });
        assert_eq!(refused, index < 2, "{answer}: {error}");
    }
}
