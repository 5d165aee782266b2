//! A stable address before something that restarts: connections end with what was behind them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Passes connections on to an address that can be changed.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    behind: Arc<Mutex<Behind>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Behind {
    target: Option<String>,
    open: JoinSet<()>,
}

impl Relay {
    /// Passes on to `target`, as `HOST:PORT`.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let behind = Arc::new(Mutex::new(Behind {
            target: Some(target.to_owned()),
            open: JoinSet::new(),
        }));
        let known = Arc::clone(&behind);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut behind = known.lock().unwrap_or_else(PoisonError::into_inner);
                // Without a target the connection closes at once.
                if let Some(target) = behind.target.clone() {
                    behind.open.spawn(pass(client, target));
                }
            }
        });
        Self {
            addr,
            behind,
            accepting,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Cuts every connection; later ones go to `target`, or are closed at once.
    pub fn switch(&self, target: Option<&str>) {
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.open.abort_all();
        behind.target = target.map(str::to_owned);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, target: String) {
    if let Ok(mut server) = TcpStream::connect(target).await {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}
