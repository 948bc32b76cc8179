package classify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
)

func testPseudonyms(key byte) (*Pseudonyms, *capture.Pseudonyms) {
	p := capture.NewPseudonyms([32]byte{key, 9})
	return &Pseudonyms{Key: p.Fingerprint(), Address: p.Address, Reverse: p.Reverse, Token: p.Token, Digest: p.Digest, Seal: p.Seal, Open: p.Open}, p
}

// TestEveryStringIsDecided fails where an audit or a judgement gains a string of which nobody has said what becomes of it.
func TestEveryStringIsDecided(t *testing.T) {
	found := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(v reflect.Type) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(v.Elem())
		case reflect.Map, reflect.Interface, reflect.Array:
			t.Errorf("%v: replacer does not walk it", v)
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Field(i)
				if f.Type.Kind() != reflect.String && (f.Type.Kind() != reflect.Slice || f.Type.Elem().Kind() != reflect.String) {
					walk(f.Type)
					continue
				}
				key := v.Name() + "." + f.Name
				found[key] = true
				if treatments[key] == undecided {
					t.Errorf("%s: say in treatments what becomes of it in an audit with pseudonyms", key)
				}
			}
		}
	}
	walk(reflect.TypeFor[Audit]())
	walk(reflect.TypeFor[Judgement]())
	for key := range treatments {
		if !found[key] {
			t.Errorf("%s is in treatments and in no audit", key)
		}
	}
}

// TestNothingStays fills every string that is not kept with a name of its own and finds none of them again.
func TestNothingStays(t *testing.T) {
	p, _ := testPseudonyms(1)
	a, n := &Audit{}, 0
	var fill func(reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		case reflect.Slice:
			if v.Len() > 0 {
				return
			}
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0))
			fill(v.Index(1))
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Field(i)
				switch treatments[v.Type().Name()+"."+v.Type().Field(i).Name] {
				case keep:
				case asAddress:
					n++
					setStrings(f, fmt.Sprintf("172.16.%d.1", n%250))
				default:
					n++
					setStrings(f, fmt.Sprintf("secret%d the Secret%d.example/secret%d (10.8.%d.1, 2001:db8:8:%x::1)", n, n, n, n%250, n))
				}
				fill(f)
			}
		}
	}
	fill(reflect.ValueOf(a).Elem())
	a.Pseudonyms = nil
	out, err := p.Pseudonymise(a)
	if err != nil {
		t.Fatal(err)
	}
	out.Pseudonyms = nil
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if left := regexp.MustCompile(`.*(?i:secret|172\.16\.|10\.8\.|2001:db8:8).*`).FindAll(text, 5); left != nil {
		t.Errorf("%q", left)
	}
}

// setStrings sets a string, or makes a list of one.
func setStrings(v reflect.Value, s string) {
	switch {
	case v.Kind() == reflect.String:
		v.SetString(s)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		v.Set(reflect.ValueOf([]string{s}))
	}
}

