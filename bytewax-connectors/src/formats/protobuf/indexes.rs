//! The path of a message in a schema, which follows the schema's id: the number of the message in the file,
//! and within each enclosing message. Numbers are written with zigzag and seven bits per byte, after their
//! count; the first message of a file is a single zero.

/// The numbers, from the outermost.
pub(super) type Path = Vec<usize>;

/// How deep messages may be.
const DEPTH: u64 = 64;

/// Reads a path; returns the bytes after it.
pub(super) fn read_path<'b>(bytes: &'b [u8], path: &mut Path) -> Result<&'b [u8], String> {
    path.clear();
    let (count, mut rest) = read_number(bytes)?;
    if count == 0 {
        path.push(0);
        return Ok(rest);
    }
    if count > DEPTH {
        return Err(format!("{count} is no number of message indexes"));
    }
    for _ in 0..count {
        let (number, behind) = read_number(rest)?;
        path.push(usize::try_from(number).unwrap_or(usize::MAX));
        rest = behind;
    }
    Ok(rest)
}

fn read_number(bytes: &[u8]) -> Result<(u64, &[u8]), String> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if number & 1 == 1 {
                return Err("a message index is below zero".to_owned());
            }
            return Ok((number >> 1, &bytes[index + 1..]));
        }
    }
    Err("the message indexes have no end".to_owned())
}

/// Appends a path to bytes.
pub(super) fn write_path(path: &[usize], bytes: &mut Vec<u8>) {
    if path == [0] {
        bytes.push(0);
        return;
    }
    write_number(path.len(), bytes);
    for number in path {
        write_number(*number, bytes);
    }
}

fn write_number(number: usize, bytes: &mut Vec<u8>) {
    let mut left = number << 1;
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_others_write_them() {
        let rows: [(&[usize], &[u8]); 4] = [
            (&[0], &[0]),
            (&[1], &[2, 2]),
            (&[1, 0], &[4, 2, 0]),
            (&[64, 3], &[4, 0x80, 1, 6]),
        ];
        for (path, expect) in rows {
            let mut bytes = Vec::new();
            write_path(path, &mut bytes);
            assert_eq!(bytes, expect);
            bytes.push(99);
            let mut read = Path::new();
            assert_eq!(read_path(&bytes, &mut read).unwrap(), [99]);
            assert_eq!(read, path);
        }
        // Other serializers may write the first message in full.
        let mut read = Path::new();
        assert_eq!(read_path(&[2, 0, 7], &mut read).unwrap(), [7]);
        assert_eq!(read, [0]);
    }

    #[test]
    fn what_is_no_path() {
        let why = |bytes: &[u8]| read_path(bytes, &mut Path::new()).unwrap_err();
        assert_eq!(why(&[]), "the message indexes have no end");
        assert_eq!(why(&[2]), "the message indexes have no end");
        assert_eq!(why(&[1]), "a message index is below zero");
        assert_eq!(
            why(&[0xff, 0xff, 0xff, 0xff, 0xff, 0]),
            "the message indexes have no end"
        );
        assert_eq!(why(&[0xfe, 1]), "127 is no number of message indexes");
    }
}
