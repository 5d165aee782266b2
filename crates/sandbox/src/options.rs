//! What a sandbox is made of and how far its guests may go.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One policy: a component and its configuration.
#[derive(Debug, Clone)]
pub struct ComponentSource {
    /// The component, binary or text.
    pub bytes: Vec<u8>,
    /// What its `configure` is given, as JSON.
    pub config: serde_json::Value,
}

/// The three policies.
#[derive(Debug, Clone)]
pub struct PolicySources {
    /// Exports `forebay:prefix-cache/prefix-cache@0.2.0`.
    pub prefix_cache: ComponentSource,
    /// Exports `forebay:guardrails/guardrails@0.2.0`.
    pub guardrails: ComponentSource,
    /// Exports `forebay:cloud-selector/cloud-selector@0.2.0`.
    pub cloud_selector: ComponentSource,
}

/// Who may meet the memory that a request left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Nobody: each request has an instance of its own. The default.
    #[default]
    Request,
    /// Later requests of the same tenant.
    Tenant,
}

/// Whether the kernel is asked which pages a guest touched (`PAGEMAP_SCAN`, Linux 6.7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PagemapScan {
    /// Where the kernel has it. The default.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// The limits of the sandbox. [`Default`] gives each field's documented default.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Who may meet the memory that a request left behind. Default: nobody.
    pub isolation: Isolation,
    /// Requests that are in their sandbox at the same time. Default 128: decisions take
    /// tens of microseconds, so a request beyond that waits for less than a millisecond.
    pub sessions: u32,
    /// Output guards that live at the same time. Default 5,000: one for each stream.
    pub guards: u32,
    /// How long a request waits for a free sandbox. Default 1 s.
    pub wait: Duration,
    /// The most linear memory one guest may have, in bytes. Default 64 MiB: a configured
    /// guardrail with 5,000 terms takes 10. A sandbox of three guests may hold three times this.
    pub memory_bytes: usize,
    /// The guest time every request has, counted in ticks of 1 ms while it runs. Default 200 ms: a decision takes
    /// less than one, and what must end is a guest that never would.
    pub deadline: Duration,
    /// The guest time that each KiB of prompt or output adds. Default 200 µs: the shipped rules read ordinary text
    /// in a tenth of it, also on slow machines.
    pub deadline_per_kib: Duration,
    /// The guest time `configure` has at load. Default 30 s: it may build large automata.
    pub configure_deadline: Duration,
    /// The most one call may return, in bytes of strings and lists. Default 4 MiB: twice the
    /// largest plan for an 8 MiB prompt.
    pub result_bytes: usize,
    /// What a used memory keeps resident for the next request, in bytes. Default 256 KiB: as
    /// fast as any more for prompts up to 100 KB, and little enough for three memories of
    /// each of 128 sessions to stay below 100 MB.
    pub keep_resident_bytes: usize,
    /// Whether the kernel is asked which pages a guest touched. Default: where it can.
    pub pagemap_scan: PagemapScan,
    /// How often an instance serves before it is thrown away (tenant isolation). Default 128:
    /// what `wasmtime serve` does.
    pub uses: u32,
    /// Idle instances kept in all (tenant isolation). Default 64.
    pub idle: usize,
    /// Idle instances kept for one tenant (tenant isolation). Default 8: more than cores run at once.
    pub idle_per_tenant: usize,
    /// The SHA-256 of the prefix-cache component whose `admit` this host knows without asking it: the
    /// shipped one. Default none: the component is asked, as every other is.
    pub shipped_prefix_cache: Option<[u8; 32]>,
    /// Where snapshots and compiled components are kept. Default none: nothing is kept.
    /// The directory must belong to this user alone (mode 0700), for loading one is running code.
    pub cache_dir: Option<PathBuf>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::Request,
            sessions: 128,
            guards: 5_000,
            wait: Duration::from_secs(1),
            memory_bytes: 64 << 20,
            deadline: Duration::from_millis(200),
            deadline_per_kib: Duration::from_micros(200),
            configure_deadline: Duration::from_secs(30),
            result_bytes: 4 << 20,
            keep_resident_bytes: 256 << 10,
            pagemap_scan: PagemapScan::Auto,
            uses: 128,
            idle: 64,
            idle_per_tenant: 8,
            shipped_prefix_cache: None,
            cache_dir: None,
        }
    }
}
