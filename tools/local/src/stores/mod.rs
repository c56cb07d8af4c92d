//! DynamoDB, SQS and S3 in this process, behind endpoints on loopback.
//!
//! | part | made by | kept | after `kill -9` |
//! |---|---|---|---|
//! | DynamoDB | dynoxide, on SQLite | in a file | everything that was answered is there |
//! | S3 | s3s-fs | in a folder | everything that was answered is there |
//! | SQS | rustack | in memory | **queues and messages are gone**, as after any restart |
//!
//! Whoever uses the queues therefore makes them anew at each start, and finds the work that was
//! waiting in them by a sweep of its own records, as production does for a message that was lost.
//!
//! Only S3 verifies signatures. The others serve whoever can reach them, which is why they listen
//! on loopback.
//!
//! All three run on one thread and one runtime of their own: SQLite blocks the thread it is called
//! on, and must not hold up the service's own runtime while a commit reaches the disk.

mod dynamodb;
mod s3;
mod sqs;

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use url::Url;

pub use dynamodb::Streams;

use crate::server::{self, Phase};

/// How long [`Stores::shutdown`] waits for requests that are being answered.
const DRAIN: Duration = Duration::from_secs(3);

/// The account that every ARN and queue URL names.
pub const ACCOUNT_ID: &str = "000000000000";

/// Where the stores keep their data and where they listen.
#[derive(Debug, Clone)]
pub struct StoresConfig {
    /// The folder of the data, made when missing. `None` keeps tables in memory and objects in a
    /// temporary folder that goes with the [`Stores`].
    pub data_dir: Option<PathBuf>,
    /// The address to listen on. Nobody but this machine should be able to reach it.
    pub host: IpAddr,
    /// The ports to listen on, or `None` for free ones.
    pub ports: Option<Ports>,
    /// The Region that ARNs name.
    pub region: String,
    /// The only access key that S3 knows.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: String,
}

impl Default for StoresConfig {
    fn default() -> Self {
        Self {
            data_dir: None,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: None,
            region: "us-east-1".to_owned(),
            access_key_id: "local".to_owned(),
            secret_access_key: "local".to_owned(),
        }
    }
}

/// Fixed ports; 0 means a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ports {
    /// The port of DynamoDB.
    pub dynamodb: u16,
    /// The port of SQS.
    pub sqs: u16,
    /// The port of S3.
    pub s3: u16,
}

/// What a client needs to reach the stores. Serialises to the `aws` object of `demo.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// DynamoDB and DynamoDB Streams.
    pub dynamodb: Url,
    /// SQS, JSON protocol.
    pub sqs: Url,
    /// S3, path style.
    pub s3: Url,
    /// The Region to sign for.
    pub region: String,
    /// The access key to sign with.
    pub access_key_id: String,
    /// The secret to sign with.
    pub secret_access_key: String,
}

