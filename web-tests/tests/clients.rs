//! Clients that are slow or send garbage neither stop nor slow a run.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use web_tests::{PATIENCE, Run};

const STAGED: &str = env!("CARGO_BIN_EXE_staged");

/// The items of the sources, and the time of the run, in seconds.
fn state(run: &Run) -> (u64, f64) {
    let report = run.report();
    assert_ne!(report["state"], "failed");
    let steps = report["steps"].as_array().expect("it is a list");
    let numbers = steps.iter().filter(|step| step["kind"] == "source");
    let workers = numbers.flat_map(|step| step["workers"].as_array().expect("it is a list"));
    let items = workers.filter_map(|it| it["items_out"].as_u64()).sum();
    (items, report["seconds"].as_f64().expect("it is a number"))
}

/// The items a second until something is done.
fn rate_during(run: &Run, what: impl FnOnce()) -> f64 {
    let until = Instant::now() + PATIENCE;
    while run.report()["state"] != "running" {
        assert!(Instant::now() < until, "the run does not begin");
        thread::sleep(Duration::from_millis(20));
    }
    let before = state(run);
    what();
    // Reports are made at most twice a second.
    thread::sleep(Duration::from_secs(1));
    let after = state(run);
    (after.0 - before.0) as f64 / (after.1 - before.1)
}

fn connect(run: &Run) -> TcpStream {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(&run.address) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < until, "the run does not serve: {error}"),
        }
    }
}

#[test]
fn ten_thousand_slow_connections_keep_neither_viewers_nor_items() {
    // Two partitions give 2000 items a second each.
    let run = Run::start(STAGED, "counted --rate 2000 -w 2");
    let rate = rate_during(&run, || {
        let mut open = VecDeque::new();
        for number in 0..10_000 {
            let mut stream = connect(&run);
            if number % 2 == 0 {
                // It may be closed for another by now.
                let _ = stream.write_all(b"GET /api/v1/report HTTP/1.1\r\nHost: loc");
            }
            open.push_back(stream);
            // More than the server keeps.
            if open.len() > 400 {
                open.pop_front();
            }
            if number % 1000 == 999 {
                let began = Instant::now();
                assert_eq!(run.report()["flow"], "counted");
                assert!(
                    began.elapsed() < Duration::from_secs(2),
                    "{:?} beside {number}",
                    began.elapsed()
                );
            }
        }
    });
    assert!((3800.0..4200.0).contains(&rate), "{rate} items a second");
}

#[test]
fn garbage_and_tricks_get_nothing_and_slow_nothing() {
    let run = Run::start(
        STAGED,
        "counted --rate 2000 --web-token 0123456789abcdef --control-token fedcba9876543210",
    );
    let ask = |text: &[u8]| {
        let mut stream = connect(&run);
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is a socket");
        let _ = stream.write_all(text);
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    };
    let report = |token: &str| {
        let lines = format!(
            "GET /api/v1/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let said = ask(lines.as_bytes());
        let (_, body) = said.split_once("\r\n\r\n").expect("it is a response");
        serde_json::from_str::<Value>(body).ok()
    };
    let items = || {
        let report = report("0123456789abcdef").expect("the token is right");
        let workers = report["steps"][0]["workers"]
            .as_array()
            .cloned()
            .expect("it is a list");
        let items: u64 = workers
            .iter()
            .filter_map(|it| it["items_out"].as_u64())
            .sum();
        (
            items as f64,
            report["seconds"].as_f64().expect("it is a number"),
        )
    };
    let before = items();
    let garbage: Vec<u8> = (0..1 << 16)
        .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for _ in 0..20 {
        for path in [
            "/api/v1/report",
            "/api/v1/../v1/report",
            "/api/v1/report%00",
            "/page/../../../../etc/passwd",
            "/page/%2e%2e/%2e%2e/etc/passwd",
            "/page//etc/passwd",
            "//etc/passwd",
            "/page/",
            "/savepoint/x",
        ] {
            for method in ["GET", "POST", "PUT", "DELETE", "BREW"] {
                let said =
                    ask(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
                let status = said.split(' ').nth(1).unwrap_or_default();
                assert!(
                    ["400", "401", "404", "405"].contains(&status),
                    "{method} {path}: {said}"
                );
                assert!(
                    !said.contains("root:") && !said.contains("counted."),
                    "{method} {path}: {said}"
                );
            }
        }
    }
    for bytes in [
        &garbage[..],
        b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[b'a'; 1 << 17],
    ] {
        let said = ask(bytes);
        assert!(!said.contains("HTTP/1.1 200"), "{said}");
    }
    assert!(report("0123456789abcdeg").is_none());
    thread::sleep(Duration::from_secs(1));
    let after = items();
    let rate = (after.0 - before.0) / (after.1 - before.1);
    assert!((3800.0..4200.0).contains(&rate), "{rate} items a second");
}
