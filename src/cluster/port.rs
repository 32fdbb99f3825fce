//! The host's ports that lead to the cluster's ingress.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::provider::ClusterError;

/// Chooses the ports for a new cluster's HTTP and HTTPS: those asked for, which must be free, else 80 and 443, else the
/// first free ones from 8080 and 8443 on.
pub fn choose(http: Option<u16>, https: Option<u16>) -> Result<(u16, u16), ClusterError> {
    Ok((one(http, 80, 8080, "httpPort")?, one(https, 443, 8443, "httpsPort")?))
}

fn one(asked: Option<u16>, usual: u16, next: u16, key: &'static str) -> Result<u16, ClusterError> {
    match asked {
        Some(port) if is_free(port) => Ok(port),
        Some(port) => Err(ClusterError::PortTaken { port, by: holder(port), key }),
        None => std::iter::once(usual)
            .chain(next..next + 100)
            .find(|port| is_free(*port))
            .ok_or(ClusterError::PortTaken { port: usual, by: holder(usual), key }),
    }
}

/// Whether nothing listens on loopback's `port`. A user may not bind the ports below 1024 where the engine may, so
/// those are asked by connecting.
pub fn is_free(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // A listener on every address takes this one, too, and is seen only by binding there.
    let bound = TcpListener::bind(address).map(drop);
    match bound.and_then(|()| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).map(drop)) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err()
        }
        Err(_) => false,
    }
}

/// ` by NAME (process N)` where /proc tells who listens; empty elsewhere.
pub fn holder(port: u16) -> String {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = std::fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let local = fields.get(1)?.rsplit(':').next()?;
            let listens = *fields.get(3)? == "0A";
            (listens && u16::from_str_radix(local, 16).ok()? == port)
                .then(|| fields.get(9).map(ToString::to_string))?
        })
    });
    let Some(inode) = inode else { return String::new() };
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    // `self` and `thread-self` are names for processes that are listed by their number as well.
    let numbered = |name: &std::ffi::OsStr| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    for process in processes.filter(|process| numbered(&process.file_name())) {
        let holds = std::fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|link| link.to_string_lossy() == wanted));
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return format!(" by {} (process {})", name.trim(), process.file_name().to_string_lossy());
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_found_and_taken_as_asked() {
        let port = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            listener.local_addr().unwrap().port()
        };
        assert_eq!(choose(Some(port), Some(port)).unwrap(), (port, port));
    }

    #[test]
    fn a_port_that_is_taken_is_refused_with_its_holder_and_the_key() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = choose(Some(port), None).unwrap_err().to_string();
        assert!(error.starts_with(&format!("port {port} on 127.0.0.1 is in use")), "{error}");
        assert!(error.contains("`cluster.httpPort`"), "{error}");
        if cfg!(target_os = "linux") {
            assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        }
    }
}
