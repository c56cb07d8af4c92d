//! Calls that arrive at a constant rate, however long the answers take.
//!
//! When each call is due is known beforehand, and its time is taken from then: a server that stalls
//! delays the calls behind it, and each of them shows it. A rate-limited closed loop, which is what
//! the load generators that are libraries have, would wait with the server and see one slow call.
//!
//! The generator shares its cores with the server, so it is one thread that sends prepared bytes and
//! reads no more of a reply than its head. Tokio's timer ticks in milliseconds: a call leaves up to
//! one after it is due, together with the others of that millisecond, and that counts as its time.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

/// How long calls are made before they are timed.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long calls are timed.
const TIMED: Duration = Duration::from_secs(4);

/// Headers that a reply may have.
const HEADERS_MAX: usize = 32;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Microseconds from when a call was due until its reply was there.
    times: Histogram<u64>,
    /// Calls that were served with 200, by connection.
    pub(crate) served: Vec<u64>,
    /// Calls that were answered otherwise.
    pub(crate) refused: u64,
    /// From when the first call was due until the last reply.
    pub(crate) wall: Duration,
    body_bytes: u64,
}

impl Outcome {
    /// So many of all timed calls took no longer.
    pub(crate) fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.times.value_at_quantile(quantile))
    }

    /// All calls, those before the timed ones too.
    pub(crate) fn calls(&self) -> u64 {
        self.served.iter().sum::<u64>() + self.refused
    }

    /// The mean size of a body, in bytes.
    pub(crate) fn body_bytes_mean(&self) -> usize {
        usize::try_from(self.body_bytes / self.calls().max(1)).unwrap_or(usize::MAX)
    }
}

/// What a client with this token sends for a meme.
pub(crate) fn request(token: &str) -> Bytes {
    let text = format!(
        "GET /v1/memes HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    Bytes::from(text)
}

/// Makes `rate` calls per second in turn over as many connections as there are `requests`.
pub(crate) async fn run(address: SocketAddr, requests: &[Bytes], rate: u32) -> Outcome {
    let mut connections = Vec::new();
    for _ in requests {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes options");
        connections.push(Connection { stream, received: BytesMut::with_capacity(4 * 1024) });
    }
    let outcome = Rc::new(RefCell::new(Outcome {
        times: Histogram::new(3).expect("three digits are allowed"),
        served: vec![0; requests.len()],
        refused: 0,
        wall: Duration::ZERO,
        body_bytes: 0,
    }));
    let calls = rate * u32::try_from((WARM_UP + TIMED).as_secs()).expect("some seconds");
    let start = Instant::now() + Duration::from_millis(10);
    let mut tasks = JoinSet::new();
    let here = LocalSet::new();
    for (number, (mut connection, request)) in connections.into_iter().zip(requests).enumerate() {
        let (outcome, request) = (Rc::clone(&outcome), request.clone());
        let turns = (0..calls).skip(number).step_by(requests.len());
        let calling = async move {
            for call in turns {
                let due = start + Duration::from_secs(1) * call / rate;
                sleep_until(due).await;
                let reply = connection.exchange(&request).await;
                let (time, mut outcome) = (due.elapsed(), outcome.borrow_mut());
                if due - start >= WARM_UP {
                    let micros = u64::try_from(time.as_micros()).expect("not a lifetime");
                    outcome.times.record(micros).expect("it grows");
                }
                if reply.status == 200 {
                    outcome.served[number] += 1;
                } else {
                    outcome.refused += 1;
                }
                outcome.body_bytes += reply.body_bytes;
            }
        };
        tasks.spawn_local_on(calling, &here);
    }
    here.run_until(tasks.join_all()).await;
    outcome.borrow_mut().wall = start.elapsed();
    let outcome = Rc::into_inner(outcome).expect("the tasks have ended");
    outcome.into_inner()
}

/// A connection that is kept alive.
struct Connection {
    stream: TcpStream,
    received: BytesMut,
}

/// What matters of a reply.
struct Reply {
    status: u16,
    body_bytes: u64,
}

impl Connection {
    /// Makes one call, and reads the reply to its end.
    async fn exchange(&mut self, request: &Bytes) -> Reply {
        self.stream.write_all(request).await.expect("the server reads");
        self.received.clear();
        loop {
            let more = self.stream.read_buf(&mut self.received).await.expect("the server answers");
            assert_ne!(more, 0, "the server hung up");
            if let Some(reply) = whole(&self.received) {
                return reply;
            }
        }
    }
}

/// The reply, once all of it is there.
fn whole(received: &[u8]) -> Option<Reply> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(received).expect("this is HTTP") else {
        return None;
    };
    let length = head.headers.iter().find(|it| it.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|it| std::str::from_utf8(it.value).ok()?.parse().ok());
    let body_bytes: usize = length.expect("a reply says how long it is");
    let status = head.code.expect("a complete head has a status");
    let reply = Reply { status, body_bytes: u64::try_from(body_bytes).unwrap_or(u64::MAX) };
    (received.len() >= head_bytes + body_bytes).then_some(reply)
}
