//! The images the manifests name: built, found in the engine, pulled or stood in for, and then on every node.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use tokio::task::JoinHandle;

use super::error::OperationError;
use super::gather::Desired;
use super::session::{Existing, Session};
use crate::cluster::Node;
use crate::cluster::identity::Found;
use crate::config::{Image, ImageFrom};
use crate::image::build::{BuildJob, Built, Workshop};
use crate::image::node::{self, ImageRecords};
use crate::image::pull::{self, Had};
use crate::image::{Content, DeliveryReport, ImageError, WantedImage, inspect, load, mirror, name};
use crate::parity::{ImageAction, ImageBytes, ImageNeed, ImageWork, Speaks};

/// An image that the nodes are to have, and whose bytes it is.
#[derive(Debug, Clone)]
pub struct Provided {
    /// What to deliver.
    pub wanted: WantedImage,
    /// Whose bytes run under its names.
    pub bytes: ImageBytes,
}

/// What the manifests' images are on this machine.
pub struct Provision {
    /// The images, in the order of their names.
    pub images: Vec<Provided>,
    /// What the engine calls those that were built here, by their names in the configuration.
    pub builds: BTreeMap<String, String>,
}

/// How an image of the manifests is come by.
enum Way<'a> {
    Build(&'a Image),
    StandIn(Vec<String>),
    Find,
}

/// Builds what is built here, and finds or pulls the rest. Nothing is sent yet.
pub async fn provide(session: &Session, desired: &Desired) -> Result<Provision, OperationError> {
    let ways = ways(session, desired);
    let jobs = jobs(session, &ways);
    let workshop = workshop(session);
    let (built, others) = tokio::try_join!(
        async { Ok::<_, OperationError>(workshop.build_all(&jobs).await?) },
        others(session, &ways)
    )?;
    let builds: BTreeMap<String, String> =
        built.into_iter().map(|built| (built.name, built.reference)).collect();
    let mut images: Vec<Provided> = ways
        .iter()
        .filter_map(|(need, way)| match way {
            Way::Build(image) => Some(of_reference(need, builds.get(&image.name)?.clone())),
            _ => None,
        })
        .collect();
    images.extend(others);
    images.sort_by(|a, b| a.wanted.names.cmp(&b.wanted.names));
    Ok(Provision { images, builds })
}

fn workshop(session: &Session) -> Workshop {
    Workshop {
        engine: session.engine.clone(),
        cache: session.state.cache().to_owned(),
        project: session.config.name.clone(),
        directory: session.config.directory().to_owned(),
        reporter: session.reporter.clone(),
    }
}

