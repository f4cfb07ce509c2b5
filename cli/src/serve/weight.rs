//! How much memory this program takes.

use peermesh_core::machine::Memory;

/// Looks. The allocator keeps no figures, so those of the heap are what is resident.
pub(crate) fn weigh() -> Memory {
    let rss = resident();
    Memory { rss, heap_total: rss, heap_used: rss }
}

/// Resident bytes, as the kernel has them; zero where it does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1_024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_running_program_takes_some_memory() {
        let memory = super::weigh();
        assert!(memory.rss > 100_000, "{memory:?}");
        assert_eq!(memory.rss, memory.heap_used);
    }
}
