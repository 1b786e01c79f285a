//! The server of a run's metrics. It has its own thread, and limits everything that a client can make it
//! store, and the duration of each connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{Mutex, oneshot};
use tokio::task::AbortHandle;

use super::control::{self, Control};
use super::encode;
use crate::error::{RunError, RunErrorKind};
use crate::report::RunState;
use crate::worker::Reading;

/// The maximum number of open connections. Another one closes the oldest, so slow clients cannot block
/// others.
const MOST_CONNECTIONS: usize = 256;

/// The time-out of a request.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// The time-out of a connection, including the response.
const CONNECTION_TIME: Duration = Duration::from_secs(30);

/// The maximum size of a request's head.
const HEAD_BYTES: usize = 16 << 10;

/// How long the text of a report is cached.
const FRESH: Duration = Duration::from_millis(500);

/// The pause after a failed `accept`, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the metrics of a run until it is dropped.
pub(crate) struct MetricsServer {
    #[cfg(test)]
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsServer {
    /// Listens on an address.
    pub(crate) fn start(
        address: SocketAddr,
        reading: Reading,
        control: Option<Control>,
    ) -> Result<Self, RunError> {
        Self::listen(address, reading, control).map_err(|error| {
            let text = format!(
                "the metrics cannot be served at `{address}`; give `--metrics` (BYTEWAX_METRICS) an address of this \
                 machine with a port that is free, such as `127.0.0.1:9464`"
            );
            RunError::new(RunErrorKind::Network, text).caused_by(error)
        })
    }

    fn listen(address: SocketAddr, reading: Reading, control: Option<Control>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        #[cfg(test)]
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("bytewax-metrics".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::spawn(serve(listener, reading, control));
                    // Returning ends the task, and all connections.
                    let _ = stopped.await;
                });
            })?;
        Ok(Self {
            #[cfg(test)]
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its listening address.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        // Dropping the sender stops the thread, with all connections.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has printed a panic, which does not affect the run.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, reading: Reading, control: Option<Control>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let served = Arc::new(Served {
        reading,
        control,
        text: Mutex::new(None),
    });
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
        let connection = tokio::spawn(connection(stream, Arc::clone(&served)));
        open.push_back(connection.abort_handle());
    }
}

/// Handles one request.
async fn connection(stream: TcpStream, served: Arc<Served>) {
    let of_answer = Arc::clone(&served);
    let answer = service_fn(move |request| {
        let served = Arc::clone(&of_answer);
        async move { Ok::<_, Infallible>(served.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    // Errors of a client concern only the client.
    while tokio::time::timeout(CONNECTION_TIME, connection.as_mut())
        .await
        .is_err()
        && served.is_saving()
    {}
}

struct Served {
    reading: Reading,
    /// Without it, changes are refused.
    control: Option<Control>,
    /// The cached text of a report and its time, so that many clients cost no more than one.
    text: Mutex<Option<(Instant, Bytes)>>,
}

pub(super) type Answer = Response<Full<Bytes>>;

pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

pub(super) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

impl Served {
    fn is_saving(&self) -> bool {
        self.control.as_ref().is_some_and(Control::is_saving)
    }

    async fn answer(&self, request: &Request<Incoming>) -> Answer {
        if let Some(wanted) = control::Request::of(request.uri().path()) {
            let control = self.control.as_ref();
            return control::respond(control, wanted, request.method(), request.headers()).await;
        }
        let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/" | "/metrics" | "/healthz" | "/readyz" if !is_get => {
                let text = "use GET\n";
                let mut refused = answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, text);
                let allowed = HeaderValue::from_static("GET, HEAD");
                refused.headers_mut().insert(ALLOW, allowed);
                refused
            }
            "/metrics" => self.metrics().await,
            "/healthz" => self.health(|state| state != RunState::Failed),
            "/readyz" => self.health(|state| state == RunState::Running),
            "/" => answer(StatusCode::OK, PLAIN, "/metrics\n/healthz\n/readyz\n"),
            _ => {
                let text = "not found; see /metrics, /healthz and /readyz\n";
                answer(StatusCode::NOT_FOUND, PLAIN, text)
            }
        }
    }

    /// The state of the run, and whether it is healthy.
    fn health(&self, is_good: impl Fn(RunState) -> bool) -> Answer {
        let state = self.reading.meter.state();
        let status = match is_good(state) {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        answer(status, PLAIN, format!("{}\n", state.as_str()))
    }

    async fn metrics(&self) -> Answer {
        let mut text = self.text.lock().await;
        let known = text.as_ref().filter(|(made, _)| made.elapsed() < FRESH);
        if let Some((_, known)) = known {
            return answer(StatusCode::OK, encode::CONTENT_TYPE, known.clone());
        }
        match encode::text(self.reading.report()) {
            Ok(made) => {
                let made = Bytes::from(made);
                *text = Some((Instant::now(), made.clone()));
                answer(StatusCode::OK, encode::CONTENT_TYPE, made)
            }
            Err(error) => {
                let text = format!("the metrics cannot be encoded: {error}\n");
                answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, text)
            }
        }
    }
}
