//! Who asks: the connections, requests and bytes that all clients have, and how many of them one may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::admission::{Room, Taken};
use crate::options::ServeLimits;
use crate::protocol::{Cause, Refusal};

/// The bytes of a body or of an answer that need no room: clients with large ones leave room for those with small ones. How many there
/// can be, is limited by the requests.
const FREE_BYTES: usize = 16 << 10;

/// The rows of a request that need no room.
const FREE_ROWS: usize = 1_000;

/// All clients.
#[derive(Debug)]
pub(crate) struct Clients {
    all: Rooms,
    limits: [usize; 4],
    known: Mutex<HashMap<IpAddr, Weak<Client>>>,
}

/// A client: an address, or a network of IPv6, because that is what one client has there. It may have three quarters of everything.
#[derive(Debug)]
pub(crate) struct Client {
    all: Rooms,
    own: Rooms,
}

#[derive(Debug, Clone)]
struct Rooms {
    connections: Arc<Room>,
    requests: Arc<Room>,
    bytes: Arc<Room>,
    rows: Arc<Room>,
}

/// Room for one connection, as long as it is open.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "it returns to the rooms when it is dropped")] Share);

/// What a request takes until its answer is written.
#[derive(Debug)]
pub(crate) struct Running {
    _request: Share,
    bytes: Share,
    rows: Share,
}

/// A part of what all clients have, and of what one has.
#[derive(Debug)]
struct Share {
    all: Taken,
    own: Taken,
}

impl Rooms {
    fn new([connections, requests, bytes, rows]: [usize; 4]) -> Self {
        let [connections, requests, bytes, rows] = [connections, requests, bytes, rows].map(Room::new);
        Self { connections, requests, bytes, rows }
    }
}

impl Clients {
    /// No clients, within these limits.
    pub(crate) fn new(limits: &ServeLimits) -> Self {
        let limits = [limits.connections, limits.requests, limits.concurrent_bytes, limits.concurrent_rows];
        Self { all: Rooms::new(limits), limits, known: Mutex::default() }
    }

    /// The client of an address.
    pub(crate) fn of(&self, address: IpAddr) -> Arc<Client> {
        let address = network(address);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&address).and_then(Weak::upgrade) {
            return client;
        }
        // Those that are gone are at least as many as those that are there, so this is rare.
        if known.len() > self.limits[0].saturating_mul(2) {
            known.retain(|_, client| client.strong_count() > 0);
        }
        let own = Rooms::new(self.limits.map(|limit| limit - limit / 4));
        let client = Arc::new(Client { all: self.all.clone(), own });
        known.insert(address, Arc::downgrade(&client));
        client
    }

    /// How many requests are read or answered.
    pub(crate) fn running(&self) -> usize {
        self.all.requests.used()
    }

    /// How many bytes of bodies and answers are held.
    pub(crate) fn bytes(&self) -> usize {
        self.all.bytes.used()
    }
}

impl Client {
    /// Takes room for a connection; none if there is not enough.
    pub(crate) fn connect(&self) -> Option<Place> {
        self.share(|rooms| &rooms.connections, 1).map(Place)
    }

    /// Takes room for a request; [`Cause::Busy`] if there is not enough.
    pub(crate) fn admit(&self) -> Result<Running, Refusal> {
        self.take(1)
    }

    /// What a probe takes, which is answered however many requests there are.
    pub(crate) fn admit_probe(&self) -> Result<Running, Refusal> {
        self.take(0)
    }

    fn take(&self, requests: usize) -> Result<Running, Refusal> {
        let request = self.share(|rooms| &rooms.requests, requests);
        let shares = request.zip(self.share(|rooms| &rooms.bytes, 0)).zip(self.share(|rooms| &rooms.rows, 0));
        let ((request, bytes), rows) = shares.ok_or(Refusal::new(Cause::Busy))?;
        Ok(Running { _request: request, bytes, rows })
    }

    fn share(&self, room: fn(&Rooms) -> &Arc<Room>, count: usize) -> Option<Share> {
        Some(Share { all: room(&self.all).take(count)?, own: room(&self.own).take(count)? })
    }
}

