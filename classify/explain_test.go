package classify

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// explainEach explains connections before they are observed: an explanation has the judgement that follows, its flows say the same, and what it changes in the site gives what it says.
func explainEach(t *testing.T, site string, list []*flow.Conn, learned string) []Explanation {
	t.Helper()
	s := set(t, site, testPack)
	var told Judgement
	a := New(s, Options{OnJudged: func(_ *flow.Conn, j Judgement) { told = j }})
	learn(t, a, learned)
	var all []Explanation
	for _, c := range list {
		e := a.Explain(c)
		a.Observe(c)
		if !reflect.DeepEqual(e.Judgement, told) {
			t.Errorf("%s is judged %+v and explained as %+v", e.Connection, told, e.Judgement)
		}
		checkDecided(t, &e)
		for _, change := range e.Changes {
			checkChange(t, site, change, c, learned)
		}
		all = append(all, e)
	}
	return all
}

func checkDecided(t *testing.T, e *Explanation) {
	t.Helper()
	for _, f := range e.Flows {
		var failed []string
		for _, c := range f.Failed {
			failed = append(failed, c.Condition)
		}
		switch {
		case f.Stand == standDecided && e.Flow != "" && f.Flow != e.Flow, f.Stand == standShared && len(failed) > 0, f.Stand == standFailed && len(failed) == 0:
			t.Errorf("%s is %s %s: %s is %s %v", e.Connection, e.Verdict, e.Flow, f.Flow, f.Stand, failed)
		case f.Stand == standDecided && e.Flow != "" && !slices.Equal(e.Why, []string{"document-silent"}) && !slices.Equal(failed, e.Why) && len(failed)+len(e.Why) > 0:
			t.Errorf("%s breaks %v, explained as %v", e.Connection, e.Why, failed)
		}
	}
	if e.Flow != "" && !slices.ContainsFunc(e.Flows, func(f ExplainedFlow) bool { return f.Stand == standDecided }) {
		t.Errorf("%s is %s by %s, and no flow decided: %+v", e.Connection, e.Verdict, e.Flow, e.Flows)
	}
}

// checkChange appends a change to a site that does not have its key yet and judges again.
func checkChange(t *testing.T, site string, change Change, c *flow.Conn, learned string) {
	t.Helper()
	text := change.YAML
	for _, key := range []string{"source", "approver", "owner", "ticket", "reason"} {
		text = strings.ReplaceAll(text, key+`: ""`, key+": somebody")
	}
	text = strings.ReplaceAll(text, `until: ""`, "until: 2029-01-01")
	for line := range strings.Lines(text) {
		if strings.Contains("\n"+site, "\n"+strings.TrimRight(line, "\n")) && !strings.HasPrefix(line, " ") {
			return // pasting takes a person
		}
	}
	changed := New(set(t, site+"\n"+text, testPack), Options{})
	learn(t, changed, learned)
	if e := changed.Explain(c); e.Verdict != change.Gives {
		t.Errorf("%s: %q gives %s, not %s:\n%s", e.Connection, change.What, e.Verdict, change.Gives, text)
	}
}

