package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	// MaxFile bounds a rule file; a larger one is refused before it is parsed.
	MaxFile = 8 << 20
	// maxString bounds each value of a rule file.
	maxString = 4096
)

// prose names the keys whose values may hold line breaks.
var prose = []string{"note", "reason", "justification", "text"}

// reader fills a structure from the nodes of a YAML file. It is stricter than the YAML library: the text of a scalar is what
// counts (010 stays 010 and is refused as a port, on stays a word), an unknown or repeated key, an anchor, an alias, a second
// document and a control character are errors, every value's place is kept, and all mistakes are found in one pass.
type reader struct {
	checker
	explained map[Pos]bool // entries with a mistake in form: what they lack may follow from it
	mistaken  bool         // a mistake in the innermost entry being read
	shapes    map[reflect.Type]*shape
}

func newReader(file string, p places) *reader {
	return &reader{checker: checker{file: file, places: p}, explained: map[Pos]bool{}, shapes: map[reflect.Type]*shape{}}
}

// read parses data, which must be one YAML mapping, into the structure that into points to. Slices and maps left out become empty.
// It says whether there is a structure to check, be it with mistakes.
func (r *reader) read(data []byte, into any) bool {
	if len(data) > MaxFile {
		r.fail(fmt.Sprintf("the file has %d bytes", len(data)), fmt.Sprintf("a rule file may have at most %d", MaxFile))
		return false
	}
	if !utf8.Valid(data) {
		r.fail("the file is not UTF-8 text", "save it as UTF-8")
		return false
	}
	root := quickNodes(data)
	if root == nil {
		root = r.libraryNodes(data)
	}
	if root == nil {
		return false
	}
	if root.Kind != yaml.MappingNode {
		r.fail("the file holds no mapping of keys to values", "see `pcapaudit rules show` for the keys of a pack and the README for those of a site")
		return false
	}
	r.value(root, reflect.ValueOf(into).Elem(), "")
	return true
}

// libraryNodes parses any YAML; nil after a problem.
func (r *reader) libraryNodes(data []byte) *yaml.Node {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		r.syntax(err)
		return nil
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); err != nil {
		r.syntax(err)
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		r.failAt(&second, "a second YAML document", "keep one document in a file")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return nil
	}
	if len(doc.Content) == 0 {
		return &yaml.Node{}
	}
	return doc.Content[0]
}

// syntax reports what the YAML library could not parse.
func (r *reader) syntax(err error) {
	if errors.Is(err, io.EOF) {
		r.fail("the file is empty", "write the rules into it or leave it out")
		return
	}
	p := Problem{Pos: Pos{File: r.file}, What: "not YAML: " + printable(err.Error()), Do: "correct the syntax; indent with spaces and quote what has special characters"}
	var load *yaml.LoadError
	if errors.As(err, &load) {
		p.What = "not YAML: " + printable(load.Message)
		p.Pos.Line, p.Pos.Col = load.Mark.Line, load.Mark.Column
	}
	r.problems = append(r.problems, p)
}

func (r *reader) pos(n *yaml.Node) Pos { return Pos{r.file, n.Line, n.Column} }

func (r *reader) failAt(n *yaml.Node, what, do string) {
	r.problems = append(r.problems, Problem{Pos: r.pos(n), What: what, Do: do})
	r.mistaken = true
}

// value reads node n, the value of key, into v.
func (r *reader) value(n *yaml.Node, v reflect.Value, key string) {
	r.places[v.Addr().Interface()] = r.pos(n)
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.failAt(n, "an anchor or alias", "write the value out; rule files have no references")
	case n.Style&yaml.TaggedStyle != 0:
		r.failAt(n, fmt.Sprintf("the tag %s", printable(n.Tag)), "leave tags out")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null": // as if left out
	default:
		r.kind(n, v, key)
	}
}

func (r *reader) kind(n *yaml.Node, v reflect.Value, key string) {
	if entry, ok := v.Addr().Interface().(*AddrEntry); ok && n.Kind == yaml.ScalarNode {
		entry.Pos = r.pos(n)
		r.value(n, reflect.ValueOf(&entry.Address).Elem(), key)
		return
	}
	if names, ok := v.Addr().Interface().(*ColumnNames); ok && n.Kind == yaml.ScalarNode {
		*names = make(ColumnNames, 1)
		r.value(n, reflect.ValueOf(&(*names)[0]).Elem(), key)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		r.mapping(n, v, key)
	case reflect.Slice:
		r.list(n, v, key)
	case reflect.Map:
		r.table(n, v, key)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.value(n, v.Elem(), key)
	default:
		r.scalar(n, v, key)
	}
}

// mapping reads a structure: known keys only, each once.
func (r *reader) mapping(n *yaml.Node, v reflect.Value, key string) {
	shape := r.shape(v.Type())
	if n.Kind != yaml.MappingNode {
		r.failAt(n, fmt.Sprintf("%s is not a mapping of keys to values", named(key)), "known keys: "+strings.Join(shape.keys, ", "))
		return
	}
	if shape.pos >= 0 {
		*v.Field(shape.pos).Addr().Interface().(*Pos) = r.pos(n)
	}
	outer := r.mistaken
	r.mistaken = false
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if r.repeated(k, first) {
			continue
		}
		at := slices.Index(shape.keys, k.Value)
		if at < 0 {
			r.failAt(k, fmt.Sprintf("unknown key %q in %s", printable(k.Value), named(key)), meant(k.Value, shape.keys))
			continue
		}
		r.value(n.Content[i+1], v.Field(shape.fields[at]), k.Value)
	}
	if r.mistaken {
		r.explained[r.pos(n)] = true
		r.explained[Pos{File: r.file}] = r.explained[Pos{File: r.file}] || key == ""
	}
	r.mistaken = outer
	for _, i := range shape.lists {
		fillEmpty(v.Field(i))
	}
}

