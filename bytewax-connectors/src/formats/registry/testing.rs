//! A registry for tests.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);

/// A schema registry in this process, for tests.
///
/// It listens on a free port of this machine and stores schemas in memory. It supports the requests of
/// serializers and deserializers, and accepts any schema without checking it. It stops when it is dropped.
///
/// # Examples
///
/// ```
/// use bytewax_connectors::formats::{Deserializer, JsonDeserializer, JsonSerializer, Registry, Serializer, TestingRegistry, Part};
///
/// let testing = TestingRegistry::start()?;
/// let registry = Registry::new(testing.url());
/// let mut to = JsonSerializer::registry(&registry, r#"{"type": "integer"}"#).topic("degrees");
/// Serializer::<u32>::open(&mut to, Part::Value)?;
/// let bytes = to.serialize(&21, None)?;
/// assert_eq!(bytes, b"\x00\x00\x00\x00\x0121"); // A zero, the number of the schema, and the value.
/// assert_eq!(testing.requests(), ["POST /subjects/degrees-value/versions"]);
///
/// let mut from = JsonDeserializer::<u32>::registry(&registry);
/// assert_eq!(from.deserialize(&bytes)?, 21);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestingRegistry {
    url: String,
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    has_ended: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Their ids are from 1.
    schemas: Vec<Entry>,
    /// The ids of the versions of each subject.
    subjects: BTreeMap<String, Vec<usize>>,
    requests: Vec<String>,
    /// The status, and how often it is still to be answered.
    failing: Option<(u16, usize)>,
    /// What has to be said of who asks.
    authorization: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: String,
    text: String,
    references: Vec<(String, String, u64)>,
}

/// The status and the body of an answer.
type Answer = (u16, Value);

impl TestingRegistry {
    /// Starts a registry without schemas.
    ///
    /// # Errors
    ///
    /// Fails if no port is available.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new().name("testing-registry".to_owned());
        let thread = thread.spawn(move || {
            for stream in listener.incoming() {
                if serving.has_ended.load(Ordering::Acquire) {
                    return;
                }
                // A client that goes away has no answer.
                let _ = stream.and_then(|stream| serving.serve(&stream));
            }
        })?;
        Ok(Self {
            url: format!("http://{address}"),
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Returns its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds a schema to a subject, and returns its id. `kind` is `AVRO`, `PROTOBUF` or `JSON`; each reference
    /// is a name, a subject and a version.
    pub fn register(
        &self,
        subject: &str,
        kind: &str,
        text: &str,
        references: &[(&str, &str, u32)],
    ) -> u32 {
        let references = references.iter();
        let references = references.map(|(name, subject, version)| {
            (
                (*name).to_owned(),
                (*subject).to_owned(),
                u64::from(*version),
            )
        });
        let entry = Entry {
            kind: kind.to_owned(),
            text: text.to_owned(),
            references: references.collect(),
        };
        let id = self.shared.state().register(subject, entry);
        u32::try_from(id).unwrap_or(u32::MAX)
    }

    /// Requires this login for all requests.
    pub fn require_login(&self, user: &str, password: &str) {
        let login = BASE64.encode(format!("{user}:{password}"));
        self.shared.state().authorization = Some(format!("Basic {login}"));
    }

    /// Responds with this status to the next `times` requests.
    pub fn fail(&self, status: u16, times: usize) {
        self.shared.state().failing = Some((status, times));
    }

    /// Returns the requests so far, such as `GET /schemas/ids/1`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }
}

impl Drop for TestingRegistry {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        // It waits for somebody to come.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for TestingRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestingRegistry")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request, and closes the connection.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next(), words.next());
        let (method, path) = (
            method.unwrap_or_default().to_owned(),
            path.unwrap_or_default().to_owned(),
        );
        let mut headers = HashMap::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => {
                    headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                }
                None => break,
            }
        }
        let length = headers
            .get("content-length")
            .and_then(|text| text.parse().ok());
        let mut body = Vec::new();
        reader.take(length.unwrap_or(0)).read_to_end(&mut body)?;
        let (status, answer) = self.state().answer(&method, &path, &headers, &body);
        let answer = answer.to_string();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} Status\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n{answer}",
            answer.len(),
        )
    }
}

fn error(status: u16, code: u32, message: &str) -> Answer {
    (status, json!({"error_code": code, "message": message}))
}

