//! Breaks the protocol on purpose, between a server that keeps to it and the cases that examine it.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result, bail};

use super::report::Verdict;

/// In what way a server seems to break the protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// It takes any bytes for text: to the server they are binary, to the client text again.
    Utf8,
    /// It answers a ping with other bytes than those of the ping.
    Pong,
    /// It answers a close with another code.
    CloseCode,
    /// It ends the connection without a close of its own.
    NoClose,
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PONG: u8 = 10;

impl Fault {
    pub(super) const ALL: &[Fault] = &[Self::Utf8, Self::Pong, Self::CloseCode, Self::NoClose];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8-unchecked",
            Self::Pong => "pong-changed",
            Self::CloseCode => "close-code-changed",
            Self::NoClose => "close-missing",
        }
    }

    /// Cases that have to see it.
    pub(super) fn broken(self) -> &'static [&'static str] {
        match self {
            Self::Utf8 => &["6.3.1", "6.3.2", "6.4.1", "6.6.1"],
            Self::Pong => &["2.2", "2.3", "2.4", "2.6"],
            Self::CloseCode => &["1.1.1", "3.1", "6.3.1", "7.1.1"],
            Self::NoClose => &["1.1.1", "7.1.1", "7.3.1"],
        }
    }

    /// Cases that it is not about: without them, whatever stands between would be enough to make cases fail.
    pub(super) fn sound(self) -> &'static [&'static str] {
        match self {
            Self::Utf8 => &["1.1.2", "1.1.8", "5.3", "6.2.1"],
            Self::Pong => &["1.1.2", "2.1"],
            // There the client closes without a code, and so does the server.
            Self::CloseCode => &["7.3.1"],
            Self::NoClose => &["3.1", "6.3.1"],
        }
    }

    /// What the cases that see it come to, in the report's words.
    fn due(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Pong => "FAILED",
            Self::CloseCode => "WRONG CODE",
            Self::NoClose => "UNCLEAN",
        }
    }

    /// Fails unless exactly the cases that have to see it failed, as they should.
    pub(super) fn judge(self, verdicts: &[Verdict]) -> Result<()> {
        let find = |case: &&str| {
            let found = verdicts.iter().find(|verdict| verdict.case == *case);
            found.with_context(|| format!("{}: case {case} was not run", self.name()))
        };
        for case in self.broken() {
            let verdict = find(case)?;
            let due = [&verdict.behavior, &verdict.close].contains(&&self.due().to_owned());
            if verdict.passed() || !due {
                bail!("{} was not seen by case {verdict}", self.name());
            }
        }
        for case in self.sound() {
            let verdict = find(case)?;
            if !verdict.passed() {
                bail!("{} should not be seen by case {verdict}", self.name());
            }
        }
        Ok(())
    }

    /// What becomes of a frame; `false`: it gets lost.
    fn change(self, to: Side, frame: &mut Frame) -> bool {
        match (self, to, frame.opcode()) {
            (Self::Utf8, Side::Server, TEXT) => frame.set_opcode(BINARY),
            (Self::Utf8, Side::Client, BINARY) => frame.set_opcode(TEXT),
            (Self::Pong, Side::Client, PONG) => {
                if let Some(byte) = frame.control.first_mut() {
                    *byte ^= 1;
                }
            }
            (Self::CloseCode, Side::Client, CLOSE) => {
                if let Some(byte) = frame.control.get_mut(1) {
                    *byte ^= 1;
                }
            }
            (Self::NoClose, Side::Client, CLOSE) => return false,
            _ => {}
        }
        true
    }
}

/// Who a frame is on its way to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Server,
    Client,
}

/// A frame whose beginning has come.
struct Frame {
    head: Vec<u8>,
    /// The payload of a control frame as it is on the wire.
    control: Vec<u8>,
    /// Bytes of another frame's payload, which are still to come.
    rest: u64,
}

/// Where the server can be reached with this fault. The threads that this takes end with the program.
pub(super) fn between(server: SocketAddr, fault: Fault) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming() {
            // A connection that does not come about is a case that fails.
            let _ = client.and_then(|client| connect(client, server, fault));
        }
    });
    Ok(address)
}

