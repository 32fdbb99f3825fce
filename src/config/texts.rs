//! The texts of `devcluster.yaml` and of profiles: what may stand where, as people read it and as a regular expression.

use super::shape::Text;

pub(super) static LABEL: Text = Text::new(
    "a DNS-1123 label: at most 63 lowercase letters, digits and `-`, a letter or digit at both ends",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    63,
);
pub(super) static CLUSTER_NAME: Text = Text::new(
    "at most 40 lowercase letters, digits and `-`, a letter or digit at both ends",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    40,
);
pub(super) static RELEASE: Text = Text::new(
    "a Helm release's name: at most 53 lowercase letters, digits, `-` and `.`, a letter or digit at both ends",
    r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
    53,
);
pub(super) static PATH: Text = Text::new("a path", r"^[^\u0000]+$", 4096);
pub(super) static LINE: Text = Text::new("text", r"^[^\u0000\n]+$", 4096);
pub(super) static KEY: Text = Text::new("a name", r"^[^\u0000\n]+$", 1024);
pub(super) static ARGUMENT: Text = Text::new("a build argument's name", "^[A-Za-z_][A-Za-z0-9_.-]*$", 256);
pub(super) static PROFILE_NAME: Text = Text::new(
    "a profile's name: at most 63 lowercase letters, digits and `-`",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    63,
);
pub(super) static PROFILE_REFERENCE: Text = Text::new("a profile's name or file", r"^[^\u0000\n]+$", 4096);
pub(super) static IMAGE: Text = Text::new(
    "an image such as `registry.example.com/shop/catalogue:1.4`",
    r"^[A-Za-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?(@sha256:[0-9a-f]{64})?$",
    512,
);
pub(super) static IMAGE_PATTERN: Text = Text::new(
    "an image such as `registry.example.com/shop/catalogue`, or with `*` for stand-ins",
    r"^[A-Za-z0-9*]([A-Za-z0-9._:/*-]*[A-Za-z0-9*])?(@sha256:[0-9a-f]{64})?$",
    512,
);
pub(super) static NAMESPACED: Text = Text::new(
    "a namespace and a name, such as `shop/postgres`, or `pvc/shop/uploads` for a volume",
    "^(pvc/)?[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
    321,
);
pub(super) static MIGRATION: Text = Text::new(
    "`NAMESPACE/NAME` of a Job or hook, or `NAMESPACE/WORKLOAD/CONTAINER` of an init container",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z0-9]([a-z0-9-]*[a-z0-9])?)?$",
    381,
);
pub(super) static SNAPSHOT: Text = Text::new(
    "a snapshot's name: at most 100 lowercase letters, digits, `-`, `.` and `_`",
    "^[a-z0-9][a-z0-9._-]*$",
    100,
);
pub(super) static BRANCH: Text = Text::new(
    "a branch's name such as `environments/staging`",
    r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
    200,
);
pub(super) static SUBNET: Text = Text::new(
    "an address range such as `10.244.0.0/16`",
    "^[0-9a-fA-F.:]+/[0-9]{1,3}(,[0-9a-fA-F.:]+/[0-9]{1,3})?$",
    128,
);
pub(super) static KUBERNETES_VERSION: Text = Text::new(
    "a Kubernetes version in quotes, such as \"1.34\" or \"1.34.4\"",
    r"^v?[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,4}([-+][0-9A-Za-z.+-]+)?)?$",
    64,
);
pub(super) static SERVED_VERSION: Text = Text::new(
    "an API version such as `monitoring.coreos.com/v1`",
    "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?(/[A-Z][A-Za-z0-9]*)?$",
    320,
);
pub(super) static CONTAINER_PATH: Text =
    Text::new("an absolute path in the container, such as `/app`", r"^/[^\u0000]*$", 4096);
pub(super) static SIGNAL: Text =
    Text::new("a signal such as `HUP` or `USR1`", "^(SIG)?[A-Z][A-Z0-9]{1,9}$", 12);
pub(super) static PLATFORM: Text =
    Text::new("a platform such as `linux/amd64`", "^linux/[a-z0-9]+(/v[0-9]+)?$", 64);
pub(super) static PORT: Text = Text::new("a port such as 8080 or `tcp:6379`", "^(tcp:)?[1-9][0-9]{0,4}$", 9);
pub(super) static MEMORY: Text = Text::new("memory in whole Gi, such as `128Gi`", "^[1-9][0-9]{0,5}Gi$", 8);
pub(super) static DURATION: Text = Text::new(
    "a time such as `90s`, `10m` or `1h30m`",
    "^([1-9][0-9]{0,3}h([1-9][0-9]?m)?([1-9][0-9]?s)?|[1-9][0-9]{0,4}m([1-9][0-9]?s)?|[1-9][0-9]{0,6}s)$",
    12,
);
