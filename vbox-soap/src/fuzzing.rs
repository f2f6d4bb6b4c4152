//! What the fuzzers do with bytes: everything that is done with a response, and a look at the limits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken promise has to be seen")]

use crate::api::{IGuestOSType, IMachine, IMediumAttachment, MachineState};
use crate::generated::websession_manager::GET_SESSION_OBJECT;
use crate::wire::decode::{Decode, Element, References};
use crate::wire::{base64, envelope, xml};

/// Reads bytes as a response, and every element in it as a value of every kind.
///
/// # Panics
/// If reading breaks one of its promises.
pub fn response(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = envelope::read(text, &GET_SESSION_OBJECT);
    if let Some(decoded) = base64::decode(text) {
        assert!(decoded.len() <= text.len(), "base64 grows");
    }
    let Ok(root) = xml::parse(text) else { return };
    let size = text_size(&root, 1);
    assert!(size <= text.len(), "{size} bytes of content out of {}", text.len());
    decode_all(&root);
}

/// How much text is in an element, whose depth is checked.
fn text_size(element: &Element, depth: usize) -> usize {
    assert!(depth <= xml::MAX_DEPTH + 1, "nested {depth} levels deep");
    let below: usize = element.children.iter().map(|child| text_size(child, depth + 1)).sum();
    element.name.len() + element.text.len() + below
}

fn decode_all(element: &Element) {
    let references = References::default();
    macro_rules! decode {
        ($($kind:ty)*) => {$( let _ = <$kind as Decode>::decode(element, &references); )*};
    }
    decode!(bool i16 u16 i32 u32 i64 String Vec<u8> Vec<String> MachineState IGuestOSType IMediumAttachment);
    let of_everything = element.field::<Vec<IGuestOSType>>("returnval", &references);
    assert!(of_everything.map_or(0, |all| all.len()) <= element.children.len());
    // A reference that nobody has counted never becomes a handle.
    assert!(<IMachine as Decode>::decode(element, &references).is_err());
    assert!(!matches!(<Option<IMachine> as Decode>::decode(element, &references), Ok(Some(_))));
    element.children.iter().for_each(decode_all);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Responses of a real server.
    const SAMPLES: [&str; 6] = [
        include_str!("wire/samples/types.xml"),
        include_str!("wire/samples/machines.xml"),
        include_str!("wire/samples/properties.xml"),
        include_str!("wire/samples/runtime_fault.xml"),
        include_str!("wire/samples/invalid_object.xml"),
        include_str!("wire/samples/refused.xml"),
    ];

    /// What damages XML more than other text does.
    const PIECES: [&str; 14] = [
        "<",
        ">",
        "</",
        "/>",
        "&",
        "&amp;",
        "&#x41;",
        "&#xD800;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "<!DOCTYPE a [",
        "<returnval>",
        "\u{0}",
    ];

    #[test]
    fn the_samples_are_read() {
        for sample in SAMPLES {
            let root = xml::parse(sample).unwrap();
            assert_eq!(root.name, "Envelope");
            response(sample.as_bytes());
        }
        let types = xml::parse(SAMPLES[0]).unwrap();
        let answer = &types.children[0].children[0];
        let all: Vec<IGuestOSType> = answer.field("returnval", &References::default()).unwrap();
        assert_eq!(all.len(), 3);
        assert!(
            all.iter().all(|known| !known.id.is_empty() && known.recommended_ram > 0),
            "{all:?}"
        );
    }

    #[test]
    fn what_is_nested_too_deeply_or_has_no_end_is_survived() {
        for piece in ["<a>", "<a><b/>", "<a b='", "<!--", "<![CDATA[", "&#", "<?", "&a;"] {
            response(piece.repeat(20_000).as_bytes());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            response(&bytes);
        }

        #[test]
        fn damaged_responses_are_survived(
            sample in 0..SAMPLES.len(),
            damages in proptest::collection::vec(
                (any::<prop::sample::Index>(), 0..20usize, any::<prop::sample::Index>(), any::<u8>()),
                1..8,
            ),
        ) {
            let mut bytes = SAMPLES[sample].as_bytes().to_vec();
            for (place, length, piece, byte) in damages {
                let begin = place.index(bytes.len());
                let end = (begin + length).min(bytes.len());
                let piece = match piece.index(PIECES.len() + 3) {
                    // A part is doubled, lost, or replaced.
                    0 => bytes[begin..].to_vec(),
                    1 => vec![],
                    2 => vec![byte],
                    other => PIECES[other - 3].as_bytes().to_vec(),
                };
                bytes.splice(begin..end, piece);
                if bytes.is_empty() {
                    break;
                }
            }
            response(&bytes);
        }
    }
}
