//! Several processes on this machine.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Free addresses of loopback.
pub fn addresses(processes: usize) -> io::Result<Vec<String>> {
    let held: Vec<TcpListener> = (0..processes)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    held.iter()
        .map(|listener| Ok(listener.local_addr()?.to_string()))
        .collect()
}