func TestExplain(t *testing.T) {
	off := `conditions: [{name: p/reverse, state: "off"}]`
	for _, c := range []struct {
		site, conn string
		want       []string // each in the explanation's text, in this order
	}{
		{"", "10.0.0.1:50000 > 10.0.0.10:9876 tcp established", []string{"documented: roles, protocol and port of p/check-in are met, and nothing known of the connection breaks its other conditions", "decided p/check-in"}},
		{"", "10.0.0.1:20000 > 10.0.0.10:9876 tcp established", []string{"deviation: roles, protocol and port of p/check-in are met, and it breaks source-port", "decided p/check-in source-port: p/check-in documents source ports 49152-65535",
			"give agent-1 the source range that is set on it at site.yaml:5"}},
		{"", "10.0.0.1:40000 > 10.0.0.10:9876 tcp established", []string{"say that the OS of agent-1 is linux"}},
		{"", "10.0.0.10:50000 > 10.0.0.1:9876 tcp established", []string{"the roles fit p/check-in in the other direction only", "decided p/check-in originator: p/check-in lets agent open to server, not the reverse", "contradicts d.txt:1-3"}},
		{"", "10.0.0.1:50000 > 10.0.0.10:9876 tcp established clear=HTTP_request_in_clear", []string{"decided p/check-in encryption: p/check-in is encrypted by default", "say that the encryption of p/check-in is switched off"}},
		{off, "10.0.0.10:50000 > 10.0.0.1:701 tcp established", []string{"condition: p/call-back applies only where reverse is on, which was not so", "turn the condition p/reverse on at site.yaml:13:"}},
		{`hours: [{flows: [p/check-in], from: "04:00", until: "05:00", zone: UTC}]`, "10.0.0.1:50000 > 10.0.0.10:9876 tcp established", []string{"hours: p/check-in ran outside the hours that the site allows (site.yaml:13:", "contradicts d.txt:1-3"}},
		{"", "10.0.0.10:50000 > 10.0.0.30:445 tcp established", []string{"indeterminate: p/store joins these roles, and its document states no port", "decided p/store port: p/store documents", "give p/store the port 445 at vault-1"}},
		{"", "10.0.0.1:50000 > 10.0.0.50:9876 tcp established", []string{"flows have this service, and none between these roles", "failed p/check-in roles: p/check-in documents it from agent to server: plain is no server", "give plain the role p/server at site.yaml:"}},
		{"", "10.0.0.1:50000 > 10.0.0.99:9876 tcp established", []string{"an end is no host of the site", "name the host 10.0.0.99 and give it the role p/server"}},
		{"", "10.0.0.1:50000 > 10.0.0.50:6666 tcp established", []string{"no flow of the chosen packs has this service", "approve it as an exception"}},
		{"", "10.0.0.1:50000 > 10.0.0.10:9877 tcp established", []string{"failed p/check-in port: p/check-in documents tcp/9876, not tcp/9877", "contradicts d.txt:1-3"}},
		{"", "10.0.0.1:50000 > 10.0.0.50:5000 tcp established", []string{"a document lists the service as traffic of the platform", "decided p/platform"}},
		{`background: [{from: plain, to: any, reason: tests}]`, "10.0.0.50:50000 > 10.0.0.10:9876 tcp established", []string{"out of scope: the site says under background: that it is out of scope (site.yaml:13:", "tests"}},
		{`exceptions: [{id: E1, from: agent-1, to: plain, owner: o, approver: a, reason: r, ticket: t, since: "2026-01-01", until: "2026-02-01"}]`, "10.0.0.1:50000 > 10.0.0.50:6666 tcp established",
			[]string{"exception E1 (site.yaml:13:", "turns that into excepted"}},
		{"", "10.0.0.1:50000 > 10.0.0.10:700 tcp established", []string{"decided p/talk"}},
		{"", "10.0.0.20:50000 > 10.0.0.10:50001 tcp established", []string{"decided p/rpc-dynamic unannounced:", "accept the dynamic range of p/rpc-dynamic without an announcement"}},
		{"", "10.0.0.10:50000 > 10.0.0.1:700 tcp established", []string{"decided p/talk"}},
		{"", "10.0.0.1:50000 > 203.0.113.70:8443 tcp established", []string{"an address that the pack documents", "decided p/report"}},
		{"", "10.0.7.9:50000 > 10.0.0.10:9876 tcp established", []string{"host entry of the site, by 10.0.7.0/24 at site.yaml:7:", "decided p/check-in"}},
	} {
		site := testSite + c.site + "\n"
		e := explainEach(t, site, conns(t, c.conn), "")[0]
		rest := explanationText(&e)
		for _, want := range c.want {
			_, after, found := strings.Cut(rest, want)
			if !found {
				t.Errorf("%s: no %q in\n%s", c.conn, want, rest)
				break
			}
			rest = after
		}
	}
}

