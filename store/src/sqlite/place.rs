//! Where a data directory lies: whether its file system keeps the promises that SQLite's log needs.

use std::path::{Path, PathBuf};

/// File systems whose locks and shared memory do not reach, or do not surely reach, everyone who has the file
/// open.
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "pvfs2",
    "smb2",
    "smb3",
    "smbfs",
];

/// The kind of network file system that holds `dir`, by the kernel's list of mounts; none when it is local or
/// the list cannot be read.
pub(super) fn network_filesystem(dir: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = kind_of_mount(&mounts, dir)?;
    is_network(kind).then(|| kind.to_owned())
}

/// The file system of the mount that holds `dir`. A later mount on the same place hides an earlier one.
fn kind_of_mount<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(parse_mount);
    let holding = mounts.filter(|(place, _)| dir.starts_with(place));
    holding.max_by_key(|(place, _)| place.components().count()).map(|(_, kind)| kind)
}

/// Mount point and file system of one line: `36 35 98:0 /root /mount/point options tags… - kind source
/// options`.
fn parse_mount(line: &str) -> Option<(PathBuf, &str)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    Some((unescape(mount.split(' ').nth(4)?), filesystem.split(' ').next()?))
}

/// Undoes the kernel's octal escapes of space, tab, line feed and backslash.
fn unescape(place: &str) -> PathBuf {
    let plain =
        place.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    PathBuf::from(plain)
}

fn is_network(kind: &str) -> bool {
    let user_space = kind.strip_prefix("fuse.");
    NETWORK.contains(&user_space.unwrap_or(kind))
        || user_space.is_some_and(|kind| ["sshfs", "rclone", "s3fs", "goofys", "curlftpfs"].contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:35 / /srv/mail rw,relatime shared:20 - nfs4 host:/export rw,vers=4.2
41 22 0:36 / /srv/my\\040disk rw - ext4 /dev/vdb rw
42 40 0:37 / /srv/mail/local rw - tmpfs tmpfs rw
43 22 0:38 / /home/ann rw,nosuid - fuse.sshfs ann@host: rw
44 22 0:39 / /over rw - nfs host:/a rw
45 44 0:40 / /over rw - xfs /dev/vdc rw
46 22 0:41 / /mnt/c rw - 9p drvfs rw";

    #[test]
    fn f_sto_06_a_directory_is_judged_by_the_innermost_mount_that_holds_it() {
        let kind = |dir: &str| kind_of_mount(MOUNTS, Path::new(dir));
        assert_eq!(kind("/var/lib/peermesh"), Some("ext4"));
        assert_eq!(kind("/srv/mail/peermesh"), Some("nfs4"));
        assert_eq!(kind("/srv/mailbox"), Some("ext4"));
        assert_eq!(kind("/srv/mail/local/deep"), Some("tmpfs"));
        assert_eq!(kind("/srv/my disk/x"), Some("ext4"));
        assert_eq!(kind("/home/ann/data"), Some("fuse.sshfs"));
        assert_eq!(kind("/over/data"), Some("xfs"));
        assert_eq!(kind("/mnt/c/data"), Some("9p"));
    }

    #[test]
    fn f_sto_06_network_file_systems_are_told_from_local_ones() {
        for kind in ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs"]
        {
            assert!(is_network(kind), "{kind}");
        }
        for kind in ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuse.ntfs-3g", "virtiofs"] {
            assert!(!is_network(kind), "{kind}");
        }
    }
}
