use super::*;
use proptest::prelude::*;
use serde_json::json;

fn objects() -> Vec<Value> {
    vec![json!({
        "kind": "BGPPeerList",
        "items": [
            {"metadata": {"name": "a", "labels": {"rack": "1"}}, "spec": {"peerIP": "192.0.2.1", "asNumber": 64512, "filters": ["f", "g"]}},
            {"metadata": {"name": "b"}, "spec": {"peerIP": "", "asNumber": 0, "filters": [], "node": "n1"}},
        ],
    })]
}

fn run(text: &str) -> Result<String, String> {
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    template
        .execute(objects(), &|| "64999".to_owned())
        .map_err(|error| error.to_string())
}

#[test]
fn templates_print_what_go_prints() {
    #[rustfmt::skip]
    let cases = [
        ("plain }} text", "plain }} text"),
        ("{{range .}}{{range .Items}}{{.ObjectMeta.Name}} {{.Spec.PeerIP}}\n{{end}}{{end}}", "a 192.0.2.1\nb \n"),
        ("{{range .}}{{range .Items}}{{.Name}},{{end}}{{end}}", "a,b,"),
        ("{{range $l := .}}{{range $i, $p := .Items}}{{$i}}={{$p.metadata.name}}/{{len $l.Items}} {{end}}{{end}}", "0=a/2 1=b/2 "),
        ("{{range (index . 0).Items}}{{if eq .Spec.ASNumber 0}}none{{else if gt .Spec.ASNumber 64511}}private{{else}}x{{end}} {{end}}", "private none "),
        ("{{with (index . 0)}}{{.Kind}}{{end}}{{with nil}}x{{else}}y{{end}}", "BGPPeerListy"),
        ("{{range .}}{{range .Items}}{{join .Spec.Filters \"+\"}}|{{joinAndTruncate .Spec.PeerIP `,` 6}};{{end}}{{end}}", "f+g|192...;|;"),
        ("{{(index (index . 0).Items 0).Spec.Filters}} {{index (index (index . 0).Items 0).metadata.labels \"rack\"}}", "[f g] 1"),
        ("{{range $k, $v := (index (index . 0).Items 0).metadata.labels}}{{$k}}:{{$v}}{{end}}", "rack:1"),
        ("{{config \"asnumber\"}} {{config \"ASNumber\" | printf \"%s!\"}}", "64999 64999!"),
        ("a  {{- /* note */ -}}  b {{- 1 -}} c", "ab1c"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}", "2"),
        ("{{range (index . 0).Nothing}}x{{else}}empty{{end}}", "empty"),
        ("{{printf \"%-5s|%5s|%05d|%q|%v|%t|%x|%%|%.2f\" \"ab\" \"cd\" 42 \"e\\\"\" nil true 255 1.5}}", "ab   |   cd|00042|\"e\\\"\"|<nil>|true|ff|%|1.50"),
        ("{{printf \"%d %s\" 1}} {{printf \"x\" 1}} {{printf \"%d\" \"a\"}}", "1 %!s(MISSING) x%!(EXTRA 1) %!d(a)"),
        ("{{print \"a\" 1 2 \"b\"}} {{println 1 \"x\"}}", "a1 2b 1 x\n"),
        ("{{and 1 0}} {{or 0 \"x\"}} {{not 1}} {{and true true false}} {{or false 0}}", "0 x false false 0"),
        ("{{eq 1 2 1}} {{ne \"a\" \"b\"}} {{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1 2}} {{eq nil nil}}", "true true true true true false true"),
        ("{{if and (index . 0).Missing (index . 0).Missing.Field}}x{{else}}guarded{{end}}", "guarded"),
        ("{{-3}} {{0x10}} {{1.5}} {{`raw \\n`}} {{\"t\\tq\"}}", "-3 16 1.5 raw \\n t\tq"),
        ("{{len \"abc\" | printf \"%03d\"}}", "003"),
    ];
    for (text, expected) in cases {
        assert_eq!(run(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    #[rustfmt::skip]
    let cases = [
        ("{{", "1: unclosed action"),
        ("\n{{.A", "2: unclosed action"),
        ("{{if .}}", "1: if without {{end}}"),
        ("{{range .}}x{{else}}y", "1: else without {{end}}"),
        ("{{end}}", "1: unexpected {{end}}"),
        ("{{else}}", "1: unexpected {{else}}"),
        ("{{}}", "1: missing value for command"),
        ("{{shout .}}", "1: function \"shout\" not defined"),
        ("{{define \"x\"}}{{end}}", "1: define is not supported"),
        ("{{. 1}}", "1: can't give argument to non-function"),
        ("{{1 | 2}}", "1: only a function can stand after |"),
        ("{{(1}}", "1: unclosed left paren"),
        ("{{\"a}}", "1: unterminated quoted string"),
        ("{{\"\\z\"}}", "1: unknown escape in string"),
        ("{{/* x }}", "1: unclosed comment"),
        ("{{1x}}", "1: bad number syntax: \"1x\""),
        ("{{$x}}", "1: undefined variable \"$x\""),
        ("{{.Name}}", "1: can't evaluate field Name in a list"),
        ("\n{{(index . 0).Missing.Field}}", "2: nil pointer evaluating .Missing.Field"),
        ("{{index . 5}}", "1: error calling index: index out of range: 5"),
        ("{{len 3}}", "1: len of 3"),
        ("{{lt 1 \"a\"}}", "1: incompatible types for comparison"),
        ("{{not}}", "1: wrong number of args for not: got 0"),
        ("{{config \"x\"}}", "1: unhandled config type x"),
        ("{{range 3}}{{end}}", "1: range can't iterate over 3"),
    ];
    for (text, expected) in cases {
        assert_eq!(
            run(text),
            Err(format!("template: get:{expected}")),
            "{text}"
        );
    }
}

#[test]
fn depth_is_limited() {
    let deep = "{{if 1}}".repeat(1000);
    assert!(run(&deep).is_err());
    let deep = format!("{{{{{}1}}}}", "(".repeat(1000));
    assert!(run(&deep).is_err());
}

proptest! {
    #[test]
    fn never_panics(text in "(\\{\\{|\\}\\}|-| |\\$|[a-z.\"`|(),:=0-9]|range|if|end|printf|\\PC){0,40}") {
        let _ = run(&text);
    }
}
