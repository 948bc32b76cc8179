package monitor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/rules"
)

// start is the packet time at which monitors of these tests begin: 2026-01-02 03:00 UTC, a Friday.
var start = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).UnixNano()

const (
	second = int64(time.Second)
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
)

const testPack = `
name: p
kind: vendor
title: Product
product_version: "1"
documents: [{id: d, title: Document, date: "", file: d.txt}]
roles:
  - {name: agent, title: Agent}
  - {name: server, title: Server}
  - {name: portal, title: Portal, names: [portal.example]}
flows:
  - {id: check-in, title: Agent checks in, from: [agent], to: [server], proto: tcp, ports: ["9876"], need: required, occurrence: periodic, cite: [{document: d, lines: "1-3", section: s}]}
  - {id: update, title: Updates, from: [agent], to: [server], proto: tcp, ports: ["8530"], need: optional, occurrence: on-demand, cite: [{document: d, lines: "4", section: s}]}
  - {id: report, title: Agent reports, from: [agent], to: [portal], proto: tcp, ports: ["8443"], need: optional, occurrence: on-demand, cite: [{document: d, lines: "5", section: s}]}
  - {id: ask, title: Endpoint mapper, from: [agent], to: [server], proto: tcp, ports: ["135"], need: optional, occurrence: on-demand, cite: [{document: d, lines: "6", section: s}]}
  - {id: rpc, title: RPC, from: [agent], to: [server], proto: tcp, ports: [dynamic], announced_by: rpc-endpoint-mapper, need: optional, occurrence: on-demand, cite: [{document: d, lines: "7", section: s}]}
`

const testSite = `
name: test
networks: [10.0.0.0/16]
hosts:
  - {name: agent-1, addresses: [10.0.0.1], os: windows, roles: [p/agent]}
  - {name: agent-2, addresses: [10.0.0.2], os: linux, roles: [p/agent]}
  - {name: server-1, addresses: [10.0.0.10], os: windows, roles: [p/server]}
  - {name: plain, addresses: [10.0.0.50]}
`

const hourly = testSite + `
expect:
  - {flow: p/update, every: 1h, within: 15m, reason: updates come hourly}
`

// compiled is a pack with a site.
func compiled(t testing.TB, pack, site string) *rules.Set {
	t.Helper()
	p, problems := rules.LoadPackBytes("p.yaml", []byte(pack))
	noProblem(t, problems)
	s, problems := rules.LoadSiteBytes("site.yaml", []byte(site))
	noProblem(t, problems)
	set, problems := rules.Compile([]*rules.Pack{p}, s)
	noProblem(t, problems)
	return set
}

func noProblem(t testing.TB, problems []rules.Problem) {
	t.Helper()
	for _, p := range problems {
		if p.Severity == rules.Error {
			t.Fatal(p)
		}
	}
}

// run is a monitor with a capture that balances, and the alerts that were sent.
type run struct {
	*Monitor
	t       testing.TB
	number  uint64 // of the last packet
	since   int64  // of the part
	emitted uint64
	open    []*flow.Conn
	alerts  []Alert
}

func begin(t testing.TB, set *rules.Set, o Options) *run {
	return beginAt(t, set, start, o)
}

func beginAt(t testing.TB, set *rules.Set, now int64, o Options) *run {
	r := &run{t: t, since: now}
	o.Tool = classify.Tool{Name: "pcapaudit", Version: "test"}
	o.Alert = func(a Alert) { r.alerts = append(r.alerts, a) }
	o.Open = func(f func(*flow.Conn)) {
		for _, c := range r.open {
			f(c)
		}
	}
	r.Monitor = New(set, nil, now, o)
	return r
}

// Tick ticks every half minute until a time.
func (r *run) Tick(now int64) {
	for r.now+minute/2 < now {
		r.Monitor.Tick(r.now + minute/2)
	}
	r.Monitor.Tick(now)
}

func (r *run) Due(now int64) bool {
	for r.now+minute/2 < now {
		r.Monitor.Due(r.now + minute/2)
	}
	return r.Monitor.Due(now)
}

// capture is what the capture is so far, with the open connections witnessed; cut has the next part begin.
func (r *run) capture(cut bool) classify.Capture {
	for _, o := range r.open {
		r.Witness(o)
	}
	c := r.facts()
	if cut {
		r.since, r.emitted = r.now, 0
	}
	return c
}

// checkpoint is a checkpoint of now.
func (r *run) checkpoint() []byte {
	r.t.Helper()
	s, err := r.Save(r.facts(), r.eachOpen)
	if err != nil {
		r.t.Fatal(err)
	}
	return encoded(r.t, s)
}

