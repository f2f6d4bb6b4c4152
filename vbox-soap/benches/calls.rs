//! What a call costs, against a bare loop on a kept-alive socket: `cargo xtask bench soap`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a measurement that fails has failed; printing is what it is for"
)]

mod support;

use std::time::{Duration, Instant};

use support::own_server::OwnServer;
use support::{Bare, judge, thread_time};
use vbox_soap::{Client, ManagedObject as _};

const ROUNDS: usize = 10;
const CALLS: u32 = 2_000;
/// Microseconds of the client's processor time per call, beyond the bare loop's.
const BAR: f64 = 25.0;

fn main() {
    let server = OwnServer::start("calls", "-t 0");
    // Everything on one thread, so that its clock has it all.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = runtime.block_on(Client::new(&server.url).unwrap().logon("", "")).unwrap();
    let virtual_box = session.virtual_box().clone();
    let root = virtual_box.object().id().to_owned();
    let mut bare = Bare::new(&server.url);
    let bare_loop = |bare: &mut Bare| {
        for _ in 0..CALLS {
            assert!(!bare.result("IVirtualBox_getRevision", &root).is_empty());
        }
    };
    let crate_loop = || {
        runtime.block_on(async {
            for _ in 0..CALLS {
                virtual_box.get_revision().await.unwrap();
            }
        });
    };
    bare_loop(&mut bare);
    crate_loop();
    let (mut without, mut with) = (Sums::default(), Sums::default());
    for _ in 0..ROUNDS {
        without.add(|| bare_loop(&mut bare));
        with.add(crate_loop);
    }
    println!("                     wall µs/call   client CPU µs/call   calls/s");
    without.print("bare socket loop");
    with.print("vbox-soap");
    let overhead = with.cpu() - without.cpu();
    println!(
        "overhead: {overhead:.1} µs client CPU per call; wall time {:.2} × the bare loop's",
        with.wall() / without.wall()
    );
    if !judge(&format!("at most {BAR} µs of client CPU over the bare loop"), overhead <= BAR) {
        std::process::exit(1);
    }
}

#[derive(Default)]
struct Sums {
    wall: Duration,
    cpu: Duration,
    calls: u32,
}

impl Sums {
    fn add(&mut self, work: impl FnOnce()) {
        let (wall, cpu) = (Instant::now(), thread_time());
        work();
        self.cpu += thread_time() - cpu;
        self.wall += wall.elapsed();
        self.calls += CALLS;
    }

    fn wall(&self) -> f64 {
        self.wall.as_secs_f64() * 1e6 / f64::from(self.calls)
    }

    fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / f64::from(self.calls)
    }

    fn print(&self, name: &str) {
        println!(
            "{name:<20} {:>12.1} {:>20.1} {:>9.0}",
            self.wall(),
            self.cpu(),
            1e6 / self.wall()
        );
    }
}
