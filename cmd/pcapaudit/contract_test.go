package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pcapaudit/rules"
)

// packKeys are the objects of `rules show PACK --format json`, each with all its keys in order. The keys of source_ranges are names of systems.
var packKeys = map[string]string{
	"":            "name kind title product_version documents source_ranges roles conditions flows",
	".documents":  "id title date file",
	".roles":      "name title addresses names",
	".conditions": "name title default",
	".flows": "id title from to originator proto ports ports_mode paired_with icmp_types announced_by source_ports reply need occurrence condition scope " +
		"satisfied_by proxy configurable encryption encryption_protocols reference cite note",
	".flows.cite": "document lines section",
}

func TestRulesShowFollowsTheContract(t *testing.T) {
	packs := rules.Builtin()
	if len(packs) < 10 {
		t.Fatalf("%d packs are embedded, want 10 or more", len(packs))
	}
	for _, b := range packs {
		text := output(t, exitClean, "rules", "show", b.Name, "--format", "json")
		checkKeys(t, b.Name, text, packKeys)
	}
}

// auditKeys are the objects at the top of the audit JSON; the rest is covered by its own type.
var auditKeys = map[string]string{
	"": "schema tool invocation result inputs packs site period packet_ledger connection_ledger coverage totals kinds baseline flows findings findings_overflow expectations " +
		"out_of_scope unverified encryption observations timeline matrix source_ports exceptions warnings ledger_residuals",
	".tool":              "name version",
	".result":            "verdict text code reasons look_at basis",
	".findings.orig":     "host ip roles",
	".findings.evidence": "id file packet time last orig resp told",
	".totals":            "verdict connections packets bytes",
	".encryption":        "verified not_verified documented_cleartext client_certificates",
	".expectations.open": "host status reason cause decides",
	".inputs":            "name format compression size read unread sha256 packets first last state detail application os interfaces warnings",
}

// evidenceKeys are those that --evidence adds.
var evidenceKeys = map[string]string{
	".evidence_file": "file sha256 mode packets_per_connection passes packets connections limited shortened lost left_out",
}

func TestAuditJSONFollowsTheContract(t *testing.T) {
	t.Chdir("../../testdata")
	args := []string{"audit", "--site", "sites/acronis.yaml", "--format", "json", "captures/acronis-deviating.pcapng"}
	text := output(t, exitDeviations, args...)
	checkKeys(t, "audit", text, auditKeys)
	if again := output(t, exitDeviations, args...); !bytes.Equal(text, again) {
		t.Error("two audits of the same inputs differ")
	}
	checkKeys(t, "audit --evidence", output(t, exitDeviations, append(args, "--evidence", filepath.Join(t.TempDir(), "e.pcapng"))...), evidenceKeys)
}

// output runs a command line and gives its standard output.
func output(t *testing.T, code int, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(args, nil, &out, &errs); got != code {
		t.Fatalf("pcapaudit %v exits with %d, want %d: %s", args, got, code, errs.String())
	}
	return out.Bytes()
}

// checkKeys holds every object at a path of want against its keys, and refuses null. Objects at other paths may have any keys.
func checkKeys(t *testing.T, name string, text []byte, want map[string]string) {
	t.Helper()
	seen := map[string]bool{}
	var walk func(path string, d *json.Decoder)
	walk = func(path string, d *json.Decoder) {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch token {
		case nil:
			t.Errorf("%s: null at %s", name, path)
		case json.Delim('['):
			for d.More() {
				walk(path, d)
			}
			d.Token()
		case json.Delim('{'):
			var keys []string
			for d.More() {
				key, _ := d.Token()
				keys = append(keys, fmt.Sprint(key))
				walk(path+"."+fmt.Sprint(key), d)
			}
			d.Token()
			if list, known := want[path]; known && strings.Join(keys, " ") != list {
				t.Errorf("%s: keys at %q\n got %s\nwant %s", name, path, strings.Join(keys, " "), list)
			}
			seen[path] = true
		}
	}
	walk("", json.NewDecoder(bytes.NewReader(text)))
	for path := range want {
		if !seen[path] && path != ".conditions" {
			t.Errorf("%s: no object at %q", name, path)
		}
	}
}
