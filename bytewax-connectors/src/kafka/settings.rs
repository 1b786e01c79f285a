//! Settings of the client.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::Error;

/// The addresses of brokers, and the settings of the user.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) brokers: String,
    given: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            given: BTreeMap::new(),
        }
    }

    pub(super) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.given.insert(name.into(), value.into());
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// The settings of a client: `defaults`, overridden by the user's settings, and `own`, which the user
    /// must not set. Each of the latter comes with its replacement.
    pub(super) fn config(
        &self,
        defaults: &[(&str, &str)],
        own: &[(&str, &str, &str)],
    ) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::new();
        config.set("client.id", "bytewax");
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.given {
            if let Some((_, _, instead)) = own.iter().find(|(own, _, _)| own == name) {
                return Err(Error::Setting {
                    name: name.clone(),
                    why: format!("it belongs to the connector; {instead}"),
                });
            }
            config.set(name, value);
        }
        for (name, value, _) in own {
            config.set(*name, *value);
        }
        config.set("bootstrap.servers", &self.brokers);
        Ok(config)
    }

    /// The user's settings for an auxiliary client of another kind: only those that both kinds support.
    pub(super) fn beside(
        &self,
        defaults: &[(&str, &str)],
        own: &[(&str, &str, &str)],
    ) -> Result<ClientConfig, Error> {
        let common = [
            "security.",
            "sasl.",
            "ssl.",
            "socket.",
            "broker.",
            "client.",
            "enable.ssl",
        ];
        let given = self.given.iter();
        let given = given.filter(|(name, _)| common.iter().any(|part| name.starts_with(part)));
        let common = Self {
            brokers: self.brokers.clone(),
            given: given
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        };
        common.config(defaults, own)
    }

    /// Creates a client.
    pub(super) fn client<C, X: FromClientConfigAndContext<C>>(
        &self,
        config: &ClientConfig,
        context: C,
    ) -> Result<X, Error>
    where
        C: rdkafka::ClientContext,
    {
        if self.brokers.trim().is_empty() {
            return Err(Error::Setting {
                name: "bootstrap.servers".to_owned(),
                why: "there is no address of a broker; give one, such as `localhost:9092`"
                    .to_owned(),
            });
        }
        config
            .create_with_context(context)
            .map_err(|error| match error {
                KafkaError::ClientConfig(_, why, name, _) => Error::Setting {
                    why: self.without_secrets(&why),
                    name,
                },
                KafkaError::ClientCreation(why) => Error::Client {
                    why: self.without_secrets(&why),
                },
                error => Error::Client {
                    why: self.without_secrets(&error.to_string()),
                },
            })
    }

    /// A message of the client, without the values of settings that may be secret.
    fn without_secrets(&self, text: &str) -> String {
        let secrets = self.given.iter().filter(|(name, _)| is_secret(name));
        secrets
            .filter(|(_, value)| !value.is_empty())
            .fold(text.to_owned(), |text, (_, value)| {
                text.replace(value.as_str(), "***")
            })
    }
}

/// Whether a setting of this name may be a secret.
fn is_secret(name: &str) -> bool {
    let parts = [
        "password",
        "secret",
        "key",
        "token",
        "jaas",
        "pem",
        "config",
        "credential",
        "username",
    ];
    parts.iter().any(|part| name.contains(part))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only the names of settings.
        let names: Vec<&String> = self.given.keys().collect();
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("set", &names)
            .finish()
    }
}

/// Whether the client recovers from an error by itself.
pub(super) fn is_transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::WaitCache
            | Code::WaitingForCoordinator
            | Code::NodeUpdate
            | Code::Retry
            | Code::UnknownBroker
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::RequestTimedOut
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::NotController
    )
}

/// Whether an error means that the brokers reject the client.
pub(super) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = Settings::new("broker:1");
        settings.set("sasl.password", "hunter2");
        settings.set("acks", "all");
        let shown = format!("{settings:?}");
        assert_eq!(
            shown,
            r#"Settings { brokers: "broker:1", set: ["acks", "sasl.password"] }"#
        );
        let text = settings.without_secrets("cannot use `hunter2` with all");
        assert_eq!(text, "cannot use `***` with all");
    }

    #[test]
    fn settings_of_the_connector_are_refused() {
        let mut settings = Settings::new("broker:1");
        settings.set("enable.auto.commit", "true");
        let own = [("enable.auto.commit", "false", "set `group.id`")];
        let error = settings.config(&[], &own).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the setting `enable.auto.commit` cannot be used: it belongs to the connector; set `group.id`"
        );
    }
}
