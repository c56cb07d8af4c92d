//! Shared token buckets on a real Valkey server.
//!
//! The server's clock runs on, so limits are a call a second here, and a hundred calls a matter of
//! minutes: no test is that slow.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::time::Duration;

use ids::{ClientId, Mint};
use maas_valkey::testing::Server;
use maas_valkey::{Bursts, Calls};

const NOW: Duration = Duration::ZERO;

fn bursts(server: &Server) -> Bursts {
    Bursts::new(&server.url(), Duration::from_secs(5)).unwrap()
}

fn clients<const N: usize>() -> [ClientId; N] {
    let mint = Mint::seeded([5; 32]);
    std::array::from_fn(|_| mint.mint(1_767_225_600_000))
}

fn calls(client: ClientId, count: u32) -> Calls {
    limited(client, 1, count)
}

fn limited(client: ClientId, limit: u32, count: u32) -> Calls {
    Calls { client, limit: NonZeroU32::new(limit).unwrap(), count }
}

async fn one(bursts: &Bursts, calls: Calls, since: Duration) -> Duration {
    bursts.count(&[calls], since).await.unwrap()[0]
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn keys(server: &Server) -> Vec<String> {
    server.ask(&["KEYS", "*"])
}

#[tokio::test]
async fn what_two_processes_tell_adds_up() {
    let server = Server::start();
    let [client] = clients();
    let (one_process, another) = (bursts(&server), bursts(&server));
    assert_eq!(one(&one_process, calls(client, 100), NOW).await, seconds(100));
    let ahead = one(&another, calls(client, 50), NOW).await;
    assert!(ahead > seconds(100) && ahead < seconds(150), "{ahead:?}");
    // Who tells of nothing hears of it too, and changes nothing.
    let heard = one(&one_process, calls(client, 0), NOW).await;
    assert!(heard > seconds(100) && heard < ahead, "{heard:?}");
}

#[tokio::test]
async fn a_bucket_has_refilled_since_the_calls_were_made() {
    let server = Server::start();
    let [client, other] = clients();
    let bursts = bursts(&server);
    assert_eq!(
        one(&bursts, calls(client, 1), Duration::from_millis(400)).await,
        Duration::from_millis(600)
    );
    assert_eq!(one(&bursts, calls(other, 1), seconds(3)).await, Duration::ZERO);
    // What was told before is not made earlier by it.
    let ahead = one(&bursts, calls(client, 99), seconds(1)).await;
    assert!(ahead > seconds(98) && ahead < Duration::from_millis(99_600), "{ahead:?}");
}

#[tokio::test]
async fn each_client_and_limit_has_a_bucket_and_answers_keep_their_order() {
    for server in [Server::start(), Server::cluster()] {
        let clients: [_; 200] = clients();
        let bursts = bursts(&server);
        let told: Vec<_> = clients.iter().zip(1..).map(|(id, count)| calls(*id, count)).collect();
        let expected: Vec<_> = (1..=200).map(seconds).collect();
        assert_eq!(bursts.count(&told, NOW).await.unwrap(), expected);
        // A change of plan begins anew.
        assert_eq!(one(&bursts, limited(clients[199], 2, 10), NOW).await, seconds(5));
    }
}

#[tokio::test]
async fn a_bucket_expires_when_it_is_full() {
    let server = Server::start();
    let [client, other] = clients();
    let bursts = bursts(&server);
    one(&bursts, calls(client, 100), NOW).await;
    let keys = keys(&server);
    let left_ms: i64 = server.ask(&["PTTL", &keys[0]]);
    assert!((50_000..=100_000).contains(&left_ms), "{left_ms}");
    // Full after a fiftieth of a second, and there is nothing to wait for then.
    one(&bursts, limited(other, 50, 1), NOW).await;
    for _ in 0..500 {
        if self::keys(&server) == keys {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a full bucket is kept");
}

#[tokio::test]
async fn what_another_clock_wrote_is_taken_for_lost() {
    let server = Server::start();
    let [client] = clients();
    let bursts = bursts(&server);
    one(&bursts, calls(client, 1_000), NOW).await;
    let key = keys(&server).remove(0);
    let value: String = server.ask(&["GET", &key]);
    let (arrival, written) = value.split_once(' ').unwrap();
    // An hour later.
    let [arrival, written] =
        [arrival, written].map(|at_us| at_us.parse::<u64>().unwrap() + 3_600_000_000);
    server.ask::<()>(&["SET", &key, &format!("{arrival} {written}")]);
    assert_eq!(one(&bursts, calls(client, 3), NOW).await, seconds(3));
}

#[tokio::test]
async fn a_server_that_comes_back_without_buckets_begins_anew() {
    let mut server = Server::start();
    let [client] = clients();
    let bursts = bursts(&server);
    one(&bursts, calls(client, 1_000), NOW).await;
    server.kill();
    bursts.count(&[calls(client, 1)], NOW).await.unwrap_err();
    server.restart();
    // The script is gone too, and is sent again.
    assert_eq!(one(&bursts, calls(client, 2), NOW).await, seconds(2));
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time() {
    let server = Server::start();
    let [client] = clients();
    let bursts = Bursts::new(&server.url(), Duration::from_millis(50)).unwrap();
    one(&bursts, calls(client, 1), NOW).await;
    server.ask::<()>(&["CLIENT", "PAUSE", "60000", "ALL"]);
    let told = [calls(client, 1)];
    let asked = bursts.count(&told, NOW);
    tokio::time::timeout(seconds(30), asked).await.unwrap().unwrap_err();
}
