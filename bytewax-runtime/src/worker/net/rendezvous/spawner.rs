//! The parent's side.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::super::error::NetError;
use super::super::message::StopReason;
use super::super::text::reason;
use super::reports::Reports;
use super::variable::{NAME, Variable};

/// How often the parent polls its children.
const POLL: Duration = Duration::from_millis(5);
/// How long children may take to end by themselves.
const GRACE: Duration = Duration::from_secs(5);

/// How the processes ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SpawnOutcome {
    /// All succeeded.
    Finished,
    /// They were told to stop.
    Stopped(StopReason),
    /// One of them failed.
    Failed {
        /// Which one failed first, and how.
        text: String,
        /// The error that it reported, if it could.
        report: Option<String>,
        /// The exit code for this process.
        code: u8,
    },
}

/// Runs this program, with the arguments of this process, `n` times as the processes of a cluster, and waits
/// for them. When one fails, the others have 5 s to end. When `stopping` returns a reason, it tells all
/// children, which have that time and 5 s to end.
pub(crate) fn spawn_processes(
    n: usize,
    stop_timeout: Duration,
    stopping: &dyn Fn() -> Option<StopReason>,
) -> Result<SpawnOutcome, NetError> {
    let program = std::env::current_exe().map_err(|error| NetError::Setup {
        what: String::from("the path of this program"),
        why: reason(&error),
    })?;
    Program {
        program,
        args: std::env::args_os().collect(),
        grace: GRACE,
        stop_timeout,
    }
    .run(n, stopping)
}

/// The program of the children.
pub(in super::super) struct Program {
    /// The file.
    pub(in super::super) program: PathBuf,
    /// The arguments, with the name of the program.
    pub(in super::super) args: Vec<OsString>,
    /// How long children may take to end by themselves.
    pub(in super::super) grace: Duration,
    /// How much longer they may take when they are told to stop.
    pub(in super::super) stop_timeout: Duration,
}

impl Program {
    /// Runs it `n` times.
    pub(in super::super) fn run(
        &self,
        n: usize,
        stopping: &dyn Fn() -> Option<StopReason>,
    ) -> Result<SpawnOutcome, NetError> {
        let setup = |error: std::io::Error| NetError::Setup {
            what: String::from("the socket on which the processes meet"),
            why: reason(&error),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(setup)?;
        listener.set_nonblocking(true).map_err(setup)?;
        let port = listener.local_addr().map_err(setup)?.port();
        let token = token();
        let mut spawner = Spawner {
            children: Vec::with_capacity(n),
            reports: Reports::new(listener, token.clone(), n),
            first: None,
            stop: None,
            until: None,
        };
        for index in 0..n {
            let parent = std::process::id();
            let variable = Variable {
                index,
                count: n,
                port,
                parent,
                token: token.clone(),
            };
            let child = self
                .command(&variable)
                .spawn()
                .map_err(|error| NetError::Spawn {
                    process: index,
                    count: n,
                    program: self.program.display().to_string(),
                    why: reason(&error),
                })?;
            spawner.children.push(Spawned {
                child,
                ended: None,
                killed: false,
            });
        }
        spawner.watch(self.grace, self.stop_timeout, stopping);
        Ok(spawner.outcome())
    }

    fn command(&self, variable: &Variable) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(self.args.iter().skip(1))
            .env(NAME, variable.format());
        #[cfg(unix)]
        if let Some(name) = self.args.first() {
            std::os::unix::process::CommandExt::arg0(&mut command, name);
        }
        command
    }
}

/// The children of this process. None outlives it.
struct Spawner {
    children: Vec<Spawned>,
    reports: Reports,
    /// The first child that failed, how, and whether the cluster had started by then.
    first: Option<(usize, ExitStatus, bool)>,
    stop: Option<StopReason>,
    /// When the remaining children are killed.
    until: Option<Instant>,
}

struct Spawned {
    child: Child,
    /// How it ended, once it has.
    ended: Option<ExitStatus>,
    /// Whether this process killed it because it did not end by itself.
    killed: bool,
}

