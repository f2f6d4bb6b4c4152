//! TCP connections: all addresses of a name, within one time limit.

use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Endpoint, TransportError};

/// Connects to the first address of `endpoint` that answers.
///
/// An address that stays silent gets only its share of `limit`, so that the next one has a chance.
pub(super) async fn connect(
    endpoint: &Endpoint,
    limit: Duration,
) -> Result<TcpStream, TransportError> {
    let deadline = Instant::now() + limit;
    let timed_out =
        |what| TransportError::TimedOut { endpoint: endpoint.clone(), what, after: limit };
    let unreachable = |reason| TransportError::Unreachable { endpoint: endpoint.clone(), reason };

    let addresses: Vec<_> =
        timeout_at(deadline, lookup_host((endpoint.host.as_str(), endpoint.port)))
            .await
            .map_err(|_| timed_out("the look-up of its name"))?
            .map_err(|error| unreachable(format!("its name has no address: {error}")))?
            .collect();

    let mut refusals = Vec::new();
    let mut waiting = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in &addresses {
        let share = deadline.saturating_duration_since(Instant::now()) / waiting.max(1);
        waiting = waiting.saturating_sub(1);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests are small and wait for answers: Nagle's algorithm would stall them.
                stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
                return Ok(stream);
            }
            Ok(Err(error)) if addresses.len() == 1 => refusals.push(error.to_string()),
            Ok(Err(error)) => refusals.push(format!("{address}: {error}")),
            Err(_) => {}
        }
    }
    if refusals.is_empty() && !addresses.is_empty() {
        return Err(timed_out("the TCP connection"));
    }
    if refusals.is_empty() {
        refusals.push("its name has no address".to_owned());
    }
    Err(unreachable(refusals.join("; ")))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
    }

    #[tokio::test]
    async fn a_name_with_several_addresses_reaches_the_one_that_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = connect(&endpoint("localhost", port), Duration::from_secs(5)).await.unwrap();
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable_with_the_reason() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let error =
            connect(&endpoint("127.0.0.1", port), Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, TransportError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn a_black_hole_costs_the_time_limit() {
        // Linux drops connections to a listener whose queue is full.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let filling: Vec<_> = (0..8)
            .map(|_| tokio::spawn(async move { TcpStream::connect(address).await }))
            .collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        let limit = Duration::from_millis(300);
        let error = connect(&endpoint("127.0.0.1", address.port()), limit).await.unwrap_err();
        assert!(matches!(error, TransportError::TimedOut { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(2));
        filling.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn an_unknown_name_is_unreachable() {
        let error = connect(&endpoint("no-such-host.invalid", 22), Duration::from_secs(20))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("name"), "{error}");
    }
}
