//! What it costs to list many machines with name, state, operating system and memory, against
//! `VBoxManage list -l vms`: `cargo xtask bench soap`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a measurement that fails has failed; printing is what it is for"
)]

mod support;

use std::time::Instant;

use support::own_server::OwnServer;
use support::{Bare, judge};
use vbox_soap::api::{IMachine, PlatformArchitecture};
use vbox_soap::{Client, Error, ManagedObject as _, Session};

/// How many times faster than VBoxManage it has to be, at so many machines.
const BAR: (usize, f64) = (400, 25.0);
const SIZES: [usize; 2] = [BAR.0, 1_000];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = OwnServer::start("listing", "-t 0");
    let session = Client::new(&server.url).unwrap().logon("", "").await.unwrap();
    let mut met = true;
    let mut made = 0;
    for size in SIZES {
        session.batch(made..size, async |number| create(&session, number).await).await.unwrap();
        made = size;
        // What one listing held is released before the next: VBoxManage lists once, too.
        let mut listed = f64::INFINITY;
        for _ in 0..5 {
            session.settle().await;
            listed = listed.min(fastest(1, async || list(&session, size).await).await);
        }
        let bare =
            fastest(3, async || list_bare(&server.url, session.virtual_box().object().id(), size))
                .await;
        let manage = fastest(2, async || {
            let text = server.vboxmanage(&["list", "-l", "vms"]);
            assert_eq!(text.matches("Memory size").count(), size);
        })
        .await;
        println!(
            "{size} machines: VBoxManage list -l vms {manage:.2} s; bare calls one after the other {bare:.3} s \
             ({:.1} × faster); vbox-soap {listed:.3} s ({:.1} × faster)",
            manage / bare,
            manage / listed
        );
        if size == BAR.0 {
            let what = format!("at least {} × faster than VBoxManage at {size} machines", BAR.1);
            met &= judge(&what, manage / listed >= BAR.1);
        }
    }
    session.logoff().await.unwrap();
    drop(server);
    if !met {
        std::process::exit(1);
    }
}

async fn create(session: &Session, number: usize) -> Result<(), Error> {
    let name = format!("listed-{number}");
    let virtual_box = session.virtual_box();
    let machine: IMachine = virtual_box
        .create_machine("", &name, PlatformArchitecture::X86, &[], "Debian12_64", "", "", "", "")
        .await?;
    virtual_box.register_machine(&machine).await
}

async fn list(session: &Session, size: usize) {
    let machines = session.virtual_box().get_machines().await.unwrap();
    let rows = session
        .batch(machines, async |machine| {
            Ok::<_, Error>((
                machine.get_name().await?,
                machine.get_state().await?,
                machine.get_os_type_id().await?,
                machine.get_memory_size().await?,
            ))
        })
        .await
        .unwrap();
    assert_eq!(rows.len(), size);
}

fn list_bare(url: &str, root: &str, size: usize) {
    let mut bare = Bare::new(url);
    let answer = bare.call("IVirtualBox_getMachines", root).to_owned();
    let machines: Vec<&str> = answer
        .split("<returnval>")
        .skip(1)
        .filter_map(|rest| rest.split("</returnval>").next())
        .collect();
    assert_eq!(machines.len(), size);
    for machine in machines {
        for operation in ["Name", "State", "OSTypeId", "MemorySize"] {
            assert!(!bare.result(&format!("IMachine_get{operation}"), machine).is_empty());
        }
    }
}

/// The fastest of some runs, in seconds.
async fn fastest(runs: usize, work: impl AsyncFn()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let begin = Instant::now();
        work().await;
        best = best.min(begin.elapsed().as_secs_f64());
    }
    best
}
