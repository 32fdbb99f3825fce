//! The tables of `devcluster.yaml` and of profiles: every key, what stands there, and what it means.

use super::fields_ci::CI;
use super::shape::{Field, Record, Shape, Text, beside, optional, required};

/// The file's version.
pub(super) const API_VERSION: &str = "devcluster.dev/v1alpha1";

pub(super) static LABEL: Text = Text::new(
    "a DNS-1123 label: at most 63 lowercase letters, digits and `-`, a letter or digit at both ends",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    63,
);
static CLUSTER_NAME: Text = Text::new(
    "at most 40 lowercase letters, digits and `-`, a letter or digit at both ends",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    40,
);
static RELEASE: Text = Text::new(
    "a Helm release's name: at most 53 lowercase letters, digits, `-` and `.`, a letter or digit at both ends",
    r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
    53,
);
static PATH: Text = Text::new("a path", r"^[^\u0000]+$", 4096);
static LINE: Text = Text::new("text", r"^[^\u0000\n]+$", 4096);
static KEY: Text = Text::new("a name", r"^[^\u0000\n]+$", 1024);
static ARGUMENT: Text = Text::new("a build argument's name", "^[A-Za-z_][A-Za-z0-9_.-]*$", 256);
pub(super) static PROFILE_NAME: Text = Text::new(
    "a profile's name: at most 63 lowercase letters, digits and `-`",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    63,
);
static PROFILE_REFERENCE: Text = Text::new("a profile's name or file", r"^[^\u0000\n]+$", 4096);
pub(super) static IMAGE: Text = Text::new(
    "an image such as `registry.example.com/shop/catalogue:1.4`",
    r"^[A-Za-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?(@sha256:[0-9a-f]{64})?$",
    512,
);
static IMAGE_PATTERN: Text = Text::new(
    "an image such as `registry.example.com/shop/catalogue`, or with `*` for stand-ins",
    r"^[A-Za-z0-9*]([A-Za-z0-9._:/*-]*[A-Za-z0-9*])?(@sha256:[0-9a-f]{64})?$",
    512,
);
static NAMESPACED: Text = Text::new(
    "a namespace and a name, such as `shop/postgres`, or `pvc/shop/uploads` for a volume",
    "^(pvc/)?[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
    321,
);
static MIGRATION: Text = Text::new(
    "`NAMESPACE/NAME` of a Job or hook, or `NAMESPACE/WORKLOAD/CONTAINER` of an init container",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z0-9]([a-z0-9-]*[a-z0-9])?)?$",
    381,
);
static SNAPSHOT: Text = Text::new(
    "a snapshot's name: at most 100 lowercase letters, digits, `-`, `.` and `_`",
    "^[a-z0-9][a-z0-9._-]*$",
    100,
);
static BRANCH: Text = Text::new(
    "a branch's name such as `environments/staging`",
    r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
    200,
);
static SUBNET: Text = Text::new(
    "an address range such as `10.244.0.0/16`",
    "^[0-9a-fA-F.:]+/[0-9]{1,3}(,[0-9a-fA-F.:]+/[0-9]{1,3})?$",
    128,
);
static KUBERNETES_VERSION: Text = Text::new(
    "a Kubernetes version in quotes, such as \"1.34\" or \"1.34.4\"",
    r"^v?[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,4}([-+][0-9A-Za-z.+-]+)?)?$",
    64,
);
static SERVED_VERSION: Text = Text::new(
    "an API version such as `monitoring.coreos.com/v1`",
    "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?(/[A-Z][A-Za-z0-9]*)?$",
    320,
);
static CONTAINER_PATH: Text =
    Text::new("an absolute path in the container, such as `/app`", r"^/[^\u0000]*$", 4096);
static SIGNAL: Text = Text::new("a signal such as `HUP` or `USR1`", "^(SIG)?[A-Z][A-Z0-9]{1,9}$", 12);
static PLATFORM: Text = Text::new("a platform such as `linux/amd64`", "^linux/[a-z0-9]+(/v[0-9]+)?$", 64);
static PORT: Text = Text::new("a port such as 8080 or `tcp:6379`", "^(tcp:)?[1-9][0-9]{0,4}$", 9);
static MEMORY: Text = Text::new("memory in whole Gi, such as `128Gi`", "^[1-9][0-9]{0,5}Gi$", 8);
pub(super) static DURATION: Text = Text::new(
    "a time such as `90s`, `10m` or `1h30m`",
    "^([1-9][0-9]{0,3}h([1-9][0-9]?m)?([1-9][0-9]?s)?|[1-9][0-9]{0,4}m([1-9][0-9]?s)?|[1-9][0-9]{0,6}s)$",
    12,
);

