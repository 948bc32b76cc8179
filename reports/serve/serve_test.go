package serve

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pcapaudit/classify"
	"pcapaudit/reports"
)

func TestPaths(t *testing.T) {
	w := begin(t, nil)
	w.see(9876, "")
	w.see(22, "")
	w.settled(1)
	for path, want := range map[string]struct {
		code int
		kind string
		text string
	}{
		"/":                     {200, "text/html; charset=utf-8", "agent-1 opened tcp/22 on server-1"},
		"/status.js":            {200, "text/javascript; charset=utf-8", "EventSource"},
		"/metrics":              {200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "pcapaudit_build_info"},
		"/healthz":              {200, "text/plain; charset=utf-8", "ok\n"},
		"/readyz":               {200, "text/plain; charset=utf-8", "ok\n"},
		"/api/audit":            {200, "application/json; charset=utf-8", classify.Schema},
		"/api/findings":         {200, "application/x-ndjson", reports.AlertSchema},
		"/debug/pprof/":         {404, "text/plain; charset=utf-8", ""},
		"/api/":                 {404, "text/plain; charset=utf-8", ""},
		"/api":                  {404, "text/plain; charset=utf-8", ""},
		"//":                    {404, "text/plain; charset=utf-8", ""},
		"/..%2fetc/passwd":      {404, "text/plain; charset=utf-8", ""},
		"/../healthz":           {404, "text/plain; charset=utf-8", ""},
		"/healthz/":             {404, "text/plain; charset=utf-8", ""},
		"/<script>alert(1)":     {404, "text/plain; charset=utf-8", "no such page\n"},
		"/api/findings?since=x": {410, "text/plain; charset=utf-8", "api/audit"},
	} {
		got, body := w.get(path, nil)
		if got.StatusCode != want.code || got.Header.Get("Content-Type") != want.kind || !strings.Contains(body, want.text) {
			t.Errorf("%s: %s, %q, %.200q; want %+v", path, got.Status, got.Header.Get("Content-Type"), body, want)
		}
		for name, value := range map[string]string{"Content-Security-Policy": reports.StatusPolicy(), "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "", "Location": ""} {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", path, name, got.Header.Get(name), value)
			}
		}
		head, body := w.get(path, func(r *http.Request) { r.Method = http.MethodHead })
		if head.StatusCode != want.code && path != "/api/findings?since=x" || body != "" {
			t.Errorf("HEAD %s: %s, %.200q", path, head.Status, body)
		}
	}
}

func TestMethods(t *testing.T) {
	w := begin(t, nil)
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"} {
		got, _ := w.get("/healthz", func(r *http.Request) { r.Method = method })
		w.wants(method, got, http.StatusMethodNotAllowed)
		if got.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", method, got.Header.Get("Allow"))
		}
	}
	c := w.dial()
	defer c.Close()
	fmt.Fprintf(c, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if line, _ := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, "405") {
		t.Errorf("OPTIONS *: %q", line)
	}
	got, _ := w.get("/healthz", func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
	})
	w.wants("a body", got, http.StatusRequestEntityTooLarge)
	got, _ = w.get("/healthz", func(r *http.Request) {
		r.Body, r.TransferEncoding = io.NopCloser(strings.NewReader("x")), []string{"chunked"}
	})
	w.wants("a chunked body", got, http.StatusRequestEntityTooLarge)
}

// TestHosts asks by names: one that somebody else has resolved to this address is refused, for every path.
func TestHosts(t *testing.T) {
	w := begin(t, func(o *Options) { o.Hosts = []string{"Watch.Example."} })
	for name, code := range map[string]int{
		"localhost": 200, "LOCALHOST:" + w.port(): 200, "localhost.": 200, "127.0.0.1": 200, "127.0.0.1:1": 200, "watch.example": 200, "watch.example:443": 200,
		"evil.example": 421, "evil.example:" + w.port(): 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "127.0.0.2": 421, "0.0.0.0": 421, "[::1]": 421, "2130706433": 421, "0x7f.1": 421, "watch.example.evil": 421,
		"[::ffff:127.0.0.1]": 200,
	} {
		for _, path := range []string{"/healthz", "/status.js", "/nothing"} {
			got, _ := w.get(path, host(name))
			want := code
			if code == 200 && path == "/nothing" {
				want = 404
			}
			w.wants(name+" "+path, got, want)
		}
	}
	for _, request := range []string{"GET /healthz HTTP/1.0\r\n\r\n", "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
		c := w.dial()
		fmt.Fprint(c, request)
		if line, _ := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, "421") {
			t.Errorf("%q: %q", request, line)
		}
		c.Close()
	}
}