func explanationText(e *Explanation) string {
	var b strings.Builder
	line := func(words ...string) { b.WriteString(strings.Join(words, " ") + "\n") }
	for _, end := range []ExplainedEnd{e.Orig, e.Resp} {
		line(end.Host, end.Known, "at", end.At)
		for _, r := range end.Roles {
			line(r.Role, r.By, r.At)
		}
	}
	line(e.Decided)
	line(e.Tie)
	for _, f := range e.Flows {
		words := []string{f.Stand, f.Flow}
		for _, c := range f.Failed {
			words = append(words, c.Condition+": "+c.Reason)
		}
		line(words...)
	}
	for _, c := range e.Changes {
		line(c.What, "at", c.At, c.YAML)
	}
	line("contradicts", strings.Join(e.Contradicts, " "))
	return b.String()
}

// A flow that covers the connection as well says why it did not decide.
func TestExplainTie(t *testing.T) {
	pack := strings.Replace(testPack, "conditions:", "  - {name: other, title: Other}\nconditions:", 1) +
		"  - {id: zz, title: Wide, from: [agent], to: [server], proto: tcp, ports: [9000-9999], need: optional, occurrence: on-demand, cite: [{document: d, lines: \"18\", section: s}]}\n" +
		"  - {id: aa, title: Same, from: [agent], to: [server], proto: tcp, ports: [\"9876\"], need: optional, occurrence: on-demand, cite: [{document: d, lines: \"19\", section: s}]}\n"
	for without, want := range map[string]string{"none": "p/aa before p/check-in: order of flow ids", "id: aa": "p/check-in before p/zz: its port matches as exact, the other's as range"} {
		text := ""
		for line := range strings.Lines(pack) {
			if !strings.Contains(line, without) {
				text += line
			}
		}
		e := New(set(t, testSite, text), Options{}).Explain(conns(t, "10.0.0.1:50000 > 10.0.0.10:9876 tcp established")[0])
		if e.Tie != want {
			t.Errorf("tie %q, want %q", e.Tie, want)
		}
	}
}