func (r *reader) repeated(k *yaml.Node, first map[string]*yaml.Node) bool {
	if k.Kind != yaml.ScalarNode {
		r.failAt(k, "a key that is not a word", "write the key as plain text")
		return true
	}
	if before := first[k.Value]; before != nil {
		r.failAt(k, fmt.Sprintf("key %q is given twice, first at %s", printable(k.Value), r.pos(before)), "keep one of the two")
		return true
	}
	first[k.Value] = k
	return false
}

// list reads a sequence. A single value is not taken for a list of one.
func (r *reader) list(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.SequenceNode {
		r.failAt(n, fmt.Sprintf("%s is not a list", named(key)), "write it as [a, b] or with a dash before each entry")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))) // never grown: places hold pointers into it
	for i, item := range n.Content {
		if item.Kind == yaml.ScalarNode && item.Tag == "!!null" {
			r.failAt(item, fmt.Sprintf("an empty entry in %s", named(key)), "write a value or remove the entry")
		}
		if v.Index(i).Kind() == reflect.Pointer { // a list of entries: the place is the entry's own
			v.Index(i).Set(reflect.New(v.Type().Elem().Elem()))
			r.value(item, v.Index(i).Elem(), key)
			continue
		}
		r.value(item, v.Index(i), key)
	}
}

// table reads a mapping of words to words.
func (r *reader) table(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.MappingNode {
		r.failAt(n, fmt.Sprintf("%s is not a mapping of keys to values", named(key)), "write it as {key: value}")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; !r.repeated(k, first) {
			item := reflect.New(v.Type().Elem())
			r.value(n.Content[i+1], item.Elem(), k.Value)
			v.SetMapIndex(reflect.ValueOf(k.Value), item.Elem())
		}
	}
}

func (r *reader) scalar(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.ScalarNode {
		r.failAt(n, fmt.Sprintf("%s is not a single value", named(key)), "write one value, in quotes if it has special characters")
		return
	}
	if what := badText(n.Value, slices.Contains(prose, key)); what != "" {
		r.failAt(n, fmt.Sprintf("%s %s", named(key), what), "write plain text")
		return
	}
	text := strings.TrimRight(n.Value, "\n")
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			r.failAt(n, fmt.Sprintf("%s is %q", named(key), text), "write true or false")
			return
		}
		v.SetBool(text == "true")
	case reflect.Uint16:
		port, what := parsePort(text)
		if what != "" {
			r.failAt(n, fmt.Sprintf("%s %q %s", named(key), text, what), "write a port from 1 to 65535")
			return
		}
		v.SetUint(uint64(port))
	case reflect.Int:
		number, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(number) != text {
			r.failAt(n, fmt.Sprintf("%s is %q", named(key), text), "write a whole number without leading zeros")
			return
		}
		v.SetInt(int64(number))
	case reflect.Float64:
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			r.failAt(n, fmt.Sprintf("%s is %q", named(key), text), "write a decimal number")
			return
		}
		v.SetFloat(number)
	}
}

// badText says what makes a value unfit for a report or a terminal, "" if nothing does.
func badText(s string, lines bool) string {
	if len(s) > maxString {
		return fmt.Sprintf("has %d bytes, more than %d", len(s), maxString)
	}
	for i, c := range s {
		if c == '\n' && (lines || i == len(s)-1) {
			continue
		}
		if !unicode.IsPrint(c) && c != '\u00a0' {
			return fmt.Sprintf("has the character %U", c)
		}
	}
	return ""
}

// printable shortens hostile text for a message.
func printable(s string) string {
	quoted := strconv.Quote(s)
	s = quoted[1 : len(quoted)-1]
	if len(s) > 80 {
		s = s[:77] + "..."
	}
	return strings.ToValidUTF8(s, "")
}

func named(key string) string {
	if key == "" {
		return "the file"
	}
	return key
}

// shape is what a structure looks like in YAML.
type shape struct {
	keys   []string
	fields []int // of keys
	pos    int   // field for the place of the entry; -1 without one
	lists  []int // fields that are slices and maps
}

// shape looks a structure over once: a site has thousands of entries of few types.
func (r *reader) shape(t reflect.Type) *shape {
	if s := r.shapes[t]; s != nil {
		return s
	}
	s := &shape{pos: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		if key := f.Tag.Get("yaml"); key != "" && key != "-" {
			s.keys, s.fields = append(s.keys, key), append(s.fields, i)
		}
		if f.Name == "Pos" {
			s.pos = i
		}
		if k := f.Type.Kind(); f.IsExported() && (k == reflect.Slice || k == reflect.Map) {
			s.lists = append(s.lists, i)
		}
	}
	r.shapes[t] = s
	return s
}

// fillEmpty gives a slice or map that was left out its empty value, so that JSON has [] and {}.
func fillEmpty(f reflect.Value) {
	switch {
	case !f.IsNil():
	case f.Kind() == reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 0, 0))
	default:
		f.Set(reflect.MakeMap(f.Type()))
	}
}
