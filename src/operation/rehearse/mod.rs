//! Rehearses a release: what runs and what the files here have, each on the schema of before and after the migrations, on copies
//! of the stores. Nothing touches the real data.

pub(super) mod access;
pub(super) mod data;
pub(super) mod ground;
pub(super) mod hooks;
pub(super) mod images;
pub(super) mod network;
pub mod network_probe;
pub(super) mod room;
pub(super) mod run;
pub(super) mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::data::Taken;
use self::run::{Code, Moving, Rehearsal};
use crate::apply::hook::{DeletePolicy, Hook};
use crate::apply::{HookEvent, ReleaseHooks};
use crate::data::discover::{self, Store};
use crate::event::Event;
use crate::handoff::ci::{Redactor, secret_values};
use crate::handoff::rehearse::copy::{self, Copier};
use crate::handoff::rehearse::volumes::mounted;
use crate::handoff::rehearse::{ClaimName, Copies, Files, LeftOut, RehearseError, Report, Way};
use crate::handoff::release::{Record, ReleaseError};
use crate::manifest::{Object, ObjectId};
use crate::operation::ci::copies::Surroundings;
use crate::operation::ci::{self, Watch};
use crate::operation::error::OperationError;
use crate::operation::gather::{self, Desired};
use crate::operation::hooks::{of_charts, releases};
use crate::operation::lock;
use crate::operation::migrations::{self, Migration};
use crate::operation::release::{self, record};
use crate::operation::session::{Existing, Session};
use crate::parity::requirements;
use crate::words::counted;

/// How to rehearse.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How long to wait for everything of one way to be ready.
    pub timeout: Duration,
    /// Whether to go on where the network does not hold the copies back from what is real.
    pub unenforced_network: bool,
    /// Bytes of a claim's files up to which they are copied; what has more begins empty.
    pub volumes_up_to: u64,
    /// Takes the commands' lines.
    pub watch: Watch<'a>,
    /// Ends the rehearsal early.
    pub interrupted: &'a CancellationToken,
}

/// Rehearses; none where it was ended early. Whatever comes of it, nothing of it stays in the cluster or in the catalogue.
pub async fn run(session: &Session, options: &Options<'_>) -> Result<Option<Report>, OperationError> {
    let _lock = session.lock()?;
    let existing = session.existing().await?;
    let (record, old) = standing(&existing).await?;
    let stores = discover::stores(&old);
    take_away(session, &existing).await?;
    data::begin(session, &stores)?;
    let rehearsed = tokio::select! {
        rehearsed = rehearse(session, &existing, (&record, old), &stores, options) => rehearsed.map(Some),
        () = options.interrupted.cancelled() => Ok(None),
    };
    let what = "taking the copies away".into();
    session.reporter.report(Event::Started { step: "rehearse".into(), what });
    let taken = take_away(session, &existing).await;
    let report = rehearsed?;
    taken?;
    Ok(report)
}

/// Takes away what a rehearsal that was killed has left, where there was one.
pub(super) async fn tidy(session: &Session, existing: &Existing) -> Result<(), OperationError> {
    if !data::is_under_way(session) && !volumes::are_there(session) {
        return Ok(());
    }
    let what = "a rehearsal was killed: what it left is taken away".into();
    session.reporter.report(Event::Note(what));
    take_away(session, existing).await
}

async fn take_away(session: &Session, existing: &Existing) -> Result<(), OperationError> {
    let left = ground::leave(session, existing).await;
    data::end(session).await?;
    left
}

/// The release that stands, with its objects.
async fn standing(existing: &Existing) -> Result<(Record, Vec<Object>), OperationError> {
    let book = record::book(existing);
    let ledger = book.load().await?;
    let record = ledger.current().ok_or(ReleaseError::None)?.clone();
    if record.content.objects.is_empty() {
        return Err(ReleaseError::Empty { number: record.number }.into());
    }
    let texts = book.texts(record.number, &record.content.objects).await?;
    Ok((record, texts.into_values().collect()))
}

