//! The three policies, loaded: where sessions, guards and admissions come from.

use std::sync::Arc;
use std::time::Duration;

use forebay_gateway::policy::{Admission, CachePlan, Caller, Outcome, Policies, PolicyError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;
use wasmtime::{Engine, Store};

use crate::bindings::guardrails::GuardrailsPolicyPre;
use crate::bindings::policy::PolicyPre;
use crate::bindings::prefix_cache::PrefixCachePolicyPre;
use crate::cache::Cache;
use crate::compose::compose;
use crate::convert::{guardrails, prefix_cache};
use crate::engine::{self, Pool, TABLE_ELEMENTS, Ticker};
use crate::error::LoadError;
use crate::guard::{self, Guard};
use crate::guest::{Guest, Limits};
use crate::idle::Idle;
use crate::load::{self, Snapshots};
use crate::options::{Isolation, PolicySources, SandboxOptions};
use crate::session::{Live, Session};
use crate::stock::Admissions;
use crate::wasi;

/// The three policies, configured and ready. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

/// What sessions and guards share; it lives as long as the last of them.
pub(crate) struct Inner {
    options: SandboxOptions,
    digest: [u8; 32],
    requests: Engine,
    streams: Engine,
    composed: PolicyPre<Guest>,
    guardrails: GuardrailsPolicyPre<Guest>,
    prefix_cache: PrefixCachePolicyPre<Guest>,
    configure: Configure,
    /// What is known of admissions without a guest.
    admissions: Option<Admissions>,
    idle: Idle<Live>,
    sessions: Arc<Semaphore>,
    guards: Arc<Semaphore>,
    _ticker: Ticker,
}

/// What each instance must still be configured with: only policies that could not be frozen.
#[derive(Debug, Default)]
struct Configure {
    prefix_cache: Option<String>,
    guardrails: Option<String>,
    cloud_selector: Option<String>,
}

impl Sandbox {
    /// Loads the policies: configures each once, freezes them, composes and compiles them.
    ///
    /// Takes about a second, on a thread of its own; with a cache directory, the second time
    /// some milliseconds.
    ///
    /// # Errors
    ///
    /// [`LoadError`] names the policy and what is wrong with it.
    pub async fn load(sources: PolicySources, options: SandboxOptions) -> Result<Self, LoadError> {
        on_a_thread(move |handle| handle.block_on(Self::build(&sources, options))).await
    }

    async fn build(sources: &PolicySources, options: SandboxOptions) -> Result<Self, LoadError> {
        let runtime = |e: wasmtime::Error| LoadError::Runtime {
            detail: format!("{e:#}"),
        };
        let cache = Cache::open(options.cache_dir.as_deref());
        let Snapshots {
            prefix_cache,
            guardrails,
            cloud_selector,
            digest,
        } = load::snapshots(sources, &options, &cache).await?;

        let idle = match options.isolation {
            Isolation::Request => 0,
            Isolation::Tenant => options.idle,
        };
        let requests = engine::pooled(
            &options,
            &Pool {
                stores: options.sessions.saturating_add(idle as u32),
                guests: 3,
                keep: options.keep_resident_bytes,
                // Enough for four modules at the concurrency of an ordinary machine.
                warm: 64,
            },
        )?;
        // A stream's guard is made once and lives long: its slot keeps nothing afterwards, so
        // that a burst of streams leaves no memory behind.
        let streams = engine::pooled(
            &options,
            &Pool {
                stores: options.guards,
                guests: 1,
                keep: 0,
                warm: 16,
            },
        )?;

        let all = compose(&[
            ("prefix-cache", &prefix_cache.bytes),
            ("guardrails", &guardrails.bytes),
            ("cloud-selector", &cloud_selector.bytes),
        ])?;
        let compiled = |engine: &Engine, bytes: &[u8]| {
            let component = cache.compile(engine, bytes).map_err(runtime)?;
            component
                .initialize_copy_on_write_image()
                .map_err(runtime)?;
            Ok::<Component, LoadError>(component)
        };
        let pre = |engine: &Engine, component: &Component| {
            wasi::linker(engine, component)
                .and_then(|linker| linker.instantiate_pre(component))
                .map_err(runtime)
        };
        let composed = pre(&requests, &compiled(&requests, &all)?)?;
        let alone = pre(&requests, &compiled(&requests, &prefix_cache.bytes)?)?;
        let guard = pre(&streams, &compiled(&streams, &guardrails.bytes)?)?;
        let ticker = Ticker::start(vec![requests.clone(), streams.clone()])?;
        Ok(Self(Arc::new(Inner {
            digest,
            composed: PolicyPre::new(composed).map_err(runtime)?,
            prefix_cache: PrefixCachePolicyPre::new(alone).map_err(runtime)?,
            guardrails: GuardrailsPolicyPre::new(guard).map_err(runtime)?,
            configure: Configure {
                prefix_cache: prefix_cache.configure,
                guardrails: guardrails.configure,
                cloud_selector: cloud_selector.configure,
            },
            admissions: Admissions::of(&sources.prefix_cache, options.shipped_prefix_cache),
            idle: Idle::new(idle, options.idle_per_tenant),
            sessions: Arc::new(Semaphore::new(options.sessions as usize)),
            guards: Arc::new(Semaphore::new(options.guards as usize)),
            requests,
            streams,
            options,
            _ticker: ticker,
        })))
    }
}

/// Runs something long outside the runtime's own threads.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce(Handle) -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let failed = |detail: String| LoadError::Runtime { detail };
    let handle = Handle::try_current().map_err(|e| failed(e.to_string()))?;
    // A panic in there (the snapshotter's, of a component it does not foresee) ends here too.
    tokio::task::spawn_blocking(move || work(handle))
        .await
        .unwrap_or_else(|e| Err(failed(e.to_string())))
}