const HOST_PORT: Shape = Shape::Int { min: 1, max: 65535 };

/// `devcluster.yaml`.
pub(super) static CONFIG: Record = Record {
    name: "config",
    doc: "devcluster.yaml: one project's production system and how it is brought to a laptop.",
    one_of: &[],
    fields: &[
        required("apiVersion", Shape::Choice(&[API_VERSION]), "The version of this file's format."),
        required("name", Shape::Text(&LABEL), "The project's name; the cluster's name derives from it."),
        optional(
            "profile",
            Shape::Text(&PROFILE_REFERENCE),
            "How production is fitted onto this machine: `laptop` (the default), `small`, `ci`, a name under `profiles`, \
             the name of a file profiles/NAME.yaml beside this one, or a path.",
        ),
        optional("cluster", Shape::Record(&CLUSTER), "The cluster to run on."),
        required(
            "manifests",
            Shape::List(&Shape::Record(&SOURCE)),
            "Where the objects come from, in the order they are applied.",
        ),
        optional("production", Shape::Record(&PRODUCTION), "What production runs on."),
        optional(
            "images",
            Shape::List(&Shape::Record(&IMAGE_FIELDS)),
            "Images built from source or stood in for.",
        ),
        optional(
            "data",
            Shape::List(&Shape::Record(&DATA)),
            "What the stores hold before the rest of the system starts; a store may get a snapshot and then a seed.",
        ),
        optional(
            "migrations",
            Shape::List(&Shape::Either(&[Shape::Text(&MIGRATION), Shape::Record(&MIGRATION_FIELDS)])),
            "What migrates the databases, after a snapshot is loaded and before a seed is: Jobs and charts' hooks (`NAMESPACE/NAME`), init containers (`NAMESPACE/WORKLOAD/CONTAINER`).",
        ),
        optional(
            "ci",
            Shape::List(&Shape::Record(&CI)),
            "What `devcluster ci` runs against the system, in this order.",
        ),
        optional(
            "environments",
            Shape::List(&Shape::Record(&ENVIRONMENT)),
            "Where locks are handed on to, in the order in which they are promoted; each is a branch that Argo CD or Flux follow.",
        ),
        optional(
            "masking",
            Shape::Text(&PATH),
            "The policy that says what of data from elsewhere may stay; `snapshots/masking.yaml` by default.",
        ),
        optional(
            "profiles",
            Shape::Map(&PROFILE_NAME, &Shape::Record(&PROFILE)),
            "Profiles of this project's own, by name.",
        ),
    ],
};

static MIGRATION_FIELDS: Record = Record {
    name: "migration",
    doc: "What migrates a database.",
    one_of: &[],
    fields: &[
        required("name", Shape::Text(&MIGRATION), "The Job, hook or init container."),
        optional(
            "statements",
            Shape::List(&Shape::Text(&PATH)),
            "The SQL files that it runs, each once, in the order of their names: files, directories (their .sql files) or globs. \
             What they do tells whether it can be taken back.",
        ),
        optional(
            "store",
            Shape::Text(&NAMESPACED),
            "The store that it migrates, of which a snapshot is taken before; every database where unset.",
        ),
    ],
};

static CLUSTER: Record = Record {
    name: "cluster",
    doc: "Which cluster, and what it is made of.",
    one_of: &[],
    fields: &[
        optional("provider", Shape::Choice(&["kind"]), "The program that makes it; `kind` by default."),
        optional(
            "name",
            Shape::Text(&CLUSTER_NAME),
            "Its name; by default the project's name and a hash of its directory, so that two worktrees are two clusters.",
        ),
        optional("nodeImage", Shape::Text(&IMAGE), "The node image; the provider's own by default."),
        optional(
            "httpPort",
            HOST_PORT,
            "The host's port on which ingresses answer HTTP; 80 by default, or one that is free.",
        ),
        optional(
            "httpsPort",
            HOST_PORT,
            "The host's port on which ingresses answer HTTPS; 443 by default, or one that is free.",
        ),
        optional("podSubnet", Shape::Text(&SUBNET), "The range of Pod addresses, as in production."),
        optional("serviceSubnet", Shape::Text(&SUBNET), "The range of Service addresses, as in production."),
    ],
};

const NAMESPACE: Field = optional(
    "namespace",
    Shape::Text(&LABEL),
    "The namespace of objects that name none; `default` by default.",
);