func encoded(t testing.TB, s *Saved) []byte {
	t.Helper()
	var data bytes.Buffer
	if err := s.Encode(&data); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func (r *run) Restore(data []byte, now int64) error {
	return r.Monitor.Restore(bytes.NewReader(data), int64(len(data)), now)
}

// envelope is a checkpoint as written.
type envelope struct {
	Schema, SHA256 string
	Content        json.RawMessage
}

// sealed is a checkpoint of some content.
func sealed(t testing.TB, content []byte) []byte {
	t.Helper()
	var data bytes.Buffer
	if err := seal(&data, func(w io.Writer) error { return write(w, content) }); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func (r *run) eachOpen(most int, f func(*flow.Conn)) {
	for _, c := range r.open[:min(len(r.open), most)] {
		f(c)
	}
}

func (r *run) facts() classify.Capture {
	c := classify.Capture{Inputs: []classify.Input{{Name: "eth0", State: "clean"}}, Created: r.emitted + uint64(len(r.open)), Open: uint64(len(r.open)), Emitted: r.emitted,
		First: r.since, Last: r.now, Packets: classify.PacketLedger{Read: 9 * r.emitted, Classes: []classify.Count{{Name: "decoded", Packets: 9 * r.emitted}}},
		Live: []classify.LiveInterface{{Name: "eth0", State: "up", Kernel: 9 * r.emitted, Delivered: 9 * r.emitted, Monitored: r.now - r.since}}}
	if r.emitted > 0 {
		c.Ends = []classify.Count{{Name: "closed", Packets: r.emitted}}
	}
	return c
}

func (r *run) endPeriod() *classify.Audit {
	r.t.Helper()
	a, err := r.EndPeriod(r.capture(true))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, text := range a.Contradictions() {
		if !strings.HasPrefix(text, "packets read, by input: ") { // what is given here does not say
			r.t.Error(text)
		}
	}
	return a
}

// see emits connections; each is a line for conn.
func (r *run) see(lines ...string) {
	r.t.Helper()
	for _, line := range lines {
		c := r.conn(line)
		r.observe(c)
	}
}

func (r *run) observe(c *flow.Conn) {
	r.emitted++
	r.Observe(c)
}

// conn reads "10.0.0.1:50000 > 10.0.0.10:9876 tcp established sni=portal.example". It lasts the second before now.
func (r *run) conn(line string) *flow.Conn {
	r.t.Helper()
	words := strings.Fields(line)
	if len(words) < 5 || words[1] != ">" {
		r.t.Fatalf("connection %q: want ORIG > RESP PROTO OUTCOME", line)
	}
	r.number++
	c := &flow.Conn{ID: flow.ConnID{Packet: r.number}, Orig: netip.MustParseAddrPort(words[0]), Resp: netip.MustParseAddrPort(words[2]), Proto: protos[words[3]], KnownBy: flow.KnownByHandshake,
		First: r.now - second, Last: r.now, OrigPackets: 5, RespPackets: 4, OrigBytes: 500, RespBytes: 500, Outcome: flow.Outcome(slices.Index(outcomes, words[4])), End: flow.EndClosed}
	if c.Proto == flow.UDP {
		c.KnownBy = flow.KnownByFirstPacket
	}
	if c.Outcome == flow.Unanswered || c.Outcome == flow.OneWay {
		c.RespPackets, c.RespBytes, c.Visibility = 0, 0, flow.OrigOnly
	}
	for _, w := range words[5:] {
		name, isName := strings.CutPrefix(w, "sni=")
		switch {
		case isName:
			c.Facts = append(c.Facts, flow.Fact{Kind: flow.FactName, Origin: flow.NameSNI, Value: name})
		case w == "guessed":
			c.KnownBy, c.Outcome = flow.KnownByPort, flow.Midstream
		default:
			r.t.Fatalf("connection %q: unknown word %q", line, w)
		}
	}
	return c
}

var (
	protos   = map[string]flow.Proto{"tcp": flow.TCP, "udp": flow.UDP}
	outcomes = []string{"seen", "established", "refused", "unanswered", "half-open", "one-sided", "partial", "midstream", "answered", "one-way"}
)

// took gives the alerts since it was last called, one a line: severity, kind, change, and what is about.
func (r *run) took() string {
	var lines []string
	for _, a := range r.alerts {
		text := a.Severity + " " + string(a.Kind)
		if a.Change != "" {
			text += " " + string(a.Change)
		}
		switch {
		case a.Finding != nil:
			text += fmt.Sprintf(": %s, %d connections", a.Finding.Summary, a.Connections)
		case a.Flood != nil:
			text += fmt.Sprintf(": %d of %q to %d", a.Connections, a.Flood.From, a.Flood.Hosts)
		default:
			text += ": " + a.Text
		}
		lines = append(lines, text)
	}
	r.alerts = nil
	return strings.Join(lines, "\n")
}

func (r *run) want(what, want string) {
	r.t.Helper()
	if got := r.took(); got != want {
		r.t.Errorf("%s: alerts\n%s\nwant\n%s", what, got, want)
	}
}

// statuses gives "agent-1 observed, agent-2 missing" of a flow.
func statuses(a *classify.Audit, ref string) string {
	for _, x := range a.Expectations {
		if x.Flow == ref {
			var list []string
			for _, h := range x.Observed {
				list = append(list, h+" observed")
			}
			for _, h := range x.Open {
				list = append(list, h.Host+" "+h.Status)
			}
			slices.Sort(list)
			return strings.Join(list, ", ")
		}
	}
	return "no such flow"
}

const (
	documented = "10.0.0.1:50000 > 10.0.0.10:9876 tcp established"
	unexpected = "10.0.0.1:50001 > 10.0.0.10:22 tcp established"
	refused    = "10.0.0.1:50001 > 10.0.0.10:22 tcp refused"
	unanswer   = "10.0.0.1:50001 > 10.0.0.10:22 tcp unanswered"
	update     = "10.0.0.1:50002 > 10.0.0.10:8530 tcp established"
	update2    = "10.0.0.2:50002 > 10.0.0.10:8530 tcp established"
)
