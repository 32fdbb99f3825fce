//! Swaps an image in the running system: built, on the nodes, and then in the running Pods in place. The kubelet restarts
//! that container alone; the Pod keeps its name, volumes and address, and its owner stays as production wrote it.

pub(super) mod job;
pub(super) mod migration;
pub mod pod;
pub mod swapped;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::try_join_all;
use serde_json::Value;

use self::pod::Manner;
use crate::apply::pods::{RunningContainer, evict};
use crate::cluster::hand::Arrival;
use crate::event::Event;
use crate::image::{Built, Delivered};
use crate::operation::error::OperationError;
use crate::operation::gather::Desired;
use crate::operation::hands::Hands;
use crate::operation::images::{self, Provided};
use crate::operation::live::Live;
use crate::operation::session::{Existing, Session};
use crate::parity::ImageReference;

/// What begins the tag of a name that only swaps use.
const SWAP_TAG: &str = "devcluster-";

/// How long a swapped container may take to be ready.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long the kubelet takes to see a patch. What is killed before it has is started again as it was, and held back.
const NOTICE: Duration = Duration::from_millis(40);

/// How containers are swapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub struct Style {
    /// Whether production's preStop and grace are kept; else what runs is killed.
    pub grace: bool,
    /// Whether containers are swapped one after the other, each ready before the next.
    pub one_at_a_time: bool,
    /// Whether the manifests' Jobs that run a swapped image are run anew.
    pub recreate_jobs: bool,
    /// Whether a snapshot is taken before a migration that runs anew and cannot be taken back.
    pub snapshot: bool,
}

/// The running system that is developed on.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// The project.
    pub session: &'a Session,
    /// What is to stand.
    pub desired: &'a Desired,
    /// Its cluster.
    pub existing: &'a Arc<Existing>,
    /// Its Pods.
    pub live: &'a Live,
    /// How containers are swapped.
    pub style: Style,
}

/// One image, swapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swapped {
    /// The image as the configuration names it.
    pub image: String,
    /// How many running containers were changed to it; 0 where nobody runs it, or all ran it already.
    pub containers: usize,
    /// The digests that its new bytes go by on the nodes.
    pub digests: BTreeSet<String>,
    /// What it took.
    pub took: Took,
}

/// What the steps of a swap took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Took {
    /// Building.
    pub building: Duration,
    /// Bringing what is new onto the nodes.
    pub sending: Duration,
    /// Taking snapshots before migrations that run anew.
    pub securing: Duration,
    /// What production's preStop and grace took of `starting`, where they were kept.
    pub ending: Duration,
    /// From the patch until the containers are ready.
    pub starting: Duration,
}

/// Whether an image's name is one that only swaps use.
pub fn is_swap_name(image: &str) -> bool {
    image
        .parse::<ImageReference>()
        .is_ok_and(|image| image.tag().is_some_and(|tag| tag.starts_with(SWAP_TAG)))
}

/// Whether a container's image, as its Pod names it, is `image`: one of the manifests' names, or one that a swap gave it.
pub fn is_named(named: &str, image: &Provided) -> bool {
    let name = images::normalised(named);
    if image.wanted.names.iter().any(|wanted| images::normalised(wanted) == name) {
        return true;
    }
    is_swap_name(named) && repositories(&image.wanted.names).contains(&repository(named))
}

/// Swaps images, and knows what runs of them.
#[derive(Debug)]
pub struct Swapper {
    /// What each image is called in the engine, by its name in the configuration.
    runs: BTreeMap<String, String>,
    /// Images of which the nodes may have other bytes under their names than what runs: a swap was begun, or is still to be.
    begun: BTreeSet<String>,
}

impl Swapper {
    /// For images that run as `runs` has them: what the engine calls each, by its name in the configuration. Those that are
    /// `owed` a swap have their names on the nodes, but Pods may run what was there before.
    pub fn new(runs: BTreeMap<String, String>, owed: BTreeSet<String>) -> Self {
        Self { runs, begun: owed }
    }

    /// What an image is called in the engine.
    pub fn reference(&self, image: &str) -> Option<&str> {
        self.runs.get(image).map(String::as_str)
    }

    /// What all of them are called there.
    pub fn references(&self) -> Vec<String> {
        self.runs.values().cloned().collect()
    }

    /// Builds the images called `names` and swaps them wherever they run. Images whose content did not change are not in
    /// the answer.
    pub async fn swap(
        &mut self,
        stage: Stage<'_>,
        hands: &mut Hands,
        names: &BTreeSet<String>,
    ) -> Result<Vec<Swapped>, OperationError> {
        let begun = Instant::now();
        let built = images::build(stage.session, stage.desired, names).await?;
        let is_new = |built: &Built| {
            self.begun.contains(&built.name) || self.runs.get(&built.name) != Some(&built.reference)
        };
        let built: Vec<Built> = built.into_iter().filter(is_new).collect();
        // Whatever ends this, what the names stand for is to be made right by the next.
        self.begun.extend(built.iter().map(|built| built.name.clone()));
        let building = begun.elapsed();
        let of = |built: &Built| {
            let images = images::of_build(stage.session, stage.desired, &built.name, &built.reference);
            images.into_iter().map(|image| (built.name.clone(), image)).collect::<Vec<_>>()
        };
        let mut swapped = exchange(stage, hands, built.iter().flat_map(of).collect()).await?;
        for one in &mut swapped {
            one.took.building = building;
        }
        if stage.style.recreate_jobs {
            let names = built.iter().map(|built| built.name.clone()).collect();
            job::recreate(stage, &names).await?;
        }
        self.begun.retain(|name| !built.iter().any(|built| built.name == *name));
        self.runs.extend(built.into_iter().map(|built| (built.name, built.reference)));
        Ok(swapped)
    }
}

