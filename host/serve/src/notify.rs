//! What systemd learns of the service: the protocol of `sd_notify(3)`, one datagram for each message.

#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;

/// The variable with the address of the socket.
#[cfg(unix)]
const SOCKET: &str = "NOTIFY_SOCKET";

/// There is no systemd here.
#[cfg(not(unix))]
pub(crate) fn notify(_: &str) {}

/// Sends `message`, such as `READY=1`, if the service manager wants to know. A failure is only logged.
#[cfg(unix)]
pub(crate) fn notify(message: &str) {
    let Some(address) = std::env::var_os(SOCKET).filter(|address| !address.is_empty()) else { return };
    if let Err(error) = send(address.as_encoded_bytes(), message) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

/// Sends `message` to a socket at a path, or, after `@`, with a name in Linux's abstract namespace.
#[cfg(unix)]
fn send(address: &[u8], message: &str) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = address.strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::SocketAddr;
        return socket.send_to_addr(message.as_bytes(), &SocketAddr::from_abstract_name(name)?).map(drop);
    }
    socket.send_to(message.as_bytes(), std::ffi::OsStr::from_bytes(address)).map(drop)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_datagram() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        send(path.as_os_str().as_encoded_bytes(), "READY=1").expect("sent");
        let mut received = [0; 64];
        let length = socket.recv(&mut received).expect("a datagram");
        assert_eq!(&received[..length], b"READY=1");
    }
}
