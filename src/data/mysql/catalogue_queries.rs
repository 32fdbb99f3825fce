//! What a database's catalogue is asked; `{DATABASE}` stands for its name as a text.

/// Tables: name, rows.
pub(super) const TABLES: &str = "
SELECT table_name, COALESCE(table_rows, 0) FROM information_schema.tables
WHERE table_schema = {DATABASE} AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY BINARY table_name";

/// Columns: table, name, data type, full type, nullable, default, extra, collation, and whether it is part of a unique index.
pub(super) const COLUMNS: &str = "
SELECT c.table_name, c.column_name, c.data_type, c.column_type, c.is_nullable, c.column_default, c.extra, c.collation_name,
  EXISTS (SELECT 1 FROM information_schema.statistics s WHERE s.table_schema = c.table_schema AND s.table_name = c.table_name
    AND s.column_name = c.column_name AND s.non_unique = 0)
FROM information_schema.columns c WHERE c.table_schema = {DATABASE} ORDER BY c.table_name, c.ordinal_position";

/// Unique indexes: table, index, column (none for an expression), length of the part that is indexed.
pub(super) const UNIQUES: &str = "
SELECT table_name, index_name, column_name, sub_part FROM information_schema.statistics
WHERE table_schema = {DATABASE} AND non_unique = 0 ORDER BY table_name, index_name, seq_in_index";

/// Foreign keys: table, constraint, column, and what it refers to: database, table, column.
pub(super) const FOREIGN_KEYS: &str = "
SELECT table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage
WHERE table_schema = {DATABASE} AND referenced_table_name IS NOT NULL ORDER BY table_name, constraint_name, ordinal_position";

/// Checks of MariaDB, where their names belong to tables: table, constraint, expression.
pub(super) const CHECKS_MARIADB: &str = "
SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints
WHERE constraint_schema = {DATABASE}";

/// Checks of MySQL, where their names belong to databases.
pub(super) const CHECKS_MYSQL: &str = "
SELECT t.table_name, c.constraint_name, c.check_clause FROM information_schema.check_constraints c
JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name)
WHERE c.constraint_schema = {DATABASE} AND t.constraint_type = 'CHECK' AND t.enforced = 'YES'";

/// Partitions: table, method, expression, description.
pub(super) const PARTITIONS: &str = "
SELECT table_name, partition_method, partition_expression, partition_description FROM information_schema.partitions
WHERE table_schema = {DATABASE} AND partition_name IS NOT NULL
ORDER BY table_name, partition_ordinal_position, subpartition_ordinal_position";
