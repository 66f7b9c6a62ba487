//! The annotated messages in `testdata/wire`: each states its session and its expected meaning.
//!
//! A file has comments after `#`; the line `session:` with the differences from a plain session; `meaning:` with the message as
//! printed (its lines joined), or `refused:` and `data:` with the error that ends the session; and the octets. `exact` in
//! `session:` requires that encoding the message again gives the same octets.

mod wire_support;

use std::fs;
use std::path::{Path, PathBuf};

use bgp_core::types::Prefix;
use bgp_core::wire::update::{encode_end_of_rib, encode_reachable, encode_unreachable};
use bgp_core::wire::{AttributeView, Context, Message, Update, frame};
use bytes::BytesMut;
use ipnet::{Ipv4Net, Ipv6Net};
use wire_support::EVERY_FAMILY;

struct Sample {
    path: PathBuf,
    context: Context,
    exact: bool,
    meaning: String,
    refused: Option<String>,
    data: Vec<u8>,
    octets: Vec<u8>,
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits"))
        .collect()
}

fn context(words: &str) -> (Context, bool) {
    let mut context = Context::default();
    let mut exact = false;
    for word in words.split_whitespace() {
        match word {
            "exact" => exact = true,
            "four-octet" => context.four_octet_as = true,
            "internal" => context.external = false,
            "ipv6" => context.families = EVERY_FAMILY,
            "extended-next-hop" => context.extended_next_hop = true,
            "enhanced-refresh" => context.enhanced_refresh = true,
            "add-path" => {
                context.add_path_receive = EVERY_FAMILY;
                context.add_path_send = EVERY_FAMILY;
            }
            other => panic!("{other:?} says nothing about a session"),
        }
    }
    (context, exact)
}

impl Sample {
    fn load(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("a readable file");
        let mut sample = Self {
            path,
            context: Context::default(),
            exact: false,
            meaning: String::new(),
            refused: None,
            data: vec![],
            octets: vec![],
        };
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("session:") {
                (sample.context, sample.exact) = context(words);
            } else if let Some(meaning) = line.strip_prefix("meaning:") {
                sample.meaning.push_str(meaning);
            } else if let Some(refused) = line.strip_prefix("refused: ") {
                sample.refused = Some(refused.to_owned());
            } else if let Some(data) = line.strip_prefix("data:") {
                sample.data = hex(data);
            } else {
                let octets = line.split('#').next().unwrap_or_default();
                sample.octets.extend(hex(octets));
            }
        }
        sample
    }

    fn check(&self) {
        let path = self.path.display();
        let mut input = BytesMut::from(&self.octets[..]);
        let frame = frame::take(&mut input, self.context.max_receive_len)
            .expect("a good header")
            .expect("a whole message");
        assert!(input.is_empty(), "{path}: more than one message");
        match Message::decode(frame, &self.context) {
            Ok(message) => {
                assert_eq!(message.to_string(), self.meaning.trim(), "{path}");
                let mut out = BytesMut::new();
                self.write(&message, &mut out);
                if self.exact {
                    assert_eq!(out, self.octets, "{path}");
                }
            }
            Err(error) => {
                assert_eq!(Some(error.to_string()), self.refused, "{path}");
                assert_eq!(error.notification.data, self.data, "{path}");
            }
        }
    }

    fn write(&self, message: &Message, out: &mut BytesMut) {
        let Message::Update(update) = message else {
            message.encode(&self.context, out);
            return;
        };
        if let Some(family) = update.end_of_rib() {
            encode_end_of_rib(family, out);
        }
        self.write_routes::<Ipv4Net>(update, out);
        self.write_routes::<Ipv6Net>(update, out);
    }

    fn write_routes<P: Prefix>(&self, update: &Update, out: &mut BytesMut) {
        for nlri in update.unreachable() {
            let routes: Vec<_> = nlri.iter::<P>().collect();
            encode_unreachable(&self.context, &routes, out);
        }
        let mut canonical = Vec::new();
        update.canonical_attributes(&mut canonical);
        for reachable in update.reachable() {
            let routes: Vec<_> = reachable.nlri.iter::<P>().collect();
            let view = AttributeView::new(&canonical);
            encode_reachable(&self.context, view, reachable.next_hop, &routes, out)
                .expect("it fitted before");
        }
    }
}

#[test]
fn every_message_means_what_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/wire");
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of messages")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .collect();
    assert!(files.len() > 20, "messages are missing");
    files
        .into_iter()
        .for_each(|path| Sample::load(path).check());
}
