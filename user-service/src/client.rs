//! Where a request comes from: the client's address and program.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use common::problem::Problem;
use http::header;
use http::request::Parts;
use serde::{Deserialize, Deserializer};

use crate::domain::secrets::fingerprint;
use crate::domain::text;

const MAX_USER_AGENT: usize = 255;

/// The client of a request.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: IpAddr,
    pub user_agent: String,
}

impl Client {
    /// Equal for requests of one program at one address.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&[self.network().as_bytes(), self.user_agent.as_bytes()])
    }

    /// What failures are counted by: the address, of IPv6 the network that one customer is given.
    pub fn network(&self) -> String {
        match self.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
            }
        }
    }
}

impl<S> FromRequestParts<S> for Client
where
    S: Send + Sync,
    Networks: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let ConnectInfo(peer) = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .ok_or_else(Problem::internal)?;
        let text = |name: header::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let claimed = forwarded.and_then(|value| value.to_str().ok()).and_then(last_hop);
        let peer = peer.ip().to_canonical();
        // Only the last entry: it is what the proxy itself saw; those before it are what the client said.
        let address = claimed
            .filter(|_| Networks::from_ref(state).contain(peer))
            .unwrap_or(peer);
        let user_agent = text::harmless(text(header::USER_AGENT).unwrap_or_default(), MAX_USER_AGENT);
        Ok(Self { address, user_agent })
    }
}

fn last_hop(list: &str) -> Option<IpAddr> {
    list.rsplit(',')
        .next()?
        .trim()
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

/// Networks in CIDR notation, separated by commas.
#[derive(Debug, Clone, Default)]
pub struct Networks(std::sync::Arc<[(IpAddr, u8)]>);

impl Networks {
    /// One of the networks has this address.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(network, bits)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                prefix(network.to_bits().into(), 32, *bits) == prefix(address.to_bits().into(), 32, *bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                prefix(network.to_bits(), 128, *bits) == prefix(address.to_bits(), 128, *bits)
            }
            _ => false,
        })
    }
}

fn prefix(address: u128, width: u32, bits: u8) -> u128 {
    address.checked_shr(width - u32::from(bits)).unwrap_or(0)
}

/// The text is no list of networks.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no network such as 10.0.0.0/8")]
pub struct InvalidNetwork(String);

impl FromStr for Networks {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let networks = entries.map(|entry| network(entry).ok_or_else(|| InvalidNetwork(entry.to_owned())));
        networks
            .collect::<Result<Vec<_>, _>>()
            .map(|networks| Self(networks.into()))
    }
}

fn network(entry: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = entry.split_once('/')?;
    let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_say() {
        let networks: Networks = "10.0.0.0/8, ::1/128,fd00::/8,203.0.113.7/32".parse().unwrap();
        for (address, inside) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::1", true),
            ("::2", false),
            ("fd12::1", true),
            ("203.0.113.7", true),
            ("203.0.113.8", false),
        ] {
            assert_eq!(networks.contain(address.parse().unwrap()), inside, "{address}");
        }
        assert!(
            "0.0.0.0/0"
                .parse::<Networks>()
                .unwrap()
                .contain("8.8.8.8".parse().unwrap())
        );
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8"] {
            assert!(bad.parse::<Networks>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_customer_s_ipv6_network_counts_as_one() {
        let client = |address: &str| Client {
            address: address.parse().unwrap(),
            user_agent: String::new(),
        };
        assert_eq!(
            client("2001:db8:1:2::1").network(),
            client("2001:db8:1:2:ffff::9").network()
        );
        assert_ne!(
            client("2001:db8:1:2::1").network(),
            client("2001:db8:1:3::1").network()
        );
    }
}
