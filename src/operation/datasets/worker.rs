//! One of the workers that load synthetic data: what it is given, and what it does. It runs in the cluster.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::data::generate::Generator;
use crate::data::postgres::{self, Server, Share};
use crate::data::schema::Schema;
use crate::data::seed;
use crate::operation::error::OperationError;
use crate::operation::stores::direct;

/// Bytes of the largest task that is read.
const LARGEST: u64 = 256 << 20;

/// What all workers are given.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// The schema as it was read, with the constraints that the database which is filled has not yet.
    pub schema: Schema,
    /// The seed.yaml's text.
    pub seed: String,
    /// What the text is called.
    pub name: String,
}

impl Task {
    /// Packed, for a ConfigMap.
    pub fn pack(&self) -> Result<Vec<u8>, std::io::Error> {
        let mut out = GzEncoder::new(Vec::new(), flate2::Compression::best());
        serde_json::to_writer(&mut out, self)?;
        out.finish()
    }

    /// From its file.
    pub fn read(path: &Path) -> Result<Self, OperationError> {
        let failed = |source| OperationError::Data { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(failed)?;
        serde_json::from_reader(GzDecoder::new(file).take(LARGEST)).map_err(|error| failed(error.into()))
    }

    /// What makes its rows.
    pub fn generator(&self) -> Result<Generator, OperationError> {
        let seed = seed::read(&self.seed, &self.name, &self.schema)?;
        Ok(Generator::new(&self.schema, &seed)?)
    }
}

/// Loads one worker's share into the database at an address. Gives its rows.
pub async fn run(address: &str, task: &Path, share: Share) -> Result<u64, OperationError> {
    let generator = Task::read(task)?.generator()?;
    let (reach, credentials) = direct::address(address)?;
    let server = Server::connect(Arc::new(reach), credentials).await?;
    Ok(postgres::load_share(&server, &generator, share).await?)
}
