//! A web service that speaks one version of the API and nothing else, and knows just enough of machines and disks that
//! this crate can work with it. An old VirtualBox cannot run on today's systems; what it would refuse can be told.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::api::{Api, Request};
use crate::world::{Answer, World};

/// The service. It ends with the test's process.
pub struct Peer {
    pub url: String,
    state: Arc<State>,
}

struct State {
    api: Api,
    version: String,
    world: Mutex<World>,
    /// What was asked that the version does not have like that.
    mistakes: Mutex<Vec<String>>,
    /// How often each operation was asked for.
    asked: Mutex<HashMap<String, usize>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test thread panics with this")
}

impl Peer {
    pub fn start(version: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let state = Arc::new(State {
            api: Api::of(version),
            version: version.to_owned(),
            world: Mutex::default(),
            mistakes: Mutex::default(),
            asked: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                std::thread::spawn(move || state.serve(stream));
            }
        });
        Self { url, state }
    }

    /// What was asked that this version would not have understood.
    pub fn mistakes(&self) -> Vec<String> {
        locked(&self.state.mistakes).clone()
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        locked(&self.state.asked).get(operation).copied().unwrap_or_default()
    }

    /// What is there.
    pub fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.state.world)
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(body) = read_request(&mut stream, &mut buffer) {
            let (status, answer) = self.answer(&body);
            let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", answer.len());
            if stream.write_all(format!("{head}{answer}").as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, body: &str) -> (u16, String) {
        let document = roxmltree::Document::parse(body).expect("requests are XML");
        let element = document
            .descendants()
            .find(|node| node.tag_name().name() == "Body")
            .and_then(|body| body.first_element_child())
            .expect("a request has a body");
        let mut world = locked(&self.world);
        let request = self.api.read(element, |reference| world.interface_of(reference));
        match request {
            Ok(request) => {
                *locked(&self.asked).entry(request.name.clone()).or_default() += 1;
                let answer = world.answer(&request, &self.version);
                self.encode(&request, element.tag_name().name(), answer, &mut world)
            }
            Err(problem) => {
                // Objects can be gone, as with the real one; what does not exist is a mistake.
                locked(&self.mistakes).push(problem.clone());
                (500, envelope(&format!("<E:Fault><faultstring>{problem}</faultstring></E:Fault>")))
            }
        }
    }

    fn encode(
        &self,
        request: &Request<'_>,
        wire: &str,
        answer: Answer,
        world: &mut World,
    ) -> (u16, String) {
        let values = match answer {
            Answer::Fault(code) => {
                let fault = format!(
                    "<E:Fault><faultstring>VirtualBox error</faultstring><detail><v:RuntimeFault \
                     xmlns:v=\"v\"><resultCode>{}</resultCode></v:RuntimeFault></detail></E:Fault>",
                    i32::from_ne_bytes(code.to_ne_bytes())
                );
                return (500, envelope(&fault));
            }
            Answer::Values(values) => vec![("returnval", values)],
            Answer::Named(values) => values,
            Answer::Anything => vec![],
        };
        let mut content = String::new();
        for output in &request.operation.outputs {
            let name = self.api.spell(request.operation, &output.name);
            let given = values.iter().find(|(name, _)| *name == output.name);
            let values = match given {
                Some((_, values)) => values.clone(),
                None if output.ty.array => Vec::new(),
                None => {
                    let part = format!("{}.{}", request.this, request.name);
                    vec![self.api.some_value(output, |interface| world.object(interface, &part))]
                }
            };
            for value in values {
                content.push_str(&format!("<{name}>{}</{name}>", escape(&value)));
            }
        }
        let response = format!("<v:{wire}Response xmlns:v=\"v\">{content}</v:{wire}Response>");
        (200, envelope(&response))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn envelope(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><E:Envelope xmlns:E=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <E:Body>{content}</E:Body></E:Envelope>"
    )
}

/// The body of the next request; nothing when the client closes.
fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let (_, length) = head.split_once("content-length: ")?;
            let length: usize = length.lines().next()?.trim().parse().ok()?;
            if buffer.len() >= end + 4 + length {
                let rest = buffer.split_off(end + 4 + length);
                let request = std::mem::replace(buffer, rest);
                return String::from_utf8(request[end + 4..].to_vec()).ok();
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}
