package serve

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// start is the packet time at which these watches begin.
var start = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).UnixNano()

const testPack = `
name: p
kind: vendor
title: Product
product_version: "1"
documents: [{id: d, title: Document, date: "", file: d.txt}]
roles:
  - {name: agent, title: Agent}
  - {name: server, title: Server}
flows:
  - {id: check-in, title: Agent checks in, from: [agent], to: [server], proto: tcp, ports: ["9876"], need: required, occurrence: periodic, cite: [{document: d, lines: "1-3", section: s}]}
  - {id: update, title: Updates, from: [agent], to: [server], proto: tcp, ports: ["8530"], need: optional, occurrence: on-demand, cite: [{document: d, lines: "4", section: s}]}
`

const testSite = `
name: test
networks: [10.0.0.0/16]
hosts:
  - {name: agent-1, addresses: [10.0.0.1], os: windows, roles: [p/agent]}
  - {name: server-1, addresses: [10.0.0.10], os: windows, roles: [p/server]}
`

// hostile is a name from the wire that would like to be markup.
const hostile = `<img src=x onerror=alert(1)>.example`

// watch is a monitor in a goroutine of its own, as a capture has it, and the server that shows it.
type watch struct {
	*Server
	t       testing.TB
	url     string
	calls   chan func()
	mon     *monitor.Monitor
	now     int64
	emitted uint64
	shown   int // audits
}

// begin starts both; edit changes the options.
func begin(t testing.TB, edit func(*Options)) *watch {
	t.Helper()
	o := Options{Version: "test", Runtime: "go", Clock: time.Now}
	if edit != nil {
		edit(&o)
	}
	w := &watch{Server: New(o), t: t, calls: make(chan func()), now: start}
	p, problems := rules.LoadPackBytes("p.yaml", []byte(testPack))
	s, more := rules.LoadSiteBytes("site.yaml", []byte(testSite))
	set, last := rules.Compile([]*rules.Pack{p}, s)
	for _, problem := range append(append(problems, more...), last...) {
		if problem.Severity == rules.Error {
			t.Fatal(problem)
		}
	}
	w.mon = monitor.New(set, nil, start, monitor.Options{Tool: classify.Tool{Name: "pcapaudit", Version: "test"}, Alert: w.Alert})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	if o.TLS != nil {
		w.url = "https://" + l.Addr().String()
	}
	var done sync.WaitGroup
	ended := make(chan struct{})
	done.Go(func() {
		if err := w.Serve(l); err != nil {
			t.Error(err)
		}
	})
	done.Go(func() { w.loop(ended) })
	t.Cleanup(func() {
		close(ended)
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		w.Close(ctx)
		done.Wait()
	})
	w.do(w.publish)
	return w
}

// loop is the goroutine that watches.
func (w *watch) loop(ended chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case f := <-w.calls:
			f()
		case <-tick.C:
			w.Tick()
			if w.Asked() {
				w.audit()
			}
		case <-ended:
			return
		}
	}
}

// do has f called by that goroutine.
func (w *watch) do(f func()) {
	done := make(chan struct{})
	w.calls <- func() { f(); close(done) }
	<-done
}

func (w *watch) publish() {
	n := w.mon.Counters()
	w.Publish(&State{At: time.Now(), Packets: 9 * w.emitted, Bytes: 9000 * w.emitted, Classes: []Count{{"decoded", 9 * w.emitted}, {"non-ip", 0}}, Verdicts: []Count{{"documented", 1}, {"unexpected", w.emitted}},
		Counters: n, Status: reports.Status{Now: w.now, Since: start, Open: 3, Limit: 1 << 21, Judged: n.Connections, Findings: n.Findings, Saves: true, SavedAt: w.now,
			Interfaces: []classify.LiveInterface{w.face()}, Known: []reports.Known{{Finding: "0123456789abcdef", Who: "R. Rivera", Text: "being replaced", Until: start + int64(time.Hour)}}}})
}

func (w *watch) face() classify.LiveInterface {
	return classify.LiveInterface{Name: "eth0", State: "up", Kernel: 9 * w.emitted, Delivered: 9 * w.emitted, Monitored: w.now - start}
}

func (w *watch) audit() {
	c := classify.Capture{Inputs: []classify.Input{{Name: "eth0", State: "clean"}}, Created: w.emitted, Emitted: w.emitted, First: start, Last: w.now,
		Packets: classify.PacketLedger{Read: 9 * w.emitted, Classes: []classify.Count{{Name: "decoded", Packets: 9 * w.emitted}}}, Ends: []classify.Count{{Name: "closed", Packets: w.emitted}},
		Live: []classify.LiveInterface{w.face()}}
	a, err := w.mon.Snapshot(c)
	if err != nil {
		w.t.Error(err)
	}
	w.shown++
	w.Show(a, w.now)
}

// see has a connection to a port of server-1 judged, from agent-1, that asked for a name, "" for none.
func (w *watch) see(port uint16, name string) {
	w.do(func() { w.observe(port, name) })
}

func (w *watch) observe(port uint16, name string) {
	w.emitted++
	w.now += int64(time.Second)
	c := &flow.Conn{ID: flow.ConnID{Packet: w.emitted}, Orig: netip.MustParseAddrPort("10.0.0.1:50000"), Resp: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.10"), port), Proto: flow.TCP, KnownBy: flow.KnownByHandshake,
		First: w.now - 5e8, Last: w.now, OrigPackets: 5, RespPackets: 4, OrigBytes: 500, RespBytes: 500, Outcome: flow.Established, End: flow.EndClosed}
	if name != "" {
		c.Resp = netip.AddrPortFrom(netip.MustParseAddr("203.0.113.9"), port)
		c.Facts = []flow.Fact{{Kind: flow.FactName, Origin: flow.NameSNI, Value: name}}
	}
	w.mon.Observe(c)
	w.mon.Tick(w.now)
	w.publish()
}

// settled waits until all alerts so far can be seen.
func (w *watch) settled(alerts uint64) {
	w.t.Helper()
	w.until("the alerts are worded", func() bool {
		w.hub.mu.Lock()
		defer w.hub.mu.Unlock()
		return w.hub.next > alerts
	})
}

// until waits for something that other goroutines bring about.
func (w *watch) until(what string, holds func() bool) {
	w.t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("it never came about that %s", what)
}

// client is one that does not keep connections, nor follow redirects.
func client(config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get asks, with the changes of edit to the request, and gives status and body.
func (w *watch) get(path string, edit func(*http.Request)) (*http.Response, string) {
	w.t.Helper()
	return w.ask(client(nil), path, edit)
}

func (w *watch) ask(c *http.Client, path string, edit func(*http.Request)) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	got, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return got, string(body)
}

// wants compares a status.
func (w *watch) wants(what string, got *http.Response, code int) {
	w.t.Helper()
	if got.StatusCode != code {
		w.t.Errorf("%s: %s, want %d", what, got.Status, code)
	}
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func (w *watch) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.url[len("http://"):])
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *watch) port() string {
	_, port, err := net.SplitHostPort(w.url[len("http://"):])
	if err != nil {
		w.t.Fatal(err)
	}
	return port
}
