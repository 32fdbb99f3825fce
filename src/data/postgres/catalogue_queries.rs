//! What is asked of PostgreSQL's system catalogue: its manual, "System Catalogs". Columns that later versions added are read
//! through `to_jsonb`, so that one text serves all versions.

/// Tables that hold rows: no partitions, nothing temporary, nothing that belongs to an extension or to the server.
pub(super) const TABLES: &str = r#"
SELECT c.oid, n.nspname::text, c.relname::text,
  (CASE WHEN c.relkind = 'p'
    THEN (SELECT coalesce(sum(greatest(l.reltuples, 0)), 0)
          FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class l ON l.oid = t.relid WHERE t.isleaf)
    ELSE greatest(c.reltuples, 0) END)::float8::int8 AS rows,
  p.partstrat::text,
  CASE WHEN 0 = ANY (p.partattrs) THEN '{}' ELSE ARRAY(
    SELECT a.attname::text FROM unnest(p.partattrs) WITH ORDINALITY k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number ORDER BY k.place) END AS key,
  ARRAY(SELECT pg_catalog.pg_get_expr(l.relpartbound, l.oid) FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class l ON l.oid = i.inhrelid WHERE i.inhparent = c.oid AND l.relispartition ORDER BY 1) AS bounds,
  (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno LIMIT 1) AS parent
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname::text COLLATE pg_catalog."C", c.relname::text COLLATE pg_catalog."C""#;

/// Their columns, in order.
pub(super) const COLUMNS: &str = "
SELECT a.attrelid, a.attname::text, a.atttypid, a.atttypmod, a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
  a.attidentity::text, a.attgenerated::text,
  EXISTS (SELECT FROM pg_catalog.pg_depend o JOIN pg_catalog.pg_class s ON s.oid = o.objid AND s.relkind = 'S'
    WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.refclassid = 'pg_catalog.pg_class'::regclass
      AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum AND o.deptype IN ('a', 'i')) AS sequence,
  pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum";

/// Primary keys, uniques, foreign keys and checks.
pub(super) const CONSTRAINTS: &str = "
SELECT o.conrelid, o.conname::text, o.contype::text,
  ARRAY(SELECT a.attname::text FROM unnest(o.conkey) WITH ORDINALITY k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
  o.confrelid,
  ARRAY(SELECT a.attname::text FROM unnest(o.confkey) WITH ORDINALITY k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.number ORDER BY k.place) AS refers,
  pg_catalog.pg_get_expr(o.conbin, o.conrelid),
  coalesce((SELECT (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean FROM pg_catalog.pg_index i WHERE i.indexrelid = o.conindid), false)
FROM pg_catalog.pg_constraint o
WHERE o.conrelid = ANY ($1) AND o.conparentid = 0 AND o.contype IN ('p', 'u', 'f', 'c')
ORDER BY o.conrelid, o.conname::text COLLATE pg_catalog.\"C\"";

/// Unique indexes over plain columns that are no constraint's.
pub(super) const UNIQUE_INDEXES: &str = "
SELECT i.indrelid,
  ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns,
  coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))
ORDER BY i.indrelid, c.relname::text COLLATE pg_catalog.\"C\"";

/// All types that columns can have. 12 and 13 have no multiranges, and none of them are asked for.
pub(super) const TYPES: &str = "
SELECT t.oid, n.nspname::text, t.typname::text, t.typtype::text,
  CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, t.typbasetype, t.typtypmod, t.typnotnull, coalesce(r.rngsubtype, 0),
  ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
  ARRAY(SELECT pg_catalog.pg_get_expr(o.conbin, 0) FROM pg_catalog.pg_constraint o
    WHERE o.contypid = t.oid AND o.contype = 'c' ORDER BY o.conname::text COLLATE pg_catalog.\"C\") AS checks,
  pg_catalog.format_type(t.oid, NULL)
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
WHERE t.typtype IN ('b', 'd', 'e', 'r') AND t.typrelid = 0";