impl Inner {
    /// How long a guest may run for this much text, in milliseconds.
    pub(crate) fn deadline_ms(&self, bytes: usize) -> u64 {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        let time = self
            .options
            .deadline
            .saturating_add(self.options.deadline_per_kib.saturating_mul(kib));
        u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
    }

    fn store(&self, engine: &Engine, guests: usize) -> Store<Guest> {
        Guest::store(
            engine,
            Limits {
                memory: self.options.memory_bytes,
                memories: self.options.memory_bytes.saturating_mul(guests),
                result: self.options.result_bytes,
                table: TABLE_ELEMENTS,
            },
        )
    }

    /// Keeps a sandbox for its tenant's next request, or throws it away.
    pub(crate) fn give_back(&self, tenant: Arc<str>, mut live: Live) {
        live.uses += 1;
        if self.options.isolation == Isolation::Tenant && live.uses < self.options.uses {
            self.idle.put(tenant, live);
        }
    }

    async fn fresh(&self) -> Result<Live, PolicyError> {
        let mut store = self.store(&self.requests, 3);
        Guest::allow(&mut store, self.deadline_ms(0));
        let policy = match self.composed.instantiate_async(&mut store).await {
            Ok(policy) => policy,
            Err(e) => return Err(self.refused(&store, self.options.sessions, &e)),
        };
        if let Some(config) = &self.configure.prefix_cache {
            let guest = policy.forebay_prefix_cache_prefix_cache();
            let result = guest.call_configure(&mut store, config).await;
            configured("prefix-cache", &store, result)?;
        }
        if let Some(config) = &self.configure.guardrails {
            let guest = policy.forebay_guardrails_guardrails();
            let result = guest.call_configure(&mut store, config).await;
            configured("guardrails", &store, result)?;
        }
        if let Some(config) = &self.configure.cloud_selector {
            let guest = policy.forebay_cloud_selector_cloud_selector();
            let result = guest.call_configure(&mut store, config).await;
            configured("cloud-selector", &store, result)?;
        }
        Ok(Live {
            store,
            policy,
            uses: 0,
        })
    }

    fn refused(&self, store: &Store<Guest>, limit: u32, error: &wasmtime::Error) -> PolicyError {
        match store.data().explain("composed", error) {
            PolicyError::Exhausted { .. } => PolicyError::Exhausted { limit },
            other => other,
        }
    }
}

