//! What holds for frames however they came.

use std::fmt::Debug;

use bytes::Bytes;
use tidings_core::{
    domain::{CommandId, UserId},
    handler::ids::Ids,
};
use tidings_gateway::translate;
use tidings_protocol::{ClientFrame, DecodeError, Encoding, ServerFrame, id};

use crate::{
    Meter,
    ids::{WholeIds, is_whole},
    meter::Allowance,
};

/// A frame of one side.
trait Frame: Clone + PartialEq + Debug + WholeIds {
    const ALLOWANCE: Allowance;
    fn decode(encoding: Encoding, bytes: Bytes) -> Result<Self, DecodeError>;
    fn encode(&self, encoding: Encoding) -> Bytes;
}

impl Frame for ClientFrame {
    // From whoever connects. A list of empty lists in a request that is not known is the worst.
    const ALLOWANCE: Allowance = Allowance {
        fixed: 4 * 1024,
        per_byte: 128,
    };
    fn decode(encoding: Encoding, bytes: Bytes) -> Result<Self, DecodeError> {
        encoding.decode_client(bytes)
    }
    fn encode(&self, encoding: Encoding) -> Bytes {
        encoding.encode_client(self)
    }
}

impl Frame for ServerFrame {
    // From a server that the client has chosen. A list of empty conversations is the worst.
    const ALLOWANCE: Allowance = Allowance {
        fixed: 4 * 1024,
        per_byte: 1024,
    };
    fn decode(encoding: Encoding, bytes: Bytes) -> Result<Self, DecodeError> {
        encoding.decode_server(bytes)
    }
    fn encode(&self, encoding: Encoding) -> Bytes {
        encoding.encode(self)
    }
}

/// Reads the bytes as a frame of either side.
pub(crate) fn check(encoding: Encoding, data: &[u8], meter: Meter) {
    if let Some(frame) = read::<ClientFrame>(encoding, data, meter) {
        translates(frame, data.len());
    }
    read::<ServerFrame>(encoding, data, meter);
}

fn read<F: Frame>(encoding: Encoding, data: &[u8], meter: Meter) -> Option<F> {
    let bytes = Bytes::copy_from_slice(data);
    let answer = F::ALLOWANCE.hold(meter, data.len(), || F::decode(encoding, bytes));
    let frame = match answer {
        Ok(frame) => frame,
        Err(error) => {
            // It is told to the other side, and may quote what it refuses.
            let told = error.to_string().len();
            assert!(told <= 512 + 8 * data.len(), "{told} bytes of {error}");
            if let DecodeError::UnknownRequest { name, .. } = error {
                assert_eq!(
                    encoding,
                    Encoding::Json,
                    "Protobuf skips what it does not know"
                );
                assert!(name.len() <= data.len());
            }
            return None;
        }
    };
    // What one encoding reads, the other can carry: neither has a limit that the other has not.
    let protobuf = frame.encode(Encoding::Protobuf);
    assert_eq!(
        F::decode(Encoding::Protobuf, protobuf.clone()).as_ref(),
        Ok(&frame)
    );
    // Save that JSON has no way to write an identifier of a wrong length, and leaves it out.
    let mut whole = frame.clone();
    whole.keep_whole_ids();
    let json = frame.encode(Encoding::Json);
    assert_eq!(F::decode(Encoding::Json, json).as_ref(), Ok(&whole));
    let json = whole.encode(Encoding::Json);
    let again = F::decode(Encoding::Json, json.clone());
    assert_eq!(again.as_ref(), Ok(&whole));
    assert_eq!(again.map(|again| again.encode(Encoding::Json)), Ok(json));
    match encoding {
        Encoding::Json => assert_eq!(whole, frame, "an identifier of a wrong length was read"),
        // What we write is the shortest form there is.
        Encoding::Protobuf => assert!(protobuf.len() <= data.len(), "{frame:?}"),
    }
    Some(frame)
}

/// What a session does with a frame before anything looks at it.
fn translates(frame: ClientFrame, input: usize) {
    let user = UserId::new("ann").expect("a user id");
    let command = id::from_wire(&frame.command_id).map(CommandId);
    assert_eq!(
        command.is_some(),
        is_whole(&frame.command_id) && !frame.command_id.is_empty()
    );
    let Some(request) = frame.request else { return };
    if let Err(failure) = translate::command(request, &user, command, &Ids::new(&[7; 32])) {
        assert!(failure.message.len() <= 512 + 8 * input);
    }
}
