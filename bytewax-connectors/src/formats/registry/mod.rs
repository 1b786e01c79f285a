//! A client of schema registries.

mod api;
mod error;
mod http;
mod subject;
mod testing;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytewax_runtime::client::Retry;

pub(super) use self::api::Kind;
use self::http::Http;
use super::FormatError;
use super::schema::{Reference, Referenced, Schema, Texts};

pub use self::error::RegistryError;
pub use self::subject::{Registration, SubjectName};
pub use self::testing::TestingRegistry;

/// How long a missing id is cached.
const ABSENT: Duration = Duration::from_secs(60);

/// The most missing ids that are cached.
const MOST_ABSENT: usize = 4096;

/// The maximum depth of references between schemas.
const DEPTH: usize = 100;

/// A client of a schema registry with Confluent's interface: Confluent's own, Apicurio's (its path
/// `/apis/ccompat/v7`), Karapace, or Redpanda's.
///
/// It requests each schema once, from the first worker that needs it; clones share the cache. The request
/// blocks the worker.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bytewax_connectors::formats::Registry;
/// use bytewax_runtime::client::Retry;
///
/// let registry = Registry::new("https://one:8081,https://two:8081")
///     .basic_auth("billing", "from the environment")
///     .timeout(Duration::from_secs(2))
///     .retry(Retry::new().retries(3));
/// assert!(!format!("{registry:?}").contains("from the environment"));
/// ```
///
/// # Errors
///
/// [`RegistryError`] lists all errors. If a registry does not respond, the client retries as set by
/// [`retry`](Self::retry), and then the run fails. Nothing is lost: the next run resumes from the messages of
/// the last complete epoch. Only an id that the registry does not know is an error of the message that
/// contains it.
///
/// # Limits
///
/// Addresses that begin with `https` need the feature `schema-registry-ssl`.
#[derive(Clone)]
#[must_use]
pub struct Registry {
    urls: Vec<String>,
    /// The user and the password.
    login: Option<(String, String)>,
    timeout: Duration,
    retry: Retry,
    client: Arc<OnceLock<Client>>,
}

/// A schema in the registry.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) kind: Kind,
    pub(super) texts: Texts,
}

struct Client {
    http: Http,
    known: Mutex<Known>,
}

/// The cached responses of the registry.
#[derive(Default)]
struct Known {
    schemas: HashMap<u32, Arc<Registered>>,
    absent: HashMap<u32, Instant>,
}

impl Registry {
    /// Creates a client for the registry at this address, or at several addresses with the same schemas,
    /// separated by commas. It does not connect before the run.
    ///
    /// An address may contain a user and a password: `http://user:password@host:8081`.
    pub fn new(urls: impl AsRef<str>) -> Self {
        let mut login = None;
        let urls = urls.as_ref().split(',').map(str::trim);
        let urls = urls.filter(|url| !url.is_empty()).map(|url| {
            let (url, found) = http::without_login(url);
            login = login.take().or(found);
            url
        });
        let urls = urls.collect();
        Self {
            urls,
            login,
            timeout: Duration::from_secs(3),
            retry: Retry::new()
                .retries(7)
                .backoff(Duration::from_millis(100), Duration::from_secs(5)),
            client: Arc::default(),
        }
    }

