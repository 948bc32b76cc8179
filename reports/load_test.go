package reports

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"pcapaudit/classify"
)

// FuzzFormatsOfReadAudits: every format writes whatever audit can be read, twice the same, and the JSON of it can be read again.
func FuzzFormatsOfReadAudits(f *testing.F) {
	const minimal = `{"schema":"pcapaudit.audit/1","tool":{"name":"pcapaudit","version":"0"},"result":{"verdict":"deviations","code":1}`
	f.Add([]byte(minimal + `}`))
	f.Add([]byte(minimal + `,"findings":[{"id":"0123456789abcdef","kind":"connection","severity":"high","verdict":"unexpected","why":["wrong-roles"],"decides":true,
		"summary":"a opened tcp/1 on b","orig":{"host":"a"},"resp":{"ip":"10.0.0.1"},"proto":"tcp","port":"1","outcomes":[{"outcome":"established","connections":2}],
		"evidence":[{"id":"0:17","orig":"1.2.3.4:5","resp":"x"}],"cite":["a.txt:1-2"],"annotation":{"disposition":"to-fix"}}]}`))
	f.Add([]byte(minimal + `,"expectations":[{"flow":"p/f","hosts":9,"statuses":[{"status":"odd","hosts":-3}],"open":[{"host":"h","status":"missing"}]}]}`))
	f.Add([]byte(minimal + `,"timeline":{"from":"x","bucket_seconds":1e300,"buckets":[{"deviation":18446744073709551615}],"losses":[{"from":"","until":"2026"}]},
		"source_ports":[{"host":"h","documented":["9-1","x"],"lowest":9,"highest":1}],"matrix":[{"from":"","to":""}],"period":{"covered_from":"2026","gaps":[{}]}}`))
	f.Add([]byte(minimal + `,"inputs":[{"name":"<script>","size":-1,"interfaces":[{"filter":"x"}],"first":"2026-13"}],"parts":[{}],"site":{},"packs":[{"kind":"baseline"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, _, err := classify.Load(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, format := range Formats {
			var one, two bytes.Buffer
			errOne, errTwo := format.Write(&one, a, Look{}), format.Write(&two, a, Look{})
			if (errOne == nil) != (errTwo == nil) || !bytes.Equal(one.Bytes(), two.Bytes()) {
				t.Errorf("%s differs from itself (%v, %v)", format.Name, errOne, errTwo)
			}
			if format.Name == "json" {
				if _, _, err := classify.Load(&one); err != nil {
					t.Errorf("the JSON cannot be read again: %v", err)
				}
			}
		}
		if err := Diff(io.Discard, classify.Compare(a, a), "table", Look{}); err != nil {
			t.Error(err)
		}
	})
}

func TestDiffIsClean(t *testing.T) {
	const nasty = "\x1b[31m<b>\u202e\n|x"
	e := classify.Difference{ID: nasty, Flow: nasty, Host: nasty, Old: nasty, New: nasty, Severity: nasty, Summary: nasty, Reason: nasty}
	d := &classify.Diff{Changes: []string{nasty}, Limits: []string{nasty}, Added: []classify.Difference{e}, Fixed: []classify.Difference{e, e}}
	d.Old.File, d.Old.Verdict, d.Old.CoveredFrom, d.Old.CoveredLast = nasty, nasty, strings.Repeat(nasty, 9), nasty
	var b bytes.Buffer
	if err := Diff(&b, d, "table", Look{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u202e") || strings.Contains(b.String(), "\n|x") {
		t.Errorf("hostile text passes: %q", b.String())
	}
}
