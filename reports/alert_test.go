package reports

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
)

var (
	berlin    = time.FixedZone("", 3600)
	alertTime = time.Date(2026, 1, 2, 4, 30, 5, 6000, time.UTC).UnixNano()
)

// anAlert is about connections of a host that were told twice.
func anAlert() monitor.Alert {
	return monitor.Alert{ID: "3f2a91c07be4d815", Kind: monitor.KindFinding, Change: monitor.ChangeGraver, Severity: "high", Time: alertTime, Connections: 3, Bytes: 1258291, Since: alertTime - 11760e9,
		Next: "find out which program on bkp1 listens there; if it is approved: pcapaudit except AUDIT.json 3f2a91c07be4d815",
		Finding: &classify.Finding{ID: "3f2a91c07be4d815", Kind: "connection", Severity: "high", Verdict: "unexpected", Why: []string{"undocumented-service"}, Service: "tcp/9877",
			Nearest: "tcp/9877: acronis/agent-registers documents tcp/9876 between these roles", Orig: classify.EndRef{Host: "srv-17", IP: "192.0.2.17", Roles: []string{"acronis/agent"}},
			Resp: classify.EndRef{Host: "bkp1", IP: "192.0.2.9", Roles: []string{}}, Outcomes: []classify.OutcomeCount{{Outcome: "established", Connections: 1}}}}
}