impl Running {
    /// Takes room for this many bytes of a body or of an answer, in place of what was taken before. [`Cause::Busy`] and no change if
    /// there is not enough.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), Refusal> {
        self.bytes.resize(bytes.saturating_sub(FREE_BYTES))
    }

    /// [`hold`](Self::hold) for rows that are scored.
    pub(crate) fn hold_rows(&self, rows: usize) -> Result<(), Refusal> {
        self.rows.resize(rows.saturating_sub(FREE_ROWS))
    }
}

impl Share {
    fn resize(&self, count: usize) -> Result<(), Refusal> {
        if !self.own.resize(count) {
            return Err(Refusal::new(Cause::Busy));
        }
        if !self.all.resize(count) {
            // What was there before is less, and always fits.
            self.own.resize(self.all.count());
            return Err(Refusal::new(Cause::Busy));
        }
        Ok(())
    }
}

/// What tells clients apart.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            Ipv6Addr::from(network).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Clients {
        let mut limits = ServeLimits::default();
        (limits.connections, limits.requests, limits.concurrent_bytes) = (8, 4, 100 << 10);
        limits.concurrent_rows = 10_000;
        Clients::new(&limits)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_client_leaves_a_quarter_to_the_others() {
        let clients = clients();
        let (one, other) = (clients.of(address("10.0.0.1")), clients.of(address("10.0.0.2")));
        let places: Vec<_> = std::iter::from_fn(|| one.connect()).collect();
        assert_eq!(places.len(), 6);
        let others: Vec<_> = std::iter::from_fn(|| other.connect()).collect();
        assert_eq!(others.len(), 2);
        drop(places);
        let running: Vec<_> = std::iter::from_fn(|| one.admit().ok()).collect();
        assert_eq!((running.len(), clients.running()), (3, 3));
        let probe = one.admit_probe().expect("probes need no room");
        let last = other.admit().expect("room");
        assert_eq!(other.admit().expect_err("full").cause(), Cause::Busy);
        drop((running, last, probe));
        assert_eq!(clients.running(), 0);
    }

    #[test]
    fn small_bodies_need_no_room_and_large_ones_take_it_as_they_grow() {
        let clients = clients();
        let (one, other) = (clients.of(address("10.0.0.1")), clients.of(address("10.0.0.2")));
        let [first, second] = [one.admit().expect("room"), one.admit().expect("room")];
        first.hold(FREE_BYTES).expect("free");
        assert_eq!(clients.bytes(), 0);
        first.hold(FREE_BYTES + (70 << 10)).expect("room");
        assert_eq!(second.hold(FREE_BYTES + (6 << 10)).expect_err("its share").cause(), Cause::Busy);
        second.hold(FREE_BYTES + (5 << 10)).expect("the rest of its share");
        let third = other.admit().expect("room");
        assert_eq!(third.hold(FREE_BYTES + (26 << 10)).expect_err("full").cause(), Cause::Busy);
        third.hold(FREE_BYTES + (25 << 10)).expect("the rest");
        third.hold(FREE_BYTES).expect("less always fits");
        drop((first, second));
        assert_eq!(clients.bytes(), 0);
        third.hold(FREE_BYTES + (25 << 10)).expect("room");
        // So it is with rows.
        third.hold_rows(FREE_ROWS + 7_500).expect("its share");
        let fourth = clients.of(address("10.0.0.3")).admit().expect("room");
        assert_eq!(fourth.hold_rows(FREE_ROWS + 2_501).expect_err("full").cause(), Cause::Busy);
        fourth.hold_rows(FREE_ROWS).expect("free");
        third.hold_rows(0).expect("less");
        // More than there is fits if it is alone.
        fourth.hold_rows(FREE_ROWS + 20_000).expect("room");
    }

    #[test]
    fn addresses_of_a_network_are_one_client_and_those_that_are_gone_are_forgotten() {
        let clients = clients();
        let one = clients.of(address("2001:db8::1"));
        assert!(Arc::ptr_eq(&one, &clients.of(address("2001:db8::2"))));
        assert!(!Arc::ptr_eq(&one, &clients.of(address("2001:db8:0:1::1"))));
        let mapped = clients.of(address("::ffff:10.0.0.1"));
        assert!(Arc::ptr_eq(&mapped, &clients.of(address("10.0.0.1"))));
        for last in 0..=255 {
            drop(clients.of(IpAddr::from([10, 0, 1, last])));
        }
        assert!(clients.known.lock().expect("no panic").len() < 20);
        assert!(Arc::ptr_eq(&one, &clients.of(address("2001:db8::1"))));
    }
}
