//! Tells what happens to machines, until it is interrupted or has seen as many events as it was told:
//! `cargo run -p vbox-soap --example watch_events -- http://localhost:18083/ [COUNT]`.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use vbox_soap::api::{
    IMachineEvent, IMachineRegisteredEvent, IMachineStateChangedEvent, VBoxEventType,
};
use vbox_soap::{Client, Error, ManagedObject};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://localhost:18083/".to_owned());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    let session = Client::new(&url)?.logon("", "").await?;
    let source = session.virtual_box().get_event_source().await?;
    let mut events = source.events(&[VBoxEventType::MachineEvent]).await?;
    println!("watching {url}");
    for _ in 0..count {
        let Some(event) = events.next().await else { break };
        let event = event?;
        let kind = event.get_type().await?;
        let machine = event.cast::<IMachineEvent>().get_machine_id().await?;
        // An event's type names its own interface.
        let detail = match kind {
            VBoxEventType::OnMachineStateChanged => {
                event.cast::<IMachineStateChangedEvent>().get_state().await?.to_string()
            }
            VBoxEventType::OnMachineRegistered => {
                let event: IMachineRegisteredEvent = event.cast();
                if event.get_registered().await? { "registered" } else { "removed" }.to_owned()
            }
            _ => String::new(),
        };
        println!("{machine} {kind} {detail}");
    }
    drop(events);
    session.settle().await;
    session.logoff().await
}