static SOURCE: Record = Record {
    name: "source",
    doc: "One source of objects: plain manifests, a kustomization, or a Helm chart.",
    one_of: &["files", "kustomize", "helm"],
    fields: &[
        optional(
            "files",
            Shape::Either(&[Shape::Text(&PATH), Shape::List(&Shape::Text(&PATH)), Shape::Record(&FILES)]),
            "Files, directories or globs of manifests.",
        ),
        optional(
            "kustomize",
            Shape::Either(&[Shape::Text(&PATH), Shape::Record(&KUSTOMIZE)]),
            "A kustomization's directory.",
        ),
        optional("helm", Shape::Record(&HELM), "A Helm chart and how production installs it."),
    ],
};

static FILES: Record = Record {
    name: "files",
    doc: "Plain manifests.",
    one_of: &[],
    fields: &[
        required(
            "paths",
            Shape::Either(&[Shape::Text(&PATH), Shape::List(&Shape::Text(&PATH))]),
            "Files, directories (their .yaml, .yml and .json files, recursively) or globs.",
        ),
        NAMESPACE,
    ],
};

static KUSTOMIZE: Record = Record {
    name: "kustomize",
    doc: "A kustomization.",
    one_of: &[],
    fields: &[required("path", Shape::Text(&PATH), "The kustomization's directory."), NAMESPACE],
};

static HELM: Record = Record {
    name: "helm",
    doc: "A Helm chart and how production installs it.",
    one_of: &[],
    fields: &[
        required("chart", Shape::Text(&PATH), "The chart's directory or .tgz archive."),
        required("release", Shape::Text(&RELEASE), "The release's name."),
        optional("namespace", Shape::Text(&LABEL), "The release's namespace; `default` by default."),
        optional("values", Shape::List(&Shape::Text(&PATH)), "Values files; the last one wins."),
        optional(
            "set",
            Shape::Map(&KEY, &Shape::Scalar),
            "Values as `helm --set` takes them, by their path.",
        ),
    ],
};

static PRODUCTION: Record = Record {
    name: "production",
    doc: "What production runs on: charts render for this, not for the laptop.",
    one_of: &[],
    fields: &[
        optional("kubernetesVersion", Shape::Text(&KUBERNETES_VERSION), "Production's Kubernetes version."),
        optional(
            "apiVersions",
            Shape::List(&Shape::Text(&SERVED_VERSION)),
            "API versions that production serves beyond Kubernetes' own.",
        ),
    ],
};

static IMAGE_FIELDS: Record = Record {
    name: "image",
    doc: "How an image of the manifests gets its bytes: built from source, or stood in for.",
    one_of: &["context", "standIn"],
    fields: &[
        required(
            "name",
            Shape::Text(&IMAGE_PATTERN),
            "The image as the manifests name it; a tag or digest limits this to that one. `*` matches within a stand-in's name.",
        ),
        optional("context", Shape::Text(&PATH), "The build context's directory."),
        beside(
            "context",
            "dockerfile",
            Shape::Text(&PATH),
            "The Dockerfile, from the context's directory; `Dockerfile` by default.",
        ),
        beside("context", "target", Shape::Text(&LINE), "The stage to build; the last one by default."),
        beside("context", "args", Shape::Map(&ARGUMENT, &Shape::Scalar), "Build arguments."),
        beside(
            "context",
            "secrets",
            Shape::List(&Shape::Text(&LINE)),
            "Build secrets as `docker build --secret` takes them, such as `id=npmrc,src=.npmrc`.",
        ),
        beside(
            "context",
            "ssh",
            Shape::List(&Shape::Text(&LINE)),
            "SSH agents or keys as `docker build --ssh` takes them, such as `default`.",
        ),
        beside("context", "platform", Shape::Text(&PLATFORM), "The platform; the engine's own by default."),
        beside(
            "context",
            "sync",
            Shape::List(&Shape::Record(&SYNC)),
            "What `devcluster dev` copies into running containers where it would else build; the first rule that covers a file counts.",
        ),
        optional(
            "standIn",
            Shape::Either(&[Shape::True, Shape::Record(&STAND_IN)]),
            "A server that answers probes and callers stands in for the image.",
        ),
    ],
};

static DATA: Record = Record {
    name: "data",
    doc: "What a store holds before the rest of the system starts: a snapshot, or synthetic data.",
    one_of: &["snapshot", "seed"],
    fields: &[
        required(
            "store",
            Shape::Text(&NAMESPACED),
            "The store's workload in the manifests, `NAMESPACE/NAME`, such as `shop/postgres`.",
        ),
        optional("snapshot", Shape::Text(&SNAPSHOT), "A snapshot of the catalogue in `snapshots`."),
        optional("seed", Shape::Text(&PATH), "A seed.yaml, such as `snapshots/demo/seed.yaml`."),
    ],
};

