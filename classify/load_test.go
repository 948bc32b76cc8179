package classify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func encoded(t testing.TB, a *Audit) []byte {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// auditOf judges n random connections; input names the capture.
func auditOf(t testing.TB, n int, seed uint64, input string) *Audit {
	t.Helper()
	list := randomConns(t, n, seed)
	a := New(set(t, testSite, testPack), Options{Tool: Tool{Name: "pcapaudit", Version: "test"}, Invocation: &Invocation{Captures: []string{input}}})
	for _, c := range list {
		a.Observe(c)
	}
	facts := captureOf(list)
	facts.Inputs[0].Name, facts.Inputs[0].SHA256 = input, strings.Repeat(fmt.Sprintf("%02x", seed), 32)
	out, err := a.Finish(facts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLoadGivesTheSameAudit(t *testing.T) {
	want := encoded(t, auditOf(t, 3000, 5, "a.pcap"))
	a, sum, err := Load(bytes.NewReader(want))
	if err != nil || len(sum) != 64 {
		t.Fatalf("%v, sha256 %q", err, sum)
	}
	if got := encoded(t, a); reencodes(got) != reencodes(want) {
		t.Error("an audit that was read is written otherwise")
	}
}

// reencodes reads null and [] as the same, which the JSON writer's lists never differ in.
func reencodes(b []byte) string { return strings.ReplaceAll(string(b), "null", "[]") }

const minimal = `{"schema":"pcapaudit.audit/1","tool":{"name":"pcapaudit","version":"0"},"result":{"verdict":"clean","code":0}`

func TestLoadRefuses(t *testing.T) {
	wide := strings.Repeat("0,", maxAuditList) + "0"
	for _, c := range []struct{ name, text, want string }{
		{"empty", ``, "not JSON: unexpected EOF"},
		{"no object", `[]`, "does not begin with an object"},
		{"cut", minimal, "not JSON: unexpected EOF"},
		{"more behind it", minimal + `}{}`, "something follows its end"},
		{"not UTF-8", "{\"schema\":\"\xff\"}", "not JSON in UTF-8"},
		{"another thing", `{"schema":"x"}`, `its schema is "x"`},
		{"version 0", `{"schema":"pcapaudit.audit/0"}`, "not an audit"},
		{"a huge version", `{"schema":"pcapaudit.audit/99999999999999999999"}`, "not an audit"},
		{"a key twice", minimal + `,"result":{}}`, `the key "result" is given twice`},
		{"a key in capitals", minimal + `,"Findings":[]}`, `the key "Findings" is given twice, or is none`},
		{"an unknown key", minimal + `,"more":1}`, `unknown field "more"`},
		{"another type", minimal + `,"findings":{}}`, "cannot unmarshal object"},
		{"too deep", minimal + `,"findings":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "more than 16 levels"},
		{"too wide", minimal + `,"warnings":[` + wide + `]}`, "a list of more than"},
		{"a result that is none", `{"schema":"pcapaudit.audit/1","result":{"verdict":"clean","code":1}}`, "its result is"},
		{"an id that is none", minimal + `,"findings":[{"id":"x"}]}`, "a finding has the id"},
		{"too long a timeline", minimal + `,"timeline":{"buckets":[` + strings.Repeat("{},", maxBuckets) + `{}]}}`, "its timeline is too long"},
	} {
		_, _, err := Load(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, _, err := Load(strings.NewReader(`{"schema":"pcapaudit.audit/2"}`)); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("a newer schema: %v", err)
	}
}

func TestLoadOlderAuditHasNoNil(t *testing.T) {
	a, _, err := Load(strings.NewReader(minimal + `,"findings":[{"id":"0123456789abcdef"}],"expectations":[{"flow":"f"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(encoded(t, a)); strings.Contains(text, "null") && !strings.Contains(text, `"site":null`) || strings.Count(text, "null") > 1 {
		t.Errorf("null in %s", text)
	}
}

// FuzzLoad: whatever is read can be written and read again to the same bytes, and everything that works on audits works on it.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal + `,"findings":[{"id":"0123456789abcdef","kind":"connection","verdict":"unexpected","why":["wrong-roles"],"decides":true,"summary":"a tried tcp/1 on b: refused","orig":{"host":"a"},"resp":{"ip":"10.0.0.1"},"proto":"tcp","port":"1","outcomes":[{"outcome":"refused","connections":2}],"source_ports":"5-7","evidence":[{"id":"0:17"}]}]}`))
	f.Add([]byte(minimal + `}`))
	f.Add([]byte(minimal + `,"findings":[{"id":"0123456789abcdef","kind":"question","service":"icmp type 8 ..."}]}`))
	f.Add([]byte(minimal + `,"timeline":{"from":"2026-01-02T03:00:00Z","bucket_seconds":1e300,"buckets":[{}]},"period":{"covered_from":"x"}}`))
	f.Add([]byte(minimal + `,"expectations":[{"flow":"p/f","hosts":9,"open":[{"host":"h","status":"odd"}],"observed":["h"]}]}`))
	other := auditOf(f, 5, 6, "b.pcap")
	f.Fuzz(func(t *testing.T, data []byte) {
		a, _, err := Load(bytes.NewReader(data))
		if err != nil {
			return
		}
		text := encoded(t, a)
		again, _, err := Load(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !bytes.Equal(encoded(t, again), text) {
			t.Error("written twice it differs")
		}
		Groups(a.Findings)
		if d := Compare(a, again); len(d.Added) > 0 || len(d.Fixed) > 0 {
			t.Errorf("an audit differs from itself: %d new, %d fixed", len(d.Added), len(d.Fixed))
		}
		again.Mark(a, "old.json", "")
		for i := range a.Findings {
			_, _ = ExceptionStanza(&a.Findings[i])
		}
		if c, err := Combine([]Source{{"a", "1", a}, {"b", "2", other}}, Tool{}); err == nil {
			encoded(t, c)
		}
		again.Packs, again.Site = other.Packs, other.Site
		if c, err := Combine([]Source{{"a", "1", again}, {"b", "2", other}}, Tool{}); err == nil && c.Result.Verdict == "clean" && again.Result.Basis.wrong() != nil {
			t.Error("what deviates in a part does not in the whole")
		}
	})
}
