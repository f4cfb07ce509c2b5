//! Files and directories that only their owner can read.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::HomeError;

/// The longest file that is read whole. Ours hold a few hundred bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Makes a directory with mode 0700, or makes sure that an existing one is ours and closed to others.
///
/// A directory of ours that is empty, or holds a configuration file only, is closed here; one with other
/// content is left to its owner to decide about.
pub(crate) fn prepare_dir(dir: &Path) -> Result<(), HomeError> {
    let io = |doing| move |error| HomeError::Io { doing, path: dir.to_owned(), error };
    let made = |error| HomeError::Make { path: dir.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(made)?;
    let about = fs::metadata(dir).map_err(io("look at"))?;
    if !about.is_dir() {
        return Err(HomeError::Kind { path: dir.to_owned(), wanted: "directory" });
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(HomeError::Foreign { path: dir.to_owned() });
    }
    if about.mode() & 0o077 == 0 {
        return Ok(());
    }
    let mut names = fs::read_dir(dir).map_err(io("read"))?.map(|entry| entry.map(|entry| entry.file_name()));
    if names.any(|name| name.ok().is_none_or(|name| name != super::CONFIG_FILE)) {
        return Err(HomeError::Open { path: dir.to_owned(), mode: about.mode() & 0o7777, wanted: 0o700 });
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(io("close to others"))
}

/// Makes a file that is complete and 0600 from its first moment; false when the name is taken.
pub(crate) fn publish_first(path: &Path, bytes: &[u8]) -> Result<bool, HomeError> {
    match publish(path, bytes) {
        Ok(()) => Ok(true),
        Err(HomeError::Io { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a file that is complete and 0600 from its first moment.
///
/// # Errors
/// [`HomeError::Io`] also when the name is taken; what stands there is not touched.
pub(crate) fn publish(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let draft = write_draft(path, bytes)?;
    let linked = fs::hard_link(&draft, path);
    let _ = fs::remove_file(&draft);
    linked.map_err(|error| HomeError::Io { doing: "make", path: path.to_owned(), error })?;
    sync_parent(path)
}

/// Puts a complete 0600 file in the place of whatever has that name.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let draft = write_draft(path, bytes)?;
    fs::rename(&draft, path).map_err(|error| HomeError::Io {
        doing: "replace",
        path: path.to_owned(),
        error,
    })?;
    sync_parent(path)
}

/// Reads a whole regular file without following a link.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, HomeError> {
    read_by(path, no_follow())
}

/// The same of a file that the operator named, which may be a link: so secrets are mounted into containers.
pub(crate) fn read_named(path: &Path) -> Result<Vec<u8>, HomeError> {
    read_by(path, 0)
}

fn read_by(path: &Path, flags: i32) -> Result<Vec<u8>, HomeError> {
    let io = |error| HomeError::Io { doing: "read", path: path.to_owned(), error };
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(io)?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(HomeError::Kind { path: path.to_owned(), wanted: "regular file" });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// The permission bits of a file or directory.
pub(crate) fn mode_of(path: &Path) -> io::Result<u32> {
    fs::symlink_metadata(path).map(|about: Metadata| about.mode() & 0o7777)
}

fn write_draft(path: &Path, bytes: &[u8]) -> Result<PathBuf, HomeError> {
    let mut name = OsString::from(path);
    name.push(format!(".{}.draft", std::process::id()));
    let draft = PathBuf::from(name);
    // A draft of a process that died with our number is in the way and worth nothing.
    let _ = fs::remove_file(&draft);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(no_follow())
        .open(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        let _ = fs::remove_file(&draft);
        HomeError::Io { doing: "write", path: draft.clone(), error }
    })?;
    Ok(draft)
}

fn sync_parent(path: &Path) -> Result<(), HomeError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    // A bare name has the empty path as its parent, and means the working directory.
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let io = |error| HomeError::Io { doing: "sync", path: parent.to_owned(), error };
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)
}

fn no_follow() -> i32 {
    // The bits of a flag are the same in both types; only their sign differs.
    OFlags::NOFOLLOW.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn s_loc_01_an_open_directory_with_content_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("theirs"), "x").unwrap();
        let error = prepare_dir(dir.path()).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
        fs::remove_file(dir.path().join("theirs")).unwrap();
        fs::write(dir.path().join("peermesh.toml"), "").unwrap();
        prepare_dir(dir.path()).unwrap();
        assert_eq!(mode_of(dir.path()).unwrap(), 0o700);
    }

    #[test]
    fn s_loc_01_links_are_neither_read_nor_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        symlink(&target, &link).unwrap();
        assert!(publish(&link, b"secret").is_err());
        assert!(!target.exists());
        fs::write(&target, "x").unwrap();
        assert!(read(&link).is_err());
        assert_eq!(read_named(&link).unwrap(), b"x", "only what was named may be a link");
    }

    #[test]
    fn publishing_never_replaces_and_replacing_leaves_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile");
        publish(&path, b"one").unwrap();
        assert!(publish(&path, b"two").is_err());
        assert_eq!(read(&path).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!((read(&path).unwrap(), mode_of(&path).unwrap()), (b"three".to_vec(), 0o600));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