fn configured(
    policy: &'static str,
    store: &Store<Guest>,
    result: wasmtime::Result<Result<(), String>>,
) -> Result<(), PolicyError> {
    match result {
        Ok(Ok(())) => Ok(()),
        // It took this configuration at load.
        Ok(Err(_)) => Err(PolicyError::Nonsense {
            policy,
            detail: "it refuses a configuration that it took before".into(),
        }),
        Err(e) => Err(store.data().explain(policy, &e)),
    }
}

/// Waits for a place, a bounded time.
async fn place(
    places: &Arc<Semaphore>,
    wait: Duration,
    limit: u32,
) -> Result<OwnedSemaphorePermit, PolicyError> {
    if let Ok(permit) = Arc::clone(places).try_acquire_owned() {
        return Ok(permit);
    }
    match tokio::time::timeout(wait, Arc::clone(places).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(PolicyError::Exhausted { limit }),
    }
}

impl Policies for Sandbox {
    type Session = Session;
    type Guard = Guard;

    fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    async fn session(&self, caller: &Caller, prompt_bytes: usize) -> Result<Session, PolicyError> {
        let inner = &self.0;
        let limit = inner.options.sessions;
        let permit = place(&inner.sessions, inner.options.wait, limit).await?;
        let mut live = match inner.idle.take(&caller.tenant) {
            Some(live) => live,
            None => inner.fresh().await?,
        };
        Guest::allow(&mut live.store, inner.deadline_ms(prompt_bytes));
        Ok(Session::new(
            Arc::clone(inner),
            Arc::clone(&caller.tenant),
            live,
            permit,
        ))
    }

    async fn guard(&self, caller: &Caller) -> Result<Guard, PolicyError> {
        const POLICY: &str = "guardrails";
        let inner = &self.0;
        let limit = inner.options.guards;
        let permit = place(&inner.guards, inner.options.wait, limit).await?;
        let mut store = inner.store(&inner.streams, 1);
        Guest::allow(&mut store, inner.deadline_ms(0));
        let policy = match inner.guardrails.instantiate_async(&mut store).await {
            Ok(policy) => policy,
            Err(e) => return Err(inner.refused(&store, limit, &e)),
        };
        let guest = policy.forebay_guardrails_guardrails();
        if let Some(config) = &inner.configure.guardrails {
            let result = guest.call_configure(&mut store, config).await;
            configured(POLICY, &store, result)?;
        }
        let made = guest
            .output_guard()
            .call_constructor(&mut store, guardrails::caller(caller))
            .await;
        let guard = made.map_err(|e| store.data().explain(POLICY, &e))?;
        Ok(Guard::new(
            Arc::clone(inner),
            guard::Live {
                store,
                policy,
                guard,
            },
            permit,
        ))
    }

    async fn admit(
        &self,
        caller: &Caller,
        plan: &CachePlan,
        outcome: &Outcome,
    ) -> Result<Admission, PolicyError> {
        const POLICY: &str = "prefix-cache";
        let inner = &self.0;
        if let Some(known) = &inner.admissions {
            return Ok(known.admit(plan, outcome));
        }
        if inner.options.isolation == Isolation::Tenant {
            return self.session(caller, 0).await?.admit(plan, outcome).await;
        }
        let limit = inner.options.sessions;
        let _permit = place(&inner.sessions, inner.options.wait, limit).await?;
        let mut store = inner.store(&inner.requests, 1);
        Guest::allow(&mut store, inner.deadline_ms(0));
        let policy = match inner.prefix_cache.instantiate_async(&mut store).await {
            Ok(policy) => policy,
            Err(e) => return Err(inner.refused(&store, limit, &e)),
        };
        let guest = policy.forebay_prefix_cache_prefix_cache();
        if let Some(config) = &inner.configure.prefix_cache {
            let result = guest.call_configure(&mut store, config).await;
            configured(POLICY, &store, result)?;
        }
        let lists = prefix_cache::PlanLists::of(plan);
        let admission = guest
            .call_admit(&mut store, lists.plan(plan), prefix_cache::outcome(outcome))
            .await;
        admission
            .map(prefix_cache::admission)
            .map_err(|e| store.data().explain(POLICY, &e))
    }
}
