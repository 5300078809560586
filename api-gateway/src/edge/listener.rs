//! One listening socket per worker on the same port: the kernel spreads the connections.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

const BACKLOG: i32 = 1024;

/// Bind `address` `count` times. Port 0 takes one free port for all.
///
/// # Errors
/// The address cannot be bound, or another process listens there.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // A shared port would let a second gateway join in silently: ask for it alone first.
    let alone = socket(address, false)?;
    let address = alone.local_addr()?;
    if count <= 1 {
        return Ok(vec![alone]);
    }
    drop(alone);
    (0..count).map(|_| socket(address, true)).collect()
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_shared_among_our_own_sockets_only() {
        let any = "127.0.0.1:0".parse().expect("an address");
        let ours = bind(any, 3).expect("a free port");
        let address = ours[0].local_addr().expect("bound");
        assert!(
            ours.iter()
                .all(|socket| socket.local_addr().expect("bound") == address)
        );
        assert!(bind(address, 3).is_err(), "a second gateway must not join in");
        assert!(bind(address, 1).is_err());
    }
}