static ENVIRONMENT: Record = Record {
    name: "environment",
    doc: "An environment that `devcluster handoff` and `devcluster promote` write manifests for.",
    one_of: &[],
    fields: &[
        required("name", Shape::Text(&LABEL), "Its name."),
        optional("branch", Shape::Text(&BRANCH), "Its branch; `environments/NAME` by default."),
        optional(
            "production",
            Shape::Bool,
            "Whether it is production: a lock gets there only when its approval is recorded.",
        ),
        optional(
            "keys",
            Shape::List(&Shape::Text(&PATH)),
            "Files of public keys in PEM (ECDSA on P-256 or Ed25519): a lock gets there only when its approval is recorded, on an attestation that one of them signed.",
        ),
    ],
};

static SYNC: Record = Record {
    name: "sync",
    doc: "Files of the build's context that are copied into running containers as they are saved.",
    one_of: &[],
    fields: &[
        required("from", Shape::Text(&PATH), "A directory or a file, from the context's directory."),
        required(
            "to",
            Shape::Text(&CONTAINER_PATH),
            "Where the Dockerfile puts it; a file goes into a path that ends with `/`.",
        ),
        optional(
            "ignore",
            Shape::List(&Shape::Text(&LINE)),
            "What a change of is left to a rebuild, as .dockerignore has it, from the directory.",
        ),
        optional(
            "then",
            Shape::Either(&[Shape::Choice(&["nothing", "restart"]), Shape::Record(&THEN)]),
            "What the container needs to take notice: `nothing` (the default), `restart`, a signal or a command.",
        ),
    ],
};

static THEN: Record = Record {
    name: "then",
    doc: "What is done in a container once its files are there.",
    one_of: &["signal", "command"],
    fields: &[
        optional("signal", Shape::Text(&SIGNAL), "A signal for its first process."),
        optional("command", Shape::List(&Shape::Text(&LINE)), "A program to run in it, with its arguments."),
    ],
};

static STAND_IN: Record = Record {
    name: "standIn",
    doc: "A stand-in for an image.",
    one_of: &[],
    fields: &[optional(
        "ports",
        Shape::List(&Shape::Either(&[HOST_PORT, Shape::Text(&PORT)])),
        "The ports it answers on, HTTP and gRPC unless they begin with `tcp:`; by default those the manifests name.",
    )],
};

/// A profile, in `devcluster.yaml` or in a file of its own.
pub(super) static PROFILE: Record = Record {
    name: "profile",
    doc: "How production is fitted onto a machine. What is left out comes from the profile it extends.",
    one_of: &[],
    fields: &[
        optional(
            "extends",
            Shape::Text(&PROFILE_REFERENCE),
            "The profile that this one changes, by name or path; `laptop` by default.",
        ),
        optional("nodes", Shape::Record(&NODES), "The nodes."),
        optional(
            "missingCrds",
            Shape::Choice(&["open-schema", "skip", "fail"]),
            "What happens to objects of a kind the cluster does not serve: a CRD with an open schema takes them, they are \
             left out and named, or `up` refuses.",
        ),
        optional(
            "standIns",
            Shape::Bool,
            "Whether an image that can be neither built, found nor pulled gets a stand-in.",
        ),
        optional("standInImage", Shape::Text(&IMAGE), "The engine's image that stands in."),
        optional(
            "prune",
            Shape::Bool,
            "Whether objects that left the manifests are deleted; never PVCs, nor namespaces with data.",
        ),
        optional(
            "recreateImmutable",
            Shape::Bool,
            "Whether objects are recreated when an immutable field changed; Jobs and Pods always are.",
        ),
        optional("timeout", Shape::Text(&DURATION), "How long `up` waits for everything to be ready."),
        optional(
            "metrics",
            Shape::Bool,
            "Whether resource metrics are served where the manifests need them.",
        ),
        optional("ingress", Shape::Bool, "Whether ingresses are answered."),
        optional("loadBalancer", Shape::Bool, "Whether Services of type LoadBalancer get addresses."),
    ],
};

static NODES: Record = Record {
    name: "nodes",
    doc: "What the nodes look like.",
    one_of: &[],
    fields: &[
        optional("max", Shape::Int { min: 1, max: 50 }, "The most nodes there may be."),
        optional(
            "cpu",
            Shape::Int { min: 1, max: 4096 },
            "CPUs a node advertises at least; more where the manifests request more.",
        ),
        optional(
            "memory",
            Shape::Text(&MEMORY),
            "Memory a node advertises at least; more where the manifests request more.",
        ),
    ],
};
