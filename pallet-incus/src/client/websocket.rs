//! WebSockets (RFC 6455) as far as the API's streams need them: binary messages in both directions,
//! and the empty text message that ends one direction.

use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, HOST, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::time::timeout;

use super::body::Body;
use super::{Error, Inner, PATIENCE};

/// The longest message that is taken.
const LONGEST: u64 = 16 * 1024 * 1024;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The last frame of a message.
const FINAL: u8 = 0x80;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Bytes of the stream.
    Data(Vec<u8>),
    /// The other side has sent all it had.
    End,
    /// Something that is to be answered with these bytes in a pong.
    Ping(Vec<u8>),
}

/// A WebSocket's two directions.
pub(super) type Socket =
    (Reader<ReadHalf<TokioIo<Upgraded>>>, Writer<WriteHalf<TokioIo<Upgraded>>>);

/// Opens a WebSocket.
pub(super) async fn open(inner: &Inner, path: &str, doing: &str) -> Result<Socket, Error> {
    let mut nonce = [0; 16];
    random(&mut nonce)?;
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(HOST, "local")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
        .header(SEC_WEBSOCKET_KEY, base64(&nonce))
        .body(Body::Whole(Bytes::new()))
        .map_err(|error| inner.odd(doing, &error))?;
    let mut sender = inner.http.connect().await?;
    let answer = timeout(PATIENCE, sender.send_request(request)).await;
    let answer = answer.map_err(|_| inner.http.lost(doing, &"the server opens no stream"))?;
    let response = answer.map_err(|error| inner.http.lost(doing, &error))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(inner.odd(doing, &format!("{} in place of a stream", response.status())));
    }
    let upgraded =
        hyper::upgrade::on(response).await.map_err(|error| inner.http.lost(doing, &error))?;
    let (read, write) = tokio::io::split(TokioIo::new(upgraded));
    Ok((Reader::new(read), Writer { to: write }))
}

/// The direction towards us.
pub(super) struct Reader<R> {
    from: R,
    /// The fragments of a message that is not complete, and its kind.
    begun: (u8, Vec<u8>),
}

impl<R: AsyncRead + Unpin> Reader<R> {
    fn new(from: R) -> Self {
        Self { from, begun: (CONTINUATION, Vec::new()) }
    }

    /// The next message. `None`: the stream is closed.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Message>> {
        loop {
            let Some(frame) = self.frame().await? else { return Ok(None) };
            match frame.opcode {
                CLOSE => return Ok(None),
                PING => return Ok(Some(Message::Ping(frame.content))),
                PONG => continue,
                CONTINUATION => {}
                other => self.begun.0 = other,
            }
            self.begun.1.extend(frame.content);
            if self.begun.1.len() as u64 > LONGEST {
                return Err(std::io::Error::other("a message without end"));
            }
            if frame.is_final {
                let (kind, content) = std::mem::take(&mut self.begun);
                // A text message, whatever is in it, is the mark that nothing more comes.
                let end = kind == TEXT;
                return Ok(Some(if end { Message::End } else { Message::Data(content) }));
            }
        }
    }

    async fn frame(&mut self) -> std::io::Result<Option<Frame>> {
        let mut head = [0; 2];
        match self.from.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let [first, second] = head;
        let length = match second & 0x7f {
            126 => u64::from(self.from.read_u16().await?),
            127 => self.from.read_u64().await?,
            short => u64::from(short),
        };
        if length > LONGEST {
            return Err(std::io::Error::other(format!("a message of {length} bytes")));
        }
        // Servers do not mask, but may say that they do.
        let mask = if second & 0x80 == 0 { None } else { Some(self.from.read_u32().await?) };
        let mut content = vec![0; usize::try_from(length).unwrap_or_default()];
        self.from.read_exact(&mut content).await?;
        if let Some(mask) = mask {
            apply(&mut content, mask.to_be_bytes());
        }
        Ok(Some(Frame { opcode: first & 0x0f, is_final: first & FINAL != 0, content }))
    }
}

struct Frame {
    opcode: u8,
    is_final: bool,
    content: Vec<u8>,
}

/// The direction away from us.
pub(super) struct Writer<W> {
    to: W,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Sends bytes of the stream.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.frame(BINARY, bytes).await
    }

    /// Says that nothing more comes.
    pub(super) async fn end(&mut self) -> std::io::Result<()> {
        self.frame(TEXT, &[]).await
    }

    /// Answers a ping.
    pub(super) async fn pong(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.frame(PONG, bytes).await
    }

    async fn frame(&mut self, opcode: u8, content: &[u8]) -> std::io::Result<()> {
        let mut mask = [0; 4];
        random(&mut mask).map_err(std::io::Error::other)?;
        let mut frame = vec![FINAL | opcode];
        match content.len() {
            // Every frame of a client is masked.
            length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap_or_default()),
            length @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        let start = frame.len();
        frame.extend(content);
        apply(frame.get_mut(start..).unwrap_or_default(), mask);
        self.to.write_all(&frame).await?;
        self.to.flush().await
    }
}

fn apply(content: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in content.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

fn random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::Local {
        what: "this machine has no random numbers".to_owned(),
        reason: error.to_string(),
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            let is_there = place <= group.len();
            let letter = DIGITS.get(digit).filter(|_| is_there).copied().unwrap_or(b'=');
            text.push(char::from(letter));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_base64() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    /// What a writer writes, as a server would send it: with the mask, which readers bear.
    async fn read_back(contents: &[&[u8]]) -> Vec<Message> {
        let mut writer = Writer { to: Vec::new() };
        for content in contents {
            writer.send(content).await.unwrap();
        }
        writer.end().await.unwrap();
        let mut reader = Reader::new(writer.to.as_slice());
        let mut messages = Vec::new();
        while let Some(message) = reader.next().await.unwrap() {
            messages.push(message);
        }
        messages
    }

    #[tokio::test]
    async fn messages_of_every_length_come_through() {
        let lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 100_000];
        let contents: Vec<Vec<u8>> = lengths
            .iter()
            .map(|length| (0..*length).map(|at| u8::try_from(at % 251).unwrap()).collect())
            .collect();
        let borrowed: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        let mut expected: Vec<Message> = contents.iter().cloned().map(Message::Data).collect();
        expected.push(Message::End);
        assert_eq!(read_back(&borrowed).await, expected);
    }

    #[tokio::test]
    async fn what_servers_send() {
        // Unmasked, in two fragments with a ping between them, then the end mark and the close.
        let bytes: &[u8] =
            &[0x02, 2, b'a', b'b', 0x89, 1, b'?', 0x80, 1, b'c', 0x81, 0, 0x88, 2, 3, 0xe8];
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.next().await.unwrap(), Some(Message::Ping(b"?".to_vec())));
        assert_eq!(reader.next().await.unwrap(), Some(Message::Data(b"abc".to_vec())));
        assert_eq!(reader.next().await.unwrap(), Some(Message::End));
        assert_eq!(reader.next().await.unwrap(), None);
        // A length that no message has, and one that is cut off.
        let absurd: &[u8] = &[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255];
        assert!(Reader::new(absurd).next().await.is_err());
        assert!(Reader::new(&[0x82, 5, b'a'][..]).next().await.is_err());
    }
}
