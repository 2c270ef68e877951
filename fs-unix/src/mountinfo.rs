//! The kernel's table of mounts, `/proc/self/mountinfo` (proc(5)).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Number of the mount; the kernel gives it again once the mount is gone.
    pub(crate) id: u64,
    /// Number of the mount that this one is mounted on.
    pub(crate) parent: u64,
    /// `major:minor` of the file system, unique as long as the file system lives, which is longer than it is mounted
    /// if files are open.
    pub(crate) device: String,
    pub(crate) mountpoint: PathBuf,
    /// As `fuse.rawrz`.
    pub(crate) fs_type: String,
    pub(crate) source: OsString,
}

/// All mounts of this process's namespace.
pub(crate) fn read() -> io::Result<Vec<Entry>> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(text.split(|&b| b == b'\n').filter_map(parse).collect())
}

/// The mount that a path shows, if it is a mountpoint: of several at one place, the one that no other covers.
pub(crate) fn topmost<'a>(entries: &'a [Entry], mountpoint: &Path) -> Option<&'a Entry> {
    let here: Vec<_> = entries.iter().filter(|e| e.mountpoint == mountpoint).collect();
    here.iter().find(|e| !here.iter().any(|above| above.parent == e.id && above.id != e.id)).copied()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`; any number of fields before the hyphen.
fn parse(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&b| b == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let device = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let _root = fields.next()?;
    let mountpoint = unescape(fields.next()?).into();
    let mut fields = fields.skip_while(|f| *f != b"-").skip(1);
    let fs_type = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let source = unescape(fields.next()?);
    Some(Entry { id, parent, device, mountpoint, fs_type, source })
}

fn number(field: &[u8]) -> Option<u64> {
    OsStr::from_bytes(field).to_str()?.parse().ok()
}

/// Undoes the kernel's escapes: space, tab, newline, `#` and backslash are written as `\` and three octal digits.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let code = match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r"22 27 0:21 / /proc rw,relatime - proc proc rw
40 27 0:45 / /mnt/a\040b rw shared:1 master:2 - fuse.rawrz rawrz:x\134y,\011z rw,user_id=0
41 40 0:46 / /mnt/a\040b rw - tmpfs none rw
42 27 0:47 / /mnt/c rw - tmpfs  rw
broken line
";

    fn table() -> Vec<Entry> {
        TABLE.as_bytes().split(|&b| b == b'\n').filter_map(parse).collect()
    }

    #[test]
    fn lines_are_parsed_and_unescaped() {
        let table = table();
        assert_eq!(table.iter().map(|e| e.id).collect::<Vec<_>>(), [22, 40, 41, 42]);
        assert_eq!(table[1].mountpoint, Path::new("/mnt/a b"));
        assert_eq!(table[1].device, "0:45");
        assert_eq!(table[1].fs_type, "fuse.rawrz");
        assert_eq!(table[1].source, "rawrz:x\\y,\tz");
        assert_eq!(table[3].source, "");
    }

    #[test]
    fn the_topmost_mount_is_the_one_not_covered() {
        let mut table = table();
        assert_eq!(topmost(&table, Path::new("/mnt/a b")).unwrap().id, 41);
        table.reverse();
        assert_eq!(topmost(&table, Path::new("/mnt/a b")).unwrap().id, 41);
        assert_eq!(topmost(&table, Path::new("/mnt")), None);
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescape(br"a\9\04\777\"), OsStr::new(r"a\9\04\777\"));
        assert_eq!(unescape(br"\303\251"), OsStr::new("\u{e9}"));
    }

    #[test]
    fn the_real_table_has_a_root() {
        assert!(topmost(&read().unwrap(), Path::new("/")).is_some());
    }
}
