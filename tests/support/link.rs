//! A way to a server that can be cut.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Leads what connects to its address on to a server, until it is cut.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
    accepting: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[expect(clippy::expect_used, reason = "a harness fails its test by panicking")]
impl Link {
    /// A link that leads nowhere yet.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("the port is known");
        let (to, watched) = watch::channel(None);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(lead(client, watched.clone()));
            }
        });
        Self { address, to, accepting }
    }

    /// Where it begins.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads to the server at `url` from now on.
    ///
    /// # Panics
    /// If the URL does not end with an address.
    pub fn lead_to(&self, url: &str) {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        self.to.send_replace(Some(address.parse().expect("the URL has an address")));
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        self.to.send_replace(None);
    }
}

async fn lead(mut client: TcpStream, mut to: watch::Receiver<Option<SocketAddr>>) {
    let target = *to.borrow_and_update();
    let Some(target) = target else { return };
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        // Who connected hears of it when this returns.
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = to.changed() => {}
    }
}
