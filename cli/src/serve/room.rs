//! How many connections this process can have, where each takes a thread: what the system grants of
//! descriptors, threads and memory, less what the rest of the broker needs.
//!
//! *Always holds:* what the system does not tell bounds nothing. The figures are those of the start: others
//! may take more later, and a thread that is not granted then costs its connection alone.

use std::fs;
use std::path::Path;

use peermesh_core::note::{Level, Note};
use peermesh_runtime_threads::STACK_BYTES;
use rustix::process::{Resource, getrlimit, getuid};

/// Descriptors of store, log, listeners, couriers and clients of the admin API.
const OTHER_DESCRIPTORS: u64 = 64;
/// Threads of shards, store, couriers and listeners, and of connections that are about to end.
const OTHER_THREADS: u64 = 64;
/// What an idle connection takes: what its thread has touched of its stack, what the machine and the kernel
/// know of it, and the kernel's own stack.
const CONNECTION_BYTES: u64 = 64 * 1_024;
/// Mappings of a thread: its stack and its stack for signals, each with a page that guards it.
const MAPPINGS: u64 = 4;
/// Below this a broker may be full of peers that are still being welcomed.
const FEW: u64 = 512;

/// How many connections each resource allows; none where the system does not say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Room {
    descriptors: Option<u64>,
    threads: Option<u64>,
    memory: Option<u64>,
}

/// Asks the system.
pub(super) fn look() -> Room {
    let read = |path: &Path| fs::read_to_string(path).ok();
    System {
        read: &read,
        files_max: getrlimit(Resource::Nofile).current,
        // Who may do everything is not counted.
        processes_max: getrlimit(Resource::Nproc).current.filter(|_| !getuid().is_root()),
        address_bytes_max: getrlimit(Resource::As).current,
    }
    .room()
}

impl Room {
    /// As many as the scarcest resource allows; one at least, or a broker would not be one.
    pub(super) fn connections(&self) -> usize {
        usize::try_from(self.scarcest().0.max(1)).unwrap_or(usize::MAX)
    }

    /// What the operator should know of it.
    pub(super) fn note(&self) -> Note {
        let (connections, bound_by) = self.scarcest();
        let is_small = connections < FEW;
        let mut note = Note::new(if is_small { Level::Warn } else { Level::Info }, "room for connections")
            .with("connections", self.connections())
            .with("bound_by", bound_by)
            .with("stack_bytes", STACK_BYTES);
        for (name, allows) in
            [("descriptors", self.descriptors), ("threads", self.threads), ("memory", self.memory)]
        {
            if let Some(allows) = allows {
                note = note.with(name, allows);
            }
        }
        let way_out =
            "raise the limit that binds, or serve with --runtime smol, where a connection takes no thread";
        if is_small { note.with("way_out", way_out) } else { note }
    }

    fn scarcest(&self) -> (u64, &'static str) {
        [(self.descriptors, "descriptors"), (self.threads, "threads"), (self.memory, "memory")]
            .into_iter()
            .filter_map(|(allows, name)| Some((allows?, name)))
            .min()
            .unwrap_or((u64::MAX, "nothing"))
    }
}

/// What the system says of its limits.
struct System<'a> {
    /// The text of a file, if it can be read.
    read: &'a dyn Fn(&Path) -> Option<String>,
    files_max: Option<u64>,
    processes_max: Option<u64>,
    address_bytes_max: Option<u64>,
}