fn connect(client: TcpStream, server: SocketAddr, fault: Fault) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let directions = [
        (client.try_clone()?, server.try_clone()?, Side::Server),
        (server, client, Side::Client),
    ];
    for (from, mut into, to) in directions {
        thread::spawn(move || {
            // An error is the end of this direction, as is the end.
            let _ = relay(&mut BufReader::new(from), &mut into, fault, to);
            let _ = into.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

fn relay(from: &mut impl Read, into: &mut impl Write, fault: Fault, to: Side) -> io::Result<()> {
    // Request and answer pass as they are.
    let mut http = Vec::new();
    while !http.ends_with(b"\r\n\r\n") {
        http.extend(bytes(from, 1)?);
    }
    into.write_all(&http)?;
    loop {
        let mut frame = Frame::read(from)?;
        let kept = fault.change(to, &mut frame);
        if kept {
            into.write_all(&[frame.head, frame.control].concat())?;
        }
        // As it comes: there are cases that wait in the middle of a frame.
        io::copy(&mut from.take(frame.rest), into)?;
    }
}

impl Frame {
    fn read(from: &mut impl Read) -> io::Result<Frame> {
        let mut head = bytes(from, 2)?;
        let (masked, short) = (head[1] & 0x80 != 0, head[1] & 0x7f);
        let extended = match short {
            126 => bytes(from, 2)?,
            127 => bytes(from, 8)?,
            _ => Vec::new(),
        };
        let length = match extended.is_empty() {
            true => u64::from(short),
            false => extended
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        head.extend(extended);
        if masked {
            head.extend(bytes(from, 4)?);
        }
        let mut frame = Frame {
            head,
            control: Vec::new(),
            rest: length,
        };
        if frame.opcode() >= CLOSE && length <= 125 {
            frame.control = bytes(from, usize::from(short))?;
            frame.rest = 0;
        }
        Ok(frame)
    }

    fn opcode(&self) -> u8 {
        self.head[0] & 0x0f
    }

    fn set_opcode(&mut self, opcode: u8) {
        self.head[0] = self.head[0] & 0xf0 | opcode;
    }
}

fn bytes(from: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    /// What comes out where these frames went in.
    fn relayed(fault: Fault, to: Side, frames: &[&[u8]]) -> Vec<u8> {
        let sent = [HTTP, &frames.concat()].concat();
        let mut received = Vec::new();
        let ended = relay(&mut sent.as_slice(), &mut received, fault, to);
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        received.strip_prefix(HTTP).unwrap().to_vec()
    }

    #[test]
    fn each_fault_changes_its_frames_and_no_others() {
        let text: &[u8] = b"\x81\x02hi";
        let binary: &[u8] = b"\x82\x02hi";
        let pong: &[u8] = b"\x8a\x02ab";
        let close: &[u8] = b"\x88\x02\x03\xe8";
        let frames = [text, binary, pong, close];
        for (fault, to, expected) in [
            (Fault::Utf8, Side::Server, [binary, binary, pong, close]),
            (Fault::Utf8, Side::Client, [text, text, pong, close]),
            (Fault::Pong, Side::Server, frames),
            (
                Fault::Pong,
                Side::Client,
                [text, binary, b"\x8a\x02\x60b", close],
            ),
            (Fault::CloseCode, Side::Server, frames),
            (
                Fault::CloseCode,
                Side::Client,
                [text, binary, pong, b"\x88\x02\x03\xe9"],
            ),
            (Fault::NoClose, Side::Server, frames),
            (Fault::NoClose, Side::Client, [text, binary, pong, b""]),
        ] {
            let received = relayed(fault, to, &frames);
            assert_eq!(received, expected.concat(), "{fault:?} to the {to:?}");
        }
    }

    #[test]
    fn frames_are_told_apart_whatever_their_length_and_mask() {
        let masked = [b"\x81\x83mask".as_slice(), b"abc"].concat();
        let middle = [b"\x01\x7e\x01\x00".as_slice(), &[0x8a; 256]].concat();
        let long = [b"\x80\x7f\0\0\0\0\0\x01\0\0".as_slice(), &[0x8a; 65_536]].concat();
        let sent: &[&[u8]] = &[&masked, &middle, &long, b"\x8a\x00", b"\x8a\x01a"];
        let received = relayed(Fault::Pong, Side::Client, sent);
        let expected: &[&[u8]] = &[&masked, &middle, &long, b"\x8a\x00", b"\x8a\x01\x60"];
        assert!(received == expected.concat());
    }

    #[test]
    fn a_fault_that_no_case_sees_is_a_failure() {
        let verdict = |case: &&str, close: &str| Verdict {
            case: (*case).to_owned(),
            behavior: "OK".to_owned(),
            close: close.to_owned(),
        };
        let seen = |close: &str| {
            let broken = Fault::CloseCode.broken().iter();
            let mut verdicts: Vec<_> = broken.map(|case| verdict(case, close)).collect();
            verdicts.extend(
                Fault::CloseCode
                    .sound()
                    .iter()
                    .map(|case| verdict(case, "OK")),
            );
            verdicts
        };
        Fault::CloseCode.judge(&seen("WRONG CODE")).unwrap();
        for close in ["OK", "UNCLEAN"] {
            let error = Fault::CloseCode
                .judge(&seen(close))
                .unwrap_err()
                .to_string();
            assert!(error.contains("was not seen by case 1.1.1"), "{error}");
        }
        let mut everything = seen("WRONG CODE");
        for verdict in &mut everything {
            verdict.close = "WRONG CODE".to_owned();
        }
        let error = Fault::CloseCode.judge(&everything).unwrap_err().to_string();
        assert!(
            error.contains("should not be seen by case 7.3.1"),
            "{error}"
        );
        let error = Fault::CloseCode.judge(&everything[1..]).unwrap_err();
        assert!(error.to_string().contains("case 1.1.1 was not run"));
    }
}
