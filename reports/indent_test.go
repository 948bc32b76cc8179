package reports

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

	"pcapaudit/classify"
)

// FuzzIndented: the bytes are those of encoding/json, for any value.
func FuzzIndented(f *testing.F) {
	for _, text := range []string{`{}`, `[]`, `null`, `"a\"b\\"`, `[[],{},[{}],{"a":[]}]`, `{"a":1,"b":[true,null,-1.5e9,"x:y,{[\u2028<&>"],"c":{"d":"\\\\\""}}`, `"\""`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if json.Unmarshal(data, &v) != nil {
			return
		}
		indentedAsEncodingJSON(t, v)
	})
}

func indentedAsEncodingJSON(t *testing.T, v any) {
	t.Helper()
	var got, want bytes.Buffer
	if err := indented(&got, v); err != nil {
		t.Fatal(err)
	}
	e := json.NewEncoder(&want)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%q is not %q", got.Bytes(), want.Bytes())
	}
}

// TestIndentedAudits: so too for whatever an audit may hold, and for the models of the other formats.
func TestIndentedAudits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		for _, v := range []any{&classify.Audit{}, &classify.Explanation{}, &sarifLog{}, &oscalDocument{}} {
			fill(r, reflect.ValueOf(v).Elem(), 0)
			indentedAsEncodingJSON(t, v)
		}
	}
	indentedAsEncodingJSON(t, &fields{})
	indentedAsEncodingJSON(t, fields{Some: &fields{}, Bytes: []byte("ab"), Map: map[string]int{"<": 1}, Array: [2]bool{true}, Any: []any{nil, 1.5, "é"}, skipped: 1})
	var none *fields
	indentedAsEncodingJSON(t, none)
	indentedAsEncodingJSON(t, nil)
}

// TestIndentedBeside: so too where several cores write parts of a list, and parts of lists in it.
func TestIndentedBeside(t *testing.T) {
	for _, n := range []int{together, together + 1, 2 * together, 5*together + 3} {
		list := make([][]int, n)
		for i := range list {
			list[i] = make([]int, i%(3*together))
			for j := range list[i] {
				list[i][j] = i * j
			}
		}
		indentedAsEncodingJSON(t, list)
		indentedAsEncodingJSON(t, [][][]int{list, nil, list})
	}
}

// fields are of kinds that no audit has.
type fields struct {
	Some    *fields
	Bytes   []byte `json:"b<tes,omitempty"`
	Map     map[string]int
	Array   [2]bool  `json:",omitempty"`
	Any     any      `json:"any"`
	Not     int      `json:"-"`
	Quoted  int      `json:",string"`
	Zero    uint8    `json:"zero,omitempty"`
	Struct  struct{} `json:"struct,omitempty"`
	skipped int
}

// fill sets what can be set to something.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		texts := []string{"", "plain", "<a href=\"x\">&\\", "\x00\x1b\u2028\xff\x7f", "é \U0001f600", "tcp/9876"}
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.IntN(3)-1) * r.Int64N(100))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64N(3) * r.Uint64N(100))
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, -1.5, 1e300, 1e-9, 100.0 / 3}[r.IntN(5)])
	case reflect.Pointer:
		if depth < 8 && r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth+1)
		}
	case reflect.Slice:
		if n := r.IntN(4); n > 0 && depth < 8 {
			v.Set(reflect.MakeSlice(v.Type(), n-1, n-1))
			for i := range n - 1 {
				fill(r, v.Index(i), depth+1)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(r, v.Field(i), depth+1)
			}
		}
	}
}
