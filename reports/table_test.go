package reports

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"pcapaudit/classify"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sampleAudit is a small audit with one of everything.
func sampleAudit() *classify.Audit {
	finding := func(id, severity, verdict, why, service, orig, resp string, decides bool) classify.Finding {
		return classify.Finding{ID: id, Kind: "connection", Severity: severity, Verdict: verdict, Why: []string{why}, Summary: service + ": " + orig + " -> " + resp,
			Reason: "no documented flow joins these roles on this port", Nearest: "tcp/9877: acronis-abr-11.5/agent-registers documents tcp/9876 between these roles",
			Look: "ask the owner of " + orig, Decides: decides, Orig: classify.EndRef{Host: orig, IP: "10.0.0.1"}, Resp: classify.EndRef{IP: resp}, Service: service, Connections: 3, Bytes: 4096,
			Outcomes: []classify.OutcomeCount{{Outcome: "established", Connections: 3}}, First: "2026-01-02T03:04:05.000006000Z",
			Evidence: []classify.Evidence{{ID: "0:17", File: "window.pcapng", Packet: 17, Time: "2026-01-02T03:04:05.000006000Z", Orig: "10.0.0.1:50000", Resp: resp + ":88"}}}
	}
	a := &classify.Audit{
		Schema: classify.Schema, Tool: classify.Tool{Name: "pcapaudit", Version: "test"},
		Result: classify.Result{Verdict: "deviations", Text: "traffic deviates from the documents", Code: 1, Reasons: []string{"12 connections are unexpected", "1 required flow is missing"},
			LookAt: []string{"srv-17 never opened tcp/9876 to a management-server", "tcp/88 to 2 unlisted responders"}},
		Inputs: []classify.Input{{Name: "window.pcapng", Format: "pcapng", Size: 123456, Read: 123456, SHA256: strings.Repeat("ab", 32), Packets: 1204, State: "clean"}},
		Packs:  []classify.PackRef{{Name: "acronis-abr-11.5", Kind: "vendor", SHA256: strings.Repeat("cd", 32), Flows: 29}, {Name: "dns-ntp-dhcp", Kind: "baseline", Flows: 5}},
		Site:   &classify.SiteRef{Name: "plant", File: "site.yaml", SHA256: strings.Repeat("ef", 32), Hosts: 9},
		Period: classify.Period{CoveredFrom: "2026-01-02T03:04:05.000006000Z", CoveredLast: "2026-01-02T04:04:05.000006000Z"},
		Packets: classify.PacketLedger{Read: 1204, Bytes: 123456, Classes: []classify.Count{{Name: "decoded", Packets: 1200}, {Name: "non-ip", Packets: 4}},
			Detail: []classify.Count{{Name: "non-ip 0x0806", Packets: 4}}},
		Connections: classify.ConnLedger{Created: 50, Emitted: 50},
		Coverage:    classify.Coverage{LossBound: 1, TCPBoth: 40, TCPOneSided: 2, CannotShow: []string{"what the capture point did not see"}},
		Totals:      []classify.Total{{Verdict: "documented", Connections: 38, Packets: 900, Bytes: 100000}, {Verdict: "unexpected", Connections: 12, Packets: 300, Bytes: 20000}},
		Baseline:    []classify.FlowTotal{{Flow: "dns-ntp-dhcp/dns-udp", Service: "udp/53", Connections: 9, Bytes: 900, OrigHosts: 3, RespHosts: 1}},
		OutOfScope:  []classify.ReasonTotal{{Reason: "link-control", Connections: 2, Bytes: 200}},
		Unverified:  []classify.ReasonTotal{{Reason: "encryption", Connections: 30, Bytes: 90000}},
		Expectations: []classify.Expectation{
			{Flow: "acronis-abr-11.5/agent-registers", Service: "tcp/9876", Need: "required", Occurrence: "periodic", Hosts: 600, Summary: "584 of 600 observed, 9 missing, 4 silent, 3 not testable",
				Statuses: []classify.StatusCount{{Status: "observed", Hosts: 584}, {Status: "missing", Hosts: 9}}, Open: []classify.HostStatus{{Host: "srv-17", Status: "missing", Reason: "active, never opened it"}}},
			{Flow: "acronis-abr-11.5/agent-vsphere", Service: "tcp/443", Need: "required", Occurrence: "on-demand", Hosts: 1, Summary: "1 not observed", Statuses: []classify.StatusCount{{Status: "not-observed", Hosts: 1}}},
		},
		Exceptions: []classify.ExceptionUse{{ID: "EX-1", Ticket: "CHG-1", Approver: "J. Doe", Reason: "old agent", Until: "2026-02-01", State: "used", Connections: 2}},
		Warnings:   []string{"site.yaml:12:3: role acronis-abr-11.5/console is bound, no flow uses it"},
	}
	for i := range 8 {
		a.Findings = append(a.Findings, finding(fmt.Sprintf("%016x", i), "high", "unexpected", "undocumented-service", "tcp/88", fmt.Sprintf("srv-%02d", i), fmt.Sprintf("203.0.113.%d", i%2), true))
	}
	for i := range 20 {
		f := finding(fmt.Sprintf("%016x", 100+i), "low", "unexpected", "unknown-host", fmt.Sprintf("tcp/%d", 1000+i), "srv-99", "10.0.0.9", false)
		f.Outcomes = []classify.OutcomeCount{{Outcome: "refused", Connections: 3}}
		a.Findings = append(a.Findings, f)
	}
	a.Findings = append(a.Findings, classify.Finding{ID: "ff", Kind: "expectation", Severity: "high", Verdict: "missing", Flow: "acronis-abr-11.5/agent-registers",
		Summary: "acronis-abr-11.5/agent-registers was never opened by 9 of 600 hosts", Hosts: []string{"srv-17", "srv-18"}, Decides: true})
	return a
}