/// A container to be swapped.
struct Due<'a> {
    owner: &'a str,
    container: RunningContainer,
    manner: Manner,
    image: String,
    delivered: &'a Delivered,
}

/// Brings images, each with its name in the configuration, onto the nodes and has every container that runs one of them
/// run its new bytes.
pub async fn exchange(
    stage: Stage<'_>,
    hands: &mut Hands,
    images: Vec<(String, Provided)>,
) -> Result<Vec<Swapped>, OperationError> {
    let begun = Instant::now();
    let tag = fresh_tag();
    let (owners, mut provided): (Vec<String>, Vec<Provided>) = images.into_iter().unzip();
    for image in &mut provided {
        let repositories = repositories(&image.wanted.names);
        image.wanted.names.extend(repositories.iter().map(|repository| format!("{repository}:{tag}")));
    }
    if provided.is_empty() {
        return Ok(Vec::new());
    }
    let delivered = images::deliver(stage.session, stage.existing, None, &provided).await?;
    let sending = begun.elapsed();
    let all: Vec<(&str, &Provided, &Delivered)> = owners
        .iter()
        .zip(&provided)
        .zip(&delivered.images)
        .map(|((owner, image), delivered)| (owner.as_str(), image, delivered))
        .collect();
    let dues = dues(stage, &all, &tag);
    let mut counts: BTreeMap<&str, usize> = owners.iter().map(|owner| (owner.as_str(), 0)).collect();
    for due in &dues {
        *counts.entry(due.owner).or_default() += 1;
    }
    swapped::remember(stage.session, names(&all, &tag))?;
    let replaced =
        dues.iter().filter(|due| due.manner == Manner::Replace).map(|due| &due.container).collect();
    let begun = Instant::now();
    let migrating = migration::secure(stage, replaced).await?;
    let securing = begun.elapsed();
    let begun = Instant::now();
    let mut ending = Duration::ZERO;
    if stage.style.one_at_a_time {
        for (at, due) in dues.iter().enumerate() {
            ending += change(stage, hands, std::slice::from_ref(due)).await?;
            if at + 1 < dues.len() {
                tokio::time::sleep(min_ready(stage, &due.container)).await;
            }
        }
    } else {
        ending = change(stage, hands, &dues).await?;
    }
    let is_new = |id: &str| delivered.images.iter().any(|image| image.is(id));
    migrating.finish(stage, is_new).await?;
    let took = Took { building: Duration::ZERO, sending, securing, ending, starting: begun.elapsed() };
    let of = |(image, containers): (&str, usize)| {
        let own = all.iter().filter(|(owner, ..)| *owner == image).map(|(.., delivered)| delivered);
        let digests = own.flat_map(|one| [one.image_id.clone(), one.manifest_digest.clone()]).collect();
        Swapped { image: image.to_owned(), containers, digests, took }
    };
    Ok(counts.into_iter().map(of).collect())
}

/// What the names of a swap stand for.
fn names(all: &[(&str, &Provided, &Delivered)], tag: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, image, delivered) in all {
        for repository in repositories(&image.wanted.names) {
            let digests = [delivered.image_id.clone(), delivered.manifest_digest.clone()];
            names.entry(format!("{repository}:{tag}")).or_default().extend(digests);
        }
    }
    names
}

/// The containers that run one of the images and not its new bytes. What cannot be swapped is said.
fn dues<'a>(stage: Stage<'_>, all: &[(&'a str, &Provided, &'a Delivered)], tag: &str) -> Vec<Due<'a>> {
    let running = stage.live.containers();
    let mut dues = Vec::new();
    for pod in stage.live.pods() {
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            continue;
        }
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let mut own = Vec::new();
        for (name, named, manner) in pod::containers(&pod) {
            let Some((owner, _, delivered)) = all.iter().find(|(_, image, _)| is_named(named, image)) else {
                continue;
            };
            if pod::image_id(&pod, name).is_none_or(|id| delivered.is(id)) {
                continue;
            }
            if let Some(why) = manner.refusal() {
                // One that has ended is no matter, and one that is run anew needs no word.
                let is_recreated = manner == Manner::Job && stage.style.recreate_jobs;
                if pod::is_running(&pod, name) && !is_recreated {
                    let pod = format!("{}/{}", text(&pod, "namespace"), text(&pod, "name"));
                    let said = format!("{name} in Pod {pod} still runs the image as it was: {why}");
                    stage.session.reporter.report(Event::Note(said));
                }
                continue;
            }
            let container = running.iter().find(|one| one.uid == uid && one.container == name);
            let container = container.cloned().unwrap_or_else(|| RunningContainer {
                namespace: text(&pod, "namespace"),
                pod: text(&pod, "name"),
                uid: uid.into(),
                node: String::new(),
                container: name.into(),
                image: named.into(),
                image_id: String::new(),
                container_id: String::new(),
            });
            let repository = repository(named);
            own.push(Due { owner, container, manner, image: format!("{repository}:{tag}"), delivered });
        }
        // A Pod that is replaced starts all of its containers anew.
        if own.iter().any(|due| due.manner == Manner::Replace) {
            own.retain(|due| due.manner == Manner::Replace);
            own.truncate(1);
        }
        dues.extend(own);
    }
    dues
}

