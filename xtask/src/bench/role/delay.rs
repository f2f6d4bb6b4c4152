//! A line with a delay: what is sent through it arrives half a round trip later.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Listens on a port of 127.0.0.1, returns it, and passes on each connection to `target` with a
/// delay, for as long as this process lives.
pub(super) fn delayed(target: SocketAddr, round_trip: Duration) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || {
                // The handshake with the target costs a round trip, too.
                thread::sleep(round_trip);
                let Ok(server) = TcpStream::connect(target) else { return };
                let Ok((client_too, server_too)) = client.try_clone().and_then(|client| {
                    client.set_nodelay(true)?;
                    server.set_nodelay(true)?;
                    Ok((client, server.try_clone()?))
                }) else {
                    return;
                };
                pass(client, server, round_trip / 2);
                pass(server_too, client_too, round_trip / 2);
            });
        }
    });
    Ok(port)
}

/// Passes on what one side sends, in two threads: one notes when each piece came, the other sends
/// it when its time is there.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut buffer).unwrap_or(0);
            let piece = buffer.get(..length).unwrap_or_default().to_vec();
            if sender.send((Instant::now() + delay, piece)).is_err() || length == 0 {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in pieces {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if piece.is_empty() || to.write_all(&piece).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Write).ok();
    });
}
