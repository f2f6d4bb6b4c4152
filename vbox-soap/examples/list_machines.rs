//! Lists all machines with state, operating system and memory:
//! `cargo run -p vbox-soap --example list_machines -- http://localhost:18083/`.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use vbox_soap::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:18083/".to_owned());
    let session = Client::new(&url)?.logon("", "").await?;
    let machines = session.virtual_box().get_machines().await?;
    let rows = session
        .batch(machines, async |machine| {
            // A machine whose settings file cannot be read has only an identifier.
            if !machine.get_accessible().await? {
                return Ok(format!("{:<40} inaccessible", machine.get_id().await?));
            }
            let (name, state) = (machine.get_name().await?, machine.get_state().await?);
            let (system, memory) =
                (machine.get_os_type_id().await?, machine.get_memory_size().await?);
            Ok::<_, Error>(format!("{name:<40} {state:<12} {system:<16} {memory:>6} MB"))
        })
        .await?;
    for row in rows {
        println!("{row}");
    }
    session.logoff().await
}
