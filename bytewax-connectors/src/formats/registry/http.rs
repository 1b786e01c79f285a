//! Requests to a registry over HTTP.

use std::fmt::Display;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytewax_runtime::client::Retry;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;

use super::error::RegistryError;

/// The content type of requests to registries.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// The characters that need no escape in a part of a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How much of an unreadable response is shown.
const SHOWN: usize = 200;

/// Escapes a name as a part of a path.
pub(super) fn escaped(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// Splits an address from its user and password.
pub(super) fn without_login(url: &str) -> (String, Option<(String, String)>) {
    let url = url.trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else {
        return (url.to_owned(), None);
    };
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let Some((login, host)) = host.rsplit_once('@') else {
        return (url.to_owned(), None);
    };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (
        format!("{scheme}://{host}{path}"),
        Some((decoded(user), decoded(password))),
    )
}

/// Checks addresses.
pub(super) fn check(urls: &[String]) -> Result<(), RegistryError> {
    let wrong = |url: &str, why: &str| {
        Err(RegistryError::Address {
            url: url.to_owned(),
            why: why.to_owned(),
        })
    };
    if urls.is_empty() {
        return wrong("", "there is none; it is like `http://localhost:8081`");
    }
    for url in urls {
        match url.split_once("://") {
            Some(("http", _)) => {}
            Some(("https", _)) if cfg!(feature = "schema-registry-ssl") => {}
            Some(("https", _)) => {
                return wrong(url, "TLS needs the feature `schema-registry-ssl`");
            }
            _ => {
                return wrong(
                    url,
                    "it has to begin with `http://` or `https://`, as `http://localhost:8081`",
                );
            }
        }
    }
    Ok(())
}

/// Sends requests to a registry.
pub(super) struct Http {
    agent: Agent,
    urls: Vec<String>,
    authorization: Option<String>,
    retry: Retry,
}

/// A response with its request.
pub(super) struct Answer {
    path: String,
    url: String,
    text: String,
}

/// The result of an attempt.
enum Try {
    Answered(String),
    /// The registry does not have the object.
    Absent,
    Failed(RegistryError),
    /// The next attempt may succeed.
    Again(String),
}

#[derive(Deserialize)]
struct ErrorAnswer {
    #[serde(default)]
    error_code: i64,
    #[serde(default)]
    message: String,
}

impl Http {
    pub(super) fn new(
        urls: Vec<String>,
        login: Option<&(String, String)>,
        timeout: Duration,
        retry: Retry,
    ) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .user_agent("bytewax");
        #[cfg(feature = "schema-registry-ssl")]
        let config = config.tls_config(
            ureq::tls::TlsConfig::builder()
                .provider(ureq::tls::TlsProvider::NativeTls)
                .root_certs(ureq::tls::RootCerts::PlatformVerifier)
                .build(),
        );
        let authorization = login.map(|(user, password)| {
            let login = BASE64.encode(format!("{user}:{password}"));
            format!("Basic {login}")
        });
        Self {
            agent: config.build().into(),
            urls,
            authorization,
            retry,
        }
    }

    /// Sends a GET request. `absent` names the object that the registry lacks if the response is "not found".
    pub(super) fn get(
        &self,
        path: &str,
        absent: impl Fn() -> String,
    ) -> Result<Answer, RegistryError> {
        self.ask(path, None, absent)
    }

    /// Sends a POST request.
    pub(super) fn post(
        &self,
        path: &str,
        body: &Value,
        absent: impl Fn() -> String,
    ) -> Result<Answer, RegistryError> {
        self.ask(path, Some(&body.to_string()), absent)
    }

    fn ask(
        &self,
        path: &str,
        body: Option<&str>,
        absent: impl Fn() -> String,
    ) -> Result<Answer, RegistryError> {
        check(&self.urls)?;
        let mut waits = self.retry.waits();
        let mut tries = 0;
        loop {
            let url = &self.urls[tries % self.urls.len()];
            tries += 1;
            let why = match self.once(url, path, body) {
                Try::Answered(text) => {
                    return Ok(Answer {
                        path: path.to_owned(),
                        url: url.clone(),
                        text,
                    });
                }
                Try::Absent => return Err(self.absent(absent())),
                Try::Failed(error) => return Err(error),
                Try::Again(why) => why,
            };
            let Some(wait) = waits.next() else {
                return Err(RegistryError::Unreachable {
                    url: self.urls.join(","),
                    tries,
                    why,
                });
            };
            thread::sleep(wait);
        }
    }

    fn once(&self, url: &str, path: &str, body: Option<&str>) -> Try {
        let at = format!("{url}{path}");
        let answered = match body {
            None => {
                let mut request = self.agent.get(&at).header("Accept", MEDIA_TYPE);
                if let Some(authorization) = &self.authorization {
                    request = request.header("Authorization", authorization);
                }
                request.call()
            }
            Some(body) => {
                let mut request = self.agent.post(&at).header("Accept", MEDIA_TYPE);
                request = request.header("Content-Type", MEDIA_TYPE);
                if let Some(authorization) = &self.authorization {
                    request = request.header("Authorization", authorization);
                }
                request.send(body)
            }
        };
        let answered = answered.and_then(|mut answer| {
            let text = answer.body_mut().read_to_string()?;
            Ok((answer.status().as_u16(), text))
        });
        let (status, text) = match answered {
            Ok(answered) => answered,
            Err(ureq::Error::BadUri(why)) => {
                return Try::Failed(RegistryError::Address {
                    url: url.to_owned(),
                    why,
                });
            }
            Err(error) => return Try::Again(error.to_string()),
        };
        let said = || {
            let said: Option<ErrorAnswer> = serde_json::from_str(&text).ok();
            match said {
                Some(ErrorAnswer {
                    error_code,
                    message,
                }) if !message.is_empty() => {
                    format!("{message} (HTTP {status}, code {error_code})")
                }
                _ => format!("HTTP {status}"),
            }
        };
        match status {
            200..=299 => Try::Answered(text),
            401 | 403 => Try::Failed(RegistryError::Refused {
                url: url.to_owned(),
                why: said(),
            }),
            404 => {
                let said: Option<ErrorAnswer> = serde_json::from_str(&text).ok();
                // Another service at this address would give the same response, which says nothing about a
                // registry.
                match said.is_some_and(|said| (40401..=40403).contains(&said.error_code)) {
                    true => Try::Absent,
                    false => Try::Failed(self.unreadable(url, path, "HTTP 404")),
                }
            }
            408 | 429 | 500.. => Try::Again(said()),
            409 | 422 => Try::Failed(RegistryError::Rejected {
                url: url.to_owned(),
                path: path.to_owned(),
                why: said(),
            }),
            _ => Try::Failed(self.unreadable(url, path, &said())),
        }
    }

    /// Reads a response.
    pub(super) fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, RegistryError> {
        serde_json::from_str(&answer.text).map_err(|error| {
            let shown: String = answer.text.chars().take(SHOWN).collect();
            let why = format!("{error}: `{shown}`");
            self.unreadable(&answer.url, &answer.path, &why)
        })
    }

    fn unreadable(&self, url: &str, path: &str, why: &str) -> RegistryError {
        RegistryError::Answer {
            url: url.to_owned(),
            path: path.to_owned(),
            why: why.to_owned(),
        }
    }

    /// The error of an object that the registry lacks.
    pub(super) fn absent(&self, what: String) -> RegistryError {
        RegistryError::Absent {
            url: self.urls.join(","),
            what,
        }
    }

    /// The error of a schema that cannot be used.
    pub(super) fn bad_schema(&self, what: impl Display, why: &str) -> RegistryError {
        RegistryError::Schema {
            url: self.urls.join(","),
            what: what.to_string(),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_no_part_of_addresses() {
        let (url, login) = without_login("http://ann:p%40ss@host:8081/registry/");
        assert_eq!(url, "http://host:8081/registry");
        assert_eq!(login, Some(("ann".to_owned(), "p@ss".to_owned())));
        assert_eq!(
            without_login("http://host:8081"),
            ("http://host:8081".to_owned(), None)
        );
    }

    #[test]
    fn subjects_are_parts_of_paths() {
        assert_eq!(escaped("orders/eu value"), "orders%2Feu%20value");
        assert_eq!(escaped("orders.eu-value_1"), "orders.eu-value_1");
    }

    #[test]
    fn addresses_are_checked() {
        let why = |url: &str| check(&[url.to_owned()]).unwrap_err().to_string();
        assert!(why("localhost:8081").contains("has to begin with `http://`"));
        assert!(check(&["http://localhost:8081".to_owned()]).is_ok());
        assert!(check(&[]).is_err());
    }
}
