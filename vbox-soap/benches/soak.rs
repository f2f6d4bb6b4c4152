//! Whether memory and the server's references stay flat: 100,000 calls, and 1,000 sessions that are dropped without
//! logging off: `cargo xtask soak soap`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a measurement that fails has failed; printing is what it is for"
)]

mod support;

use std::time::{Duration, Instant};

use support::own_server::OwnServer;
use support::{Bare, judge, resident_kilobytes};
use vbox_soap::api::{PlatformArchitecture, VBoxEventType};
use vbox_soap::{Client, Error, ManagedObject as _, Session};

const CALLS: usize = 100_000;
const SESSIONS: usize = 1_000;
/// How much the client may grow once it is warm.
const GROWTH_KILOBYTES: u64 = 1024;

#[tokio::main]
async fn main() {
    let server = OwnServer::start("soak", "-t 0");
    let client = Client::new(&server.url).unwrap();
    let met = [calls(&server, &client).await, sessions(&server, &client).await];
    drop(server);
    if met.contains(&false) {
        std::process::exit(1);
    }
}

async fn calls(server: &OwnServer, client: &Client) -> bool {
    let session = client.logon("", "").await.unwrap();
    let virtual_box = session.virtual_box();
    for number in 0..20 {
        let name = format!("soaked-{number}");
        let machine = virtual_box
            .create_machine("", &name, PlatformArchitecture::X86, &[], "Other_64", "", "", "", "")
            .await
            .unwrap();
        virtual_box.register_machine(&machine).await.unwrap();
    }
    println!("calls      client kB   server kB   references counted");
    let begin = Instant::now();
    let (mut done, mut warm, mut most) = (0, 0, 0);
    let step = CALLS / 10;
    for tenth in 1..=10 {
        while done < tenth * step {
            done += round(&session).await;
            most = most.max(session.references());
        }
        println!(
            "{done:>6} {:>13} {:>11} {:>10}",
            resident_kilobytes(),
            server.resident_kilobytes(),
            session.references()
        );
        if tenth == 2 {
            warm = resident_kilobytes();
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let grown = resident_kilobytes().saturating_sub(warm);
    session.settle().await;
    let left = left_on_server(server, &session).await;
    println!(
        "{done} calls in {seconds:.1} s; at most {most} references at a time, {left} at the end"
    );
    let flat = judge(
        &format!("client memory flat (+{grown} kB after the first fifth)"),
        grown <= GROWTH_KILOBYTES,
    );
    let bounded = judge("the server holds VirtualBox itself and nothing else", left == 1);
    session.logoff().await.unwrap();
    flat && bounded
}

/// Calls of all kinds; how many.
async fn round(session: &Session) -> usize {
    let virtual_box = session.virtual_box();
    let machines = virtual_box.get_machines().await.unwrap();
    let count = machines.len();
    session
        .batch(machines, async |machine| {
            machine.get_name().await?;
            let adapter = machine.get_network_adapter(0).await?;
            adapter.get_mac_address().await?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    // A fault, with its error information.
    virtual_box.find_machine("no such machine").await.unwrap_err();
    // Calls that are given up.
    let given_up =
        tokio::time::timeout(Duration::from_micros(300), virtual_box.get_machines()).await;
    drop(given_up);
    let source = virtual_box.get_event_source().await.unwrap();
    let events = source.events(&[VBoxEventType::Any]).await.unwrap();
    drop(events);
    1 + 3 * count + 1 + 1 + 3
}

/// How many references of a session the server knows, asked one by one: it numbers them.
async fn left_on_server(server: &OwnServer, session: &Session) -> usize {
    let newest = session.session_object().await.unwrap();
    let (web_session, number) = newest.object().id().rsplit_once('-').unwrap();
    let (web_session, newest_number) =
        (web_session.to_owned(), u64::from_str_radix(number, 16).unwrap());
    drop(newest);
    session.settle().await;
    let mut bare = Bare::new(&server.url);
    let known = |number: &u64| bare.knows(&format!("{web_session}-{number:016x}"));
    (1..=newest_number).filter(known).count()
}

async fn sessions(server: &OwnServer, client: &Client) -> bool {
    println!("sessions   client kB   server kB");
    let (mut roots, mut warm) = (vec![], 0);
    for number in 1..=SESSIONS {
        let session = client.logon("", "").await.unwrap();
        roots.push(session.virtual_box().object().id().to_owned());
        session.virtual_box().get_machines().await.unwrap();
        drop(session);
        if number % (SESSIONS / 5) == 0 {
            println!(
                "{number:>8} {:>11} {:>11}",
                resident_kilobytes(),
                server.resident_kilobytes()
            );
        }
        if number == SESSIONS / 5 {
            warm = resident_kilobytes();
        }
    }
    let grown = resident_kilobytes().saturating_sub(warm);
    // They are logged off in the background.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut bare = Bare::new(&server.url);
    let left = roots.iter().filter(|root| bare.knows(root)).count();
    let flat = judge(
        &format!("client memory flat (+{grown} kB after the first fifth)"),
        grown <= GROWTH_KILOBYTES,
    );
    let gone = judge(&format!("all {SESSIONS} sessions logged off ({left} left)"), left == 0);
    flat && gone
}