/// Why the stores did not start.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// The folder of the data cannot be made, read or written.
    #[error("cannot use the data folder {}", path.display())]
    DataDir {
        /// The folder or file in question.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has the same data open.
    #[error("the data folder {} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// An endpoint's address is taken or not ours.
    #[error("cannot listen on {address} for {store}")]
    Bind {
        /// Which endpoint.
        store: &'static str,
        /// Its address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The tables cannot be opened.
    #[error("cannot open the tables: {0}")]
    Tables(String),
    /// The folder of the objects cannot be opened.
    #[error("cannot open the objects: {0}")]
    Objects(String),
    /// The thread of the stores cannot be started, or ended while it started.
    #[error("cannot start the thread of the stores")]
    Thread(#[source] io::Error),
}

/// Running stores. They stop when this is dropped; [`Stores::shutdown`] lets them finish first.
#[derive(Debug)]
pub struct Stores {
    endpoints: Endpoints,
    streams: Streams,
    phase: watch::Sender<Phase>,
    thread: Option<thread::JoinHandle<()>>,
    // Behind the thread, so that the folder goes after the files in it were closed.
    _temporary: Option<TempDir>,
}

impl Stores {
    /// Opens the data and starts to listen. When it returns, all three answer.
    ///
    /// # Errors
    ///
    /// [`StoresError`] says which part failed; nothing keeps running then.
    pub async fn start(config: StoresConfig) -> Result<Self, StoresError> {
        let ports = config.ports.unwrap_or_default();
        let sockets = Sockets {
            dynamodb: listen("DynamoDB", config.host, ports.dynamodb)?,
            sqs: listen("SQS", config.host, ports.sqs)?,
            s3: listen("S3", config.host, ports.s3)?,
        };
        let endpoints = Endpoints {
            dynamodb: sockets.dynamodb.url.clone(),
            sqs: sockets.sqs.url.clone(),
            s3: sockets.s3.url.clone(),
            region: config.region.clone(),
            access_key_id: config.access_key_id.clone(),
            secret_access_key: config.secret_access_key.clone(),
        };

        let (folder, temporary) = match &config.data_dir {
            Some(folder) => (folder.clone(), None),
            None => {
                let temporary =
                    tempfile::Builder::new().prefix("memes-").tempdir().map_err(|source| {
                        StoresError::DataDir { path: std::env::temp_dir(), source }
                    })?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };

        let (phase, watched) = watch::channel(Phase::Serving);
        let (ready, started) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("stores".to_owned())
            .spawn(move || run(&config, &folder, sockets, watched, ready))
            .map_err(StoresError::Thread)?;
        match started.await {
            Ok(Ok(streams)) => {
                let (thread, _temporary) = (Some(thread), temporary);
                Ok(Self { endpoints, streams, phase, thread, _temporary })
            }
            // The thread ends by itself.
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StoresError::Thread(io::Error::other("it ended at once"))),
        }
    }

    /// What a client needs to reach the stores.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The streams of the tables, read past the endpoint of DynamoDB.
    #[must_use]
    pub const fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Stops listening, lets requests that are being answered finish (3 s at most; long polls are
    /// answered empty at once) and closes the files.
    pub async fn shutdown(self) {
        // Nobody listens when the thread has ended already, and then there is nothing to wait for.
        let _ = self.phase.send(Phase::Draining);
        self.phase.closed().await;
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        let _ = self.phase.send(Phase::Stopped);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the stores panicked");
        }
    }
}

struct Sockets {
    dynamodb: Socket,
    sqs: Socket,
    s3: Socket,
}

struct Socket {
    listener: TcpListener,
    address: SocketAddr,
    url: Url,
}

fn listen(store: &'static str, host: IpAddr, port: u16) -> Result<Socket, StoresError> {
    let wanted = SocketAddr::new(host, port);
    let bind = || -> io::Result<Socket> {
        let listener = TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let url = Url::parse(&format!("http://{address}")).map_err(io::Error::other)?;
        Ok(Socket { listener, address, url })
    };
    bind().map_err(|source| StoresError::Bind { store, address: wanted, source })
}

/// The thread of the stores, from opening the files to closing them.
fn run(
    config: &StoresConfig,
    folder: &Path,
    sockets: Sockets,
    phase: watch::Receiver<Phase>,
    ready: oneshot::Sender<Result<Streams, StoresError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For S3's files, of which a laptop reads a few at a time.
        .max_blocking_threads(8)
        .thread_name("stores-io")
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(StoresError::Thread(error)));
            return;
        }
    };
    // Held until the thread ends, and let go by the system however the process ends.
    let mut _lock = None;
    runtime.block_on(async {
        let parts = match open(config, folder, &sockets) {
            Ok((parts, lock)) => {
                _lock = Some(lock);
                parts
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        if ready.send(Ok(parts.tables.streams())).is_ok() {
            serve(parts, sockets, phase.clone()).await;
        }
    });
    // A read of a file that takes longer than this is left behind; it holds no lock and no table.
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(_lock);
    // The last receiver: this is what `shutdown` waits for.
    drop(phase);
}

struct Parts {
    tables: dynamodb::Tables,
    queues: sqs::Queues,
    objects: s3s::service::S3Service,
}

fn open(
    config: &StoresConfig,
    folder: &Path,
    sockets: &Sockets,
) -> Result<(Parts, File), StoresError> {
    let objects = folder.join("s3");
    fs::create_dir_all(&objects)
        .map_err(|source| StoresError::DataDir { path: objects.clone(), source })?;
    let lock = lock(folder)?;
    let tables = match config.data_dir {
        Some(_) => dynamodb::Tables::open(&folder.join("dynamodb.sqlite3"))?,
        None => dynamodb::Tables::in_memory()?,
    };
    let parts = Parts {
        tables,
        queues: sqs::Queues::new(sockets.sqs.address, &config.region),
        objects: s3::service(&objects, &config.access_key_id, config.secret_access_key.as_str())?,
    };
    Ok((parts, lock))
}

/// Two processes on one folder would each believe that its view of the queues is the whole truth.
fn lock(folder: &Path) -> Result<File, StoresError> {
    let path = folder.join(".lock");
    let failed = |source| StoresError::DataDir { path: path.clone(), source };
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoresError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

async fn serve(parts: Parts, sockets: Sockets, phase: watch::Receiver<Phase>) {
    let Parts { tables, queues, objects } = parts;
    let mut stop = phase.clone();
    let all = async {
        tokio::join!(
            tables.serve(sockets.dynamodb.listener, phase.clone()),
            server::serve(sockets.sqs.listener, queues.service(phase.clone()), phase.clone()),
            server::serve(sockets.s3.listener, objects, phase.clone()),
        )
    };
    let given_up = async {
        server::stopping(&mut stop).await;
        tokio::select! {
            () = tokio::time::sleep(DRAIN) => {}
            _ = stop.wait_for(|phase| *phase == Phase::Stopped) => {}
        }
    };
    tokio::select! {
        (tables, queues, objects) = all => {
            for (store, result) in [("DynamoDB", tables), ("SQS", queues), ("S3", objects)] {
                if let Err(error) = result {
                    tracing::error!(store, %error, "an endpoint of the stores failed");
                }
            }
        }
        () = given_up => {}
    }
}
