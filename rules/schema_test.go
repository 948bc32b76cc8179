package rules

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// Every structure of rule files has its keys described, in the order of its fields.
func TestEveryKeyIsDescribed(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(t reflect.Type, into map[reflect.Type][]keySpec)
	visit = func(typ reflect.Type, into map[reflect.Type][]keySpec) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			visit(typ.Elem(), into)
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[typ] {
			return
		}
		seen[typ] = true
		var keys, described []string
		for i := range typ.NumField() {
			if key := typ.Field(i).Tag.Get("yaml"); key != "" && key != "-" {
				keys = append(keys, key)
				visit(typ.Field(i).Type, into)
			}
		}
		for _, s := range into[typ] {
			described = append(described, s.name)
			if !strings.HasSuffix(s.doc, ".") || strings.Contains(s.doc, "\n") {
				t.Errorf("%s.%s: %q is no sentence of one line", typ, s.name, s.doc)
			}
		}
		if diff := cmp.Diff(keys, described); diff != "" {
			t.Errorf("%s (-type +described):\n%s", typ, diff)
		}
	}
	visit(reflect.TypeFor[Pack](), keySpecs)
	visit(reflect.TypeFor[Site](), siteKeySpecs)
	if n := len(keySpecs) + len(siteKeySpecs); n != len(seen) {
		t.Errorf("%d structures are described, %d exist", n, len(seen))
	}
}

// schemaOf compiles a schema of ours.
func schemaOf(t *testing.T, write func() ([]byte, error)) *jsonschema.Schema {
	t.Helper()
	text, err := write()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := write()
	if !bytes.Equal(text, again) {
		t.Error("the schema is another each time")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("ours.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("ours.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asEditor reads YAML as an editor's language server does: numbers and truth values by YAML's core schema, times as text. ok is false for what is no YAML mapping that such
// a server would hold against a schema at all.
func asEditor(data []byte) (doc any, ok bool) {
	var root, second yaml.Node
	l, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil || l.Load(&root) != nil || l.Load(&second) == nil || len(root.Content) == 0 {
		return nil, false
	}
	clean := true
	var value func(n *yaml.Node) any
	value = func(n *yaml.Node) any {
		clean = clean && n.Kind != yaml.AliasNode && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
		switch n.Kind {
		case yaml.MappingNode:
			m := map[string]any{}
			for i := 0; i+1 < len(n.Content); i += 2 {
				_, twice := m[n.Content[i].Value]
				clean = clean && !twice
				m[n.Content[i].Value] = value(n.Content[i+1])
			}
			return m
		case yaml.SequenceNode:
			list := []any{}
			for _, c := range n.Content {
				list = append(list, value(c))
			}
			return list
		}
		switch n.Tag {
		case "!!int", "!!float":
			if plainNumber.MatchString(n.Value) {
				return json.Number(n.Value)
			}
		case "!!bool":
			return n.Value == "true"
		case "!!null":
			return nil
		}
		return n.Value
	}
	doc = value(root.Content[0])
	return doc, clean
}

var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

func TestSchemasTakeWhatLoads(t *testing.T) {
	packs, sites := schemaOf(t, PackSchema), schemaOf(t, SiteSchema)
	for pattern, s := range map[string]*jsonschema.Schema{"packs/*.yaml": packs, "testdata/packs/*.good.yaml": packs, "draft/testdata/*.yaml": packs,
		"../testdata/sites/*.yaml": sites, "testdata/sites/*.good.yaml": sites} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no file %s (%v)", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc, ok := asEditor(data)
			if !ok {
				t.Errorf("%s: not read", file)
			} else if err := s.Validate(doc); err != nil {
				t.Errorf("%s: %.2000v", file, err)
			}
		}
	}
}

// meaning are the mistakes of the corpus that lie between entries or in another file, or that only a calendar, a time zone or a dictionary tells: a schema cannot see them.
var meaning = map[string][]string{
	"packs": {
		"address_host_bits", "announced_fixed_port", "cite_lines_reversed", "cite_without_lines", "condition_unknown", "condition_unused",
		"document_unknown", "flow_id_twice", "paired_with_itself", "paired_with_unknown", "port_range_reversed", "role_twice", "role_unknown",
		"role_unused", "source_range_form",
	},
	"sites": {
		"address_host_bits", "address_multicast", "address_range_equals_prefix", "address_range_reversed", "address_twice", "address_twice_mapped",
		"binds_no_role", "binds_no_role_of_one_pack", "captures_custody_order", "captures_pattern", "captures_twice", "condition_twice",
		"condition_unknown", "dynamic_not_announced", "encryption_required", "encryption_unstated", "exception_any_to_any", "exception_expired",
		"exception_twice", "exception_unknown_host", "exception_unknown_role", "exception_without_ports_and_host", "expect_every_divides",
		"expect_every_seconds", "expect_every_zero", "expect_flow", "expect_schedule_zone", "expect_twice", "expect_within_longer", "flow_unknown_host",
		"host_named_like_address", "host_twice", "hosts_from_absent", "hosts_from_address_differs", "hosts_from_address_twice", "hosts_from_claimed",
		"hosts_from_cut", "hosts_from_group_of_csv", "hosts_from_no_address", "hosts_from_no_address_column", "hosts_from_quotes", "hosts_from_twice",
		"hosts_from_typed_elsewhere", "hosts_from_unknown_column", "hosts_from_unknown_role", "hosts_from_unmet_rule", "hours_flow", "hours_zone", "installed_twice", "name_twice", "network_host_bits",
		"network_mapped_host_bits", "override_not_configurable", "override_twice", "override_unknown_flow", "override_unknown_host",
		"override_unstated_without_approver", "period_reversed", "proxy_flow_not_proxied", "proxy_unknown_host", "role_of_embedded_pack_not_chosen",
		"translation_pairs", "translation_port", "translation_unknown_host", "unknown_pack", "unknown_role", "validity_reversed", "vantage_end",
	},
}

func TestSchemasRefuseWhatDoesNotLoad(t *testing.T) {
	for kind, write := range map[string]func() ([]byte, error){"packs": PackSchema, "sites": SiteSchema} {
		s := schemaOf(t, write)
		files, err := filepath.Glob("testdata/" + kind + "/*.bad.yaml")
		if err != nil || len(files) < 50 {
			t.Fatalf("%d bad %s (%v)", len(files), kind, err)
		}
		refused := 0
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc, ok := asEditor(data)
			name := strings.TrimSuffix(filepath.Base(file), ".bad.yaml")
			switch bad, excused := !ok || s.Validate(doc) != nil, slices.Contains(meaning[kind], name); {
			case bad && excused:
				t.Errorf("%s is refused: take it off the list", file)
			case bad:
				refused++
			case !excused:
				t.Errorf("%s is taken", file)
			}
		}
		t.Logf("%s: %d of %d bad files are refused by the schema alone", kind, refused, len(files))
	}
}
