package draft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxDepth bounds the nesting of a JSON document.
const maxDepth = 64

// node is a value of a JSON document with its lines.
type node struct {
	text        string // of a string or number; "null", "true", "false"
	keys        []string
	fields      map[string]*node
	items       []*node
	first, last int
}

// jsonReader reads values and counts lines.
type jsonReader struct {
	dec  *json.Decoder
	data []byte
	at   int // offset up to which lines are counted
	line int
}

// readNodes reads one JSON value and nothing behind it.
func readNodes(data []byte) (*node, error) {
	r := &jsonReader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	r.dec.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return nil, fmt.Errorf("read the JSON file, line %d: %w", r.here(), err)
	}
	if r.dec.More() {
		return nil, fmt.Errorf("read the JSON file, line %d: more than one value", r.here())
	}
	return n, nil
}

// here is the line on which the last token ends.
func (r *jsonReader) here() int {
	end := min(int(r.dec.InputOffset()), len(r.data))
	if end > r.at {
		r.line += bytes.Count(r.data[r.at:end], []byte("\n"))
		r.at = end
	}
	return r.line
}

func (r *jsonReader) value(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	t, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &node{first: r.here()}
	n.last = n.first
	switch v := t.(type) {
	case json.Delim:
		err = r.inside(n, v, depth)
	case string:
		n.text = v
	default:
		n.text = fmt.Sprint(v)
		if v == nil {
			n.text = "null"
		}
	}
	n.last = r.here()
	return n, err
}

// inside reads what an object or list holds, and its end.
func (r *jsonReader) inside(n *node, open json.Delim, depth int) error {
	if open == '{' {
		n.fields = map[string]*node{}
	}
	for r.dec.More() {
		key := ""
		if open == '{' {
			t, err := r.dec.Token()
			if err != nil {
				return err
			}
			key, _ = t.(string)
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		switch {
		case open == '[':
			n.items = append(n.items, v)
		case n.fields[key] != nil:
			return fmt.Errorf("the key %q is given twice", clean(key, 40))
		default:
			n.keys = append(n.keys, key)
			n.fields[key] = v
		}
	}
	_, err := r.dec.Token()
	return err
}

// get follows keys; what is not there is an empty value, never nil.
func (n *node) get(keys ...string) *node {
	for _, k := range keys {
		next := n.fields[k]
		if next == nil {
			return &node{first: n.first, last: n.last}
		}
		n = next
	}
	return n
}

// has is true for an object with the key.
func (n *node) has(key string) bool { return n.fields[key] != nil }

// each are the entries of a list, or the value itself where one stands for a list.
func (n *node) each() []*node {
	if n.fields != nil {
		return []*node{n}
	}
	return n.items
}

// readJSON reads a MUD file or an OSCAL document.
func (d *Draft) readJSON(data []byte) error {
	root, err := readNodes(data)
	if err != nil {
		return err
	}
	switch {
	case root.has("ietf-mud:mud"):
		d.readMUD(root)
	case root.has("system-security-plan"):
		d.readOSCAL(root.get("system-security-plan"), root.get("system-security-plan", "system-implementation", "components"))
	case root.has("component-definition"):
		d.readOSCAL(root.get("component-definition"), root.get("component-definition", "components"))
	default:
		return errors.New("the JSON file is neither a MUD file (ietf-mud:mud) nor an OSCAL system security plan or component definition")
	}
	d.settle()
	return nil
}

// short is the last part of a name with a prefix, as YANG writes it: "ietf-acldns:dst-dnsname".
func short(key string) string {
	if i := strings.LastIndexByte(key, ':'); i >= 0 {
		return key[i+1:]
	}
	return key
}
