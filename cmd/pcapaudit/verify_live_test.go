package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"pcapaudit/classify"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// TestRulesThatHeldBefore holds that verify says which packs and sites of a live audit it did not see, and takes those that are given.
func TestRulesThatHeldBefore(t *testing.T) {
	pack := func(sum string) []classify.PackRef { return []classify.PackRef{{Name: "bench", SHA256: sum}} }
	site := func(sum, list string) *classify.SiteRef {
		return &classify.SiteRef{File: "site.yaml", SHA256: sum, Inventories: []classify.InventoryRef{{File: "hosts.csv", SHA256: list}}}
	}
	a := &classify.Audit{Packs: pack("p3"), Site: site("s2", "h2"), Rules: []classify.RulesHeld{
		{Until: "T1", Packs: pack("p1"), Site: site("s1", "h1")}, {Until: "T2", Packs: pack("p2"), Site: site("s1", "h2")}, {Until: "T3", Packs: pack("p1"), Site: site("s2", "h2")}, {Until: "T4", Packs: pack("p3"), Site: site("s2", "h2")}}}
	v := &verification{audit: a, given: []givenFile{{path: "old/pack.yaml", sum: "p2", named: true}, {path: "other", sum: "x", named: true}}}
	v.heldBefore()
	want := `pack       bench, in force until T1, was not checked: give the file of then, sha256 p1
site       site.yaml, in force until T1, was not checked: give the file of then, sha256 s1
inventory  hosts.csv, in force until T1, was not checked: give the file of then, sha256 h1
pack       bench, in force until T2, holds, as old/pack.yaml`
	if got := strings.Join(v.lines, "\n"); got != want || !v.given[0].used || v.given[1].used || v.doubts() != 0 {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	a.Rules = nil
	for i := range 100 {
		a.Rules = append(a.Rules, classify.RulesHeld{Packs: pack(fmt.Sprint("q", i))})
	}
	v = &verification{audit: a}
	if v.heldBefore(); len(v.lines) > maxHeldTold+2 || !strings.HasSuffix(v.lines[len(v.lines)-1], "more packs and sites that were in force earlier") {
		t.Errorf("%d lines, the last %q", len(v.lines), v.lines[len(v.lines)-1])
	}
}

// liveAudits writes two periods of a live audit in which nothing passed, and gives the directory.
func liveAudits(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	set, problems := rules.Compile(nil, nil)
	if rules.Failed(problems) {
		t.Fatal(problems)
	}
	format, err := reports.ByName("json")
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"one.json", "two.json"} {
		from := time.Date(2026, 1, 2, i, 0, 0, 0, time.UTC).UnixNano()
		a, err := classify.New(set, classify.Options{Tool: thisTool, Invocation: &classify.Invocation{}}).Finish(classify.Capture{First: from, Last: from + int64(time.Hour),
			Inputs: []classify.Input{{Name: "eth0", Format: classify.LiveFormat, State: "clean", Machine: "m"}}, Live: []classify.LiveInterface{{Name: "eth0", Monitored: int64(time.Hour)}}})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := format.Write(&text, a, reports.Look{}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// newSigner makes a key, and the list of signers that has it as me@example.org.
func newSigner(t *testing.T, key, signers string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	known, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{key: pem.EncodeToMemory(block), signers: append([]byte("me@example.org "), ssh.MarshalAuthorizedKey(known)...)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingVouchesForWhatPassed holds that an audit of packets that nobody kept, or one made of such, is never verified but by a signature on it, however it is asked.
func TestNothingVouchesForWhatPassed(t *testing.T) {
	t.Chdir(liveAudits(t))
	newSigner(t, "key", "signers")
	const none, rendered = "NOT VERIFIED: nothing vouches for this ", "NOT VERIFIED: nothing vouches for this live audit itself (live --sign): what is signed is reports made of it, by me@example.org"
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"report", "one.json", "--report", "signed.json", "--sign", "key"}, 0, ""},
		{[]string{"report", "one.json", "--report", "one.html", "--sign", "key"}, 0, ""},
		{[]string{"combine", "one.json", "two.json", "--report", "both.json"}, exitInconclusive, ""},
		{[]string{"combine", "one.json", "two.json", "--report", "sealed.json", "--sign", "key"}, exitInconclusive, ""},

		{[]string{"verify", "one.json"}, exitDeviations, none + "live audit"},
		{[]string{"verify", "--quick", "one.json"}, exitDeviations, none + "live audit"},
		{[]string{"verify", "signed.json"}, exitDeviations, none + "live audit"},
		{[]string{"verify", "--quick", "--allowed-signers", "signers", "signed.json"}, 0, "HOLDS: signed by me@example.org"},
		{[]string{"verify", "--allowed-signers", "signers", "signed.json"}, 0, "HOLDS: signed by me@example.org"},

		{[]string{"verify", "both.json"}, exitDeviations, "made again: the same bytes\n" + none + "audit, which has live parts"},
		{[]string{"verify", "--quick", "both.json"}, exitDeviations, none + "audit, which has live parts"},
		{[]string{"verify", "sealed.json"}, exitDeviations, none + "audit, which has live parts"},
		{[]string{"verify", "--allowed-signers", "signers", "sealed.json"}, 0, "made again: the same bytes\nHOLDS: signed by me@example.org"},

		{[]string{"verify", "--allowed-signers", "signers", "--signature", "one.html.manifest.json.sig", "one.json"}, exitDeviations, rendered},
		{[]string{"verify", "--allowed-signers", "signers", "--signature", "sealed.json.manifest.json.sig", "one.json"}, exitDeviations, rendered},
	} {
		var out, said bytes.Buffer
		if code := run(c.args, nil, &out, &said); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: exit code %d, want %d, and %q\n%s%s", c.args, code, c.code, c.want, out.String(), said.String())
		}
	}
}

// TestEditedLiveAudits: whatever an unsigned audit says of its own inputs, its parts that were live are not vouched for by their hashes, and an audit of no input is none.
func TestEditedLiveAudits(t *testing.T) {
	t.Chdir(liveAudits(t))
	run([]string{"combine", "one.json", "two.json", "--report", "both.json"}, nil, new(bytes.Buffer), new(bytes.Buffer))
	const noInput = "inputs     none: the audit rests on no input\n"
	for _, c := range []struct {
		name   string
		change func(*classify.Audit)
		want   string
	}{
		{"both.json", func(a *classify.Audit) { a.Inputs[0].Format = "pcap" }, "NOT VERIFIED: nothing vouches for this audit, which has live parts"},
		{"both.json", func(a *classify.Audit) { a.Inputs = nil }, noInput},
		{"both.json", func(a *classify.Audit) { a.Inputs = []classify.Input{} }, noInput},
		{"one.json", func(a *classify.Audit) { a.Inputs = nil }, noInput},
		{"one.json", func(a *classify.Audit) { a.Inputs = []classify.Input{} }, noInput},
		{"one.json", func(a *classify.Audit) { a.Inputs[0].Format = "pcap" }, "was not hashed"},
	} {
		a, _, err := loadAudit(c.name)
		if err != nil {
			t.Fatal(err)
		}
		c.change(a)
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("edited.json", data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"verify", "edited.json"}, {"verify", "--quick", "edited.json"}} {
			var out, said bytes.Buffer
			code := run(args, nil, &out, &said)
			differs := len(args) == 2 && strings.Contains(out.String(), "made again: ") // without --quick
			if code != exitDeviations || !strings.Contains(out.String(), c.want) && !differs || !strings.Contains(out.String(), "NOT VERIFIED") {
				t.Errorf("%v, %s: exit code %d, want %q\n%s%s", args, c.name, code, c.want, out.String(), said.String())
			}
		}
	}
}