func TestAlertText(t *testing.T) {
	change := func(f func(a *monitor.Alert)) monitor.Alert {
		a := anAlert()
		f(&a)
		return a
	}
	for _, c := range []struct {
		name  string
		alert monitor.Alert
		want  string
	}{
		{"finding", anAlert(), "HIGH unexpected, established, graver: srv-17 (acronis/agent) -> bkp1 tcp/9877, 3 connections since 02:14+01:00, 1.2 MiB; " +
			"acronis/agent-registers documents tcp/9876 between these roles; next: find out which program on bkp1 listens there; if it is approved: pcapaudit except AUDIT.json 3f2a91c07be4d815 [3f2a91c07be4d815]"},
		{"deviation, since yesterday", change(func(a *monitor.Alert) {
			a.Change, a.Since, a.Next = monitor.ChangeNew, alertTime-24*3600e9, ""
			f := a.Finding
			f.Verdict, f.Why, f.Nearest, f.Reason = "deviation", []string{"source-port", "encryption"}, "", "it is not encrypted"
			f.Resp = classify.EndRef{IP: "203.0.113.9", Name: "a.example", NameOrigin: "sni"}
		}), "HIGH deviation (source-port, encryption), established: srv-17 (acronis/agent) -> 203.0.113.9 (claimed to be a.example) tcp/9877, 3 connections since 2026-01-01T05:30+01:00, 1.2 MiB; it is not encrypted [3f2a91c07be4d815]"},
		{"question", change(func(a *monitor.Alert) {
			a.Severity, a.Change, a.Next = "low", monitor.ChangeNew, ""
			a.Finding.Kind, a.Finding.Verdict, a.Finding.Summary = "question", "indeterminate", "which port does x use?"
		}), "LOW indeterminate, established: which port does x use? [3f2a91c07be4d815]"},
		{"scan", monitor.Alert{ID: "00000000000000aa", Kind: monitor.KindFlood, Severity: "low", Time: alertTime, Connections: 4824, Since: alertTime - 60e9,
			Flood: &monitor.Flood{Verdict: "unexpected", From: "srv-17", Hosts: 254, Services: []string{"tcp/22", "tcp/23"}, More: true, Window: 10e9, Total: 4824,
				Outcomes: []classify.OutcomeCount{{Outcome: "refused", Connections: 12}, {Outcome: "unanswered", Connections: 4812}}}},
			"LOW scan by srv-17: 12 refused, 4,812 unanswered to 254 hosts (tcp/22, tcp/23 and more) in 10s; 4,824 connections since 05:29+01:00 [00000000000000aa]"},
		{"flood of many", monitor.Alert{Kind: monitor.KindFlood, Severity: "high", Time: alertTime, Since: alertTime,
			Flood: &monitor.Flood{Verdict: "unexpected", Origs: 4096, Hosts: 1, MoreThan: true, Services: []string{"tcp/445"}, Window: 20e9, Total: 9000,
				Outcomes: []classify.OutcomeCount{{Outcome: "established", Connections: 5000}}}},
			"HIGH flood of unexpected connections by more than 4,096 hosts: 5,000 established to more than 1 host (tcp/445) in 20s; 9,000 connections since 05:30+01:00"},
		{"missing", monitor.Alert{Kind: monitor.KindMissing, Severity: "high", Time: alertTime, Since: alertTime - 7200e9, Text: "srv-17 did not use p/update in its time (every 1h)", Next: "find out why"},
			"HIGH missing: srv-17 did not use p/update in its time (every 1h), last seen 03:30+01:00; next: find out why"},
		{"resolved", monitor.Alert{ID: "00000000000000aa", Kind: monitor.KindResolved, Severity: "info", Time: alertTime, Since: alertTime - 7200e9, Connections: 2, Text: "not seen for 1h: a opened tcp/22 on b"},
			"INFO resolved: not seen for 1h: a opened tcp/22 on b, 2 connections since 03:30+01:00 [00000000000000aa]"},
		{"hostile", monitor.Alert{Kind: monitor.KindReload, Severity: "medium", Time: alertTime, Text: "\x1b[2J\r\nHIGH fake \u202e" + strings.Repeat("x", 3000)},
			`MEDIUM reload: \x1b[2J\x0d\x0aHIGH fake \u{202e}` + strings.Repeat("x", maxAlert-len("MEDIUM reload: .[2J..HIGH fake .")) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := AlertText(&c.alert, berlin); got != c.want {
				t.Errorf("\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	a := monitor.Alert{Kind: monitor.KindHeartbeat, Severity: "info", Time: alertTime, Text: "watching"}
	if got, want := AlertLine(&a, berlin), "2026-01-02T05:30:05+01:00 INFO heartbeat: watching"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAppendAlert(t *testing.T) {
	a := anAlert()
	a.Finding.Summary, a.Next = "\x1b[1m\u202e\x7f\U0001f600 \xff é", "look\nat it"
	data, err := AppendAlert([]byte("before\n"), &a)
	if err != nil {
		t.Fatal(err)
	}
	line, ok := strings.CutPrefix(string(data), "before\n")
	if !ok || strings.Count(line, "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		t.Errorf("not one line of ASCII: %q", line)
	}
	var r struct {
		Schema, Time, Kind, Change, Severity, ID, Text, Next, Since string
		Connections, Bytes                                          uint64
		Flood                                                       map[string]any
		Finding                                                     classify.Finding
	}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	if r.Schema != AlertSchema || r.Time != "2026-01-02T04:30:05.000006000Z" || r.Since != "2026-01-02T01:14:05.000006000Z" || r.Kind != "finding" || r.Change != "graver" || r.ID != a.ID ||
		r.Connections != 3 || r.Bytes != 1258291 || r.Next != `look\x0aat it` || !strings.HasPrefix(r.Text, "HIGH unexpected") || r.Flood != nil {
		t.Errorf("%+v", r)
	}
	if want := "\x1b[1m\u202e\x7f\U0001f600 � é"; r.Finding.Summary != want {
		t.Errorf("summary %q, want %q", r.Finding.Summary, want)
	}
	a = monitor.Alert{Kind: monitor.KindFlood, Severity: "low", Flood: &monitor.Flood{Verdict: "unexpected", Window: 1500e6, Outcomes: []classify.OutcomeCount{{Outcome: "refused", Connections: 9}}}}
	if data, err = AppendAlert(nil, &a); err != nil || !strings.Contains(string(data), `"seconds":1.5`) || !strings.Contains(string(data), `"services":[]`) || strings.Contains(string(data), `"finding"`) {
		t.Errorf("%v %s", err, data)
	}
}