func TestOtherSitesAskInVain(t *testing.T) {
	w := begin(t, nil)
	for _, c := range []struct {
		site, mode string
		code       int
	}{{"cross-site", "no-cors", 403}, {"cross-site", "cors", 403}, {"same-site", "cors", 403}, {"cross-site", "navigate", 200}, {"same-origin", "cors", 200}, {"none", "navigate", 200}} {
		got, _ := w.get("/healthz", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", c.site)
			r.Header.Set("Sec-Fetch-Mode", c.mode)
		})
		w.wants(c.site+" "+c.mode, got, c.code)
	}
}

// TestHeaderLimit sends heads around the limit, and one of a gigabyte, which is not taken.
func TestHeaderLimit(t *testing.T) {
	w := begin(t, nil)
	for size, code := range map[int]int{maxHeader - 200: 200, maxHeader + 200: 431, 1 << 20: 431} {
		c := w.dial()
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-A: %s\r\n\r\n", strings.Repeat("a", size-70))
		if line, _ := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, fmt.Sprint(code)) && line != "" {
			t.Errorf("a head of %d bytes: %q, want %d", size, line, code)
		}
		c.Close()
	}
	c := w.dial()
	defer c.Close()
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ")
	block, sent := bytes.Repeat([]byte("a"), 1<<16), 0
	for sent < 1<<30 {
		n, err := c.Write(block)
		sent += n
		if err != nil {
			break
		}
	}
	if sent > 32<<20 {
		t.Errorf("%d bytes of a head were taken", sent)
	}
	got, _ := w.get("/healthz", nil)
	w.wants("afterwards", got, 200)
}

// TestIdleConnections opens far more than may be open: those beyond the limit are closed, and the ones before go on.
func TestIdleConnections(t *testing.T) {
	many := 10_000
	if testing.Short() {
		many = 1_000
	}
	w := begin(t, nil)
	first := &http.Client{}
	if got, _ := w.ask(first, "/healthz", nil); got.StatusCode != 200 {
		t.Fatal(got.Status)
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range many {
		c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Skipf("this machine does not let a process have %d connections: %v", many, err)
		}
		open = append(open, c)
	}
	w.until("the others are refused", func() bool { return w.turned.Load() == uint64(many-MaxConnections+1) })
	got, _ := w.ask(first, "/healthz", nil)
	w.wants("the first client", got, 200)
	if n := w.Server.open.Load(); n != MaxConnections {
		t.Errorf("%d connections are open", n)
	}
	for _, c := range open {
		c.Close()
	}
	w.until("there is room again", func() bool { return w.Server.open.Load() <= 1 })
	got, _ = w.get("/healthz", nil)
	w.wants("a new client", got, 200)
}

// reader reads server-sent events.
type reader struct {
	*bufio.Scanner
	body io.Closer
}

func (w *watch) stream(last string) *reader {
	w.t.Helper()
	r, _ := http.NewRequest(http.MethodGet, w.url+"/events", nil)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	got, err := client(nil).Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.wants("a stream", got, 200)
	w.t.Cleanup(func() { got.Body.Close() })
	return &reader{bufio.NewScanner(got.Body), got.Body}
}

// next gives the next event of a kind.
func (r *reader) next(t *testing.T, kind string) (id, data string) {
	t.Helper()
	event := ""
	for r.Scan() {
		name, value, _ := strings.Cut(r.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if event == kind {
				return id, data
			}
			event = ""
		}
	}
	t.Fatalf("the stream ended before an event %q: %v", kind, r.Err())
	return "", ""
}

