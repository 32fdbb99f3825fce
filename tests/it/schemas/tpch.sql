-- TPC-H's tables and constraints (its specification, clauses 1.4.1 and 1.4.2).
CREATE TABLE region (r_regionkey integer PRIMARY KEY CHECK (r_regionkey >= 0), r_name char(25) NOT NULL, r_comment varchar(152));
CREATE TABLE nation (
  n_nationkey integer PRIMARY KEY CHECK (n_nationkey >= 0), n_name char(25) NOT NULL, n_regionkey integer NOT NULL REFERENCES region, n_comment varchar(152)
);
CREATE TABLE part (
  p_partkey bigint PRIMARY KEY CHECK (p_partkey >= 0), p_name varchar(55) NOT NULL, p_mfgr char(25) NOT NULL, p_brand char(10) NOT NULL,
  p_type varchar(25) NOT NULL, p_size integer NOT NULL CHECK (p_size >= 0), p_container char(10) NOT NULL,
  p_retailprice numeric(15,2) NOT NULL CHECK (p_retailprice >= 0), p_comment varchar(23) NOT NULL
);
CREATE TABLE supplier (
  s_suppkey bigint PRIMARY KEY CHECK (s_suppkey >= 0), s_name char(25) NOT NULL, s_address varchar(40) NOT NULL,
  s_nationkey integer NOT NULL REFERENCES nation, s_phone char(15) NOT NULL, s_acctbal numeric(15,2) NOT NULL, s_comment varchar(101) NOT NULL
);
CREATE TABLE partsupp (
  ps_partkey bigint NOT NULL REFERENCES part, ps_suppkey bigint NOT NULL REFERENCES supplier,
  ps_availqty integer NOT NULL CHECK (ps_availqty >= 0), ps_supplycost numeric(15,2) NOT NULL CHECK (ps_supplycost >= 0),
  ps_comment varchar(199) NOT NULL, PRIMARY KEY (ps_partkey, ps_suppkey)
);
CREATE TABLE customer (
  c_custkey bigint PRIMARY KEY CHECK (c_custkey >= 0), c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL,
  c_nationkey integer NOT NULL REFERENCES nation, c_phone char(15) NOT NULL, c_acctbal numeric(15,2) NOT NULL,
  c_mktsegment char(10) NOT NULL, c_comment varchar(117) NOT NULL
);
CREATE TABLE orders (
  o_orderkey bigint PRIMARY KEY CHECK (o_orderkey >= 0), o_custkey bigint NOT NULL REFERENCES customer, o_orderstatus char(1) NOT NULL,
  o_totalprice numeric(15,2) NOT NULL CHECK (o_totalprice >= 0), o_orderdate date NOT NULL, o_orderpriority char(15) NOT NULL,
  o_clerk char(15) NOT NULL, o_shippriority integer NOT NULL, o_comment varchar(79) NOT NULL
);
CREATE TABLE lineitem (
  l_orderkey bigint NOT NULL REFERENCES orders, l_partkey bigint NOT NULL, l_suppkey bigint NOT NULL, l_linenumber integer NOT NULL,
  l_quantity numeric(15,2) NOT NULL CHECK (l_quantity >= 0), l_extendedprice numeric(15,2) NOT NULL CHECK (l_extendedprice >= 0),
  l_discount numeric(15,2) NOT NULL CHECK (l_discount BETWEEN 0.00 AND 1.00), l_tax numeric(15,2) NOT NULL CHECK (l_tax >= 0),
  l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
  l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL,
  PRIMARY KEY (l_orderkey, l_linenumber), FOREIGN KEY (l_partkey, l_suppkey) REFERENCES partsupp, CHECK (l_shipdate <= l_receiptdate)
);