func TestTableGolden(t *testing.T) {
	for _, look := range []struct {
		name string
		Look
	}{{"80", Look{Width: 80}}, {"200-all", Look{Width: 200, All: true}}, {"80-color", Look{Width: 80, Color: true}}} {
		var b bytes.Buffer
		if err := writeTable(&b, sampleAudit(), look.Look); err != nil {
			t.Fatal(err)
		}
		path := "../testdata/reports/sample-" + look.name + ".txt"
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s (-golden +got):\n%s", look.name, d)
		}
		if !look.Color {
			for line := range strings.Lines(b.String()) {
				if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); n > look.Width {
					t.Errorf("%s: %d columns: %s", look.name, n, line)
				}
			}
		}
	}
}

func TestEveryFormatReportsWriteErrors(t *testing.T) {
	for _, f := range Formats {
		if err := f.Write(fullWriter{}, sampleAudit(), Look{}); !errors.Is(err, errFull) {
			t.Errorf("%s on a full disk: %v", f.Name, err)
		}
		if err := f.Write(&bytes.Buffer{}, &classify.Audit{}, Look{}); err != nil {
			t.Errorf("%s of an empty audit: %v", f.Name, err)
		}
		if got, err := ByPath("out/audit" + f.Extension); err != nil || got.Name != f.Name {
			t.Errorf("ByPath finds %q for %s: %v", got.Name, f.Extension, err)
		}
		if got, err := ByName(f.Name); err != nil || got.Name != f.Name {
			t.Errorf("ByName(%s): %v", f.Name, err)
		}
	}
	if _, err := ByName("pdf"); err == nil {
		t.Error("an unknown format is no error")
	}
}

// TestFormatsHoldTheLedgers: whoever adds up the sums may do so in any format that has more than a list, and one that does not balance is told where the result stands.
func TestFormatsHoldTheLedgers(t *testing.T) {
	a := sampleAudit()
	a.Residuals = []string{"1204 packets read and 1203 in classes"}
	for _, f := range Formats {
		if f.Name == "json" || f.Name == "csv" || f.Name == "matrix" {
			continue
		}
		out := string(render(t, f, a, Look{}))
		for _, want := range []string{"1,204 read", "50 created", "1204 packets read and 1203 in classes"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s lacks %q", f.Name, want)
			}
		}
	}
}

var errFull = errors.New("no space left")

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 123 << 10: "123 KiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
	if number(1234567) != "1,234,567" || number(12) != "12" || plural(1, "host") != "1 host" {
		t.Error("numbers are grouped by three")
	}
}

func TestPlacesFoldsCitationsOfOneFile(t *testing.T) {
	for _, c := range []struct {
		cites []string
		all   bool
		want  string
	}{
		{[]string{"a.txt:7"}, false, "a.txt line 7"},
		{[]string{"a.txt:7-8", "b.txt:1-2", "a.txt:19"}, false, "a.txt lines 7-8, 19; b.txt lines 1-2"},
		{[]string{"a.txt:1", "a.txt:2", "a.txt:3", "a.txt:4", "a.txt:5"}, false, "a.txt lines 1, 2, 3, 4 and 1 more"},
		{[]string{"a.txt:1", "a.txt:2", "a.txt:3", "a.txt:4", "a.txt:5"}, true, "a.txt lines 1, 2, 3, 4, 5"},
		{[]string{"RFC 1035: Domain Names, 4.2"}, false, "RFC 1035: Domain Names, 4.2"},
		{nil, false, ""},
	} {
		p := &page{look: Look{All: c.all}}
		if got := strings.Join(p.places(c.cites), "; "); got != c.want {
			t.Errorf("places(%q, all %v) = %q, want %q", c.cites, c.all, got, c.want)
		}
	}
}

func TestConnectionWords(t *testing.T) {
	finding := func(established, refused uint64) *classify.Finding {
		f := &classify.Finding{Connections: established + refused}
		for _, o := range []classify.OutcomeCount{{Outcome: "established", Connections: established}, {Outcome: "refused", Connections: refused}} {
			if o.Connections > 0 {
				f.Outcomes = append(f.Outcomes, o)
			}
		}
		return f
	}
	for want, list := range map[string][]*classify.Finding{
		"":                         {finding(0, 0)},
		"1 connection established": {finding(1, 0)},
		"5 connections refused":    {finding(0, 2), finding(0, 3)},
		"5 connections: 3 established, 2 refused": {finding(1, 2), finding(2, 0)},
	} {
		if got := connectionWords(list); got != want {
			t.Errorf("connectionWords gives %q, want %q", got, want)
		}
	}
}
