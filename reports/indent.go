package reports

import (
	"encoding"
	"encoding/json"
	"io"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// indented writes v as JSON with an element a line, one space a level, and a final newline: the bytes of a json.Encoder with SetIndent("", " "), which
// takes five times as long and holds the text twice. Most of that is to check and to indent its own text again: here each type is looked at once, and
// its values go straight to where they stand. What it does not know (maps, interfaces, types with words of their own) encoding/json writes, and indents.
func indented(w io.Writer, v any) error {
	e := encoder{w: w, buf: make([]byte, 0, encodeBuffer)}
	value := reflect.ValueOf(v)
	if !value.IsValid() {
		e.text("null")
	} else {
		encodingOf(value.Type())(&e, value)
	}
	e.buf = append(e.buf, '\n')
	e.flush()
	return e.err
}

// encodeBuffer is the text that an encoder gathers before it writes.
const encodeBuffer = 1 << 16

// encoder lays out values. After an error it goes on and writes nothing more.
type encoder struct {
	w     io.Writer // nil: buf keeps all
	buf   []byte
	depth int
	err   error
}

// encodeFunc appends a value of one type.
type encodeFunc func(*encoder, reflect.Value)

var encodings sync.Map // reflect.Type -> encodeFunc

func encodingOf(t reflect.Type) encodeFunc {
	if f, ok := encodings.Load(t); ok {
		return f.(encodeFunc)
	}
	f := newEncoding(t)
	encodings.Store(t, f)
	return f
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

func newEncoding(t reflect.Type) encodeFunc {
	if p := reflect.PointerTo(t); p.Implements(jsonMarshaler) || p.Implements(textMarshaler) {
		return (*encoder).other
	}
	switch t.Kind() {
	case reflect.String:
		return func(e *encoder, v reflect.Value) { e.string(v.String()) }
	case reflect.Bool:
		return func(e *encoder, v reflect.Value) { e.buf = strconv.AppendBool(e.buf, v.Bool()) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(e *encoder, v reflect.Value) { e.buf = strconv.AppendInt(e.buf, v.Int(), 10) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(e *encoder, v reflect.Value) { e.buf = strconv.AppendUint(e.buf, v.Uint(), 10) }
	case reflect.Pointer:
		return func(e *encoder, v reflect.Value) {
			if v.IsNil() {
				e.text("null")
				return
			}
			encodingOf(t.Elem())(e, v.Elem())
		}
	case reflect.Slice:
		return sliceEncoding(t)
	case reflect.Struct:
		return structEncoding(t)
	}
	return (*encoder).other
}

func sliceEncoding(t reflect.Type) encodeFunc {
	if t.Elem().Kind() == reflect.Uint8 { // encoding/json writes bytes in base64
		return (*encoder).other
	}
	return func(e *encoder, v reflect.Value) {
		n := v.Len()
		if v.IsNil() || n == 0 {
			e.text(map[bool]string{true: "null", false: "[]"}[v.IsNil()])
			return
		}
		element := encodingOf(t.Elem())
		e.open('[')
		if n > together && e.depth <= outerLists {
			e.beside(v, element)
		} else {
			e.some(v, 0, n, element)
		}
		e.close(']')
	}
}

// Lists of the whole and of its parts are long where there is much to write: further in another core does not pay. together is how many elements one core
// writes at once: enough for it to pay, few enough for their text to stay small.
const (
	outerLists = 2
	together   = 256
)

// beside writes the elements of a long list, on each core some at a time.
func (e *encoder) beside(v reflect.Value, element encodeFunc) {
	parts := make([]encoder, runtime.GOMAXPROCS(0))
	for n, from := v.Len(), 0; from < n; {
		var wait sync.WaitGroup
		for i := range parts {
			p, first := &parts[i], from
			from = min(from+together, n)
			*p = encoder{buf: p.buf[:0], depth: e.depth}
			wait.Go(func() { p.some(v, first, min(first+together, n), element) })
		}
		wait.Wait()
		for i := range parts {
			e.fail(parts[i].err)
			e.buf = append(e.buf, parts[i].buf...)
			e.flush()
		}
	}
}

func (e *encoder) some(v reflect.Value, from, to int, element encodeFunc) {
	for i := from; i < to; i++ {
		if i > 0 {
			e.next()
		}
		element(e, v.Index(i))
	}
}

// keyLetters are those of keys that need no quoting.
const keyLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-$."

// field is one of a struct: what stands before its value, and whether it is left out where that is empty.
type field struct {
	index     int
	head      string // the key, quoted, and ": "
	omitEmpty bool
	encode    encodeFunc
}

func structEncoding(t reflect.Type) encodeFunc {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous, options != "" && options != "omitempty":
			return (*encoder).other
		case !f.IsExported(), tag == "-":
			continue
		case name == "":
			name = f.Name
		}
		if strings.Trim(name, keyLetters) != "" {
			return (*encoder).other
		}
		encode := func(e *encoder, v reflect.Value) { encodingOf(f.Type)(e, v) } // a type may hold itself
		if f.Type.Kind() != reflect.Pointer && f.Type.Kind() != reflect.Slice {
			encode = encodingOf(f.Type)
		}
		fields = append(fields, field{i, `"` + name + `": `, options == "omitempty", encode})
	}
	return func(e *encoder, v reflect.Value) {
		some := false
		for i := range fields {
			f := &fields[i]
			value := v.Field(f.index)
			if f.omitEmpty && isEmpty(value) {
				continue
			}
			if some {
				e.next()
			} else {
				e.open('{')
				some = true
			}
			e.text(f.head)
			f.encode(e, value)
		}
		if !some {
			e.text("{}")
			return
		}
		e.close('}')
	}
}

// isEmpty is what omitempty means by it: structs never are.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// other has encoding/json write a value, and lays it out.
func (e *encoder) other(v reflect.Value) {
	if !v.CanInterface() {
		return
	}
	compact, err := json.Marshal(v.Interface())
	if err != nil {
		e.fail(err)
		return
	}
	e.indent(compact)
}

// indent lays out what json.Marshal gave: valid and without space between elements.
func (e *encoder) indent(compact []byte) {
	for i := 0; i < len(compact); i++ {
		switch c := compact[i]; c {
		case '"':
			end := stringEnd(compact, i)
			e.buf = append(e.buf, compact[i:end]...)
			i = end - 1
		case '{', '[':
			if closing := compact[i+1]; closing == '}' || closing == ']' {
				e.buf = append(e.buf, c, closing)
				i++
				continue
			}
			e.open(c)
		case '}', ']':
			e.close(c)
		case ',':
			e.next()
		case ':':
			e.text(": ")
		default:
			e.buf = append(e.buf, c)
		}
	}
}

// stringEnd is the index after the string that begins at i.
func stringEnd(compact []byte, i int) int {
	for i++; compact[i] != '"'; i++ {
		if compact[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// asIs are the bytes that encoding/json leaves in a string as they are.
var asIs = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = !strings.ContainsRune(`"\<>&`, c)
	}
	return table
}()

func (e *encoder) string(s string) {
	for i := range len(s) {
		if !asIs[s[i]] {
			e.hostile(s)
			return
		}
	}
	e.buf = append(append(append(e.buf, '"'), s...), '"')
}

// hostile writes a string with something to escape.
func (e *encoder) hostile(s string) {
	quoted, err := json.Marshal(s)
	e.fail(err)
	e.buf = append(e.buf, quoted...)
}

func (e *encoder) text(s string) { e.buf = append(e.buf, s...) }

func (e *encoder) open(c byte) {
	e.depth++
	e.buf = append(e.buf, c)
	e.line()
}

func (e *encoder) next() {
	e.buf = append(e.buf, ',')
	e.line()
}

func (e *encoder) close(c byte) {
	e.depth--
	e.line()
	e.buf = append(e.buf, c)
}

// line ends a line and indents the next.
func (e *encoder) line() {
	if len(e.buf) > encodeBuffer/2 {
		e.flush()
	}
	e.buf = append(e.buf, '\n')
	for d := e.depth; d > 0; d -= len(margin) {
		e.buf = append(e.buf, margin[:min(d, len(margin))]...)
	}
}

const margin = "                "

func (e *encoder) flush() {
	if e.w == nil {
		return
	}
	if e.err == nil {
		_, e.err = e.w.Write(e.buf)
	}
	e.buf = e.buf[:0]
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}