fn text(pod: &Value, field: &str) -> String {
    pod["metadata"][field].as_str().unwrap_or_default().to_owned()
}

/// Swaps containers at once and waits until all are ready. Gives the time that production's grace took.
async fn change(stage: Stage<'_>, hands: &mut Hands, dues: &[Due<'_>]) -> Result<Duration, OperationError> {
    let begun = Instant::now();
    let client = &stage.existing.cluster.client;
    try_join_all(dues.iter().map(|due| async move {
        let container = &due.container;
        if due.manner == Manner::Replace {
            evict(client, &container.namespace, &container.pod, &container.uid, PATIENCE).await?;
            return Ok(());
        }
        pod::patch(stage.existing, container, due.manner, &due.image).await
    }))
    .await?;
    let running: Vec<RunningContainer> =
        dues.iter().map(|due| due.container.clone()).filter(|one| !one.container_id.is_empty()).collect();
    let ending = async {
        if !stage.style.grace {
            tokio::time::sleep(NOTICE).await;
            hands.place(&[], &running, Some("KILL")).await?;
            return Ok(Duration::ZERO);
        }
        loop {
            let reached = hands.place(&[], &running, None).await?;
            if reached.arrivals.iter().all(|arrival| *arrival == Some(Arrival::Gone)) {
                return Ok(begun.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waiting = async {
        match tokio::time::timeout(PATIENCE, settled(stage, dues)).await {
            Ok(done) => done,
            Err(_) => Err(OperationError::Swap {
                what: dues.first().map(|due| pod::what(&due.container)).unwrap_or_default(),
                reason: format!("it was not ready within {} s", PATIENCE.as_secs()),
            }),
        }
    };
    let (ending, ()) = tokio::try_join!(ending, waiting)?;
    Ok(ending)
}

/// Waits until every container runs the new bytes and is ready, or one cannot.
async fn settled(stage: Stage<'_>, dues: &[Due<'_>]) -> Result<(), OperationError> {
    let mut changes = stage.live.changes();
    loop {
        let pods = stage.live.pods();
        let mut open = false;
        for due in dues {
            let container = &due.container;
            let mut pods = pods.iter();
            let pod = pods.find(|pod| pod["metadata"]["uid"] == container.uid.as_str());
            match pod::outcome(pod, &container.container, &due.image, |id| due.delivered.is(id)) {
                None => open = true,
                Some(Ok(())) => {}
                Some(Err(reason)) => {
                    let said = pod::last_words(stage.existing, container).await;
                    let what = pod::what(container);
                    return Err(OperationError::Swap { what, reason: format!("{reason}{said}") });
                }
            }
        }
        if !open {
            return Ok(());
        }
        if changes.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// How long a ready Pod of the container's workload must stay so before it counts.
fn min_ready(stage: Stage<'_>, container: &RunningContainer) -> Duration {
    let pods = stage.live.pods();
    let pod = pods.iter().find(|pod| pod["metadata"]["uid"] == container.uid.as_str());
    let labels = pod.and_then(|pod| pod["metadata"]["labels"].as_object());
    let seconds = stage.desired.rendered.objects.iter().find_map(|object| {
        let selector = object.value.pointer("/spec/selector/matchLabels")?.as_object()?;
        let ours = object.id().namespace == container.namespace
            && !selector.is_empty()
            && selector
                .iter()
                .all(|(key, value)| labels.is_some_and(|labels| labels.get(key) == Some(value)));
        if ours { object.value.pointer("/spec/minReadySeconds")?.as_u64() } else { None }
    });
    Duration::from_secs(seconds.unwrap_or_default())
}

/// A tag that no Pod has run before: the kubelet backs off from a name that it knows.
fn fresh_tag() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{SWAP_TAG}{:x}", now.as_millis())
}

/// The repository of an image's name; empty where it is none.
pub fn repository(name: &str) -> String {
    repositories(&[name.to_owned()]).pop_first().unwrap_or_default()
}

fn repositories(names: &[String]) -> BTreeSet<String> {
    names.iter().filter_map(|name| Some(name.parse::<ImageReference>().ok()?.repository())).collect()
}
