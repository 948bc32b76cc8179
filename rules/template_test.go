package rules

import (
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// A new pack has no problem, not even a warning, holds to the schema, and explains each key of a pack once.
func TestTemplate(t *testing.T) {
	text, err := Template("example-1.0")
	if err != nil {
		t.Fatal(err)
	}
	p, problems := LoadPackBytes("f", text)
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	for _, problem := range Lint(p, nil) {
		t.Error(problem)
	}
	doc, ok := asEditor(text)
	if err := schemaOf(t, PackSchema).Validate(doc); !ok || err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(string(text), "# yaml-language-server: $schema=") {
		t.Error("editors are not told of the schema")
	}
	for _, keys := range keySpecs {
		for _, k := range keys {
			if n := strings.Count(string(text), "# "+k.doc+"\n"); n != 1 {
				t.Errorf("%s is explained %d times", k.name, n)
			}
		}
	}
	var root yaml.Node
	if err := yaml.Load(text, &root); err != nil {
		t.Fatal(err)
	}
	left := map[reflect.Type]map[string]bool{}
	for typ, keys := range keySpecs {
		left[typ] = map[string]bool{}
		for _, k := range keys {
			left[typ][k.name] = true
		}
	}
	occurring(root.Content[0], reflect.TypeFor[Pack](), left)
	for typ, keys := range left {
		for key := range keys {
			t.Errorf("%s.%s does not occur", typ, key)
		}
	}
}

// occurring takes the keys of a mapping, and of what is in it, off the lists of their structures.
func occurring(n *yaml.Node, typ reflect.Type, left map[reflect.Type]map[string]bool) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			occurring(c, typ, left)
		}
	}
	if n.Kind != yaml.MappingNode || typ.Kind() != reflect.Struct {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		delete(left[typ], key)
		for k := range typ.NumField() {
			if f := typ.Field(k); f.Tag.Get("yaml") == key {
				occurring(n.Content[i+1], f.Type, left)
			}
		}
	}
}

func TestTemplateRefuses(t *testing.T) {
	for _, name := range []string{"", "Example", "a b", "local", "a/b", "a--b"} {
		if _, err := Template(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}