    /// Logs in with this user and password. No message shows them.
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some((user.into(), password.into()));
        self.changed()
    }

    /// Sets the time-out of one response. The default is 3 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self.changed()
    }

    /// Sets the retries when the registry does not respond. The default is seven times in about 20 s. The
    /// worker blocks meanwhile.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self.changed()
    }

    fn changed(mut self) -> Self {
        self.client = Arc::default();
        self
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| Client {
            http: Http::new(
                self.urls.clone(),
                self.login.as_ref(),
                self.timeout,
                self.retry,
            ),
            known: Mutex::default(),
        })
    }

    /// Checks the settings without a request.
    pub(super) fn check(&self) -> Result<(), RegistryError> {
        http::check(&self.urls)
    }

    /// The schema with an id.
    pub(super) fn schema(&self, id: u32) -> Result<Arc<Registered>, RegistryError> {
        let client = self.client();
        {
            let mut known = client.known();
            if let Some(schema) = known.schemas.get(&id) {
                return Ok(Arc::clone(schema));
            }
            match known.absent.get(&id) {
                Some(asked) if asked.elapsed() < ABSENT => {
                    return Err(client.http.absent(format!("no schema with the id {id}")));
                }
                Some(_) => drop(known.absent.remove(&id)),
                None => {}
            }
        }
        let found = client
            .http
            .get(&format!("/schemas/ids/{id}"), || {
                format!("no schema with the id {id}")
            })
            .and_then(|found| api::schema(&client.http, &found))
            .and_then(|schema| client.complete(schema));
        let mut known = client.known();
        match found {
            Ok(found) => {
                let found = Arc::new(found);
                known.schemas.insert(id, Arc::clone(&found));
                Ok(found)
            }
            Err(error) => {
                if error.is_absent() {
                    if known.absent.len() >= MOST_ABSENT {
                        known.absent.clear();
                    }
                    known.absent.insert(id, Instant::now());
                }
                Err(error)
            }
        }
    }

    /// The texts of a schema and all its references.
    pub(super) fn texts(&self, schema: &Schema) -> Result<Texts, RegistryError> {
        self.client().texts(schema)
    }

    /// The id of a schema under a subject, and the registered schema.
    pub(super) fn id_of(
        &self,
        subject: &str,
        kind: &Kind,
        schema: Option<&Schema>,
        how: Registration,
    ) -> Result<(u32, Arc<Registered>), RegistryError> {
        let client = self.client();
        let http = &client.http;
        let path = format!("/subjects/{}", http::escaped(subject));
        let (Some(schema), false) = (schema, how == Registration::Latest) else {
            let found = http.get(&format!("{path}/versions/latest"), || {
                format!("no schema of the subject `{subject}`")
            })?;
            let id = api::id(http, &found)?;
            let found = client.complete(api::schema(http, &found)?)?;
            return Ok((id, Arc::new(found)));
        };
        let body = api::body(http, kind, schema)?;
        let path = match how {
            Registration::Register => format!("{path}/versions"),
            Registration::Existing | Registration::Latest => path,
        };
        let found = http.post(&path, &body, || {
            format!(
                "no such schema of the subject `{subject}`; register it, or have the serializer do so by `Registration::Register`"
            )
        })?;
        let id = api::id(http, &found)?;
        let texts = client.texts(schema)?;
        let kind = kind.clone();
        Ok((id, Arc::new(Registered { kind, texts })))
    }

    /// A schema of this registry that cannot be used.
    pub(super) fn unusable(&self, what: impl fmt::Display, why: impl fmt::Display) -> FormatError {
        FormatError::Stop(
            RegistryError::Schema {
                url: self.urls.join(","),
                what: what.to_string(),
                why: why.to_string(),
            }
            .into(),
        )
    }
}

impl Client {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the referenced schemas.
    fn complete(&self, found: (Kind, Schema)) -> Result<Registered, RegistryError> {
        let (kind, schema) = found;
        let texts = self.texts(&schema)?;
        Ok(Registered { kind, texts })
    }

    fn texts(&self, schema: &Schema) -> Result<Texts, RegistryError> {
        let mut others = Vec::new();
        self.collect(&schema.references, &mut others, 0)?;
        Ok(Texts {
            main: schema.text.clone(),
            others,
        })
    }

    fn collect(
        &self,
        references: &[Reference],
        others: &mut Vec<(String, String)>,
        depth: usize,
    ) -> Result<(), RegistryError> {
        for Reference { name, to } in references {
            if others.iter().any(|(known, _)| known == name) {
                continue;
            }
            let text = match to {
                Referenced::Text(text) => text.clone(),
                Referenced::Registered { subject, version } => {
                    let what = || format!("the version {version} of the subject `{subject}`");
                    if depth > DEPTH {
                        return Err(self.http.bad_schema(what(), "it refers to itself"));
                    }
                    let path = format!("/subjects/{}/versions/{version}", http::escaped(subject));
                    let found = self.http.get(&path, || {
                        format!("no version {version} of the subject `{subject}`, which a schema refers to as `{name}`")
                    });
                    // The bytes with the id of the schema are not at fault.
                    let found = found.map_err(|error| match error {
                        RegistryError::Absent { what, .. } => {
                            self.http.bad_schema(&what, "it is referred to")
                        }
                        error => error,
                    })?;
                    let (_, schema) = api::schema(&self.http, &found)?;
                    self.collect(&schema.references, others, depth + 1)?;
                    schema.text
                }
            };
            others.push((name.clone(), text));
        }
        Ok(())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("urls", &self.urls)
            .field("logs_in", &self.login.is_some())
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl From<RegistryError> for FormatError {
    fn from(error: RegistryError) -> Self {
        match error.is_absent() {
            true => Self::Data(error.to_string()),
            false => Self::Stop(error.into()),
        }
    }
}
