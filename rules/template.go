package rules

import (
	"fmt"
	"reflect"
	"strings"
)

// Template is the text of a new pack: every key explained where it first stands, with values that make a pack without a problem. The flows are made up; status: draft says so.
// An error is a name that cannot be a pack's.
func Template(name string) ([]byte, error) {
	if !isName(name) || name == localPack {
		return nil, fmt.Errorf("%q is no pack name: write small letters, digits, dots and hyphens, and not %q", name, localPack)
	}
	w := &templateWriter{told: map[string]bool{}}
	w.text.WriteString(SchemaLine(PackSchemaFile))
	fmt.Fprintf(&w.text, "# `pcapaudit rules schema > %s` writes the schema that editors read; `pcapaudit rules check` finds what is wrong.\n", PackSchemaFile)
	fmt.Fprint(&w.text, "# Replace what is said here by what the document says. A key that is not needed may be left out.\n\n")
	w.entry(0, reflect.TypeFor[Pack](), []line{{"name", name}, {"kind", "vendor"}, {"title", "Example product"}, {"product_version", `"1.0"`}, {"status", "draft"},
		{"documents", ""}})
	w.entry(1, reflect.TypeFor[Document](), []line{{"id", "guide"}, {"title", "Port guide of the example product"}, {"date", `"2026-01-31"`}, {"file", "guide.txt"}})
	w.entry(0, reflect.TypeFor[Pack](), []line{{"source_ranges", "{windows: 49152-65535}"}, {"roles", ""}})
	w.entry(1, reflect.TypeFor[Role](), []line{{"name", "agent"}, {"title", "Host that is backed up"}, {"addresses", "[]"}, {"names", "[]"}})
	w.entry(1, reflect.TypeFor[Role](), []line{{"name", "server"}, {"title", "Server to which agents report"}, {"names", "[server.example.com]"}})
	w.entry(0, reflect.TypeFor[Pack](), []line{{"conditions", ""}})
	w.entry(1, reflect.TypeFor[Condition](), []line{{"name", "tls-used"}, {"title", "Agents report over TLS"}, {"default", "unknown"}})
	w.entry(0, reflect.TypeFor[Pack](), []line{{"flows", ""}})
	w.entry(1, reflect.TypeFor[Flow](), []line{{"id", "agent-https-server"}, {"title", "Agent reports to the server over TLS"}, {"from", "[agent]"}, {"to", "[server]"}, {"originator", "from"},
		{"proto", "tcp"}, {"ports", `["443"]`}, {"ports_mode", "all"}, {"paired_with", "agent-http-server"}, {"icmp_types", "[]"}, {"announced_by", `""`}, {"source_ports", "ephemeral"},
		{"reply", "expected"}, {"need", "conditional"}, {"occurrence", "periodic"}, {"condition", "tls-used"}, {"scope", `""`}, {"satisfied_by", "any"}, {"proxy", "false"},
		{"configurable", "true"}, {"encryption", "required"}, {"encryption_protocols", "[tls]"}, {"reference", "false"}, {"cite", ""}})
	w.entry(3, reflect.TypeFor[Cite](), []line{{"document", "guide"}, {"lines", `"12-14"`}, {"section", "Agents"}})
	w.entry(2, reflect.TypeFor[Flow](), []line{{"note", "The guide wants it at least once an hour."}})
	w.entry(1, reflect.TypeFor[Flow](), []line{{"id", "agent-http-server"}, {"title", "Agent reports to the server"}, {"from", "[agent]"}, {"to", "[server]"}, {"proto", "tcp"}, {"ports", `["80"]`},
		{"need", "conditional"}, {"occurrence", "periodic"}, {"condition", `"!tls-used"`}, {"configurable", "true"}, {"cite", `[{document: guide, lines: "11", section: Agents}]`}})
	return []byte(w.text.String()), nil
}

// line is a key and its value as YAML; "" opens a list.
type line struct{ key, value string }

// templateWriter writes entries, with what a key means before its first use.
type templateWriter struct {
	text strings.Builder
	told map[string]bool
}

// entry writes keys of a structure: an odd depth begins an entry of a list, and each two of it are one indentation.
func (w *templateWriter) entry(depth int, t reflect.Type, lines []line) {
	indent := strings.Repeat("  ", depth+depth%2)
	for i, l := range lines {
		lead := indent
		if depth%2 == 1 && i == 0 {
			lead = indent[2:] + "- "
		}
		if id := t.Name() + "." + l.key; !w.told[id] {
			w.told[id] = true
			fmt.Fprintf(&w.text, "%s# %s\n", strings.Repeat(" ", len(lead)), w.doc(t, l.key))
		}
		fmt.Fprintln(&w.text, strings.TrimRight(lead+l.key+": "+l.value, " "))
	}
}

func (w *templateWriter) doc(t reflect.Type, key string) string {
	for _, s := range keySpecs[t] {
		if s.name == key {
			return s.doc
		}
	}
	return ""
}
