package reports

import (
	"bytes"
	"encoding/json"
	"testing"
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
	})
}
