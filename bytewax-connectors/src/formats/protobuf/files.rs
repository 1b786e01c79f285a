//! Protobuf schemas as texts of files.

#[cfg(feature = "schema-registry")]
use prost_reflect::prost_types::DescriptorProto;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DescriptorPool, FileDescriptor};

use crate::formats::schema::Texts;

/// The name of a file given only as a text.
const FILE: &str = "schema.proto";

/// Parses a file, without its imports.
pub(super) fn parse(text: &str) -> Result<FileDescriptorProto, String> {
    parse_as(FILE, text)
}

fn parse_as(name: &str, text: &str) -> Result<FileDescriptorProto, String> {
    protox_parse::parse(name, text).map_err(|error| error.to_string())
}

/// Compiles a file with all its imports. Google's well-known files are built in.
pub(super) fn compile(texts: &Texts) -> Result<FileDescriptor, String> {
    let mut pool = DescriptorPool::global();
    let others = texts.others.iter();
    let mut files: Vec<_> = others
        .filter(|(name, _)| pool.get_file_by_name(name).is_none())
        .map(|(name, text)| parse_as(name, text))
        .collect::<Result<_, String>>()?;
    files.push(parse(&texts.main)?);
    pool.add_file_descriptor_protos(files)
        .map_err(|error| error.to_string())?;
    let file = pool.get_file_by_name(FILE);
    file.ok_or_else(|| "the file is missing".to_owned())
}

/// The messages of a list, with their numbers, without the compiler's additions for maps.
#[cfg(feature = "schema-registry")]
fn numbered(messages: &[DescriptorProto]) -> impl Iterator<Item = (usize, &DescriptorProto)> {
    let is_written = |message: &&DescriptorProto| {
        !message
            .options
            .as_ref()
            .is_some_and(|options| options.map_entry())
    };
    messages.iter().filter(is_written).enumerate()
}

/// The path of a message by its full name: its number in the file, and within each enclosing message.
#[cfg(feature = "schema-registry")]
pub(super) fn path_of(file: &FileDescriptorProto, name: &str) -> Option<Vec<usize>> {
    let name = name.trim_start_matches('.');
    let within = match file.package() {
        "" => name,
        package => name.strip_prefix(package)?.strip_prefix('.')?,
    };
    let mut messages = file.message_type.as_slice();
    let mut path = Vec::new();
    for part in within.split('.') {
        let (number, message) = numbered(messages).find(|(_, message)| message.name() == part)?;
        path.push(number);
        messages = &message.nested_type;
    }
    Some(path)
}

/// The full names of all messages of a file, with their paths.
#[cfg(feature = "schema-registry")]
pub(super) fn all_paths(file: &FileDescriptorProto) -> Vec<(Vec<usize>, String)> {
    fn add(
        around: &str,
        path: &[usize],
        messages: &[DescriptorProto],
        all: &mut Vec<(Vec<usize>, String)>,
    ) {
        for (number, message) in numbered(messages) {
            let name = match around {
                "" => message.name().to_owned(),
                around => format!("{around}.{}", message.name()),
            };
            let mut path = path.to_vec();
            path.push(number);
            add(&name, &path, &message.nested_type, all);
            all.push((path, name));
        }
    }
    let mut all = Vec::new();
    add(file.package(), &[], &file.message_type, &mut all);
    all
}

#[cfg(all(test, feature = "schema-registry"))]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        syntax = "proto3";
        package shop.v1;
        message Order {
            map<string, int64> counts = 1;
            message Line { message Part {} }
            message Note {}
        }
        message Price {}
    "#;

    #[test]
    fn paths_of_messages() {
        let file = parse(TEXT).unwrap();
        let path = |name: &str| path_of(&file, name);
        assert_eq!(path("shop.v1.Order"), Some(vec![0]));
        assert_eq!(path("shop.v1.Price"), Some(vec![1]));
        // The message of a map does not count.
        assert_eq!(path("shop.v1.Order.Line"), Some(vec![0, 0]));
        assert_eq!(path("shop.v1.Order.Line.Part"), Some(vec![0, 0, 0]));
        assert_eq!(path(".shop.v1.Order.Note"), Some(vec![0, 1]));
        assert_eq!(path("shop.Order"), None);
        assert_eq!(path("shop.v1.Order.CountsEntry"), None);
        for (path, name) in all_paths(&file) {
            assert_eq!(path_of(&file, &name), Some(path));
        }
        assert_eq!(all_paths(&file).len(), 5);
    }
}
