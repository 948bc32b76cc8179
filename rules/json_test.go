package rules

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
)

// keyOrder lists the keys of the objects at a depth in the order of their first appearance; null is a fault anywhere.
func keyOrder(t *testing.T, text []byte, path string) []string {
	t.Helper()
	var found []string
	dec := json.NewDecoder(bytes.NewReader(text))
	var stack []string // key path of the open containers; "" for lists
	var expectKey []bool
	key := ""
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				stack, expectKey = append(stack, key), append(expectKey, v == '{')
				key = ""
			} else {
				stack, expectKey = stack[:len(stack)-1], expectKey[:len(expectKey)-1]
			}
		case nil:
			t.Fatalf("null at %s.%s", strings.Join(stack, "."), key)
		case string:
			if top := len(expectKey) - 1; expectKey[top] && dec.More() && key == "" {
				key = v
				if strings.Trim(strings.Join(stack, ""), " ") == path && !slices.Contains(found, v) {
					found = append(found, v)
				}
				continue
			}
		}
		key = ""
	}
}

func TestPackJSON(t *testing.T) {
	const top = "name kind title product_version documents source_ranges roles conditions flows"
	const flowKeys = "id title from to originator proto ports ports_mode paired_with icmp_types announced_by source_ports reply need occurrence condition scope satisfied_by proxy configurable encryption encryption_protocols reference cite note"
	for _, b := range Builtin() {
		p := mustPack(t, b.Name)
		text, err := p.JSON()
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{"": top, "flows": flowKeys} {
			if got := strings.Join(keyOrder(t, text, path), " "); got != want {
				t.Errorf("%s %q:\n got %s\nwant %s", b.Name, path, got, want)
			}
		}
		var back Pack
		if err := json.Unmarshal(text, &back); err != nil {
			t.Errorf("%s: %v", b.Name, err)
		}
		again, _ := back.JSON()
		if !bytes.Equal(text, again) {
			t.Errorf("%s does not survive its own JSON", b.Name)
		}
	}
}