func BenchmarkPseudonymise(b *testing.B) {
	p, _ := testPseudonyms(1)
	a := nameless()
	first := a.Findings[0]
	a.Findings = nil
	for i := range 10_000 {
		f := first
		f.ID, f.Orig.Host, f.Orig.IP = fmt.Sprintf("%016x", i), fmt.Sprintf("pc-%d", i), fmt.Sprintf("10.9.%d.%d", i/250, i%250)
		f.Summary = f.Orig.Host + " opened tcp/22 on mainframe-7"
		a.Findings = append(a.Findings, f)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Pseudonymise(a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPseudonymsOfConnections(b *testing.B) {
	p, _ := testPseudonyms(1)
	l := p.Listing()
	c := &flow.Conn{Proto: flow.TCP, Orig: netip.MustParseAddrPort("10.9.0.7:1025"), Resp: netip.MustParseAddrPort("10.9.0.8:22"), Facts: []flow.Fact{{Kind: flow.FactName, Value: "gold.secret.example"}}}
	j := &Judgement{Verdict: "documented", Flow: "configmgr-2012/client-https-management-point", Names: []string{"gold.secret.example"}}
	b.ReportAllocs()
	for b.Loop() {
		l.Connection(c, j)
	}
}

// nameless is an audit with names where audits have them: hosts that are called as the sentences' own words are among them.
func nameless() *Audit {
	f := func(id, orig, resp, summary, reason, look string) Finding {
		return Finding{ID: id, Kind: kindConnection, Severity: "high", Verdict: "unexpected", Why: []string{"undocumented-service"}, Decides: true, Service: "tcp/22", Connections: 1,
			Orig: EndRef{Host: orig, IP: "10.9.0.7", Roles: []string{"configmgr-2012/client", "local/zeta"}}, Resp: EndRef{Host: resp, IP: "2001:db8:9::1", Roles: []string{}, Name: "Gold.Secret.example"},
			Summary: summary, Reason: reason, Look: look, Hosts: []string{}, Cite: []string{}, Outcomes: []OutcomeCount{}, Evidence: []Evidence{{ID: "0:1", File: "/home/klaus/bank.pcap", Orig: "10.9.0.7:1025", Resp: "[2001:db8:9::1]:22"}}}
	}
	return &Audit{
		Schema: Schema, Tool: Tool{Name: "pcapaudit", Version: "0.1.0"}, Result: Result{Verdict: "deviations", Code: codeDeviations, Reasons: []string{}},
		Invocation: &Invocation{Captures: []string{"/home/klaus"}, Rules: []string{"configmgr-2012", "bank.yaml"}, Nets: []string{"10.9.0.0/16"}, Hosts: []string{"10.9.0.7"}, Since: "2026-11-22"},
		Inputs:     []Input{{Name: "/home/klaus/bank.pcap", SHA256: strings.Repeat("ab", 32), OS: "Linux mainframe-7", Interfaces: []Interface{{Name: "bank0", Filter: "host mainframe-7 and port 22 or net 10.9.0.0/16"}}}},
		Packs:      []PackRef{{Name: "configmgr-2012", Title: "System Center 2012 Configuration Manager", Kind: "vendor"}, {Name: "bankpack", Title: "What Klaus wrote", Kind: "vendor", SHA256: strings.Repeat("cd", 32), File: "bank.yaml"}},
		Site:       &SiteRef{Name: "bank", File: "klaus.yaml", SHA256: strings.Repeat("ef", 32)},
		Findings: []Finding{
			f("0123456789abcdef", "site", "mainframe-7", "site opened tcp/22 on mainframe-7", "10.9.0.7 and 2001:db8:9::1 are no hosts of the site file; excepted by X-9 (klaus said so), approved by Klaus until 2027-01-01",
				"find out which program on mainframe-7 listens there, and which on site uses it"),
			f("fedcba9876543210", "console", "people 10.9.0.7", "console calls people 10.9.0.7 (x) gold.secret.example (TLS server name), DNS told it vault.unheard.example", "no host of the site holds console",
				"the capture shows no two-way traffic between the networks of console and of console"),
		},
		Exceptions: []ExceptionUse{{ID: "X-9", Ticket: "CHG-77", Owner: "Klaus", Approver: "Klaus", Reason: "klaus said so", Until: "2027-01-01"}},
		Warnings:   []string{`klaus.yaml:3:1: exception "X-9" is from any to any; name at least one end`, "passed over /home/klaus/notes: no capture"},
		Expectations: []Expectation{{Flow: "configmgr-2012/client-https-management-point", Title: "Client uses the management point over HTTPS", From: []string{"client"}, Observed: []string{"site", "mainframe-7"}},
			{Flow: "local/backup-of-bank", Title: "Backup of the bank", From: []string{"console"}, To: []string{"configmgr-2012/client"}}},
	}
}

func TestPseudonymise(t *testing.T) {
	p, keys := testPseudonyms(1)
	a := nameless()
	before, _ := json.Marshal(a)
	out, err := p.Pseudonymise(a)
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := json.Marshal(a); string(after) != string(before) {
		t.Error("the audit itself was changed")
	}
	again, _ := p.Pseudonymise(nameless())
	text, _ := json.MarshalIndent(out, "", " ")
	if other, _ := json.MarshalIndent(again, "", " "); string(other) != string(text) {
		t.Error("two runs differ")
	}
	for _, leak := range []string{"10.9.0", "2001:db8:9", "mainframe", "klaus", "bank", "gold", "unheard", "X-9", "CHG-77", "zeta", "0123456789abcdef", "abab", "cdcd", "efef"} {
		if strings.Contains(strings.ToLower(string(text)), strings.ToLower(leak)) {
			t.Errorf("%s is in it:\n%s", leak, text)
		}
	}
	first := slices.IndexFunc(out.Findings, func(f Finding) bool { return f.ID == p.findingID("0123456789abcdef") })
	f, g := &out.Findings[first], &out.Findings[1-first]
	site, console, mainframe, addr := keys.Name("site"), keys.Name("console"), keys.Name("mainframe-7"), keys.Address(netip.MustParseAddr("10.9.0.7")).String()
	for _, c := range []struct{ got, want string }{
		{f.Summary, site + " opened tcp/22 on " + mainframe},
		{f.Reason, addr + " and " + keys.Address(netip.MustParseAddr("2001:db8:9::1")).String() + " are no hosts of the site file; excepted by " + p.Token("exception", "X-9") +
			" (" + p.Token("text", "klaus said so") + "), approved by " + p.Token("person", "Klaus") + " until 2027-01-01"},
		{f.Look, "find out which program on " + mainframe + " listens there, and which on " + site + " uses it"},
		{f.Resp.Name, keys.Name("gold.secret.example")},
		{g.Summary, console + " calls " + keys.Name("people") + " " + addr + " (" + keys.Name("x") + ") " + keys.Name("gold.secret.example") + " (TLS server name), DNS told it " + keys.Name("vault.unheard.example")},
		{g.Reason, "no host of the site holds console"},
		{g.Look, "the capture shows no two-way traffic between the networks of " + console + " and of console"},
		{out.Inputs[0].Interfaces[0].Filter, "host " + mainframe + " and port 22 or net " + keys.Prefix(netip.MustParsePrefix("10.9.0.0/16")).String()},
		{out.Warnings[0], p.Token("file", "klaus.yaml") + `:3:1: exception "` + p.Token("exception", "X-9") + `" is from any to any; name at least one end`},
		{out.Expectations[0].Flow + out.Expectations[0].Title + out.Expectations[0].From[0], "configmgr-2012/client-https-management-pointClient uses the management point over HTTPSclient"},
		{out.Expectations[1].From[0], console},
		{out.Expectations[1].To[0], "configmgr-2012/client"},
		{out.Packs[0].Name + out.Packs[0].Title, "configmgr-2012System Center 2012 Configuration Manager"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	if !slices.IsSorted(out.Expectations[0].Observed) {
		t.Error("the order of hosts is that of their names")
	}
	if _, err := p.Pseudonymise(out); !errors.Is(err, ErrPseudonymised) {
		t.Errorf("a second time: %v", err)
	}
}

func TestPseudonymsLeadBack(t *testing.T) {
	p, _ := testPseudonyms(1)
	a := nameless()
	out, err := p.Pseudonymise(a)
	if err != nil {
		t.Fatal(err)
	}
	names, err := p.Names(out)
	if err != nil || names[out.Site.Name] != "bank" || names[out.Exceptions[0].Owner] != "Klaus" || names[out.Inputs[0].SHA256] != a.Inputs[0].SHA256 {
		t.Errorf("names %v, %v", names, err)
	}
	back, err := p.Sources(out)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Invocation, a.Invocation) || !reflect.DeepEqual(back.Site, a.Site) || !reflect.DeepEqual(back.Packs, a.Packs) ||
		back.Inputs[0].Name != a.Inputs[0].Name || back.Inputs[0].SHA256 != a.Inputs[0].SHA256 || back.Warnings[1] != a.Warnings[1] {
		t.Errorf("%+v, %+v, %q", back.Invocation, back.Site, back.Warnings)
	}
	if out.Site.Name == "bank" {
		t.Error("leading back has changed the audit")
	}
	other, _ := testPseudonyms(2)
	if _, err := other.Sources(out); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	out.Pseudonyms.Sealed[0] = "AAAA"
	if _, err := p.Names(out); err == nil {
		t.Error("a changed list of names opens")
	}
}

// The comparison of audits does not depend on their names.
func TestPseudonymsCompare(t *testing.T) {
	p, _ := testPseudonyms(1)
	old, now := nameless(), nameless()
	old.Findings = old.Findings[:1]
	hiddenOld, _ := p.Pseudonymise(old)
	hiddenNow, _ := p.Pseudonymise(now)
	if d := Compare(hiddenOld, hiddenNow); len(d.Added) != 1 || len(d.Unchanged) != 1 || len(d.Fixed) != 0 {
		t.Errorf("%d new, %d unchanged, %d fixed", len(d.Added), len(d.Unchanged), len(d.Fixed))
	}
	if err := p.Mark(now, hiddenOld, "old.json", "00"); err != nil || now.Findings[0].Standing != "known" || now.Findings[1].Standing != "new" || now.Compared.File != "old.json" {
		t.Errorf("%q, %q, %v", now.Findings[0].Standing, now.Findings[1].Standing, err)
	}
	other, _ := testPseudonyms(2)
	if err := other.Mark(now, hiddenOld, "old.json", "00"); !errors.Is(err, ErrOtherKey) {
		t.Error(err)
	}
	if SameNames(old, now) != nil || SameNames(hiddenOld, hiddenNow) != nil || SameNames(old, hiddenNow) == nil {
		t.Error("SameNames")
	}
}

func TestPseudonymsOfConnections(t *testing.T) {
	p, keys := testPseudonyms(1)
	c := &flow.Conn{Proto: flow.TCP, Orig: netip.MustParseAddrPort("10.9.0.7:1025"), Resp: netip.MustParseAddrPort("[2001:db8:9::1]:22"), Interface: "bank0",
		Facts: []flow.Fact{{Kind: flow.FactProtocol, Value: "tls"}, {Kind: flow.FactName, Value: "gold.secret.example"}}, ICMPErrorBy: netip.MustParseAddr("10.9.0.1")}
	j := &Judgement{Verdict: "documented", Flow: "local/backup-of-bank", SharedWith: []string{"configmgr-2012/client-https-management-point"}, Names: []string{"gold.secret.example"}, Exception: "X-9"}
	shown, judged := p.Listing().Connection(c, j)
	if shown.Orig.Addr() != keys.Address(c.Orig.Addr()) || shown.Orig.Port() != 1025 || shown.Facts[0].Value != "tls" || shown.Facts[1].Value != keys.Name("gold.secret.example") ||
		strings.Contains(shown.Interface, "bank") || shown.ICMPErrorBy == c.ICMPErrorBy {
		t.Errorf("%+v", shown)
	}
	if judged.Flow != "local/"+p.Token("flow", "local/backup-of-bank") || judged.SharedWith[0] != j.SharedWith[0] || judged.Names[0] != shown.Facts[1].Value || judged.Exception == "X-9" {
		t.Errorf("%+v", judged)
	}
	if c.Facts[1].Value != "gold.secret.example" || j.Names[0] != "gold.secret.example" {
		t.Error("the connection itself was changed")
	}
}

func TestPseudonymsInText(t *testing.T) {
	p, keys := testPseudonyms(1)
	r := newReplacer(p)
	for _, n := range []string{"db", "db-1", "Old Server", "<b>x</b>"} {
		r.name(n)
	}
	r.order()
	a := func(s string) string { return keys.Address(netip.MustParseAddr(s)).String() }
	for in, want := range map[string]string{
		"":                     "",
		"db-1 opened tcp/22":   keys.Name("db-1") + " opened tcp/22",
		"on db-1.":             "on " + keys.Name("db-1") + ".",
		"on db-1.corp.example": "on " + keys.Name("db-1.corp.example"),
		"on db-12":             "on " + keys.Name("db-12"),
		"on (db)":              "on (" + keys.Name("db") + ")",
		"of Old Server, and":   "of " + keys.Name("Old Server") + ", and",
		"on <b>x</b> there":    "on " + keys.Name("<b>x</b>") + " there",
		"10.9.0.7:445 and [2001:db8:9::1]:53, 10.9.0.0/16": a("10.9.0.7") + ":445 and [" + a("2001:db8:9::1") + "]:53, " + keys.Prefix(netip.MustParsePrefix("10.9.0.0/16")).String(),
		"10.9.0.7-10.9.0.9":      a("10.9.0.7") + "-" + a("10.9.0.9"),
		"::1, fe80::, 127.0.0.1": "::1, " + a("fe80::") + ", 127.0.0.1",
		"from 00:11:22:33:44:55": "from " + keys.Name("00:11:22:33:44:55"),
		"2026-11-22T01:02:03Z, 1.50 %, 12 packets, 3 of 5, tcp/80-90,443, icmp": "2026-11-22T01:02:03Z, 1.50 %, 12 packets, 3 of 5, tcp/80-90,443, icmp",
		`C:\users\klaus and klaus@bank.example`:                                 keys.Name(`C:\users\klaus`) + " and " + keys.Name("klaus@bank.example"),
		"on 10.9.0.7.corp.example":                                              "on " + keys.Name("10.9.0.7.corp.example"),
	} {
		if got := r.text(in, packVocabulary()); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func FuzzPseudonymText(f *testing.F) {
	f.Add("zq7 opened tcp/22 on 10.9.0.7 (no host of the site)")
	f.Add("::zq7::10.9.0.7//\"zq7\"'zq7'")
	p, _ := testPseudonyms(1)
	f.Fuzz(func(t *testing.T, s string) {
		r := newReplacer(p)
		r.name("zq7 klaus")
		r.order()
		r.text(s+" zq7 klaus "+s, packVocabulary())
		if out := r.text(s+" zq7 klaus at 10.9.0.7 and zq7", packVocabulary()); strings.Contains(out[min(len(out), len(s)):], "zq7 klaus") {
			t.Errorf("%q became %q", s, out)
		}
	})
}