async fn rehearse(
    session: &Session,
    existing: &Existing,
    (record, old): (&Record, Vec<Object>),
    stores: &[Store],
    options: &Options<'_>,
) -> Result<Report, OperationError> {
    let begun = Instant::now();
    let desired = gather::gather(session).await?;
    let copies = Copies::of(old.iter().chain(&desired.rendered.objects));
    ground::check(existing, &copies).await?;
    let secrets = old.iter().chain(&desired.rendered.objects).flat_map(|one| secret_values(&one.value));
    let redactor = Redactor::new(secrets);
    let services = copy::services(old.iter().chain(&desired.rendered.objects));
    let (sources, limit) = (sources(existing, &desired, (record, old)).await?, options.volumes_up_to);
    let Codes { old, new, migrations, images, files, claims } =
        codes(session, existing, (&desired, record, &sources), (&copies, &services), limit).await?;
    let network = network::check(session, existing, options.unenforced_network).await?;
    room::tell(session, existing, &copies).await;
    let taken: Taken = data::take(session, existing, stores).await?;
    volumes::take(session, existing, &files).await?;
    let Options { timeout, watch, interrupted, .. } = *options;
    let (copies, services, images) = (&copies, &services, &images);
    let redactor = &redactor;
    let surroundings =
        Surroundings { session, existing, copies, services, images, redactor, watch, interrupted };
    let rehearsal = Rehearsal { surroundings, old, new, migrations, taken, files, claims, timeout };
    let mut cells = Vec::new();
    for way in Way::ALL {
        cells.push(rehearsal.cell(way).await?);
    }
    let Rehearsal { old, new, migrations, taken, files, .. } = rehearsal;
    let mut left_out: BTreeSet<LeftOut> = old.copied.left_out.union(&new.copied.left_out).cloned().collect();
    let ran: BTreeSet<String> = migrations::named(session, &desired.rendered)?
        .iter()
        .flat_map(|migration| migration.objects().into_iter().map(Object::id).chain(migration.hooks()))
        .map(|id| id.to_string())
        .collect();
    left_out.retain(|left| !ran.contains(&left.object));
    let charts = old.charts.iter().chain(&new.charts);
    Ok(Report {
        release: record.number,
        migrations: migrations.into_iter().map(|migration| migration.name).collect(),
        stores: taken.into_keys().collect(),
        volumes: files
            .copied
            .into_iter()
            .map(|((namespace, claim), bytes)| (format!("{namespace}/{claim}"), bytes))
            .collect(),
        hooks: charts.flat_map(|chart| &chart.ids).map(ToString::to_string).collect(),
        cells,
        left_out,
        renamed: old.copied.renamed.union(&new.copied.renamed).cloned().collect(),
        emptied: old.copied.emptied.union(&new.copied.emptied).cloned().collect(),
        network,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// What both codes are made of: objects, and charts with their hooks.
struct Sources {
    old: (Vec<Object>, Vec<ReleaseHooks>),
    new: (Vec<Object>, Vec<ReleaseHooks>),
}

async fn sources(
    existing: &Existing,
    desired: &Desired,
    (record, old): (&Record, Vec<Object>),
) -> Result<Sources, OperationError> {
    let (charts, hooks) = release::hooks::of(&record::book(existing), record).await?;
    let skipped: BTreeSet<&ObjectId> = desired.skipped.iter().collect();
    let rendered = desired.rendered.objects.iter().filter(|object| !skipped.contains(&object.id()));
    Ok(Sources {
        old: (old, of_charts(&charts, &hooks)),
        new: (rendered.cloned().collect(), releases(&desired.rendered)),
    })
}

/// Both codes as they go into the copy, what migrates, the images of sharded commands, and the files of claims.
struct Codes {
    old: Code,
    new: Code,
    migrations: Vec<Moving>,
    images: BTreeMap<String, String>,
    files: Files,
    claims: BTreeSet<ClaimName>,
}

/// Makes them. What cannot stay within the copy is refused before an image is sent.
async fn codes(
    session: &Session,
    existing: &Existing,
    (desired, record, sources): (&Desired, &Record, &Sources),
    (copies, services): (&Copies, &BTreeMap<String, BTreeSet<String>>),
    limit: u64,
) -> Result<Codes, OperationError> {
    let none = Files::default();
    let mut maker = Copier {
        copies,
        images: BTreeMap::new(),
        stores: BTreeSet::new(),
        of_stores: of_stores(&[&sources.old.0, &sources.new.0]),
        files: &none,
        services: services.clone(),
    };
    let known = record.content.charts.iter().flatten();
    let known: BTreeSet<&str> = known.map(|chart| chart.release.as_str()).collect();
    let stands = |release: &str| known.contains(release);
    let looked = [
        code(session, &mut maker, &sources.old, &|_| true)?,
        code(session, &mut maker, &sources.new, &stands)?,
    ];
    let moved = moving(session, desired, &maker)?;
    let wanted = looked.iter().map(|code| &code.copied.wanted).chain(moved.iter().map(|one| &one.wanted));
    let files = volumes::survey(existing, &wanted.flatten().cloned().collect(), limit).await?;

    let mut maker = Copier { files: &files, ..maker };
    let running = sources.old.1.iter().flat_map(|release| &release.hooks).map(|hook| &hook.object);
    maker.images = images::old(existing, record, sources.old.0.iter().chain(running)).await?;
    let old = code(session, &mut maker, &sources.old, &|_| true)?;
    maker.images = images::new(session, existing, desired).await?;
    let new = code(session, &mut maker, &sources.new, &stands)?;
    let migrations = moving(session, desired, &maker)?;
    let what = format!(
        "release {} against the files here, {} in the copy",
        record.number,
        counted(new.copied.objects.len(), "object")
    );
    session.reporter.report(Event::Note(what));
    let root = lock::root(&session.config, &desired.rendered, &session.state).await?;
    if record.lock.as_ref() == Some(&root) {
        let what =
            format!("the files here are those of release {}: old code and new are the same", record.number);
        session.reporter.report(Event::Warning(what));
    }
    let written = requirements(&desired.rendered.objects, None).images;
    let written = written.into_iter().flat_map(|image| image.written).collect();
    let images = ci::copies::images(session, existing, &written, &maker.images).await?;
    let claims = [&old.copied.claims, &new.copied.claims];
    let claims =
        claims.into_iter().chain(migrations.iter().map(|one| &one.claims)).flatten().cloned().collect();
    Ok(Codes { old, new, migrations, images, files, claims })
}

/// Claims that stores mount.
fn of_stores(all: &[&Vec<Object>]) -> BTreeSet<ClaimName> {
    let mut claims = BTreeSet::new();
    for objects in all {
        let stores: BTreeSet<ObjectId> =
            discover::stores(objects).into_iter().map(|store| store.workload).collect();
        let stores = objects.iter().filter(|object| stores.contains(&object.id()));
        claims.extend(stores.flat_map(|store| mounted(store).into_values().flatten()));
    }
    claims
}

fn code(
    session: &Session,
    maker: &mut Copier<'_>,
    (objects, releases): &(Vec<Object>, Vec<ReleaseHooks>),
    stands: &dyn Fn(&str) -> bool,
) -> Result<Code, RehearseError> {
    let stores = discover::stores(objects);
    maker.stores = stores.iter().map(|store| store.workload.clone()).collect();
    let mut copied = maker.all(objects)?;
    let charts = hooks::within(session, maker, releases, stands, &mut copied);
    Ok(Code { copied, objects: objects.clone(), stores, charts })
}

/// What the configuration names as migrations, as it runs on the copy.
fn moving(session: &Session, desired: &Desired, maker: &Copier<'_>) -> Result<Vec<Moving>, OperationError> {
    let all = migrations::named(session, &desired.rendered)?;
    let mut found = Vec::new();
    for (named, migration) in session.config.migrations.iter().zip(all) {
        let (mut hooks, event, container) = match migration {
            Migration::Job(job) => (of_job(*job), HookEvent::PreInstall, None),
            Migration::Hooks(release, event) => (*release, event, None),
            Migration::InitContainer(release) => {
                (*release, HookEvent::PreInstall, container(&named.name, desired, maker.copies))
            }
        };
        let objects: Vec<&Object> = hooks.hooks.iter().map(|hook| &hook.object).collect();
        let within = maker.migration(&objects)?;
        for (hook, object) in hooks.hooks.iter_mut().zip(within.objects) {
            object.namespace().clone_into(&mut hook.namespace);
            hook.object = object;
        }
        let (name, wanted, claims) = (named.name.clone(), within.wanted, within.claims);
        found.push(Moving { name, hooks, event, container, wanted, claims });
    }
    Ok(found)
}

fn of_job(object: Object) -> ReleaseHooks {
    let release = format!("{}/{}", object.namespace(), object.name());
    let hook = Hook {
        release: release.clone(),
        namespace: object.namespace().to_owned(),
        events: vec![HookEvent::PreInstall],
        weight: 0,
        delete_policies: vec![DeletePolicy::BeforeHookCreation],
        object,
    };
    ReleaseHooks { release, source: String::new(), hash: String::new(), hooks: vec![hook] }
}

/// The copy's workload and its init container that `NAMESPACE/WORKLOAD/CONTAINER` names.
fn container(name: &str, desired: &Desired, copies: &Copies) -> Option<(ObjectId, String)> {
    let parts: Vec<&str> = name.split('/').collect();
    let [namespace, workload, container] = parts.as_slice() else { return None };
    let mut objects = desired.rendered.objects.iter().filter(|object| object.pod_template().is_some());
    let found = objects.find(|object| (object.namespace(), object.name()) == (*namespace, *workload))?;
    let namespace = copies.get(namespace)?.to_owned();
    Some((ObjectId { namespace, ..found.id() }, (*container).to_owned()))
}