impl Spawner {
    fn watch(
        &mut self,
        grace: Duration,
        stop_timeout: Duration,
        stopping: &dyn Fn() -> Option<StopReason>,
    ) {
        loop {
            self.reports.poll();
            // A child that ends because of the same signal has not failed.
            if self.stop.is_none()
                && let Some(reason) = stopping()
            {
                self.stop = Some(reason);
                self.reports.stop_children(reason);
                self.end_within(stop_timeout.saturating_add(grace));
            }
            self.reap(grace);
            if self.children.iter().all(|spawned| spawned.ended.is_some()) {
                // Their last messages may have arrived before their ends were seen, and a signal to all
                // processes may have ended them before it was seen here.
                self.reports.poll();
                self.stop = self.stop.or_else(stopping);
                break;
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                self.kill();
            }
            thread::sleep(POLL);
        }
    }

    /// Notes which children have ended.
    fn reap(&mut self, grace: Duration) {
        let started = self.reports.complete();
        let mut failed: Vec<(usize, ExitStatus)> = Vec::new();
        for (index, spawned) in self.children.iter_mut().enumerate() {
            if spawned.ended.is_some() {
                continue;
            }
            if let Ok(Some(status)) = spawned.child.try_wait() {
                spawned.ended = Some(status);
                if !status.success() || !started {
                    failed.push((index, status));
                }
            }
        }
        if self.first.is_some() || self.stop.is_some() || failed.is_empty() {
            return;
        }
        let (index, status) = failed[0];
        self.first = Some((index, status, started));
        self.end_within(grace);
    }

    /// Gives the children `grace` to end. Before the cluster has started they need no time.
    fn end_within(&mut self, grace: Duration) {
        let grace = if self.reports.complete() {
            grace
        } else {
            Duration::ZERO
        };
        let until = Instant::now() + grace;
        self.until = Some(self.until.map_or(until, |earlier| earlier.min(until)));
    }

    fn kill(&mut self) {
        for spawned in self
            .children
            .iter_mut()
            .filter(|spawned| spawned.ended.is_none())
        {
            spawned.killed = true;
            // It may have ended just now.
            let _ = spawned.child.kill();
        }
    }

    fn outcome(&self) -> SpawnOutcome {
        let Some(mut first) = self.first else {
            return self
                .stop
                .map_or(SpawnOutcome::Finished, SpawnOutcome::Stopped);
        };
        if let (Some(reason), Some(130 | 143)) = (self.stop, first.1.code()) {
            return SpawnOutcome::Stopped(reason);
        }
        // The failed child may be seen to end after those that end because of it. It is the one that reported
        // an error of its own, or that something other than this process has killed.
        let error = self.reports.error();
        let by_signal = |spawned: &Spawned| {
            let signal = spawned.ended.is_some_and(|status| status.code().is_none());
            signal && !spawned.killed
        };
        let culprit = error
            .map(|(index, _)| index)
            .or_else(|| self.children.iter().position(by_signal));
        if let Some(index) = culprit
            && let Some(status) = self.children[index].ended
        {
            first = (index, status, first.2);
        }
        let (index, status, started) = first;
        let (how, code) = describe(status);
        let mut text = format!(
            "process {index} of {} ended with {how}",
            self.children.len()
        );
        if !started {
            text.push_str(" before all processes had started");
        }
        // A signal is a sufficient reason; otherwise processes that lost a peer know more than its exit
        // status.
        let report = match (error, culprit) {
            (Some((_, text)), _) => Some(text),
            (None, Some(_)) => None,
            (None, None) => self.reports.consequence(),
        };
        SpawnOutcome::Failed {
            text,
            report: report.map(str::to_owned),
            code,
        }
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.kill();
        for spawned in self
            .children
            .iter_mut()
            .filter(|spawned| spawned.ended.is_none())
        {
            // A child that cannot be waited for is beyond help.
            let _ = spawned.child.wait();
        }
    }
}

/// How a child ended, and the matching exit code.
fn describe(status: ExitStatus) -> (String, u8) {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let code = u8::try_from(signal)
            .ok()
            .and_then(|signal| signal.checked_add(128));
        return (format!("signal {signal}"), code.unwrap_or(1));
    }
    match status.code() {
        // A child that ended too early has failed, whatever its status.
        Some(0) => (String::from("exit status 0"), 1),
        Some(code) => (
            format!("exit status {code}"),
            u8::try_from(code).unwrap_or(1),
        ),
        None => (String::from("an unknown status"), 1),
    }
}

/// Text that nobody can guess.
fn token() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}
