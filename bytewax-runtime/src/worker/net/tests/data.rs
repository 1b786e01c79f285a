//! Timely on the data connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use timely::WorkerConfig;
use timely::communication::allocator::zero_copy::initialize::{
    CommsGuard, initialize_networking_from_sockets,
};
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Hooks, WorkerGuards};
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Exchange, Input, Inspect, Probe};

use super::super::Control;
use super::super::connect::Connections;
use super::util::{Heard, LONG, cluster, next, rest};

/// A process that runs a small dataflow.
struct Running {
    workers: WorkerGuards<()>,
    guard: CommsGuard,
    control: Control,
    heard: Receiver<String>,
    stop: Arc<AtomicBool>,
    /// Sum of the items that came to the workers of this process.
    sum: Arc<AtomicU64>,
}

const WORKERS: usize = 2;

/// Exchanges the numbers below `items` between all workers, or numbers without end.
fn run(index: usize, connections: Connections, items: Option<u64>) -> Running {
    let heard = Heard::start(&connections);
    let Connections { data, control } = connections;
    let hooks = Hooks::default();
    let locals = ProcessBuilder::new_typed_vector(WORKERS, hooks.refill.clone(), None);
    let (builders, guard) =
        initialize_networking_from_sockets(locals, data, index, WORKERS, hooks).expect("threads");
    let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
    let (stop, sum) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let (stopped, total) = (Arc::clone(&stop), Arc::clone(&sum));
    let workers = timely::execute::execute_from(
        builders,
        Box::new(()),
        WorkerConfig::default(),
        move |worker| {
            let mut input = InputHandle::<u64, _>::new();
            let total = Arc::clone(&total);
            let probe = worker.dataflow(|scope| {
                scope
                    .input_from(&mut input)
                    .container::<Vec<u64>>()
                    .exchange(|item| *item)
                    .inspect(move |item| {
                        total.fetch_add(*item, Ordering::SeqCst);
                    })
                    .probe()
                    .0
            });
            let mut item = 0;
            while !stopped.load(Ordering::SeqCst) && items.is_none_or(|items| item < items) {
                for _ in 0..100 {
                    input.send(item);
                    item += 1;
                }
                input.advance_to(item);
                while probe.less_than(&item) && !stopped.load(Ordering::SeqCst) {
                    worker.step_or_park(Some(Duration::from_millis(10)));
                }
            }
            input.close();
            if stopped.load(Ordering::SeqCst) {
                for dataflow in worker.installed_dataflows() {
                    worker.drop_dataflow(dataflow);
                }
            }
        },
    )
    .expect("threads");
    Running {
        workers,
        guard,
        control,
        heard,
        stop,
        sum,
    }
}

impl Running {
    fn join(workers: WorkerGuards<()>) {
        for result in workers.join() {
            result.expect("no worker panics");
        }
    }

    fn finish(self) -> Vec<String> {
        Self::join(self.workers);
        // Panics if one of timely's threads did.
        drop(self.guard);
        assert!(self.control.bye(LONG));
        drop(self.control);
        rest(&self.heard)
    }

    fn abandon(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        Self::join(self.workers);
        self.control.close();
        // Panics if one of timely's threads did.
        drop(self.guard);
        drop(self.control);
        rest(&self.heard)
    }

    fn wait_for_items(&self) {
        while self.sum.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
    }
}

fn start(count: usize, items: Option<u64>) -> Vec<Running> {
    let connected = cluster(count).into_iter().enumerate();
    connected
        .map(|(index, connections)| run(index, connections, items))
        .collect()
}

fn all<T: Send + 'static>(running: Vec<Running>, end: fn(Running) -> T) -> Vec<T> {
    let threads: Vec<_> = running
        .into_iter()
        .map(|r| thread::spawn(move || end(r)))
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .collect()
}

#[cfg(feature = "encryption")]
#[test]
fn a_dataflow_with_a_secret_runs_to_its_end() {
    use std::net::TcpStream;

    use super::sealed::sealed;
    use super::util::{connect_all, succeed};

    let connected = succeed(connect_all(sealed(3)));
    let address = connected[0].control.addresses()[0].clone();
    // While the cluster runs, nobody listens to strangers.
    let strangers = thread::spawn(move || {
        // The system may give the port to somebody else meanwhile.
        (0..10_000).for_each(|_| drop(TcpStream::connect(&address)));
    });
    let connected = connected.into_iter().enumerate();
    runs_to_its_end(
        connected
            .map(|(index, connections)| run(index, connections, Some(1000)))
            .collect(),
    );
    strangers.join().expect("no panic");
}

#[test]
fn a_dataflow_runs_to_its_end() {
    runs_to_its_end(start(3, Some(1000)));
}

fn runs_to_its_end(running: Vec<Running>) {
    let sums: Vec<_> = running.iter().map(|r| Arc::clone(&r.sum)).collect();
    for heard in all(running, Running::finish) {
        assert_eq!(heard, Vec::<String>::new());
    }
    let total: u64 = sums.iter().map(|sum| sum.load(Ordering::SeqCst)).sum();
    assert_eq!(total, 3 * WORKERS as u64 * (0..1000).sum::<u64>());
}

#[test]
fn a_lost_process_ends_no_thread_with_a_panic() {
    let running = start(2, None);
    let gone = running[1].control.addresses()[1].clone();
    for process in &running {
        process.wait_for_items();
    }
    running[1].control.cut();
    assert_eq!(
        next(&running[0].heard),
        format!("process 1 at `{gone}` is gone: connection closed")
    );
    for heard in all(running, Running::abandon) {
        assert_eq!(heard, Vec::<String>::new());
    }
}

#[test]
fn a_failed_process_ends_no_thread_with_a_panic() {
    let running = start(3, None);
    for process in &running {
        process.wait_for_items();
    }
    running[1].control.failed(Some("sum.exchange"), "boom");
    for process in [0, 2] {
        assert_eq!(
            next(&running[process].heard),
            "process 1 failed in sum.exchange: boom"
        );
    }
    for heard in all(running, Running::abandon) {
        assert_eq!(heard, Vec::<String>::new());
    }
}

#[test]
fn a_loss_in_the_middle_of_a_frame_waits_for_the_workers() {
    let mut connected = cluster(2);
    let mut other = connected.pop().expect("two");
    let process = run(0, connected.pop().expect("two"), None);
    // A header for worker 0 that announces 1000 bytes, and ten of them.
    let mut bytes: Vec<u8> = [9_u64, 2, 0, 1, 1000, 1]
        .into_iter()
        .flat_map(u64::to_be_bytes)
        .collect();
    bytes.extend([7; 10]);
    let stream = other.data[0].as_mut().expect("a connection");
    std::io::Write::write_all(stream, &bytes).expect("open");
    let gone = other.control.addresses()[1].clone();
    other.control.cut();
    assert_eq!(
        next(&process.heard),
        format!("process 1 at `{gone}` is gone: connection closed")
    );
    assert_eq!(process.abandon(), Vec::<String>::new());
}
