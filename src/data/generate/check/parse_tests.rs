use super::*;

#[test]
fn what_postgres_prints_is_read() {
    let column = |name: &str| Box::new(Expr::Column(name.into()));
    let literal = |text: &str| Box::new(Expr::Literal(text.into()));
    let cases = [
        ("((price >= (0)::numeric))", Expr::Compare(Op::AtLeast, column("price"), literal("0"))),
        (
            r#"("Min" < (max_price)::double precision)"#,
            Expr::Compare(Op::Less, column("Min"), column("max_price")),
        ),
        ("(x <> '-1'::integer)", Expr::Compare(Op::Differs, column("x"), literal("-1"))),
        (
            "((status)::text = ANY ((ARRAY['a'::character varying, 'it''s'::character varying])::text[]))",
            Expr::Member { of: column("status"), items: vec![*literal("a"), *literal("it's")], within: true },
        ),
        ("(VALUE ~ '^\\d{5}$'::text)", Expr::Match { of: column("VALUE"), regex: "^\\d{5}$".into() }),
        (
            "((code)::text ~~ 'A_.%'::text)",
            Expr::Match { of: column("code"), regex: "^A[a-z0-9]\\.[a-z0-9]*$".into() },
        ),
        (
            "(length((name)::text) > 3)",
            Expr::Compare(Op::More, Box::new(Expr::Length("name".into())), literal("3")),
        ),
        ("(a IS NOT NULL)", Expr::IsNull { of: column("a"), is: false }),
        ("(NOT a)", Expr::Not(column("a"))),
        (
            "(d > '2020-01-01 00:00:00'::timestamp without time zone)",
            Expr::Compare(Op::More, column("d"), literal("2020-01-01 00:00:00")),
        ),
    ];
    for (text, expr) in cases {
        assert_eq!(parse(text), Some(expr), "{text}");
    }
}

#[test]
fn what_is_not_understood_is_other_or_nothing() {
    for text in [
        "((a + b) > 3)",
        "(date_part('year'::text, d) > (2000)::double precision)",
        "((d)::date > '2020-01-01'::date)",
    ] {
        let expr = parse(text);
        assert!(
            matches!(&expr, Some(Expr::Compare(_, left, _)) if **left == Expr::Other),
            "{text}: {expr:?}"
        );
    }
    assert_eq!(
        parse("(a < (b + 1))"),
        Some(Expr::Compare(Op::Less, Box::new(Expr::Column("a".into())), Box::new(Expr::Other)))
    );
    for text in ["(a > 3", "a b", "'open", "CASE WHEN a THEN b END", &"(".repeat(10_000)] {
        assert_eq!(parse(text), None, "{text}");
    }
}
