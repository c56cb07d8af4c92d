use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A resolver that gives these answers one after the other, the last one for ever, and counts.
fn answers(answers: &'static [&'static [&'static str]]) -> (Resolver, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let resolver = Resolver::new(move |_| {
        let turn = counter.fetch_add(1, Ordering::Relaxed);
        let answer = answers[turn.min(answers.len() - 1)];
        let ips: Vec<IpAddr> = answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Box::pin(async move { Ok(ips) })
    });
    (resolver, asked)
}

fn url(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text, Targets::Anywhere).unwrap()
}

/// A listener on loopback, and how many connections it had.
async fn trap() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    (port, connections)
}

/// A listener on loopback that reads a request and answers `reply` once.
async fn answering(reply: String) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 4_096];
        let length = stream.read(&mut read).await.unwrap();
        // Whoever asked may have heard enough before all of it is sent.
        let _ = stream.write_all(reply.as_bytes()).await;
        String::from_utf8_lossy(&read[..length]).into_owned()
    });
    (port, request)
}

#[tokio::test]
async fn a_name_with_one_address_that_is_not_public_is_refused() {
    for found in [&["127.0.0.1"] as &[_], &["::1"], &["8.8.8.8", "10.0.0.1"], &["169.254.169.254"]]
    {
        let ips: Vec<IpAddr> = found.iter().map(|ip| ip.parse().unwrap()).collect();
        let resolver = Resolver::new(move |_| {
            let ips = ips.clone();
            Box::pin(async move { Ok(ips) })
        });
        let sender = Sender::new(Targets::Public, resolver);
        let url = EndpointUrl::parse("https://example.com/", Targets::Public).unwrap();
        assert_eq!(sender.addresses(&url).await, Err(Unfit::NotPublic), "{found:?}");
        let answer = sender.post(&url, HeaderMap::new(), String::new()).await;
        assert_eq!(answer, Answer::AddressRefused, "{found:?}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gets_no_connection() {
    let (port, connections) = trap().await;
    let (resolver, asked) = answers(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let sender = Sender::new(Targets::Public, resolver);
    let url = url(&format!("https://rebinding.example:{port}/"));
    // When it was registered it was public.
    assert_eq!(sender.addresses(&url).await.unwrap(), ["8.8.8.8:0".parse().unwrap()]);
    // When it is used it is not.
    let answer = sender.post(&url, HeaderMap::new(), String::new()).await;
    assert_eq!(answer, Answer::AddressRefused);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_judged() {
    let (port, request) = answering("HTTP/1.1 204 No Content\r\n\r\n".to_owned()).await;
    // A second question would lead elsewhere; there is none.
    let (resolver, asked) = answers(&[&["127.0.0.1"], &["192.0.2.1"]]);
    let sender = Sender::new(Targets::Anywhere, resolver);
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", "evt_1".parse().unwrap());
    let url = url(&format!("http://example.com:{port}/hooks?a=b"));
    let answer = sender.post(&url, headers, "{}".to_owned()).await;
    assert_eq!(answer, Answer::Status(204));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let request = request.await.unwrap();
    assert!(request.starts_with("POST /hooks?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: example.com:{port}\r\n")), "{request}");
    assert!(request.contains("webhook-id: evt_1\r\n"), "{request}");
}

#[tokio::test]
async fn a_number_in_the_address_is_judged_without_a_resolver() {
    let (port, connections) = trap().await;
    let (resolver, asked) = answers(&[&["8.8.8.8"]]);
    let sender = Sender::new(Targets::Public, resolver);
    for text in [format!("https://127.0.0.1:{port}/"), format!("http://example.com:{port}/")] {
        let answer = sender.post(&url(&text), HeaderMap::new(), String::new()).await;
        assert_eq!(answer, Answer::AddressRefused, "{text}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn redirects_are_answers_and_bodies_are_not_read() {
    let (elsewhere, connections) = trap().await;
    let location = format!("location: http://127.0.0.1:{elsewhere}/\r\n");
    let redirect = format!("HTTP/1.1 302 Found\r\n{location}content-length: 0\r\n\r\n");
    let endless =
        format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{}", "x".repeat(99));
    for (reply, status) in [(redirect, 302), (endless, 200)] {
        let (port, _request) = answering(reply).await;
        let sender = Sender::new(Targets::Anywhere, Resolver::system());
        let url = url(&format!("http://127.0.0.1:{port}/"));
        let answer = sender.post(&url, HeaderMap::new(), String::new()).await;
        assert_eq!(answer, Answer::Status(status));
    }
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn silence_is_told_from_a_connection_that_ends() {
    let (port, _) = trap().await;
    let sender = Sender::new(Targets::Anywhere, Resolver::system());
    // The trap accepts and hangs up at once.
    let url_of = |port| url(&format!("http://127.0.0.1:{port}/"));
    let answer = sender.post(&url_of(port), HeaderMap::new(), String::new()).await;
    assert_eq!(answer, Answer::Unreachable);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let silent = listener.local_addr().unwrap().port();
    let hasty = sender.with_timeout(Duration::from_millis(50));
    let answer = hasty.post(&url_of(silent), HeaderMap::new(), String::new()).await;
    assert_eq!(answer, Answer::TimedOut);
}

#[tokio::test]
async fn a_name_without_an_address_is_unknown() {
    let nobody = Resolver::new(|_| Box::pin(async { Ok(Vec::new()) }));
    let broken = Resolver::new(|_| Box::pin(async { Err(std::io::Error::other("no answer")) }));
    for resolver in [nobody, broken] {
        let sender = Sender::new(Targets::Public, resolver);
        let url = url("https://example.com/");
        assert_eq!(sender.addresses(&url).await, Err(Unfit::Unknown));
        let answer = sender.post(&url, HeaderMap::new(), String::new()).await;
        assert_eq!(answer, Answer::Unreachable);
    }
}
