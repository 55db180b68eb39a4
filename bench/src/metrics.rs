//! One figure from the server's `/metrics`.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const LAG: &str = "tidings_projection_lag_seconds";

/// How far the slowest projection is behind the log, in milliseconds; `None` if nobody says.
pub(crate) fn projection_lag_ms(address: &str) -> Option<f64> {
    parse_lag(&get(address, "/metrics").ok()?)
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let wait = Duration::from_secs(2);
    let target = address
        .to_socket_addrs()?
        .next()
        .ok_or(std::io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&target, wait)?;
    stream.set_read_timeout(Some(wait))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn parse_lag(text: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(LAG)?;
        // Another metric may begin with the same name.
        if !rest.starts_with([' ', '{']) {
            return None;
        }
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    });
    values.reduce(f64::max).map(|seconds| seconds * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_lag_counts() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# TYPE tidings_projection_lag_seconds gauge\n\
            tidings_projection_lag_seconds{projection=\"conversations\"} 0.25\n\
            tidings_projection_lag_seconds{projection=\"read state\"} 1.5e-3\n\
            tidings_projection_lag_seconds_max 9\n";
        assert_eq!(parse_lag(text), Some(250.0));
        assert_eq!(
            parse_lag("tidings_projection_lag_seconds 0.5\n"),
            Some(500.0)
        );
        assert_eq!(parse_lag("other 1\n"), None);
    }
}