func TestEvents(t *testing.T) {
	w := begin(t, nil)
	s := w.stream("")
	if _, data := s.next(t, "status"); !strings.Contains(data, `{"key":"open","text":"3","bad":false}`) {
		t.Errorf("status: %s", data)
	}
	w.see(22, "")
	id, data := s.next(t, "alert")
	var e reports.Event
	if err := json.Unmarshal([]byte(data), &e); err != nil || e.ID != id || e.Kind != "finding" || !strings.Contains(e.Text, "agent-1 (p/agent) -> server-1 (p/server) tcp/22") {
		t.Errorf("%s: %v, %+v", data, err, e)
	}
	w.see(443, hostile)
	second, data := s.next(t, "alert")
	if strings.Contains(data, "<img") || !strings.Contains(data, `\u003cimg`) {
		t.Errorf("a hostile name: %s", data)
	}
	if got, _ := w.stream(id).next(t, "alert"); got != second {
		t.Errorf("after %s comes %s, want %s", id, got, second)
	}
	if got, _ := w.stream("of-another-run").next(t, "alert"); got != id {
		t.Errorf("after an unknown event comes %s, want %s", got, id)
	}
	_, body := w.get("/api/findings?since="+id, nil)
	if strings.Count(body, "\n") != 1 || !strings.Contains(body, `"event":"`+second+`"`) {
		t.Errorf("since %s: %s", id, body)
	}
	_, body = w.get("/api/findings?since="+second, nil)
	if body != "" {
		t.Errorf("since the last: %s", body)
	}
}

func TestStreamsAreFew(t *testing.T) {
	w := begin(t, nil)
	var open []*reader
	for range MaxStreams {
		open = append(open, w.stream(""))
	}
	got, _ := w.get("/events", nil)
	w.wants("one more stream", got, http.StatusServiceUnavailable)
	open[0].body.Close()
	w.until("the stream is gone", func() bool { return w.hub.count() < MaxStreams })
	w.stream("").next(t, "status")
}

// TestSlowReaderIsDropped has a client that reads nothing: it is given up, which is counted, and others get everything.
func TestSlowReaderIsDropped(t *testing.T) {
	w := begin(t, nil)
	slow := w.dial()
	defer slow.Close()
	slow.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprint(slow, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	w.until("the stream has begun", func() bool { return w.hub.count() == 1 })
	long := strings.Repeat("x", 300) + ".example"
	port := uint16(1)
	w.until("the slow reader is given up", func() bool {
		w.do(func() {
			for range 200 {
				port++
				w.observe(port, long)
				w.now += int64(time.Minute) // so that no flood folds them
				w.mon.Tick(w.now)
			}
		})
		return w.hub.count() == 0
	})
	s := w.stream("")
	if _, data := s.next(t, "alert"); data == "" {
		t.Error("another reader gets nothing")
	}
}

func TestHealth(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := New(Options{Clock: clock})
	ask := func(path string) int {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		return w.Code
	}
	wants := func(what string, health, ready int) {
		t.Helper()
		if h, r := ask("/healthz"), ask("/readyz"); h != health || r != ready {
			t.Errorf("%s: healthz %d, readyz %d, want %d, %d", what, h, r, health, ready)
		}
	}
	wants("before anything was published", 503, 503)
	state := &State{At: now}
	state.Status.Interfaces = []classify.LiveInterface{{Name: "eth0", State: "up"}, {Name: "eth1", State: "down"}}
	s.Publish(state)
	wants("an interface is down", 200, 503)
	state = &State{At: now}
	state.Status.Interfaces = []classify.LiveInterface{{Name: "eth0", State: "up"}}
	s.Publish(state)
	wants("all are up", 200, 200)
	mu.Lock()
	now = now.Add(aliveAfter)
	mu.Unlock()
	wants("the loop stands", 503, 503)
	s.Tick()
	wants("it goes on", 200, 200)
}

// TestAuditIsOfNow takes the audit twice: what was judged between them is in the second.
func TestAuditIsOfNow(t *testing.T) {
	w := begin(t, nil)
	w.see(22, "")
	_, body := w.get("/api/audit", nil)
	a, _, err := classify.Load(strings.NewReader(body))
	if err != nil || len(a.Findings) != 2 || a.Connections.Emitted != 1 {
		t.Fatalf("%v, %+v", err, a)
	}
	w.Server.audit.Store(nil)
	w.see(23, "")
	_, body = w.get("/api/audit", nil)
	if a, _, err = classify.Load(strings.NewReader(body)); err != nil || a.Connections.Emitted != 2 {
		t.Errorf("%v, %d connections", err, a.Connections.Emitted)
	}
	for range 5 {
		w.get("/", nil)
	}
	if w.do(func() {}); w.shown != 2 {
		t.Errorf("%d audits were made for seven requests", w.shown)
	}
}

// TestAuditDeclined has no new audit made: the last one is shown, and why.
func TestAuditDeclined(t *testing.T) {
	s := New(Options{Clock: time.Now})
	go s.hub.run()
	defer s.hub.close()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case <-ended:
				return
			default:
				if s.Asked() {
					s.Decline("Too many packets come.")
				}
				time.Sleep(time.Millisecond)
			}
		}
	}()
	ask := func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		return w
	}
	if w := ask("/api/audit"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("no audit: %d", w.Code)
	}
	if w := ask("/"); !strings.Contains(w.Body.String(), "Too many packets come.") {
		t.Errorf("the page does not say why: %s", w.Body)
	}
	s.audit.Store(&shown{audit: &classify.Audit{Schema: classify.Schema}, when: start})
	if w := ask("/"); !strings.Contains(w.Body.String(), "Too many packets come.") || !strings.Contains(w.Body.String(), "2026-01-02 03:00:00") {
		t.Errorf("the page does not show the last audit, and why: %s", w.Body)
	}
}

