//! Rows into a table by `LOAD DATA LOCAL INFILE` from a stream, in constant memory. LOCAL makes warnings of what would be
//! errors (MySQL's manual, "LOAD DATA Statement"), so warnings and the number of rows are looked at after.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use mysql_async::prelude::Queryable;

use super::columns::Written;
use super::connect::Session;
use super::error::{MysqlError, ServerFault, Shown, failed};
use super::sql::quoted;

/// Bytes of a packet: well below the least that a server takes.
const PACKET: usize = 256 << 10;

/// What makes loading quick: indexes of empty tables are made by one sort, and references are not looked up.
pub(super) const QUICK: &str =
    "SET SESSION unique_checks = 0, foreign_key_checks = 0, lock_wait_timeout = 600";

/// A table and the columns that its rows have, in their order.
pub(super) struct Into<'t> {
    pub(super) database: &'t str,
    pub(super) table: &'t str,
    pub(super) columns: &'t [Written],
    pub(super) shown: Shown,
}

impl Into<'_> {
    fn statement(&self) -> String {
        let (mut places, mut assigned) = (Vec::new(), Vec::new());
        for (at, column) in self.columns.iter().enumerate() {
            let variable = format!("@v{at}");
            match column.way.assign(&variable) {
                None => places.push(quoted(&column.name)),
                Some(value) => {
                    assigned.push(format!("{} = {value}", quoted(&column.name)));
                    places.push(variable);
                }
            }
        }
        let set = if assigned.is_empty() { String::new() } else { format!(" SET {}", assigned.join(", ")) };
        format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {}.{} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' \
             LINES TERMINATED BY '\\n' ({}){set}",
            quoted(self.database),
            quoted(self.table),
            places.join(", ")
        )
    }

    /// Loads rows; gives how many the table has then. A chunk's end need not be a row's end.
    pub(super) async fn load(
        &self,
        session: &mut Session,
        chunks: impl Stream<Item = Result<Bytes, MysqlError>> + Send + 'static,
    ) -> Result<u64, MysqlError> {
        let task = format!("loading {}", self.table);
        let broken: Arc<Mutex<Option<MysqlError>>> = Arc::default();
        let noted = broken.clone();
        let packets = chunks.flat_map(|chunk| futures::stream::iter(packets(chunk))).map(move |packet| {
            packet.map_err(|error| {
                let said = std::io::Error::other(error.to_string());
                noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                said
            })
        });
        // The driver asks for what may be shared, which a stream in a lock is.
        let packets = Mutex::new(packets);
        session.set_infile_handler(async move {
            Ok(packets.into_inner().unwrap_or_else(PoisonError::into_inner).boxed())
        });
        let mut loaded = session.query_drop(self.statement()).await;
        // MySQL 8 takes no rows from clients until it is told to. The stream was not asked for yet.
        if loaded.as_ref().is_err_and(not_taken)
            && session.query_drop("SET GLOBAL local_infile = ON").await.is_ok()
        {
            loaded = session.query_drop(self.statement()).await;
        }
        if let Some(error) = broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        loaded.map_err(|error| explained(error, &task, self.shown))?;
        if session.get_warnings() > 0 {
            self.warned(session, &task).await?;
        }
        let count = format!("SELECT count(*) FROM {}.{}", quoted(self.database), quoted(self.table));
        Ok(session.first::<u64>(&count, &task).await?.unwrap_or(0))
    }

    /// What was warned of is an error: a value was changed, or a row left out.
    async fn warned(&self, session: &mut Session, task: &str) -> Result<(), MysqlError> {
        let rows: Vec<(String, u16, String)> = session.rows("SHOW WARNINGS LIMIT 20", task).await?;
        // Notes tell of nothing that was changed.
        let Some((_, code, message)) = rows.into_iter().find(|(level, _, _)| level != "Note") else {
            return Ok(());
        };
        let message = match self.shown {
            Shown::All => message,
            Shown::NoValues => {
                "a value does not fit its column or key (not shown, it may be real)".to_owned()
            }
        };
        let fault = ServerFault { code, state: "01000".to_owned(), message };
        Err(MysqlError::Server { task: task.to_owned(), fault })
    }
}

fn packets(chunk: Result<Bytes, MysqlError>) -> Vec<Result<Bytes, MysqlError>> {
    match chunk {
        Err(error) => vec![Err(error)],
        Ok(mut chunk) => {
            // An empty packet would be the end.
            let mut found = Vec::with_capacity(chunk.len() / PACKET + 1);
            while !chunk.is_empty() {
                found.push(Ok(chunk.split_to(chunk.len().min(PACKET))));
            }
            found
        }
    }
}

/// Whether the server takes no rows from its clients.
fn not_taken(error: &mysql_async::Error) -> bool {
    matches!(error, mysql_async::Error::Server(fault) if [1148, 3948, 3950, 4166].contains(&fault.code))
}

fn explained(error: mysql_async::Error, task: &str, shown: Shown) -> MysqlError {
    match &error {
        mysql_async::Error::Server(fault) if not_taken(&error) => MysqlError::Mismatch(format!(
            "{task}: the server takes no rows from its clients ({}); start it with local_infile=ON, or as root: SET GLOBAL local_infile = ON",
            fault.message
        )),
        // What MariaDB says of equal values in a unique index that is made by one sort.
        mysql_async::Error::Server(fault) if fault.code == 1180 => MysqlError::Mismatch(format!(
            "{task}: two rows have the same values in a unique key, or the server could not commit ({})",
            fault.message
        )),
        _ => failed(error, task.to_owned(), shown),
    }
}
