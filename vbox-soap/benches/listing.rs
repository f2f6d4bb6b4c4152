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

fn main() {
    let server = OwnServer::start("listing", "-t 0");
    {
        let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        rt.block_on(async {
            let session = Client::new(&server.url).unwrap().logon("", "").await.unwrap();
            session.batch(0..400, async |number| create(&session, number).await).await.unwrap();
        });
    }
    for _ in 0..2 {
    for conn in [1usize, 2, 3, 4, 8] {
        for multi in [false, true] {
            let rt = if multi { tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap() } else { tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap() };
            rt.block_on(async {
                let mut settings = vbox_soap::Settings::default();
                settings.connections = conn;
                let session = Client::with_settings(&server.url, settings).unwrap().logon("", "").await.unwrap();
                let t = fastest(6, async || list(&session, 400).await).await;
                println!("{conn} connections multi={multi}: {t:.3}");
                session.logoff().await.unwrap();
            });
        }
    }
    let bare = { let s = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(); s.block_on(async {
        let session = Client::new(&server.url).unwrap().logon("", "").await.unwrap();
        let b = fastest(5, async || list_bare(&server.url, session.virtual_box().object().id(), 400)).await; session.logoff().await.unwrap(); b }) };
    println!("bare {bare:.3}");
    }
}

#[allow(dead_code)]
async fn main2() {
    let server = OwnServer::start("listing", "-t 0");
    let session = Client::new(&server.url).unwrap().logon("", "").await.unwrap();
    let mut met = true;
    let mut made = 0;
    for size in SIZES {
        session.batch(made..size, async |number| create(&session, number).await).await.unwrap();
        made = size;
        let listed = fastest(5, async || list(&session, size).await).await;
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