/// The builds that the manifests need.
fn jobs<'a>(session: &'a Session, ways: &[(&ImageNeed, Way<'_>)]) -> Vec<BuildJob<'a>> {
    let used = |image: &Image| {
        ways.iter().any(|(_, way)| matches!(way, Way::Build(used) if std::ptr::eq::<Image>(*used, image)))
    };
    let images = session.config.images.iter().filter(|image| used(image));
    images
        .filter_map(|image| match &image.from {
            ImageFrom::Build(build) => Some(BuildJob { name: &image.name, build }),
            ImageFrom::StandIn { .. } => None,
        })
        .collect()
}

/// Builds the images that the configuration calls `names`.
pub async fn build(
    session: &Session,
    desired: &Desired,
    names: &BTreeSet<String>,
) -> Result<Vec<Built>, OperationError> {
    let ways = ways(session, desired);
    let mut jobs = jobs(session, &ways);
    jobs.retain(|job| names.contains(job.name));
    Ok(workshop(session).build_all(&jobs).await?)
}

/// Builds one image of the configuration, whether the manifests name it or not, and gives what the engine calls it.
pub async fn build_alone(session: &Session, image: &Image) -> Result<String, OperationError> {
    let ImageFrom::Build(build) = &image.from else {
        return Err(OperationError::Images(vec![format!("{} is not built here", image.name)]));
    };
    let made = workshop(session).build_all(&[BuildJob { name: &image.name, build }]).await?;
    let reference = made.into_iter().next().map(|made| made.reference);
    reference.ok_or_else(|| OperationError::Images(vec![format!("{} was not built", image.name)]))
}

/// The images of the manifests that the configuration builds as `name`, with what the engine calls that.
pub fn of_build(session: &Session, desired: &Desired, name: &str, reference: &str) -> Vec<Provided> {
    let needs = desired.requirements.images.iter();
    let own = needs.filter(|need| matches!(way(session, need), Way::Build(image) if image.name == name));
    own.map(|need| of_reference(need, reference.to_owned())).collect()
}

fn of_reference(need: &ImageNeed, reference: String) -> Provided {
    let names = need.written.iter().cloned().collect();
    let wanted = WantedImage { content: Content::Engine(reference), names };
    Provided { wanted, bytes: ImageBytes::LocalBuild }
}

/// What [`provide`] and [`deliver`] would do, by image as the configuration or the manifests name it; nothing is built,
/// pulled or sent. Without `nodes`, what would be sent goes without saying.
pub async fn plan(
    session: &Session,
    desired: &Desired,
    nodes: &[Node],
) -> Result<Vec<ImageAction>, OperationError> {
    Ok(look(session, desired, nodes).await?.0)
}

/// The same with what the images are that the engine has, as far as that is known without sending them.
pub async fn look(
    session: &Session,
    desired: &Desired,
    nodes: &[Node],
) -> Result<(Vec<ImageAction>, DeliveryReport), OperationError> {
    let ways = ways(session, desired);
    let jobs = jobs(session, &ways);
    let known = workshop(session).known(&jobs).await?;
    let built: BTreeMap<&str, Option<String>> = jobs.iter().map(|job| job.name).zip(known).collect();
    let planned = try_join_all(ways.iter().map(|(need, way)| plan_one(session, need, way, &built))).await?;
    let (mut actions, mut there) = (Vec::new(), Vec::new());
    for (action, image) in planned {
        match image {
            Some(image) if !nodes.is_empty() => there.push((action, image)),
            _ => actions.push(action),
        }
    }
    let wanted: Vec<WantedImage> = there.iter().map(|(_, image)| image.wanted.clone()).collect();
    let looked = load::look(&session.engine, session.state.cache(), nodes, &wanted).await?;
    for ((mut action, _), image) in there.into_iter().zip(&looked.images) {
        if image.nodes.is_empty() {
            action.action = ImageWork::Skip;
        } else if action.action == ImageWork::Skip {
            action.action = ImageWork::Send { nodes: image.nodes.iter().cloned().collect() };
        }
        actions.push(action);
    }
    actions.sort();
    actions.dedup();
    Ok((actions, looked))
}

/// What is done for one image, and the image where the engine has it.
async fn plan_one(
    session: &Session,
    need: &ImageNeed,
    way: &Way<'_>,
    built: &BTreeMap<&str, Option<String>>,
) -> Result<(ImageAction, Option<Provided>), OperationError> {
    let name = need.reference.to_string();
    Ok(match way {
        Way::Build(image) => {
            let name = image.name.clone();
            match built.get(image.name.as_str()).cloned().flatten() {
                Some(reference) => {
                    (ImageAction { name, action: ImageWork::Skip }, Some(of_reference(need, reference)))
                }
                None => (ImageAction { name, action: ImageWork::Build }, None),
            }
        }
        Way::StandIn(ports) => {
            let image = stand_in(session, need, ports.clone());
            (ImageAction { name, action: ImageWork::StandIn }, Some(image))
        }
        Way::Find => {
            let image = match by_tag(session, need).await? {
                None if inspect::find(&session.engine, &name).await?.is_some() => {
                    Some(found(session, need, &name).await?)
                }
                image => image,
            };
            let stands_in = session.config.profile.stand_ins
                && image.is_none()
                && pull::refused_lately(session.state.cache(), &name);
            if stands_in {
                let image = stand_in(session, need, stand_in_ports(need));
                return Ok((ImageAction { name, action: ImageWork::StandIn }, Some(image)));
            }
            let action = if image.is_some() { ImageWork::Skip } else { ImageWork::Pull };
            (ImageAction { name, action }, image)
        }
    })
}

/// Every image of the manifests, and how it is come by.
fn ways<'a>(session: &'a Session, desired: &'a Desired) -> Vec<(&'a ImageNeed, Way<'a>)> {
    desired.requirements.images.iter().map(|need| (need, way(session, need))).collect()
}

fn way<'a>(session: &'a Session, need: &ImageNeed) -> Way<'a> {
    let configured = session.config.images.iter().find(|image| need.reference.is_covered_by(&image.name));
    match configured.map(|image| (image, &image.from)) {
        Some((image, ImageFrom::Build(_))) => Way::Build(image),
        Some((_, ImageFrom::StandIn { ports })) if ports.is_empty() => Way::StandIn(stand_in_ports(need)),
        Some((_, ImageFrom::StandIn { ports })) => Way::StandIn(ports.clone()),
        None => Way::Find,
    }
}