impl State {
    fn register(&mut self, subject: &str, entry: Entry) -> usize {
        let known = self.schemas.iter().position(|known| *known == entry);
        let id = known.unwrap_or(self.schemas.len()) + 1;
        if known.is_none() {
            self.schemas.push(entry);
        }
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        if !versions.contains(&id) {
            versions.push(id);
        }
        id
    }

    fn answer(
        &mut self,
        method: &str,
        path: &str,
        headers: &HashMap<String, String>,
        body: &[u8],
    ) -> Answer {
        self.requests.push(format!("{method} {path}"));
        if let Some((status, times)) = &mut self.failing {
            let status = *status;
            *times -= 1;
            if *times == 0 {
                self.failing = None;
            }
            return error(status, u32::from(status) * 100 + 1, "it was told to fail");
        }
        if let Some(wanted) = &self.authorization
            && headers.get("authorization") != Some(wanted)
        {
            return error(401, 401, "Unauthorized");
        }
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<String> = path
            .split('/')
            .skip(1)
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (method, parts.as_slice()) {
            ("GET", ["schemas", "ids", id]) => {
                let found = id.parse::<usize>().ok().and_then(|id| self.entry(id));
                found.map_or_else(
                    || error(404, 40403, "Schema not found"),
                    |entry| (200, entry.shown()),
                )
            }
            ("GET", ["subjects", subject, "versions", version]) => self.version(subject, version),
            ("POST", ["subjects", subject]) => self.look_up(subject, body),
            ("POST", ["subjects", subject, "versions"]) => match Entry::parse(body) {
                Some(entry) => (200, json!({"id": self.register(subject, entry)})),
                None => error(422, 42201, "Invalid schema"),
            },
            _ => error(404, 404, "HTTP 404 Not Found"),
        }
    }

    fn entry(&self, id: usize) -> Option<&Entry> {
        self.schemas.get(id.checked_sub(1)?)
    }

    fn version(&self, subject: &str, version: &str) -> Answer {
        let Some(versions) = self.subjects.get(subject) else {
            return error(404, 40401, "Subject not found");
        };
        let number = match version {
            "latest" => Some(versions.len()),
            version => version.parse().ok(),
        };
        let found = number.and_then(|number: usize| {
            let id = *versions.get(number.checked_sub(1)?)?;
            Some((number, id, self.entry(id)?))
        });
        found.map_or_else(
            || error(404, 40402, "Version not found"),
            |(number, id, entry)| (200, entry.of(subject, number, id)),
        )
    }

    fn look_up(&self, subject: &str, body: &[u8]) -> Answer {
        let Some(versions) = self.subjects.get(subject) else {
            return error(404, 40401, "Subject not found");
        };
        let wanted = Entry::parse(body);
        let found = versions.iter().enumerate().find_map(|(index, id)| {
            let entry = self.entry(*id)?;
            (Some(entry) == wanted.as_ref()).then_some((index + 1, *id, entry))
        });
        found.map_or_else(
            || error(404, 40403, "Schema not found"),
            |(number, id, entry)| (200, entry.of(subject, number, id)),
        )
    }
}

impl Entry {
    fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let references = body["references"].as_array().cloned().unwrap_or_default();
        let references = references.iter().map(|reference| {
            Some((
                reference["name"].as_str()?.to_owned(),
                reference["subject"].as_str()?.to_owned(),
                reference["version"].as_u64()?,
            ))
        });
        Some(Self {
            kind: body["schemaType"].as_str().unwrap_or("AVRO").to_owned(),
            text: body["schema"].as_str()?.to_owned(),
            references: references.collect::<Option<_>>()?,
        })
    }

    fn shown(&self) -> Value {
        let mut shown = json!({"schema": self.text});
        if self.kind != "AVRO" {
            shown["schemaType"] = json!(self.kind);
        }
        if !self.references.is_empty() {
            let references = self.references.iter().map(|(name, subject, version)| {
                json!({"name": name, "subject": subject, "version": version})
            });
            shown["references"] = references.collect();
        }
        shown
    }

    fn of(&self, subject: &str, version: usize, id: usize) -> Value {
        let mut shown = self.shown();
        shown["subject"] = json!(subject);
        shown["version"] = json!(version);
        shown["id"] = json!(id);
        shown
    }
}
