//! `kafka-broker PORT [--log FILE] TOPIC…`: a broker for tests, which is killed or cut off to see what
//! becomes of its clients. It says `ready` when it is, then does as each line of its input says, `cut`
//! or `mend`, and says `ready` again. It ends when its input does.
//!
//! The broker is librdkafka's mock cluster, which takes any port that is free. So that another one
//! can be where the first one was, it is hidden behind `PORT`: connections are led on to it, and where
//! its replies say how to reach it, they are made to say `PORT`. Nobody else learns of the real one.
//!
//! The mock cluster keeps everything in memory. With `--log` each request that brings messages is in
//! `FILE` before the cluster has it, so that what was acknowledged outlives this process, though not
//! the machine, as with Kafka itself where nothing is flushed. The next start makes all of them again
//! before anybody can connect: messages come back in their order, positions of groups do not.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rdkafka::mocking::MockCluster;

const PARTITIONS: i32 = 4;

/// How many bytes of a request or a reply say how long the rest is.
const PREFIX: usize = 4;

/// How a request begins that brings messages.
const PRODUCE: [u8; 2] = [0, 0];

const USAGE: &str = "usage: kafka-broker PORT [--log FILE] TOPIC…";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let port: u16 = arguments.next().ok_or(USAGE)?.parse()?;
    let log = match arguments.next_if_eq("--log") {
        Some(_) => Some(arguments.next().ok_or(USAGE)?),
        None => None,
    };
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let cluster = MockCluster::new(1)?;
    for topic in arguments {
        cluster.create_topic(&topic, PARTITIONS, 1)?;
    }
    let hidden = cluster.bootstrap_servers();
    let hidden_port: u16 = hidden.rsplit(':').next().unwrap_or_default().parse()?;
    let log = log.map(|path| again(&path, &hidden)).transpose()?.map(Arc::new);
    let (told, instead) = (address(hidden_port), address(port));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(broker) = TcpStream::connect(&hidden) else { continue };
            let log = log.clone();
            lead(&client, &broker, move |client, broker| requests(client, broker, log.as_deref()));
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

/// Makes the requests in the file at `path` again, and gives the file to be written on. A request that
/// is not there whole was never made.
fn again(path: &str, broker: &str) -> io::Result<File> {
    let mut log = File::options().create(true).read(true).append(true).open(path)?;
    let mut kept = Vec::new();
    log.read_to_end(&mut kept)?;
    let mut broker = TcpStream::connect(broker)?;
    let mut rest = kept.as_slice();
    let mut whole = 0;
    while let Ok(request) = frame(&mut rest) {
        broker.write_all(&request)?;
        frame(&mut broker)?;
        whole += request.len() as u64;
    }
    log.set_len(whole)?;
    Ok(log)
}

/// A request or a reply, with its length before it.
fn frame(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; PREFIX];
    from.read_exact(&mut length)?;
    let mut frame = length.to_vec();
    frame.resize(PREFIX + u32::from_be_bytes(length) as usize, 0);
    from.read_exact(&mut frame[PREFIX..])?;
    Ok(frame)
}

/// Leads the requests of a client on. What they bring is in `log` before the broker has it.
fn requests(client: &mut TcpStream, broker: &mut TcpStream, log: Option<&File>) -> io::Result<()> {
    loop {
        let request = frame(client)?;
        if let Some(mut log) = log
            && request[PREFIX..].starts_with(&PRODUCE)
        {
            // In one piece, so that those of several clients do not mix.
            log.write_all(&request)?;
        }
        broker.write_all(&request)?;
    }
}

/// Leads the replies of the broker on, with `instead` wherever they have `told`, which is as long.
fn replies(
    broker: &mut TcpStream,
    client: &mut TcpStream,
    told: &[u8],
    instead: &[u8],
) -> io::Result<()> {
    loop {
        let mut reply = frame(broker)?;
        let mut from = PREFIX;
        while let Some(at) = reply[from..].windows(told.len()).position(|part| part == told) {
            reply[from + at..][..told.len()].copy_from_slice(instead);
            from += at + told.len();
        }
        client.write_all(&reply)?;
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
