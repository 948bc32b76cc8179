package classify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of an audit that is read. Audits that this program writes stay far below them.
const (
	maxAuditFile    = 256 << 20 // bytes
	maxAuditDepth   = 16        // of lists and objects; the audit has 6
	maxAuditList    = 1 << 18   // values of one list
	maxAuditObjects = 1 << 21
)

const schemaFamily = "pcapaudit.audit/"

// schemaVersion is the number in Schema.
const schemaVersion = 1

// ErrNewerSchema says that an audit was written by a later version of this program.
var ErrNewerSchema = errors.New("the audit has a newer schema")

// Load reads an audit of this or an older schema, and gives the SHA-256 of its bytes. Reading is strict: a key that the schema does not have, a key that is given
// twice, and anything beyond the limits is an error. What an older version did not write is empty, never nil.
func Load(r io.Reader) (*Audit, string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxAuditFile+1))
	if err != nil {
		return nil, "", err
	}
	if len(data) > maxAuditFile {
		return nil, "", fmt.Errorf("more than %d MiB", maxAuditFile>>20)
	}
	a, err := parse(data)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(data)
	return a, hex.EncodeToString(sum[:]), nil
}

func parse(data []byte) (*Audit, error) {
	if err := walk(data); err != nil {
		return nil, err
	}
	var head struct {
		Schema string `json:"schema"`
		Tool   Tool   `json:"tool"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("not an audit: %w", err)
	}
	if err := readable(head.Schema, head.Tool); err != nil {
		return nil, err
	}
	a := new(Audit)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(a); err != nil {
		return nil, fmt.Errorf("not an audit of pcapaudit %s as this version knows it: %s", head.Tool.Version, strings.TrimPrefix(err.Error(), "json: "))
	}
	fillLists(reflect.ValueOf(a).Elem())
	return a, a.sound()
}

// readable says whether this version reads a schema.
func readable(schema string, by Tool) error {
	text, ok := strings.CutPrefix(schema, schemaFamily)
	n, err := strconv.ParseUint(text, 10, 16)
	switch {
	case !ok || err != nil || n == 0:
		return fmt.Errorf("not an audit: its schema is %q, not %s%d", schema, schemaFamily, schemaVersion)
	case n > schemaVersion:
		return fmt.Errorf("%w, %s, written by version %s; this version reads up to %s", ErrNewerSchema, schema, by.Version, Schema)
	}
	return nil
}

// walk holds JSON against the limits before anything is built from it.
func walk(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("not JSON in UTF-8")
	}
	w := walker{d: json.NewDecoder(bytes.NewReader(data))}
	w.d.UseNumber()
	t, err := w.d.Token()
	if err != nil {
		return notJSON(err)
	}
	if t != json.Delim('{') {
		return errors.New("not an audit: it does not begin with an object")
	}
	if err := w.object(1); err != nil {
		return err
	}
	if _, err := w.d.Token(); err != io.EOF {
		return errors.New("not an audit: something follows its end")
	}
	return nil
}

type walker struct {
	d       *json.Decoder
	objects int
}

func (w *walker) value(t json.Token, depth int) error {
	switch {
	case depth > maxAuditDepth:
		return fmt.Errorf("more than %d levels of lists and objects", maxAuditDepth)
	case t == json.Delim('{'):
		return w.object(depth)
	case t == json.Delim('['):
		return w.list(depth)
	}
	return nil
}

func (w *walker) object(depth int) error {
	if w.objects++; w.objects > maxAuditObjects {
		return fmt.Errorf("more than %d objects", maxAuditObjects)
	}
	keys := map[string]bool{}
	for w.d.More() {
		t, err := w.d.Token()
		if err != nil {
			return notJSON(err)
		}
		key, _ := t.(string)
		if keys[key] || key != strings.ToLower(key) || len(keys) > 1<<10 {
			return fmt.Errorf("the key %.80q is given twice, or is none of an audit", key)
		}
		keys[key] = true
		if err := w.next(depth + 1); err != nil {
			return err
		}
	}
	return w.end()
}

func (w *walker) list(depth int) error {
	for n := 0; w.d.More(); n++ {
		if n >= maxAuditList {
			return fmt.Errorf("a list of more than %d values", maxAuditList)
		}
		if err := w.next(depth + 1); err != nil {
			return err
		}
	}
	return w.end()
}

// end reads the end of a list or an object.
func (w *walker) end() error {
	if _, err := w.d.Token(); err != nil {
		return notJSON(err)
	}
	return nil
}

func notJSON(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("not JSON: %w", err)
}

func (w *walker) next(depth int) error {
	t, err := w.d.Token()
	if err != nil {
		return notJSON(err)
	}
	return w.value(t, depth)
}

// fillLists makes every list that is not left out of the JSON when empty a list, so that an audit that is written again has no null.
func fillLists(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillLists(v.Elem())
		}
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k == reflect.Struct || k == reflect.Pointer {
			for i := range v.Len() {
				fillLists(v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if f.Kind() == reflect.Slice && f.IsNil() && !strings.HasSuffix(v.Type().Field(i).Tag.Get("json"), ",omitempty") {
				f.Set(reflect.MakeSlice(f.Type(), 0, 0))
			}
			fillLists(f)
		}
	}
}

// sound checks what every reader of an audit relies on.
func (a *Audit) sound() error {
	want, ok := map[string]int{"clean": codeClean, "deviations": codeDeviations, "inconclusive": codeInconclusive}[a.Result.Verdict]
	if !ok || a.Result.Code != want {
		return fmt.Errorf("not an audit: its result is %.40q with code %d", a.Result.Verdict, a.Result.Code)
	}
	if len(a.Timeline.Buckets) > maxBuckets || a.Timeline.Seconds < 0 {
		return errors.New("not an audit: its timeline is too long")
	}
	for i := range a.Findings {
		if id := a.Findings[i].ID; !isFindingID(id) {
			return fmt.Errorf("not an audit: a finding has the id %.40q", id)
		}
	}
	return nil
}

// isFindingID is true for 16 hex digits.
func isFindingID(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}
