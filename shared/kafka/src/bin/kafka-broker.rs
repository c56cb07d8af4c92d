//! `kafka-broker PORT TOPIC…`: a broker for tests, which is killed or cut off to see what becomes of
//! its clients. It says `ready` when it is, then does as each line of its input says, `cut` or `mend`,
//! and says `ready` again. It ends when its input does.
//!
//! The broker is librdkafka's mock cluster, which takes any port that is free. So that another one
//! can be where the first one was, it is hidden behind `PORT`: connections are led on to it, and where
//! its replies say how to reach it, they are made to say `PORT`. Nobody else learns of the real one.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use rdkafka::mocking::MockCluster;

const PARTITIONS: i32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("usage: kafka-broker PORT TOPIC…")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let cluster = MockCluster::new(1)?;
    for topic in arguments {
        cluster.create_topic(&topic, PARTITIONS, 1)?;
    }
    let hidden = cluster.bootstrap_servers();
    let hidden_port: u16 = hidden.rsplit(':').next().unwrap_or_default().parse()?;
    let (told, instead) = (address(hidden_port), address(port));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(broker) = TcpStream::connect(&hidden) else { continue };
            lead(&client, &broker, |client, broker| io::copy(client, broker).map(|_| ()));
            let (told, instead) = (told.clone(), instead.clone());
            lead(&broker, &client, move |broker, client| replies(broker, client, &told, &instead));
        }
    });
    writeln!(io::stdout(), "ready")?;
    for line in io::stdin().lines() {
        match line?.as_str() {
            "cut" => cluster.broker_down(-1)?,
            "mend" => cluster.broker_up(-1)?,
            other => return Err(format!("`{other}` is neither `cut` nor `mend`").into()),
        }
        writeln!(io::stdout(), "ready")?;
    }
    Ok(())
}

/// A broker's address as replies have it.
fn address(port: u16) -> Vec<u8> {
    [b"127.0.0.1".as_slice(), &u32::from(port).to_be_bytes()].concat()
}

/// Leads the replies of the broker on, with `instead` wherever they have `told`, which is as long.
fn replies(
    broker: &mut TcpStream,
    client: &mut TcpStream,
    told: &[u8],
    instead: &[u8],
) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        broker.read_exact(&mut length)?;
        let mut reply = vec![0; u32::from_be_bytes(length) as usize];
        broker.read_exact(&mut reply)?;
        let mut from = 0;
        while let Some(at) = reply[from..].windows(told.len()).position(|part| part == told) {
            reply[from + at..][..told.len()].copy_from_slice(instead);
            from += at + told.len();
        }
        client.write_all(&[length.as_slice(), &reply].concat())?;
    }
}

/// Leads what comes from one to the other, until either ends.
fn lead(
    from: &TcpStream,
    to: &TcpStream,
    how: impl FnOnce(&mut TcpStream, &mut TcpStream) -> io::Result<()> + Send + 'static,
) {
    if let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) {
        thread::spawn(move || {
            // However it ends, it ends for both.
            let _ = how(&mut from, &mut to);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}