// address finds what no label may hold.
var address = regexp.MustCompile(`\d{1,3}(\.\d{1,3}){3}|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,}|agent-1|server-1|\.example`)

func TestMetrics(t *testing.T) {
	w := begin(t, nil)
	for port := range 40 {
		w.see(uint16(20+port), map[bool]string{true: hostile}[port%2 == 0])
	}
	w.get("/nothing", nil)
	_, body := w.get("/metrics", nil)
	for _, line := range strings.Split(body, "\n") {
		if found := address.FindString(line); found != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "go_") {
			t.Errorf("%q is in %q", found, line)
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for name, f := range families {
		if strings.HasPrefix(name, "pcapaudit_") {
			series += len(f.Metric)
		}
	}
	if series > 80 {
		t.Errorf("%d series for one interface", series)
	}
	for name, want := range map[string]float64{"kernel_packets_total": 360, "delivered_packets_total": 360, "dropped_packets_total": 0, "interface_up": 1, "blind_seconds_total": 0, "connections_open": 3,
		"connections_limit": 1 << 21, "checkpoint_age_seconds": 0, "rules_reload_ok": 1, "acknowledgements_reload_ok": 1, "acknowledgements": 1, "build_info": 1, "findings_open": 8, "http_streams": 0} {
		f := families["pcapaudit_"+name]
		if f == nil {
			t.Errorf("%s is not there", name)
			continue
		}
		if m := f.Metric[0]; m.GetGauge().GetValue()+m.GetCounter().GetValue() != want {
			t.Errorf("%s is %v, want %v", name, m, want)
		}
	}
	for _, want := range []string{`pcapaudit_packets_total{class="decoded"} 360`, `pcapaudit_connections_judged_total{verdict="unexpected"} 40`, `pcapaudit_alerts_total{kind="flood"}`, `pcapaudit_http_answers_total{status="4xx"} 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// TestMetricsDoNotGrow holds that more hosts, ports and names are no more series.
func TestMetricsDoNotGrow(t *testing.T) {
	count := func(conns int) int {
		w := begin(t, nil)
		for i := range conns {
			w.see(uint16(1000+i), fmt.Sprintf("h%d.example", i))
		}
		_, body := w.get("/metrics", nil)
		return len(regexp.MustCompile(`(?m)^pcapaudit_`).FindAllString(body, -1))
	}
	if few, many := count(1), count(300); few != many {
		t.Errorf("%d series with one connection, %d with 300", few, many)
	}
}

// pair makes a certificate for 127.0.0.1 and for clients, signed by an authority, by itself for nil.
func pair(t *testing.T, by *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: by == nil}
	parent, signer := c, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestToken(t *testing.T) {
	const token = "0123456789abcdef0123456789abcdef"
	ca := pair(t, nil)
	mine := pair(t, &ca)
	w := begin(t, func(o *Options) {
		o.Token, o.TLS = []byte(token), &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{mine}}
	})
	roots := x509.NewCertPool()
	roots.AddCert(ca.Leaf)
	c := client(&tls.Config{RootCAs: roots})
	for _, path := range []string{"/", "/events", "/metrics", "/healthz", "/api/audit", "/api/findings", "/status.js", "/nothing"} {
		got, body := w.ask(c, path, nil)
		w.wants("no token "+path, got, http.StatusUnauthorized)
		if len(got.Header.Values("WWW-Authenticate")) != 2 || body != "Unauthorized\n" {
			t.Errorf("%s: %q, %q", path, got.Header.Values("WWW-Authenticate"), body)
		}
	}
	for what, edit := range map[string]func(*http.Request){
		"another token": header("Authorization", "Bearer "+strings.Repeat("x", 32)), "an empty one": header("Authorization", "Bearer "), "its beginning": header("Authorization", "Bearer "+token[:31]),
		"a scheme": header("Authorization", "Digest "+token), "the user": func(r *http.Request) { r.SetBasicAuth(token, "") },
	} {
		got, _ := w.ask(c, "/healthz", edit)
		w.wants(what, got, http.StatusUnauthorized)
	}
	got, _ := w.ask(c, "/healthz", header("Authorization", "Bearer "+token))
	w.wants("the token", got, 200)
	got, _ = w.ask(c, "/healthz", func(r *http.Request) { r.SetBasicAuth("anybody", token) })
	w.wants("the token as password", got, 200)
	if got.ProtoMajor != 1 || got.TLS.Version != tls.VersionTLS13 {
		t.Errorf("%s over TLS %x", got.Proto, got.TLS.Version)
	}
	_, err := client(&tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12}).Get(w.url + "/healthz")
	if err == nil {
		t.Error("TLS 1.2 is spoken")
	}
}

func TestClientCertificates(t *testing.T) {
	ca, other := pair(t, nil), pair(t, nil)
	mine, theirs, strange := pair(t, &ca), pair(t, &ca), pair(t, &other)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Leaf)
	w := begin(t, func(o *Options) {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{mine}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}
	})
	got, _ := w.ask(client(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{theirs}}), "/healthz", nil)
	w.wants("a client with a certificate", got, 200)
	for what, certs := range map[string][]tls.Certificate{"none": nil, "a strange one": {strange}} {
		if got, err := client(&tls.Config{RootCAs: roots, Certificates: certs}).Get(w.url + "/healthz"); err == nil {
			t.Errorf("with %s: %s", what, got.Status)
		}
	}
}

// TestAllAtOnce asks for everything while connections are judged; it is for the race detector.
func TestAllAtOnce(t *testing.T) {
	w := begin(t, nil)
	var done sync.WaitGroup
	for _, path := range []string{"/", "/metrics", "/api/audit", "/api/findings", "/readyz"} {
		done.Go(func() {
			for range 15 {
				if a := w.Server.audit.Load(); a != nil && path == "/" {
					w.Server.audit.CompareAndSwap(a, nil)
				}
				got, _ := w.get(path, nil)
				if got.StatusCode != 200 {
					t.Errorf("%s: %s", path, got.Status)
				}
			}
		})
	}
	for i := range 100 {
		w.see(uint16(i), "")
	}
	done.Wait()
}
