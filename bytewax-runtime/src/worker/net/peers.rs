//! The processes of a cluster and their addresses.

use std::net::{IpAddr, TcpListener};

use super::error::NetError;
use super::text::{reason, who};

/// One process of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Peers {
    /// The index of this process.
    pub(crate) index: usize,
    /// The address `host:port` of each process, in the same order on all of them.
    pub(crate) addresses: Vec<String>,
}

impl Peers {
    /// Refuses an invalid index or invalid addresses.
    pub(crate) fn check(&self) -> Result<(), NetError> {
        if self.index >= self.addresses.len() {
            return Err(NetError::Index {
                index: self.index,
                count: self.addresses.len(),
            });
        }
        for (process, address) in self.addresses.iter().enumerate() {
            check_address(address).map_err(|why| NetError::Address {
                process,
                address: address.clone(),
                why,
            })?;
            if let Some(first) = self.addresses[..process].iter().position(|a| a == address) {
                let address = address.clone();
                return Err(NetError::SameAddress {
                    first,
                    second: process,
                    address,
                });
            }
        }
        Ok(())
    }

    /// The first address that is not one of this machine alone. Names are not looked up: only `localhost` is known.
    pub(crate) fn outside(&self) -> Option<&str> {
        let mut addresses = self.addresses.iter().map(String::as_str);
        addresses.find(|address| !is_loopback(address))
    }

    /// Listens on the address of this process.
    pub(super) fn listen(&self) -> Result<TcpListener, NetError> {
        TcpListener::bind(&self.addresses[self.index]).map_err(|error| self.cannot_listen(&error))
    }

    /// This process cannot listen.
    pub(super) fn cannot_listen(&self, error: &std::io::Error) -> NetError {
        NetError::Listen {
            process: self.index,
            address: self.addresses[self.index].clone(),
            why: reason(error),
        }
    }

    /// The name of a process in messages. One beyond the list has no address.
    pub(super) fn who(&self, process: usize) -> String {
        match self.addresses.get(process) {
            Some(address) => who(process, address),
            None => format!("process {process}"),
        }
    }
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_loopback || host.eq_ignore_ascii_case("localhost")
}

fn check_address(address: &str) -> Result<(), &'static str> {
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err("it has no port");
    };
    if host.is_empty() {
        return Err("it has no host");
    }
    match port.parse::<u16>() {
        Ok(0) => Err("port 0 cannot be connected to"),
        Ok(_) => Ok(()),
        Err(_) => Err("its port is not a number from 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(index: usize, addresses: &[&str]) -> String {
        let addresses = addresses.iter().map(|&a| a.to_owned()).collect();
        match (Peers { index, addresses }).check() {
            Ok(()) => String::from("fine"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn addresses_are_checked() {
        assert_eq!(refusal(0, &["a:1", "[::1]:2"]), "fine");
        assert_eq!(
            refusal(0, &["a:1", "b"]),
            "address `b` of process 1 is malformed: it has no port; write it as `host:port`"
        );
        assert!(refusal(0, &[":1"]).contains("it has no host"));
        assert!(refusal(0, &["a:99999"]).contains("its port is not a number from 1 to 65535"));
        assert!(refusal(0, &["a:0"]).contains("port 0 cannot be connected to"));
        assert!(refusal(0, &[""]).contains("address `` of process 0 is malformed"));
        assert_eq!(
            refusal(0, &["a:1", "b:1", "a:1"]),
            "processes 0 and 2 have the same address `a:1`; give each process its own"
        );
    }

    #[test]
    fn addresses_of_other_machines_are_outside() {
        let outside = |list: &[&str]| {
            let addresses = list.iter().map(|&address| address.to_owned()).collect();
            let peers = Peers {
                index: 0,
                addresses,
            };
            peers.outside().map(str::to_owned)
        };
        assert_eq!(
            outside(&["127.0.0.1:1", "localhost:2", "[::1]:3", "127.9.8.7:4"]),
            None
        );
        for other in [
            "10.0.0.1:1",
            "host-a:1",
            "0.0.0.0:1",
            "[fe80::1]:1",
            "localhost.evil:1",
        ] {
            assert_eq!(outside(&["127.0.0.1:1", other]).as_deref(), Some(other));
        }
    }

    #[test]
    fn the_index_is_checked() {
        assert!(refusal(2, &["a:1", "b:1"]).contains("process id `2` is out of range"));
        assert!(refusal(0, &[]).contains("the list of addresses is empty"));
    }
}