/// The ports a stand-in is to answer on: those the manifests name, plain TCP where nothing says that HTTP is spoken.
fn stand_in_ports(need: &ImageNeed) -> Vec<String> {
    let plain = |speaks: &BTreeSet<Speaks>| {
        !speaks.is_empty() && speaks.iter().all(|speaks| matches!(speaks, Speaks::Tcp))
    };
    need.ports
        .iter()
        .map(|(port, speaks)| if plain(speaks) { format!("tcp:{port}") } else { port.to_string() })
        .collect()
}

/// What is not built: the engine's own, pulled, or stood in for.
async fn others(session: &Session, ways: &[(&ImageNeed, Way<'_>)]) -> Result<Vec<Provided>, OperationError> {
    let mut provided = Vec::new();
    let mut wanted: Vec<&ImageNeed> = Vec::new();
    for (need, way) in ways {
        match way {
            Way::Build(_) => {}
            Way::StandIn(ports) => provided.push(stand_in(session, need, ports.clone())),
            Way::Find => wanted.push(*need),
        }
    }
    let by_tag = try_join_all(wanted.iter().map(|need| by_tag(session, need))).await?;
    let mut asked: BTreeMap<String, &ImageNeed> = BTreeMap::new();
    for (need, image) in wanted.into_iter().zip(by_tag) {
        match image {
            Some(image) => provided.push(image),
            None => {
                asked.insert(need.reference.to_string(), need);
            }
        }
    }
    let names: Vec<String> = asked.keys().cloned().collect();
    let stand_ins = session.config.profile.stand_ins;
    let cache = session.state.cache();
    let had = pull::have_all(&session.engine, cache, &names, stand_ins, session.reporter.as_ref()).await?;
    let had = had.into_iter().filter_map(|(name, had)| Some((*asked.get(&name)?, name, had)));
    let all = had.map(|(need, name, had)| async move {
        match had {
            Had::StandIn { .. } => Ok(stand_in(session, need, stand_in_ports(need))),
            Had::InEngine | Had::Pulled => found(session, need, &name).await,
        }
    });
    provided.extend(try_join_all(all).await?);
    Ok(provided)
}

fn stand_in(session: &Session, need: &ImageNeed, ports: Vec<String>) -> Provided {
    let what = format!("a server that answers on {}", ports.join(", "));
    Provided {
        wanted: WantedImage {
            content: Content::StandIn { image: session.config.profile.stand_in_image.clone(), ports },
            names: need.written.iter().cloned().collect(),
        },
        bytes: ImageBytes::StandIn { what },
    }
}

/// The engine's image called `reference`, for `need`.
async fn found(session: &Session, need: &ImageNeed, reference: &str) -> Result<Provided, OperationError> {
    let image = inspect::find(&session.engine, reference).await?;
    let bytes = match image.and_then(|image| image.stand_in) {
        Some(what) => ImageBytes::StandIn { what },
        None => ImageBytes::Production,
    };
    let names = need.written.iter().cloned().collect();
    Ok(Provided { wanted: WantedImage { content: Content::Engine(reference.to_owned()), names }, bytes })
}

/// An image pinned by digest that the engine has a stand-in for, which can only be there under its tag.
async fn by_tag(session: &Session, need: &ImageNeed) -> Result<Option<Provided>, OperationError> {
    let (Some(_), Some(tag)) = (need.reference.digest(), need.reference.tag()) else { return Ok(None) };
    let name = format!("{}:{tag}", need.reference.repository());
    let image = inspect::find(&session.engine, &name).await?;
    match image.filter(|image| image.stand_in.is_some()) {
        Some(_) => found(session, need, &name).await.map(Some),
        None => Ok(None),
    }
}

/// Finds images that the nodes will not run, before there are nodes.
pub async fn check(session: &Session, provided: &[Provided]) -> Result<(), OperationError> {
    let wanted: Vec<WantedImage> = provided.iter().map(|image| image.wanted.clone()).collect();
    Ok(load::check(&session.engine, &wanted).await?)
}

/// What nodes have, asked while other work goes on.
pub struct Asked(JoinHandle<Result<Vec<ImageRecords>, ImageError>>);

/// Asks the nodes of a running cluster at once: their answer takes longer than anything else `up` asks.
pub fn ask(found: &Found) -> Option<Asked> {
    let Found::Ours(_, nodes) = found else { return None };
    let nodes: Vec<Node> = nodes.iter().map(|node| node.node.clone()).collect();
    let all = async move { try_join_all(nodes.iter().map(node::images)).await };
    Some(Asked(tokio::spawn(all)))
}

/// Sends the nodes what they lack. What they were `asked` already is not asked again, where they answered.
pub async fn deliver(
    session: &Session,
    existing: &Existing,
    asked: Option<Asked>,
    provided: &[Provided],
) -> Result<DeliveryReport, OperationError> {
    let asking = async { asked?.0.await.ok()?.ok() };
    let nodes: Vec<Node> = existing.nodes.iter().map(|node| node.node.clone()).collect();
    let wanted: Vec<WantedImage> = provided.iter().map(|image| image.wanted.clone()).collect();
    let cache = session.state.cache();
    Ok(load::deliver(&session.engine, cache, &nodes, asking, &wanted, session.reporter.as_ref()).await?)
}

/// The engine's names of images built here of which nodes lacked something.
pub fn sent_builds(provided: &[Provided], report: &DeliveryReport) -> Vec<String> {
    let sent = provided
        .iter()
        .zip(&report.images)
        .filter(|(image, delivered)| image.bytes == ImageBytes::LocalBuild && !delivered.nodes.is_empty());
    let names: BTreeSet<String> =
        sent.map(|(image, _)| image.wanted.content.reference().to_owned()).collect();
    names.into_iter().collect()
}

/// How many images something stands in for.
pub fn stand_ins(provided: &[Provided]) -> usize {
    provided.iter().filter(|image| matches!(image.wanted.content, Content::StandIn { .. })).count()
}

/// Has every node answer for its own images where containers pull at each start.
pub async fn mirror(existing: &Existing, desired: &Desired) -> Result<(), OperationError> {
    if desired.requirements.images.iter().any(ImageNeed::pulls_always) {
        try_join_all(existing.nodes.iter().map(|node| mirror::install(&node.node))).await?;
    }
    Ok(())
}

/// The digests that each image name stands for on the nodes, by normalised name; none of images that were never sent.
pub fn stands_for(report: &DeliveryReport) -> BTreeMap<String, BTreeSet<String>> {
    let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for image in report.images.iter().filter(|image| !image.image_id.is_empty()) {
        for name in &image.names {
            let digests = [image.image_id.clone(), image.manifest_digest.clone()];
            // Of an image under a name pinned by digest the kubelet tells that digest, whatever the bytes.
            let pinned = name.rsplit_once('@').map(|(_, digest)| digest.to_owned());
            by_name.entry(name.clone()).or_default().extend(digests.into_iter().chain(pinned));
        }
    }
    by_name
}

/// The normalised form of an image's name as Pods have it.
pub fn normalised(image: &str) -> String {
    name::normalised(image)
}
