//! Addresses of hosts and networks. IP addresses are masked as Crypto-PAn does (Xu, Fan, Ammar and Moon, "Prefix-Preserving
//! IP Address Anonymization", 2002), with BLAKE3 for its cipher: addresses that share their first bits still do, and no more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::key::Secret;
use super::code::code;

/// Masks an address, with a network's length or without. Host bits that are zero beside a length stay zero.
pub(in super::super) fn address(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    let (written, length) =
        value.split_once('/').map_or((value, None), |(host, length)| (host, Some(length)));
    let bits = |most: u8| length.map_or(Some(most), |text| text.parse().ok().filter(|bits| *bits <= most));
    let masked = match written.parse() {
        Ok(IpAddr::V4(address)) => bits(32).map(|bits| {
            let number = u128::from(u32::from(address)) << 96;
            let masked = secret.address(b"4", number, 32, bits) >> 96;
            IpAddr::V4(Ipv4Addr::from(u32::try_from(masked).unwrap_or(0)))
        }),
        Ok(IpAddr::V6(address)) => {
            bits(128).map(|bits| IpAddr::V6(Ipv6Addr::from(secret.address(b"6", address.into(), 128, bits))))
        }
        Err(_) => None,
    };
    let Some(masked) = masked else {
        return code(secret, 0, b"", value, out);
    };
    out.extend_from_slice(masked.to_string().as_bytes());
    if let Some(length) = length {
        out.push(b'/');
        out.extend_from_slice(length.as_bytes());
    }
}

impl Secret {
    /// Masks the first `width` bits of an address whose network has the first `network` bits.
    fn address(&self, family: &[u8], address: u128, width: u8, network: u8) -> u128 {
        let hosts = u128::MAX.checked_shr(network.into()).unwrap_or(0);
        let prefix = address & !hosts;
        if address & hosts == 0 {
            return self.bits(family, prefix, width) & !hosts;
        }
        // The one host whose bits would all become zero takes the place of the network's own address.
        let masked = self.bits(family, address, width);
        if masked & hosts == 0 { self.bits(family, prefix, width) } else { masked }
    }

    /// Flips each bit or not, by the bits before it.
    fn bits(&self, family: &[u8], address: u128, width: u8) -> u128 {
        (0..width).fold(address, |masked, at| {
            let before = address & !u128::MAX.checked_shr(at.into()).unwrap_or(0);
            let flip = self.tweak(&[b"bit", family, &[at], &before.to_be_bytes()]).0[0] & 1;
            masked ^ (u128::from(flip) << (127 - at))
        })
    }
}

/// Masks an Ethernet address of 6 or 8 bytes. The two bits that tell group and local addresses stay, as do separators.
pub(in super::super) fn ethernet(secret: &Secret, value: &str, out: &mut Vec<u8>) {
    let digits: String = value.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    let number = u64::from_str_radix(&digits, 16).ok().filter(|_| matches!(digits.len(), 12 | 16));
    let Some(number) = number.filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) else {
        return code(secret, 0, b"", value, out);
    };
    let low = digits.len() * 4 - 8;
    let (first, rest) = (number >> low, number & ((1 << low) - 1));
    let tweak = secret.tweak(&[b"ethernet", &[(first & 3).to_le_bytes()[0]]]);
    let masked = secret.permute(&tweak, 1 << (low + 6), u128::from((first >> 2) << low | rest));
    let masked = (masked >> low << 2 | u128::from(first & 3)) << low | (masked & ((1 << low) - 1));
    let text = format!("{masked:0width$x}", width = digits.len());
    let mut next = text.chars();
    for character in value.chars() {
        let written = if character.is_ascii_hexdigit() { next.next() } else { Some(character) };
        out.extend(written.and_then(|written| u8::try_from(written).ok()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::super::key::Key;
    use super::*;

    fn masked(value: &str) -> String {
        let mut out = Vec::new();
        address(&Key::new([1; 32]).secret("ip"), value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn networks_stay_networks_and_hosts_stay_apart() {
        let all: BTreeSet<String> = (0..=255).map(|host| masked(&format!("10.1.2.{host}/24"))).collect();
        assert_eq!(all.len(), 256);
        let network = masked("10.1.2.0/24");
        let prefix = network.strip_suffix(".0/24").unwrap();
        assert!(all.iter().all(|host| host.starts_with(prefix)));
        assert!(masked("2001:db8::/32").ends_with("::/32"));
        assert_eq!(masked("10.0.0.1/99").len(), 11);
        assert_eq!(masked("0.0.0.0/0"), "0.0.0.0/0");
    }

    #[test]
    fn ethernet_addresses_keep_their_two_bits() {
        let masked = |value: &str| {
            let mut out = Vec::new();
            ethernet(&Key::new([1; 32]).secret("mac"), value, &mut out);
            String::from_utf8(out).unwrap()
        };
        let all: BTreeSet<String> =
            (0..=255).map(|byte| masked(&format!("{byte:02x}:00:2b:01:02:03"))).collect();
        assert_eq!(all.len(), 256);
        let low = |text: &str| u8::from_str_radix(&text[..2], 16).unwrap() & 3;
        assert_eq!(low(&masked("03:00:2b:01:02:03")), 3);
        assert_eq!(masked("08:00:2b:01:02:03:04:05").len(), 23);
    }

    proptest! {
        #[test]
        fn prefixes_are_shared_as_before(one: u32, other: u32) {
            let image = |address: u32| {
                u32::from(masked(&Ipv4Addr::from(address).to_string()).parse::<Ipv4Addr>().unwrap())
            };
            prop_assert_eq!((image(one) ^ image(other)).leading_zeros(), (one ^ other).leading_zeros());
        }

        #[test]
        fn version_6_too(one: u128, other: u128) {
            let image = |address: u128| masked(&Ipv6Addr::from(address).to_string());
            prop_assert_eq!(image(one) == image(other), one == other);
        }
    }
}