impl System<'_> {
    fn room(&self) -> Room {
        Room {
            descriptors: self.files_max.map(|files| files.saturating_sub(OTHER_DESCRIPTORS)),
            threads: self.threads().map(|threads| threads.saturating_sub(OTHER_THREADS)),
            memory: self.memory(),
        }
    }

    /// Threads that could be started.
    fn threads(&self) -> Option<u64> {
        // The fourth of its fields is `running/all`, and all count against each of these limits at the most.
        let load = self.text("/proc/loadavg").unwrap_or_default();
        let all = load.split_whitespace().nth(3).and_then(|tasks| tasks.split('/').nth(1)?.parse().ok());
        let more = |most: u64| most.saturating_sub(all.unwrap_or(0));
        let mappings = self.number("/proc/sys/vm/max_map_count").map(|most| {
            let taken = self.text("/proc/self/maps").unwrap_or_default().lines().count();
            most.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX)) / MAPPINGS
        });
        [
            self.processes_max.map(more),
            self.number("/proc/sys/kernel/threads-max").map(more),
            self.number("/proc/sys/kernel/pid_max").map(more),
            mappings,
            self.left_in_groups("pids", ["pids.max", "pids.current"], ["pids.max", "pids.current"]),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Connections that memory and the space of addresses allow. A quarter of the memory is left to the store
    /// and to messages.
    fn memory(&self) -> Option<u64> {
        let kibibytes = |path: &str, label: &str| {
            let text = self.text(path)?;
            let line = text.lines().find_map(|line| line.strip_prefix(label))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
        };
        let free = kibibytes("/proc/meminfo", "MemAvailable:");
        let group = self.left_in_groups(
            "memory",
            ["memory.max", "memory.current"],
            ["memory.limit_in_bytes", "memory.usage_in_bytes"],
        );
        let resident = free.into_iter().chain(group).min().map(|bytes| bytes / 4 * 3 / CONNECTION_BYTES);
        let addresses = self.address_bytes_max.map(|most| {
            let taken = kibibytes("/proc/self/status", "VmSize:").unwrap_or(0);
            most.saturating_sub(taken) / 4 * 3 / (STACK_BYTES as u64 + CONNECTION_BYTES)
        });
        resident.into_iter().chain(addresses).min()
    }

    /// What the control groups of this process leave of something: the least of its own group and of those
    /// around it. The names of the files are those of version 2 and of version 1.
    fn left_in_groups(&self, controller: &str, v2: [&str; 2], v1: [&str; 2]) -> Option<u64> {
        let groups = self.text("/proc/self/cgroup")?;
        let places = groups.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
            if controllers.is_empty() {
                Some((Path::new("/sys/fs/cgroup").to_owned(), path, v2))
            } else {
                let is_it = controllers.split(',').any(|name| name == controller);
                is_it.then(|| (Path::new("/sys/fs/cgroup").join(controller), path, v1))
            }
        });
        let lefts = places.flat_map(|(root, path, [max, current])| {
            let around: Vec<_> = Path::new(path).ancestors().map(|group| root.join(group)).collect();
            around.into_iter().filter_map(move |group| {
                // A group without a limit says `max`, which is no number.
                let max: u64 = (self.read)(&group.join(max))?.trim().parse().ok()?;
                let current: u64 = (self.read)(&group.join(current))?.trim().parse().ok()?;
                Some(max.saturating_sub(current))
            })
        });
        lefts.min()
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.trim().parse().ok()
    }

    fn text(&self, path: &str) -> Option<String> {
        (self.read)(Path::new(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The room on a system that has these files and limits.
    fn room(files: &[(&str, &str)], limits: [Option<u64>; 3]) -> Room {
        let read = |path: &Path| {
            files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned())
        };
        let [files_max, processes_max, address_bytes_max] = limits;
        System { read: &read, files_max, processes_max, address_bytes_max }.room()
    }

    #[test]
    fn this_system_has_room_for_some() {
        let room = look();
        assert!(room.connections() > 10 && room.descriptors.is_some(), "{room:?}");
    }

    #[test]
    fn what_the_system_does_not_tell_bounds_nothing() {
        let room = room(&[], [Some(1_064), None, None]);
        assert_eq!(room, Room { descriptors: Some(1_000), threads: None, memory: None });
        assert_eq!((room.connections(), room.scarcest().1), (1_000, "descriptors"));
    }

    #[test]
    fn the_scarcest_way_to_count_threads_decides() {
        let files = [
            ("/proc/loadavg", "0.1 0.2 0.3 2/500 777\n"),
            ("/proc/sys/kernel/threads-max", "100000\n"),
            ("/proc/sys/kernel/pid_max", "32768\n"),
            ("/proc/sys/vm/max_map_count", "65530\n"),
            ("/proc/self/maps", "one\ntwo\n"),
        ];
        let mappings = 65_528 / 4 - 64;
        assert_eq!(room(&files, [None; 3]).threads, Some(mappings));
        assert_eq!(room(&files, [None, Some(2_000), None]).threads, Some(1_500 - 64));
    }

    #[test]
    fn a_group_that_is_bounded_by_one_around_it_has_what_that_one_leaves() {
        let files = [
            ("/proc/self/cgroup", "8:pids:/a/b\n4:cpu,memory:/\n0::/x/y\n"),
            ("/sys/fs/cgroup/pids/a/b/pids.max", "max\n"),
            ("/sys/fs/cgroup/pids/a/pids.max", "1000\n"),
            ("/sys/fs/cgroup/pids/a/pids.current", "100\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n"),
            ("/sys/fs/cgroup/x/memory.max", "134217728\n"),
            ("/sys/fs/cgroup/x/memory.current", "0\n"),
        ];
        let room = room(&files, [None; 3]);
        assert_eq!((room.threads, room.memory), (Some(900 - 64), Some(1_536)));
    }

    #[test]
    fn f_lif_03_a_record_tells_the_figures_and_warns_when_they_are_small() {
        let note = room(&[], [Some(100), None, None]).note();
        assert_eq!((note.level, note.msg), (Level::Warn, "room for connections"));
        let field = |name: &str| note.fields.iter().any(|(field, _)| *field == name);
        assert!(field("connections") && field("bound_by") && field("descriptors") && field("way_out"));
        assert!(!field("threads"), "what is unknown is left out");
        assert_eq!(room(&[], [Some(64), None, None]).connections(), 1);
    }
}
