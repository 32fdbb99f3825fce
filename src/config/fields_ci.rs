//! The table of `ci:`: the commands that `devcluster ci` runs against the system.

use super::shape::{Record, Shape, Text, beside, optional, required};
use super::texts::{DURATION, IMAGE, LABEL};

static SCRIPT: Text = Text::new("a command for `sh -c`", r"^[^\u0000]+$", 65_536);
static WORD: Text = Text::new("an argument", r"^[^\u0000]*$", 65_536);
static VARIABLE: Text = Text::new("a variable's name, such as `BASE_URL`", "^[A-Za-z_][A-Za-z0-9_]*$", 256);

/// One command.
pub(super) static CI: Record = Record {
    name: "ci",
    doc: "A command that `devcluster ci` runs once the system is ready; it fails where its exit code is not 0.",
    one_of: &[],
    fields: &[
        required("name", Shape::Text(&LABEL), "What it is called in reports and in its logs' paths."),
        required(
            "run",
            Shape::Either(&[Shape::Text(&SCRIPT), Shape::List(&Shape::Text(&WORD))]),
            "A program with its arguments, or text for `sh -c`; it runs in this file's directory.",
        ),
        optional("timeout", Shape::Text(&DURATION), "How long one attempt may take; `10m` by default."),
        optional(
            "retries",
            Shape::Int { min: 0, max: 20 },
            "How often it is tried again where it fails; each attempt is reported. 0 by default.",
        ),
        optional(
            "env",
            Shape::Map(&VARIABLE, &Shape::Scalar),
            "Variables beside those that devcluster sets: KUBECONFIG, CI, the services' addresses.",
        ),
        beside(
            "image",
            "shards",
            Shape::Int { min: 1, max: 1000 },
            "Runs it as so many Pods of an Indexed Job in the cluster, each with SHARD_INDEX and SHARD_COUNT.",
        ),
        beside(
            "shards",
            "image",
            Shape::Text(&IMAGE),
            "The image that the Pods run: one of the manifests, or one of `images`.",
        ),
    ],
};
