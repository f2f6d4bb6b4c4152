//! What the lab tests share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a failure here is a failed test"
)]

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vbox_soap::api::{CleanupMode, IMachine, PlatformArchitecture};
use vbox_soap::{Client, ManagedObject, Session};
use xtask::lab::{State, Vbox};

/// The lab's VirtualBox.
pub fn lab() -> Vbox {
    State::load().unwrap().vbox().unwrap().clone()
}

pub fn client() -> Client {
    Client::new(&lab().url).unwrap()
}

pub async fn log_on() -> Session {
    client().logon("", "").await.unwrap()
}

/// A registered machine with a name that no other test run uses.
pub async fn create_machine(session: &Session, name: &str) -> IMachine {
    let name = format!("soap-{}-{name}", std::process::id());
    let machine = session
        .virtual_box()
        .create_machine("", &name, PlatformArchitecture::X86, &[], "Other_64", "", "", "", "")
        .await
        .unwrap();
    session.virtual_box().register_machine(&machine).await.unwrap();
    machine
}

pub async fn destroy(machine: IMachine) {
    let media = machine.unregister(CleanupMode::Full).await.unwrap();
    let progress = machine.delete_config(&media).await.unwrap();
    progress.wait(Duration::from_secs(30)).await.unwrap();
}

/// A folder that VirtualBox sees under the same name; gone at the end of the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let folder = lab().shared.join(format!("soap-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// All references that the server knows in this session, asked one by one: the server numbers them, and a
/// new object shows how far it has come.
pub async fn known_to_server(session: &Session) -> Vec<String> {
    let newest = session.session_object().await.unwrap();
    let (web_session, number) = newest.object().id().rsplit_once('-').unwrap();
    let (web_session, number) = (web_session.to_owned(), u64::from_str_radix(number, 16).unwrap());
    let newest_id = newest.object().id().to_owned();
    drop(newest);
    session.settle().await;
    assert!(!server_knows(&newest_id).await, "a released reference is unknown to the server");
    let mut known = vec![];
    for number in 1..number {
        let id = format!("{web_session}-{number:016x}");
        if server_knows(&id).await {
            known.push(id);
        }
    }
    known
}

/// Whether the server knows a reference. Asked past the client, so that its bookkeeping has no part in it.
pub async fn server_knows(id: &str) -> bool {
    let answer = ask(&format!(
        "<v:IManagedObjectRef_getInterfaceName><_this>{id}</_this></v:IManagedObjectRef_getInterfaceName>"
    ))
    .await;
    // For a reference that it does not know, the server answers with no name and no fault.
    assert!(answer.contains("getInterfaceNameResponse"), "{answer}");
    answer.contains("<returnval>I")
}

/// Ends a web session without its client's knowing.
pub async fn log_off_behind_its_back(root: &str) {
    let answer = ask(&format!(
        "<v:IWebsessionManager_logoff><refIVirtualBox>{root}</refIVirtualBox></v:IWebsessionManager_logoff>"
    ))
    .await;
    assert!(answer.contains("logoffResponse"), "{answer}");
}

async fn ask(content: &str) -> String {
    let body = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:v=\"http://www.virtualbox.org/\">\
         <s:Body>{content}</s:Body></s:Envelope>"
    );
    let address = lab().url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
