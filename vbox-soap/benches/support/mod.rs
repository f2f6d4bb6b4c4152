//! What the measurements share: calls without this crate, and clocks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "a measurement that fails has failed, and not every one needs everything"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

#[path = "../../tests/lab_support/own_server.rs"]
pub mod own_server;

/// How many requests the bare loop makes on one connection, as the crate does.
const REQUESTS_PER_CONNECTION: usize = 90;

/// The least that a call can be: a request written to a kept-alive socket, an answer read from it.
pub struct Bare {
    address: String,
    stream: Option<TcpStream>,
    requests: usize,
    answer: Vec<u8>,
}

impl Bare {
    pub fn new(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, stream: None, requests: 0, answer: vec![] }
    }

    /// Calls an operation of an object and returns the body of the answer.
    pub fn call(&mut self, operation: &str, this: &str) -> &str {
        self.send(operation, &format!("<_this>{this}</_this>"))
    }

    /// Calls an operation with parameters, which must not need escaping, and returns its result. A fault ends the program.
    pub fn ask(&mut self, operation: &str, parameters: &[(&str, &str)]) -> String {
        let elements: String =
            parameters.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
        let answer = self.send(operation, &elements);
        assert!(!answer.contains("<faultcode>"), "{operation}: {answer}");
        result_of(answer)
    }

    fn send(&mut self, operation: &str, elements: &str) -> &str {
        if self.requests == REQUESTS_PER_CONNECTION {
            self.stream = None;
            self.requests = 0;
        }
        self.requests += 1;
        let stream = self.stream.get_or_insert_with(|| {
            let stream = TcpStream::connect(&self.address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        });
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:v=\"http://www.virtualbox.org/\"><s:Body><v:{operation}>{elements}</v:{operation}>\
             </s:Body></s:Envelope>"
        );
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        self.answer.resize(1 << 20, 0);
        let (mut filled, mut whole, mut begin) = (0, None, 0);
        while whole.is_none_or(|whole| filled < whole) {
            let count = stream.read(&mut self.answer[filled..]).unwrap();
            assert!(count > 0, "the server closed the connection");
            filled += count;
            if whole.is_none()
                && let Some(end) = find(&self.answer[..filled], b"\r\n\r\n")
            {
                let head = std::str::from_utf8(&self.answer[..end]).unwrap();
                let length = head.split_once("Content-Length: ").unwrap().1;
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                begin = end + 4;
                whole = Some(begin + length);
            }
        }
        std::str::from_utf8(&self.answer[begin..filled]).unwrap()
    }

    /// The result of an operation of an object.
    pub fn result(&mut self, operation: &str, this: &str) -> String {
        result_of(self.call(operation, this))
    }

    /// Whether the server knows a reference.
    pub fn knows(&mut self, reference: &str) -> bool {
        self.result("IManagedObjectRef_getInterfaceName", reference).starts_with('I')
    }
}

fn result_of(answer: &str) -> String {
    let value = answer.split_once("<returnval>").map_or("", |(_, rest)| rest);
    value.split("</returnval>").next().unwrap_or("").to_owned()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// The processor time that this thread has had.
pub fn thread_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// This process's resident memory in kilobytes.
pub fn resident_kilobytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Prints how a figure stands to its bar; false if it misses it.
pub fn judge(what: &str, met: bool) -> bool {
    println!("{}: {what}", if met { "met" } else { "MISSED" });
    met
}
