//! The connections of the server. It has its own thread, and limits everything that a client can make it
//! store, and the duration of each connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::Offers;
use super::routes::Routes;
use crate::error::{RunError, RunErrorKind};

/// The maximum number of open connections of an address. Another one closes the oldest, so slow clients cannot
/// block others.
const MOST_CONNECTIONS: usize = 256;

/// The time-out of a request.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// The time-out of a connection, including the response.
const CONNECTION_TIME: Duration = Duration::from_secs(30);

/// The maximum size of a request's head.
const HEAD_BYTES: usize = 16 << 10;

/// The pause after a failed `accept`, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves a run until it is dropped.
pub(crate) struct Server {
    #[cfg(test)]
    addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on these addresses.
    pub(super) fn start(places: &[(SocketAddr, Offers)], routes: Routes) -> Result<Self, RunError> {
        Self::within(CONNECTION_TIME, places, routes)
    }

    /// Listens on these addresses, for connections of at most this time.
    pub(super) fn within(
        time: Duration,
        places: &[(SocketAddr, Offers)],
        routes: Routes,
    ) -> Result<Self, RunError> {
        let mut listeners = Vec::new();
        for (address, offers) in places {
            let listener = listen(*address).map_err(|error| cannot(*address, *offers, error))?;
            listeners.push((listener, *offers));
        }
        Self::serve(time, listeners, routes).map_err(|error| {
            let text = "the thread that serves the run does not start";
            RunError::new(RunErrorKind::Network, text).caused_by(error)
        })
    }

    fn serve(
        time: Duration,
        listeners: Vec<(TcpListener, Offers)>,
        routes: Routes,
    ) -> io::Result<Self> {
        let addresses = listeners.iter().map(|(listener, _)| listener.local_addr());
        let addresses = addresses.collect::<io::Result<Vec<_>>>()?;
        for (address, (_, offers)) in addresses.iter().zip(&listeners) {
            if offers.page {
                tracing::info!("the page is at http://{address}/");
            }
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let routes = Arc::new(routes);
        let thread = thread::Builder::new()
            .name("bytewax-server".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    #[cfg(feature = "web")]
                    if listeners.iter().any(|(_, offers)| offers.page) {
                        let routes = Arc::clone(&routes);
                        tokio::spawn(async move { routes.follow().await });
                    }
                    for (listener, offers) in listeners {
                        tokio::spawn(accept(time, listener, offers, Arc::clone(&routes)));
                    }
                    // Returning ends the tasks, and all connections.
                    let _ = stopped.await;
                });
            })?;
        Ok(Self {
            #[cfg(test)]
            addresses,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its listening addresses.
    #[cfg(test)]
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping the sender stops the thread, with all connections.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has printed a panic, which does not affect the run.
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn cannot(address: SocketAddr, offers: Offers, error: io::Error) -> RunError {
    let text = format!(
        "{} cannot be served at `{address}`; give {} an address of this machine with a port that is free, such as \
         `127.0.0.1:{}`",
        offers.what(),
        offers.option(),
        if offers.page { 8088 } else { 9464 },
    );
    RunError::new(RunErrorKind::Network, text).caused_by(error)
}

async fn accept(time: Duration, listener: TcpListener, offers: Offers, routes: Arc<Routes>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= MOST_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(connection(time, stream, offers, Arc::clone(&routes)));
        open.push_back(connection.abort_handle());
    }
}

/// Handles one request within this time.
async fn connection(time: Duration, stream: TcpStream, offers: Offers, routes: Arc<Routes>) {
    let is_local = stream.local_addr().is_ok_and(|at| at.ip().is_loopback());
    let of_answer = Arc::clone(&routes);
    let answer = service_fn(move |request| {
        let routes = Arc::clone(&of_answer);
        async move { Ok::<_, Infallible>(routes.answer(&request, offers, is_local).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    // Errors of a client concern only the client.
    let _ = within(time, connection, || routes.is_saving()).await;
}

/// Waits for a connection until its time is over, and again while it is needed. Returns nothing when it is given up.
async fn within<F: Future>(
    time: Duration,
    connection: F,
    is_needed: impl Fn() -> bool,
) -> Option<F::Output> {
    let mut connection = pin!(connection);
    loop {
        match tokio::time::timeout(time, connection.as_mut()).await {
            Ok(ended) => return Some(ended),
            Err(_) if is_needed() => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use super::*;

    #[test]
    fn a_connection_is_given_up_when_its_time_is_over_unless_it_is_needed() {
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let time = Duration::from_millis(1);
        // It is needed twice.
        let asked = Cell::new(0);
        let is_needed = || asked.replace(asked.get() + 1) < 2;
        let ended = runtime.block_on(async { within(time, pending::<()>(), is_needed).await });
        assert_eq!((ended, asked.get()), (None, 3));
        let ended = runtime.block_on(async { within(time, ready(7), || false).await });
        assert_eq!(ended, Some(7));
    }
}