func TestDescribed(t *testing.T) {
	s := set(t, testSite+"  - {name: six, addresses: [10.0.0.60, \"2001:db8::60\"], os: linux}\n", testPack)
	for text, want := range map[string]string{
		"tcp 10.0.0.1:50000 > 10.0.0.10:9876":                  "tcp 10.0.0.1:50000 > 10.0.0.10:9876",
		"tcp agent-1 > server-1:9876":                          "tcp 10.0.0.1:50000 > 10.0.0.10:9876 assumed",
		"udp [2001:db8::1]:5 -> six:53":                        "udp [2001:db8::1]:5 > [2001:db8::60]:53",
		"icmp agent-1 > agent-2 8/0":                           "icmp 10.0.0.1 > 10.0.0.2 8/0",
		"icmp 10.0.0.1 > 10.0.0.2 type 3 code 1":               "icmp 10.0.0.1 > 10.0.0.2 3/1",
		"icmp 2001:db8::1 > six":                               "icmp6 2001:db8::1 > 2001:db8::60 128/0",
		"esp 10.0.0.1 > agents":                                "esp 10.0.0.1 > 10.0.7.0",
		"tcp agnt-1 > server-1:9876":                           `error "agnt-1" is no address and no host of the site; did you mean "agent-1"?`,
		"tcp 10.0.0.1:50000 > 10.0.0.10":                       `error "tcp 10.0.0.1:50000 > 10.0.0.10" has no responder port: write ADDRESS:PORT, IPv6 in brackets`,
		"tcp 10.0.0.1 10.0.0.10":                               `error "tcp 10.0.0.1 10.0.0.10" is no connection: write 'tcp 192.0.2.7:49822 > 192.0.2.9:9876'`,
		"tpc 10.0.0.1 > 10.0.0.10":                             `error unknown protocol "tpc": write tcp, udp or icmp; did you mean "tcp"?`,
		"frob 10.0.0.1 > 10.0.0.10":                            `error unknown protocol "frob": write tcp, udp or icmp`,
		"tcp 2001:db8::1 > 10.0.0.10:1":                        `error "2001:db8::1" and "10.0.0.10:1" have no addresses of one family`,
		"icmp 10.0.0.1 > 10.0.0.2 300":                         `error "300" is no ICMP type and code: write 8/0`,
		"esp 10.0.0.1:5 > 10.0.0.2":                            "error esp has no ports",
		"tcp 10.0.0.1:50000 > 10.0.0.10:9876 and more of them": `error "and more of them" behind the connection means nothing`,
	} {
		c, assumed, err := Described{Text: text, At: start}.Conn(s)
		got := ""
		switch {
		case err != nil:
			got = "error " + err.Error()
		default:
			got = connectionWords(c)
			if assumed != "" {
				got += " assumed"
			}
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
	if _, _, err := (Described{Text: "tcp 10.0.0.1:1 > 10.0.0.10:2", Encrypted: "tsl"}).Conn(s); err == nil || !strings.Contains(err.Error(), `did you mean "tls"?`) {
		t.Error(err)
	}
}

// Each status has its rule, whatever its cause.
func TestStatusRules(t *testing.T) {
	for s := range numStatuses {
		keys := []string{s.String()}
		if s == notTestable {
			keys = nil
			for _, cause := range causeNames {
				keys = append(keys, s.String()+" "+cause)
			}
		}
		for _, key := range keys {
			if statusRules[key].rule == "" || statusRules[key].needed == "" {
				t.Errorf("%q has no rule", key)
			}
		}
	}
	a := audit(t, set(t, testSite, testPack), "10.0.0.1:50000 > 10.0.0.10:9876 tcp established\n10.0.0.2:40000 > 10.0.0.20:50 tcp established", nil)
	for i := range a.Expectations {
		x := &a.Expectations[i]
		e, err := a.ExplainExpectation(x.Flow)
		if err != nil {
			t.Fatal(err)
		}
		hosts := 0
		for _, s := range e.ByStatus {
			hosts += s.Count
			if s.Rule == "" || s.Needed == "" || len(s.Hosts) != s.Count {
				t.Errorf("%s: %+v", x.Flow, s)
			}
		}
		if hosts != x.Hosts {
			t.Errorf("%s: %d hosts explained of %d", x.Flow, hosts, x.Hosts)
		}
	}
	if e, err := a.ExplainExpectation("check-in"); err != nil || e.Flow != "p/check-in" {
		t.Error(e, err)
	}
	if _, err := a.ExplainExpectation("chek-in"); err == nil {
		t.Error("an unknown flow is explained")
	}
}

// Every reason to be out of scope is worded.
func TestScopeWords(t *testing.T) {
	for w := whyOutside; w < 1<<numWhys; w <<= 1 {
		if scopeWords[w] == "" {
			t.Errorf("%v has no words", w.names())
		}
	}
}

// To explain costs nobody anything who does not ask: it leaves no trace in what is judged after it.
func TestExplainRecordsNothing(t *testing.T) {
	s := set(t, testSite, testPack)
	list := conns(t, "10.0.0.1:50000 > 10.0.0.10:9876 tcp established\n10.0.0.1:50000 > 10.0.0.10:9999 tcp established\n10.0.0.99:50000 > 10.0.0.10:9876 tcp established")
	run := func(explain bool) *Audit {
		a := New(s, Options{})
		for _, c := range list {
			for range 3 {
				if explain {
					a.Explain(c)
				}
			}
			a.Observe(c)
		}
		out, err := a.Finish(captureOf(list))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if plain, explained := run(false), run(true); !reflect.DeepEqual(plain, explained) {
		t.Errorf("explaining changes the audit: %+v, %+v", plain.Findings, explained.Findings)
	}
}
